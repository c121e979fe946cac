import { type LargestFraction, largestFraction } from '../geometry/largest-fraction.js';
import type { Evaluation } from '../network/evaluation.js';
import { type MagnitudeRanking, prunedCount, pruneSmallest } from './magnitude.js';

/** Measures the one-shot pruned network at any pruned fraction; no fraction is measured twice. */
export interface PruningMeter {
  /** Mean loss over the training examples; NaN or infinite where it overflows. */
  loss(prunedFraction: number): Promise<number>;
  /** Accuracy over the test examples; null without test examples or for regression. */
  accuracy(prunedFraction: number): Promise<number | null>;
}

/** Evaluates the network at the given flat prunable weights, on examples of its own. */
export type WeightsEvaluator = (weights: Float32Array) => Promise<Evaluation>;

/** What a {@link PruningMeter} works on. */
export interface PruningSetting {
  /** The trained weights, length D. */
  weights: Float32Array;
  ranking: MagnitudeRanking;
  /** On the examples the loss is measured on: those of the Hessian. */
  train: WeightsEvaluator;
  /** On the examples the accuracy is measured on. */
  test: WeightsEvaluator | null;
}

function memoizedByCount<T>(
  dimension: number,
  measure: (count: number) => Promise<T>,
): (prunedFraction: number) => Promise<T> {
  const known = new Map<number, Promise<T>>();
  return (prunedFraction) => {
    const count = prunedCount(prunedFraction, dimension);
    const result = known.get(count) ?? measure(count);
    known.set(count, result);
    return result;
  };
}

/** A meter for one network. */
export function createPruningMeter({ weights, ranking, train, test }: PruningSetting): PruningMeter {
  const prunedTo = (count: number): Float32Array => pruneSmallest(weights, ranking, count);
  return {
    loss: memoizedByCount(weights.length, async (count) => (await train(prunedTo(count))).meanLoss),
    accuracy: memoizedByCount(weights.length, async (count) =>
      test === null ? null : (await test(prunedTo(count))).accuracy,
    ),
  };
}

/** How finely a measured limit is searched. */
export interface LimitSearch {
  /** Pruned fractions of the coarse scan. */
  grid: readonly number[];
  /** Width of the interval at which bisection stops, as a pruned fraction. */
  resolution: number;
}

/** p_loss: the largest pruned fraction at which the measured loss is at most `maximumLoss`. */
export function measuredLossLimit(
  meter: PruningMeter,
  maximumLoss: number,
  search: LimitSearch,
): Promise<LargestFraction> {
  return largestFraction(async (fraction) => (await meter.loss(fraction)) <= maximumLoss, search);
}

/** p_acc: the largest pruned fraction at which the measured accuracy is at least `minimumAccuracy`. */
export function measuredAccuracyLimit(
  meter: PruningMeter,
  minimumAccuracy: number,
  search: LimitSearch,
): Promise<LargestFraction> {
  return largestFraction(async (fraction) => {
    const accuracy = await meter.accuracy(fraction);
    // A mean of the same integers can differ in the last bit; an example is worth far more.
    return accuracy !== null && accuracy >= minimumAccuracy - 1e-9;
  }, search);
}
