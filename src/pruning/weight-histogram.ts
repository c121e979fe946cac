/** How the magnitudes of weights are distributed. */
import { type MagnitudeRanking, removedCount } from './magnitude.js';

/** Bins of a histogram; what a picture shows apart. */
const BINS = 80;

/** Magnitudes of weights in bins of equal width in log10. */
export interface WeightHistogram {
  /** Weights that are exactly 0, in no bin. */
  zeros: number;
  /** log10 of the magnitudes between which bins lie, ascending, one more than bins; empty where all weights are 0. */
  edges: number[];
  counts: number[];
}

/**
 * The histogram from the smallest magnitude that is not 0 to the largest; the
 * upper edge belongs to the last bin.
 *
 * @param ranking of the weights
 */
export function weightHistogram(weights: Float32Array, { order }: MagnitudeRanking): WeightHistogram {
  const magnitude = (place: number): number => Math.abs(weights[order[place]]);
  let zeros = 0;
  while (zeros < order.length && magnitude(zeros) === 0) {
    zeros++;
  }
  if (zeros === order.length) {
    return { zeros, edges: [], counts: [] };
  }
  const smallest = Math.log10(magnitude(zeros));
  const span = Math.log10(magnitude(order.length - 1)) - smallest;
  // Weights of one magnitude take one bin of a tenth of a decade.
  const bins = span > 0 ? BINS : 1;
  const low = span > 0 ? smallest : smallest - 0.05;
  const width = span > 0 ? span / BINS : 0.1;
  const counts = new Array<number>(bins).fill(0);
  for (let place = zeros; place < order.length; place++) {
    counts[Math.min(bins - 1, Math.floor((Math.log10(magnitude(place)) - low) / width))]++;
  }
  return { zeros, edges: Array.from({ length: bins + 1 }, (_, i) => low + i * width), counts };
}

/** The largest magnitude that pruning to a fraction removes; 0 where it removes nothing but zeros. */
export function removedMagnitude(
  weights: Float32Array,
  ranking: MagnitudeRanking,
  prunedFraction: number,
): number {
  const count = removedCount(weights, ranking, prunedFraction);
  return count === 0 ? 0 : Math.abs(weights[ranking.order[count - 1]]);
}
