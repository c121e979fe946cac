/** Mean squares of the gradients of single examples: in batches where the network allows it, else one by one. */

import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import { NotCompilableError } from '../compute/compile/trace.js';
import type { CompiledProgram, Executor } from '../compute/executor.js';
import { examplesBetween } from '../network/example-source.js';
import { createBatches } from '../programs/batches.js';
import { flatInputs, flatSum } from '../programs/flat-weights.js';
import { squaredGradientProgram } from '../programs/loss-programs.js';
import { AGREEMENT_TOLERANCE, relativeDifference } from '../programs/rounding.js';
import type { LossOracle } from '../pruning/methods/method.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';

/** Examples on which batches are compared with single examples. */
const COMPARED_EXAMPLES = 3;
/** Most examples at once where a gradient of each is made on the way, as of convolutions. */
const LARGEST_UNFOLDED_BATCH = 16;
/** Most numbers of the gradients of one such weight for all examples of a batch: 64 MiB. */
const MOST_GRADIENT_NUMBERS = 2 ** 24;

/** What mean squares are computed with. */
export interface SquaredGradientSetting {
  problem: Problem;
  executor: Executor;
  /** Gradients of single examples, where batches do not do. */
  gradientRows: LossOracle['gradientRows'];
  /** The batch size for so many examples of a gradient. */
  batchSizeFor: (examples: number) => number;
}

type MeanSquares = LossOracle['meanSquaredGradient'];

/** By single examples. */
function meanOfRows(gradientRows: LossOracle['gradientRows']): MeanSquares {
  return async (weights, examples) => {
    const mean = new Float64Array(weights.length);
    await gradientRows(weights, { batchSize: 1, count: examples }, (row) => {
      for (let i = 0; i < row.length; i++) {
        mean[i] += row[i] ** 2 / examples;
      }
    });
    return mean;
  };
}

/** By batches. */
function meanOfBatches(
  { problem, executor, batchSizeFor }: SquaredGradientSetting,
  programs: { of(batchSize: number): Promise<CompiledProgram> },
): MeanSquares {
  const { network, train } = problem;
  const others = network.prunable.filter(({ shape }) => shape.length !== 2).map(({ size }) => size);
  const most =
    others.length === 0
      ? Number.POSITIVE_INFINITY
      : Math.min(LARGEST_UNFOLDED_BATCH, Math.floor(MOST_GRADIENT_NUMBERS / Math.max(...others)));
  return async (weights, examples) => {
    const batchSize = Math.max(1, Math.min(most, batchSizeFor(examples)));
    const batches = createBatches(examplesBetween(train, 0, examples), network.outputs, {
      batchSize,
      keepBytes: 0,
      executor,
    });
    const fixed = flatInputs(executor, network, 'w', weights);
    const mean = flatSum(executor, network, 1 / examples);
    try {
      await batches.forEach(async ({ size, x, y }) => {
        const outputs = await (await programs.of(size)).run({ ...fixed, x, y });
        mean.add(outputs);
        executor.release(outputs);
      });
      return mean.values;
    } finally {
      executor.release(fixed);
      batches.dispose();
    }
  };
}

/**
 * Chooses between batches and single examples when it is first asked: batches where every gradient is a product over
 * examples and a few examples give the same both ways.
 */
export function meanSquaredGradients(setting: SquaredGradientSetting, scope: ResourceScope): MeanSquares {
  const { problem, executor, gradientRows } = setting;
  const { network, loss, train } = problem;
  const byRows = meanOfRows(gradientRows);
  const choose = async (weights: Float32Array): Promise<MeanSquares> => {
    try {
      const prepared = await executor.prepare(squaredGradientProgram(network, loss, train));
      const programs = scope.own(compiledBySize<CompiledProgram>((size) => prepared.compile(size)));
      const byBatches = meanOfBatches(setting, programs);
      const compared = Math.min(COMPARED_EXAMPLES, train.count);
      const [found, reference] = [await byBatches(weights, compared), await byRows(weights, compared)];
      return relativeDifference(found, reference) <= AGREEMENT_TOLERANCE ? byBatches : byRows;
    } catch (error) {
      if (error instanceof NotCompilableError) {
        return byRows;
      }
      throw error;
    }
  };
  let chosen: Promise<MeanSquares> | null = null;
  return async (weights, examples) => {
    chosen ??= choose(weights);
    return (await chosen)(weights, examples);
  };
}
