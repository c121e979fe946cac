/** What an analysis needs of its examples, as sums over nodes of the tree of shards (`programs/shards.ts`). */
import { setImmediate } from 'node:timers/promises';
import type { PreparedProgram } from '../compute/executor.js';
import type { Batches } from '../programs/batches.js';
import type { ExampleOutputs, LossEvaluator } from '../programs/evaluation.js';
import { addInFloat32, type ShardRange, sumAlongTree } from '../programs/shards.js';
import { gradientSums, type LossProblem, type ProductSums } from './products.js';

/** Sets of examples, each cut into the same number of shards. */
export const EXAMPLE_SETS = ['train', 'epsilonTrain', 'test'] as const;
export type ExampleSet = (typeof EXAMPLE_SETS)[number];

/** Loss and gradient summed over training examples. */
export interface GradientSum {
  loss: number;
  gradient: Float32Array;
}

/**
 * Computes sums over nodes of the tree of shards; what is asked for must be such a node.
 *
 * A shard is summed in float64 and rounded to float32, and so is every sum of two nodes: the vectors are as large as
 * float32 ones wherever they are handed over, half the traffic of float64, and no bit depends on where that is. What
 * is lost is below what the float32 programs lose in every batch.
 */
export interface ShardSums {
  readonly shards: number;
  /** What a forward pass gives for every example, in order. */
  outputs(
    set: ExampleSet,
    weights: Float32Array | Float64Array,
    node: ShardRange,
    onExamples?: (done: number) => void,
  ): Promise<ExampleOutputs>;
  gradient(weights: Float32Array | Float64Array, node: ShardRange): Promise<GradientSum>;
  /** Products of the curvature of the summed loss, at the trained weights, with vectors. */
  products(vectors: readonly (Float32Array | Float64Array)[], node: ShardRange): Promise<Float32Array[]>;
}

/** What sums over shards are computed with in this process. */
export interface LocalSums {
  /** Its batches are those of `sets.train`. */
  problem: LossProblem;
  sets: Readonly<Record<ExampleSet, Batches | null>>;
  evaluator: LossEvaluator;
  /** `gradientProgram`, prepared. */
  gradientProgram: PreparedProgram;
  products: ProductSums;
}

/** The same batches; other work of the process gets its turn between them. */
export function inTurns(batches: Batches): Batches {
  return {
    ...batches,
    forEach: (visit, range) =>
      batches.forEach(async (batch, index) => {
        await visit(batch, index);
        await setImmediate();
      }, range),
  };
}

/** Two gradients as one; changes the first. */
export function addGradients(left: GradientSum, right: GradientSum): GradientSum {
  return { loss: left.loss + right.loss, gradient: addInFloat32(left.gradient, right.gradient) };
}

/** As many vectors as there are in both; changes the first ones. */
export function addVectors(left: Float32Array[], right: Float32Array[]): Float32Array[] {
  return left.map((vector, i) => addInFloat32(vector, right[i]));
}

/** Sums over shards, computed in this process. */
export function localShardSums({
  problem,
  sets,
  evaluator,
  gradientProgram,
  products,
}: LocalSums): ShardSums {
  /** A node that is a single shard, by what computes one; null for others. */
  const ifShard =
    <Sum>(compute: (shard: ShardRange) => Promise<Sum>) =>
    (node: ShardRange): Promise<Sum> | null =>
      node.end - node.start === 1 ? compute(node) : null;
  return {
    shards: problem.batches.shards,
    outputs: (set, weights, node, onExamples) => {
      const batches = sets[set];
      if (batches === null) {
        throw new RangeError(`there are no examples for ${set}`);
      }
      return evaluator.outputs(batches, weights, node, onExamples);
    },
    gradient: async (weights, node) => {
      const sums = await gradientSums(problem, gradientProgram);
      try {
        const partOf = ifShard(async (shard) => {
          const { loss, gradient } = await sums.over(weights, shard);
          return { loss, gradient: new Float32Array(gradient) };
        });
        return await sumAlongTree(node, partOf, addGradients);
      } finally {
        sums.dispose();
      }
    },
    products: (vectors, node) =>
      sumAlongTree(
        node,
        ifShard(async (shard) =>
          (await products.over(vectors, { range: shard })).map((total) => new Float32Array(total)),
        ),
        addVectors,
      ),
  };
}
