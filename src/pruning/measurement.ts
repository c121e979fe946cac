import { type LargestFraction, largestFraction } from '../geometry/largest-fraction.js';
import type { Batches } from '../network/batches.js';
import { evaluate } from '../network/evaluation.js';
import type { LossName } from '../network/loss.js';
import type { Network } from '../network/network.js';
import { type MagnitudeRanking, prunedCount, pruneSmallest } from './magnitude.js';

/** Measures the one-shot pruned network at any pruned fraction; no fraction is measured twice. */
export interface PruningMeter {
  /** Mean loss over the training examples; NaN or infinite where it overflows. */
  loss(prunedFraction: number): Promise<number>;
  /** Accuracy over the test examples; null without test examples or for regression. */
  accuracy(prunedFraction: number): Promise<number | null>;
}

/** What a {@link PruningMeter} works on. */
export interface PruningSetting {
  network: Network;
  loss: LossName;
  ranking: MagnitudeRanking;
  /** Examples the loss is measured on: those of the Hessian. */
  train: Batches;
  /** Examples the accuracy is measured on. */
  test: Batches | null;
  /** Called after every measurement. */
  onMeasured?: () => void;
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

/** A meter for one network; the caller keeps the batches alive while it is used. */
export function createPruningMeter(setting: PruningSetting): PruningMeter {
  const { network, loss, ranking, train, test, onMeasured = () => {} } = setting;
  const prunedTo = (count: number): Float32Array => pruneSmallest(network.weights, ranking, count);
  return {
    loss: memoizedByCount(network.dimension, async (count) => {
      const { meanLoss } = await evaluate(network, loss, train, prunedTo(count));
      onMeasured();
      return meanLoss;
    }),
    accuracy: memoizedByCount(network.dimension, async (count) => {
      if (test === null || loss === 'mse') {
        return null;
      }
      const { accuracy } = await evaluate(network, loss, test, prunedTo(count));
      onMeasured();
      return accuracy;
    }),
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
