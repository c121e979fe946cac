/** Sums over shards that workers compute. */
import { randomBytes } from 'node:crypto';
import { addGradients, addVectors, type GradientSum, type ShardSums } from '../curvature/shard-sums.js';
import { concatenated } from '../programs/evaluation.js';
import { type ShardRange, sumAlongTree } from '../programs/shards.js';
import { type Dispatcher, openDispatcher, type RemoteProblem } from './dispatcher.js';
import { runKeys } from './keys.js';
import type { JobTemplate, Part } from './operation.js';
import type { RunPatience } from './run.js';
import type { Server } from './server.js';

/** Sums over shards by workers. */
export interface RemoteSums {
  sums: ShardSums;
  facts(): ReturnType<Dispatcher['facts']>;
  /** Removes all that is at the server. */
  close(): Promise<void>;
}

function inFloat32(values: Float32Array | Float64Array): Float32Array {
  return values instanceof Float32Array ? values : new Float32Array(values);
}

/**
 * Announces a run at a server and hands its sums out to the workers that come.
 *
 * @param note told what is worth a line
 * @param patience left out: a look a second, a line a minute, ten minutes in all
 */
export async function openRemoteSums(
  server: Server,
  problem: RemoteProblem,
  note: (message: string) => void,
  patience?: RunPatience,
): Promise<RemoteSums> {
  const { description, trained, examplesIn, outputs } = problem;
  const { shards, dimension } = description;
  const keys = runKeys(randomBytes(8).toString('hex'));
  const dispatcher = await openDispatcher(server, keys, problem, note, patience);
  const whole = { start: 0, end: shards };

  /** What workers have of a sum over all shards, by nodes: outputs in parts, all else whole. */
  const perform = async (
    job: JobTemplate,
    inputs: readonly Float32Array[],
    lengths: (node: ShardRange) => number[],
    onPart: (node: ShardRange) => void = () => {},
  ): Promise<(node: ShardRange) => Promise<Part> | null> => {
    const parts = await dispatcher.perform(job, inputs, lengths, onPart);
    const found = new Map(parts.map((part) => [`${part.node.start}-${part.node.end}`, part]));
    return ({ start, end }) => {
      const part = found.get(`${start}-${end}`);
      return part === undefined ? null : Promise.resolve(part);
    };
  };
  const weightsOf = (weights: Float32Array | Float64Array): Float32Array[] =>
    weights === trained ? [] : [inFloat32(weights)];
  const requireWhole = ({ start, end }: ShardRange): void => {
    if (start !== 0 || end !== shards) {
      throw new RangeError('workers compute sums over all shards');
    }
  };

  const sums: ShardSums = {
    shards,
    outputs: async (set, weights, node, onExamples = () => {}) => {
      requireWhole(node);
      let done = 0;
      const partOf = await perform(
        { kind: 'outputs', set },
        weightsOf(weights),
        (part) => [examplesIn(set, part), examplesIn(set, part) * outputs],
        (part) => {
          done += examplesIn(set, part);
          onExamples(done);
        },
      );
      const both = await sumAlongTree(
        whole,
        (part) => partOf(part)?.then(({ vectors }) => [vectors]) ?? null,
        (left, right) => [...left, ...right],
      );
      return {
        losses: concatenated(both.map(([losses]) => losses)),
        logits: concatenated(both.map(([, logits]) => logits)),
      };
    },
    gradient: async (weights, node) => {
      requireWhole(node);
      const partOf = await perform({ kind: 'gradient' }, weightsOf(weights), () => [dimension]);
      const asGradient = ({ loss, vectors: [gradient] }: Part): GradientSum => ({ loss, gradient });
      return sumAlongTree(whole, (part) => partOf(part)?.then(asGradient) ?? null, addGradients);
    },
    products: async (vectors, node) => {
      requireWhole(node);
      const partOf = await perform({ kind: 'products' }, vectors.map(inFloat32), () =>
        vectors.map(() => dimension),
      );
      return sumAlongTree(whole, (part) => partOf(part)?.then((sum) => sum.vectors) ?? null, addVectors);
    },
  };
  return { sums, facts: dispatcher.facts, close: dispatcher.close };
}
