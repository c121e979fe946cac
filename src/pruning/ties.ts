import { type MagnitudeRanking, prunedCount } from './magnitude.js';

/** Weights of one magnitude of which pruning takes some and leaves some. */
export interface Tie {
  /** |w| of each. */
  magnitude: number;
  /** How many weights have it. */
  count: number;
}

/**
 * The tie that a pruned fraction cuts through; null where the largest pruned
 * magnitude is smaller than the smallest kept one. Weights that are 0 already
 * are no tie: it changes nothing which of them are pruned.
 *
 * @param weights length D, those of the ranking
 */
export function tieAt(
  weights: Float32Array,
  { order }: MagnitudeRanking,
  prunedFraction: number,
): Tie | null {
  const pruned = prunedCount(prunedFraction, order.length);
  if (pruned === 0 || pruned === order.length) {
    return null;
  }
  const magnitudeAt = (place: number): number => Math.abs(weights[order[place]]);
  const magnitude = magnitudeAt(pruned);
  if (magnitude === 0 || magnitudeAt(pruned - 1) !== magnitude) {
    return null;
  }
  let first = pruned - 1;
  while (first > 0 && magnitudeAt(first - 1) === magnitude) {
    first--;
  }
  let end = pruned + 1;
  while (end < order.length && magnitudeAt(end) === magnitude) {
    end++;
  }
  return { magnitude, count: end - first };
}
