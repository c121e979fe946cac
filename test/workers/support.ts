/** A Redis server of the test's own, and workers in this process on sums that cost nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { type OwnRedis, openRedis } from '../../bench/redis-server.js';
import { addGradients, addVectors, type ShardSums } from '../../src/curvature/shard-sums.js';
import { type ShardRange, shardBounds, sumAlongTree } from '../../src/programs/shards.js';
import type { RemoteProblem } from '../../src/workers/dispatcher.js';
import { PROTOCOL, type RunDescription } from '../../src/workers/messages.js';
import { openRemoteSums, type RemoteSums } from '../../src/workers/remote-sums.js';
import type { RunPatience } from '../../src/workers/run.js';
import { type ServeOptions, serve } from '../../src/workers/serve.js';
import { connectServer } from '../../src/workers/server.js';
import { firstShard } from '../../src/workers/shard-check.js';

/** A server of the test's own, ended after it. */
export async function startRedis(...options: string[]): Promise<OwnRedis> {
  const redis = await openRedis(...options);
  onTestFinished(redis.close);
  return redis;
}

export const DIMENSION = 50;
export const OUTPUTS = 3;
export const EXAMPLES = 40;
export const trained = Float32Array.from({ length: DIMENSION }, (_, i) => Math.sin(i));

export interface SumsOptions {
  shards: number;
  /** Factor on all that is computed: what another arithmetic does. */
  scale?: number;
  /** Called before every sum; what it waits for delays that. */
  before?: (node: ShardRange) => Promise<void>;
}

/** Sums whose bits depend on the order in which they are added. */
export function testSums({ shards, scale = 1, before = async () => {} }: SumsOptions): ShardSums {
  const values = (weights: ArrayLike<number>, { start }: ShardRange, factor: number): Float32Array =>
    Float32Array.from(weights, (weight, i) => scale * factor * weight * Math.sin(1 + start + i));
  const ifShard =
    <Sum>(compute: (node: ShardRange) => Sum) =>
    (node: ShardRange): Promise<Sum> | null =>
      node.end - node.start === 1 ? Promise.resolve(compute(node)) : null;
  return {
    shards,
    outputs: async (_set, weights, node) => {
      await before(node);
      const bounds = shardBounds(EXAMPLES, shards);
      const examples = Array.from(
        { length: bounds[node.end] - bounds[node.start] },
        (_, i) => i + bounds[node.start],
      );
      return {
        losses: Float32Array.from(examples, (i) => scale * weights[i % DIMENSION] * Math.cos(i)),
        logits: Float32Array.from(examples.flatMap((i) => [i, scale * weights[0], 2 * i])),
      };
    },
    gradient: async (weights, node) => {
      await before(node);
      const leaf = ifShard((shard) => ({
        loss: scale / (3 + shard.start),
        gradient: values(weights, shard, 3),
      }));
      return sumAlongTree(node, leaf, addGradients);
    },
    products: async (vectors, node) => {
      await before(node);
      const leaf = ifShard((shard) => vectors.map((vector) => values(vector, shard, 1 / 3)));
      return sumAlongTree(node, leaf, addVectors);
    },
  };
}

/** A description of a run, as an analysis gives it. */
export function description(
  shards: number,
  changes: Partial<RunDescription> = {},
): Omit<RunDescription, 'reference'> {
  return {
    protocol: PROTOCOL,
    version: '0.1.0',
    model: { path: 'models/small/model.json', weights: null, sha256: '0'.repeat(64) },
    data: { path: 'data', sha256: '1'.repeat(64) },
    problem: {
      ...{
        labelColumn: null,
        layout: null,
        normalize: null,
        loss: 'auto',
        examples: 'all',
        sample: 'random',
      },
      ...{
        testExamples: 'all',
        epsilon: { rule: 'batch-std' },
        epsilonExamples: 'all',
        curvature: 'hessian',
      },
      ...{ include: [], exclude: [], seed: 0 },
    },
    shards,
    dimension: DIMENSION,
    arithmetic: { batchSize: 16, program: 'folded' },
    backend: 'onnx',
    threads: 2,
    allowDrift: false,
    ...changes,
  };
}

/** So that tests need not wait. */
const PATIENCE: RunPatience = { look: 0.1, silence: 60, lost: 600 };

/** An analysis' side of a run; closed after the test. */
export async function openRun(
  url: string,
  shards: number,
  changes: Partial<RunDescription> = {},
  patience: Partial<RunPatience> = {},
): Promise<RemoteSums & { notes: string[] }> {
  const server = await connectServer(url);
  const notes: string[] = [];
  const problem: RemoteProblem = {
    description: description(shards, changes),
    reference: await firstShard(testSums({ shards }), trained),
    trained,
    outputs: OUTPUTS,
    examplesIn: (_set, { start, end }) => {
      const bounds = shardBounds(EXAMPLES, shards);
      return bounds[end] - bounds[start];
    },
  };
  const remote = await openRemoteSums(server, problem, (note) => notes.push(note), {
    ...PATIENCE,
    ...patience,
  });
  onTestFinished(async () => {
    await remote.close();
    server.close();
  });
  return { ...remote, notes };
}

/** A worker in this process; ended after the test. */
export async function startWorker(
  url: string,
  sums: SumsOptions,
  withRun?: ServeOptions['withRun'],
  quietSeconds?: number,
): Promise<{ notes: string[]; stop(): Promise<void> }> {
  const server = await connectServer(url);
  const notes: string[] = [];
  const stopping = new AbortController();
  const served = serve(server, {
    withRun: withRun ?? ((_, use) => use({ sums: testSums(sums), trained, backend: 'test' })),
    note: (note) => notes.push(note),
    signal: stopping.signal,
    lookSeconds: PATIENCE.look,
    quietSeconds,
  });
  const stop = async (): Promise<void> => {
    stopping.abort();
    await Promise.race([served, sleep(1500)]);
    server.close();
  };
  onTestFinished(stop);
  return { notes, stop };
}

/** All that an analysis asks for. */
export async function results(sums: ShardSums) {
  const all = { start: 0, end: sums.shards };
  const vectors = [1, 2].map((seed) => Float32Array.from(trained, (_, i) => Math.cos(seed * i)));
  // As float32 numbers: programs take no others.
  const other = Float64Array.from(trained, (weight) => Math.fround(weight / 3));
  return {
    outputs: await sums.outputs('train', trained, all),
    moved: await sums.outputs('test', other, all),
    gradient: await sums.gradient(trained, all),
    products: await sums.products(vectors, all),
  };
}

/** Waits until something is so, for 20 seconds at most. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > end) {
      throw new Error('waited for 20 s in vain');
    }
    await sleep(20);
  }
}
