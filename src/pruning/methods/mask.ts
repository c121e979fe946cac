import type { PrunedNetwork } from './method.js';

/**
 * The mask that prunes the lowest scores; of equal scores, those of the lowest index.
 *
 * @param scores length D; those that are not a number are pruned first
 * @param count how many to prune
 * @returns 1 where a weight is kept, 0 where it is pruned
 */
export function pruneLowest(scores: Float64Array, count: number): Uint8Array {
  const ranked = scores.map((score) => (Number.isNaN(score) ? -Infinity : score));
  const mask = new Uint8Array(scores.length).fill(1);
  if (count === 0) {
    return mask;
  }
  // A typed array sorts numbers natively, many times faster than places by a comparison.
  const highestPruned = ranked.slice().sort()[count - 1];
  let equal = count;
  for (let i = 0; i < ranked.length; i++) {
    if (ranked[i] < highestPruned) {
      mask[i] = 0;
      equal--;
    }
  }
  for (let i = 0; equal > 0; i++) {
    if (ranked[i] === highestPruned) {
      mask[i] = 0;
      equal--;
    }
  }
  return mask;
}

/** A copy of weights with 0 where a mask is 0. */
export function masked(weights: Float32Array, mask: Uint8Array): Float32Array {
  return weights.map((weight, i) => (mask[i] === 0 ? 0 : weight));
}

/** The network of the given weights under a mask. */
export function prunedBy(weights: Float32Array, mask: Uint8Array): PrunedNetwork {
  return { mask, weights: masked(weights, mask) };
}

/**
 * Whole numbers in proportion to sizes that sum to a total, by largest remainders; of equal ones, the first.
 *
 * @param sizes sum to at least `total`
 */
export function apportion(sizes: readonly number[], total: number): number[] {
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  const exact = sizes.map((size) => (whole === 0 ? 0 : (total * size) / whole));
  const counts = exact.map(Math.floor);
  const left = total - counts.reduce((sum, count) => sum + count, 0);
  const byRemainder = exact
    .map((share, index) => ({ index, remainder: share - counts[index] }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (const { index } of byRemainder.slice(0, left)) {
    counts[index]++;
  }
  return counts;
}
