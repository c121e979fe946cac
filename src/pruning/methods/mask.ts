import type { PrunedNetwork } from './method.js';

/** The high bits of a number by which values are told apart first: its sign, exponent and 4 bits of its fraction. */
const KEY_BITS = 16;
const SIGN = 2 ** (KEY_BITS - 1);

/**
 * The number of a rank from below: the values whose high bits are those of the one that is sought are sorted, and no
 * others. Where scores spread over powers of 2, as weights do, that is a small part of them.
 *
 * @param values not a number nowhere
 * @param rank from 0, below their length
 */
function valueOfRank(values: Float64Array, rank: number): number {
  const halves = new Uint16Array(values.buffer, values.byteOffset, 4 * values.length);
  const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  const highHalf = littleEndian ? 3 : 0;
  // The order of the bits is that of the numbers once negative ones are turned round.
  const key = (i: number): number => {
    const high = halves[4 * i + highHalf];
    return high >= SIGN ? 2 * SIGN - 1 - high : high + SIGN;
  };
  const counts = new Uint32Array(2 ** KEY_BITS);
  for (let i = 0; i < values.length; i++) {
    counts[key(i)]++;
  }
  let bin = 0;
  let below = 0;
  while (below + counts[bin] <= rank) {
    below += counts[bin++];
  }
  const candidates = new Float64Array(counts[bin]);
  for (let i = 0, found = 0; found < candidates.length; i++) {
    if (key(i) === bin) {
      candidates[found++] = values[i];
    }
  }
  return candidates.sort()[rank - below];
}

/**
 * The mask that prunes the lowest scores; of equal scores, those of the lowest index.
 *
 * @param scores length D; those that are not a number are pruned first
 * @param count how many to prune
 * @returns 1 where a weight is kept, 0 where it is pruned
 */
export function pruneLowest(scores: Float64Array, count: number): Uint8Array {
  const ranked = scores.slice();
  for (let i = 0; i < ranked.length; i++) {
    if (Number.isNaN(ranked[i])) {
      ranked[i] = Number.NEGATIVE_INFINITY;
    }
  }
  const mask = new Uint8Array(scores.length).fill(1);
  if (count === 0) {
    return mask;
  }
  const highestPruned = valueOfRank(ranked, count - 1);
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
