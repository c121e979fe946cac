/** The order in which one-shot global magnitude pruning removes weights. */
export interface MagnitudeRanking {
  /** Flat indices by ascending magnitude, ties by index. */
  order: Uint32Array;
  /** `squaredRadii[n]` is the sum of the n smallest squared weights, n = 0..D, in float64. */
  squaredRadii: Float64Array;
}

/** A float32 without its sign, as the bits of an integer that orders like it. */
const MAGNITUDE_BITS = 0x7fffffff;

/**
 * How many weights a pruned fraction removes: floor(p D), guarded against the
 * product falling just short of a whole number (0.3 x 32360 is 9708).
 */
export function prunedCount(prunedFraction: number, dimension: number): number {
  return Math.min(dimension, Math.floor(prunedFraction * dimension + 1e-6));
}

/**
 * Ranks weights by magnitude.
 *
 * The bits of a non-negative float32 order like the number itself, so that
 * magnitude and index pack into one 64-bit integer and the sort is native.
 */
export function rankByMagnitude(weights: Float32Array): MagnitudeRanking {
  const dimension = weights.length;
  const bits = new Uint32Array(weights.buffer, weights.byteOffset, dimension);
  const keys = new BigUint64Array(dimension);
  const words = new Uint32Array(keys.buffer);
  const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  const indexWord = littleEndian ? 0 : 1;
  for (let i = 0; i < dimension; i++) {
    words[2 * i + indexWord] = i;
    words[2 * i + 1 - indexWord] = bits[i] & MAGNITUDE_BITS;
  }
  keys.sort();
  const order = new Uint32Array(dimension);
  const squaredRadii = new Float64Array(dimension + 1);
  for (let n = 0; n < dimension; n++) {
    const index = words[2 * n + indexWord];
    order[n] = index;
    squaredRadii[n + 1] = squaredRadii[n] + weights[index] * weights[index];
  }
  return { order, squaredRadii };
}

/** R^2(p), the squared distance from the trained weights to the pruned ones. */
export function radiusSquared(ranking: MagnitudeRanking, prunedFraction: number): number {
  return ranking.squaredRadii[prunedCount(prunedFraction, ranking.order.length)];
}

/**
 * R^2(p) joined linearly between whole numbers of weights: what the limits of
 * theory are computed from. As a step function it would make a limit jump or
 * stand still where the spectrum changes by a little, by which the uncertainty
 * of the limit is found.
 */
export function continuousRadiusSquared({ squaredRadii }: MagnitudeRanking, prunedFraction: number): number {
  const last = squaredRadii.length - 1;
  const place = Math.min(last, Math.max(0, prunedFraction * last));
  const below = Math.min(last - 1, Math.floor(place));
  return squaredRadii[below] + (place - below) * (squaredRadii[below + 1] - squaredRadii[below]);
}

/**
 * How many weights a pruned fraction removes, 0 where all of them are zero
 * already: the count by which a pruned network is known.
 */
export function removedCount(
  weights: Float32Array,
  ranking: MagnitudeRanking,
  prunedFraction: number,
): number {
  const count = prunedCount(prunedFraction, weights.length);
  return count === 0 || weights[ranking.order[count - 1]] === 0 ? 0 : count;
}

/**
 * Which weights are the n smallest, in flat order: those of each range whose magnitude has bits below a number. Going
 * through a large vector in the order of magnitudes waits for memory at every step: 40 to 170 ms of CPU for 4 million
 * weights, where this takes 20 to 30.
 */
function smallest(
  weights: Float32Array,
  { order }: MagnitudeRanking,
  count: number,
): { bits: Uint32Array; ranges: { start: number; end: number; below: number }[] } {
  const bits = new Uint32Array(weights.buffer, weights.byteOffset, weights.length);
  if (count === 0) {
    return { bits, ranges: [] };
  }
  const last = order[count - 1];
  const magnitude = bits[last] & MAGNITUDE_BITS;
  return {
    bits,
    ranges: [
      // Of equal magnitudes those up to the last are removed.
      { start: 0, end: last + 1, below: magnitude + 1 },
      { start: last + 1, end: weights.length, below: magnitude },
    ],
  };
}

/** w^k: a copy of the weights with the n smallest set to zero. */
export function pruneSmallest(weights: Float32Array, ranking: MagnitudeRanking, count: number): Float32Array {
  const pruned = weights.slice();
  const { bits, ranges } = smallest(weights, ranking, count);
  for (const { start, end, below } of ranges) {
    for (let i = start; i < end; i++) {
      pruned[i] = (bits[i] & MAGNITUDE_BITS) < below ? 0 : weights[i];
    }
  }
  return pruned;
}

/** d(p) = w^k - w*, the displacement that pruning the n smallest weights makes: weights or 0, so that float32 holds it. */
export function pruningDisplacement(
  weights: Float32Array,
  ranking: MagnitudeRanking,
  count: number,
): Float32Array {
  const displacement = new Float32Array(weights.length);
  const { bits, ranges } = smallest(weights, ranking, count);
  for (const { start, end, below } of ranges) {
    for (let i = start; i < end; i++) {
      displacement[i] = (bits[i] & MAGNITUDE_BITS) < below ? -weights[i] : 0;
    }
  }
  return displacement;
}
