/** Mean squares of the gradients of single examples: in batches where the network allows it, else one by one. */

import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import { NotCompilableError } from '../compute/compile/trace.js';
import type { CompiledProgram, Executor } from '../compute/executor.js';
import { type ExampleSource, examplesBetween } from '../network/example-source.js';
import { createBatches } from '../programs/batches.js';
import { flatInputs, flatSum } from '../programs/flat-weights.js';
import { squaredGradientProgram } from '../programs/loss-programs.js';
import { AGREEMENT_TOLERANCE, relativeDifference } from '../programs/rounding.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';

/** Examples on which batches are compared with single examples. */
const COMPARED_EXAMPLES = 3;
/** Most examples at once where a gradient of each is made on the way, as of convolutions. */
const LARGEST_UNFOLDED_BATCH = 16;
/** Most numbers of the gradients of one such weight for all examples of a batch: 64 MiB. */
const MOST_GRADIENT_NUMBERS = 2 ** 24;

/** Visits the gradients of batches of examples. */
type GradientRows = (
  source: ExampleSource,
  weights: Float32Array,
  batchSize: number,
  visit: (row: Float32Array, index: number) => void,
) => Promise<void>;

/** What mean squares are computed with. */
export interface SquaredGradientSetting {
  problem: Problem;
  executor: Executor;
  /** Gradients of single examples, where batches do not do. */
  gradientRows: GradientRows;
  /** The batch size for so many examples of a gradient. */
  batchSizeFor: (examples: number) => number;
}

type MeanSquares = (source: ExampleSource, weights: Float32Array) => Promise<Float64Array>;

/** By single examples. */
function meanOfRows(gradientRows: GradientRows): MeanSquares {
  return async (source, weights) => {
    const mean = new Float64Array(weights.length);
    await gradientRows(source, weights, 1, (row) => {
      for (let i = 0; i < row.length; i++) {
        mean[i] += row[i] ** 2 / source.count;
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
  const { network } = problem;
  const others = network.prunable.filter(({ shape }) => shape.length !== 2).map(({ size }) => size);
  const most =
    others.length === 0
      ? Number.POSITIVE_INFINITY
      : Math.min(LARGEST_UNFOLDED_BATCH, Math.floor(MOST_GRADIENT_NUMBERS / Math.max(...others)));
  return async (source, weights) => {
    const batchSize = Math.max(1, Math.min(most, batchSizeFor(source.count)));
    const batches = createBatches(source, network.outputs, { batchSize, keepBytes: 0, executor });
    const fixed = flatInputs(executor, network, 'w', weights);
    const mean = flatSum(executor, network, 1 / source.count);
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
      const compared = examplesBetween(train, 0, Math.min(COMPARED_EXAMPLES, train.count));
      const [found, reference] = [await byBatches(compared, weights), await byRows(compared, weights)];
      return relativeDifference(found, reference) <= AGREEMENT_TOLERANCE ? byBatches : byRows;
    } catch (error) {
      if (error instanceof NotCompilableError) {
        return byRows;
      }
      throw error;
    }
  };
  let chosen: Promise<MeanSquares> | null = null;
  return async (source, weights) => {
    chosen ??= choose(weights);
    return (await chosen)(source, weights);
  };
}
