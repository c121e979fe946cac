import type { MagnitudeRanking } from './magnitude.js';

/** Weights of equal magnitude of which pruning removes some and keeps others. */
export interface MagnitudeTie {
  magnitude: number;
  /** Weights of this magnitude. */
  weights: number;
  /** Of these, how many are pruned: those of the lowest index. */
  pruned: number;
}

/**
 * The tie that pruning the n smallest weights cuts through; null where there is
 * none, or where it is one of zeros, which pruning does not change.
 *
 * @param weights length D, those of the ranking
 * @param count n
 */
export function tieAt(
  weights: Float32Array,
  { order }: MagnitudeRanking,
  count: number,
): MagnitudeTie | null {
  if (count === 0 || count >= order.length) {
    return null;
  }
  const magnitudeAt = (place: number): number => Math.abs(weights[order[place]]);
  const magnitude = magnitudeAt(count);
  let first = count;
  while (first > 0 && magnitudeAt(first - 1) === magnitude) {
    first--;
  }
  if (first === count || magnitude === 0) {
    return null;
  }
  let end = count + 1;
  while (end < order.length && magnitudeAt(end) === magnitude) {
    end++;
  }
  return { magnitude, weights: end - first, pruned: count - first };
}
