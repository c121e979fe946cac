/** How far the weights of networks are apart as distributions (the paper's figure 8 and its table). */
import type { ResultOf } from './results.js';

/** Bins of equal width over the range of all networks together. */
export const BINS = 1000;
/** Weights below are in a bin of their own: those of l1 training pile up at 0. */
export const NEAR_ZERO = 1e-6;

/** Shares of weights: next to 0, and of the others in each bin. */
interface Shares {
  nearZero: number;
  shares: number[];
}

function sharesOf(weights: Float32Array, low: number, high: number): Shares {
  const counts = new Array<number>(BINS).fill(0);
  let nearZero = 0;
  const width = (high - low) / BINS;
  for (const weight of weights) {
    if (Math.abs(weight) < NEAR_ZERO) {
      nearZero++;
    } else {
      counts[width > 0 ? Math.min(BINS - 1, Math.floor((weight - low) / width)) : 0]++;
    }
  }
  return {
    nearZero: nearZero / weights.length,
    shares: counts.map((count) => count / weights.length),
  };
}

/** Total-variation distance of two binned distributions: 1/2 sum |p_b - q_b|, in [0, 1]. */
export function totalVariation(p: Shares, q: Shares): number {
  const sum = p.shares.reduce(
    (total, share, bin) => total + Math.abs(share - q.shares[bin]),
    Math.abs(p.nearZero - q.nearZero),
  );
  return Math.min(1, sum / 2);
}

/** Kolmogorov distance of two samples: the largest difference of their distribution functions, which has no bins. */
export function kolmogorov(a: Float32Array, b: Float32Array): number {
  const [p, q] = [a.toSorted(), b.toSorted()];
  let largest = 0;
  let j = 0;
  for (let i = 0; i < p.length || j < q.length; ) {
    // Both step over all of a value before they are compared.
    const value = Math.min(p[i] ?? Number.POSITIVE_INFINITY, q[j] ?? Number.POSITIVE_INFINITY);
    while (i < p.length && p[i] <= value) i++;
    while (j < q.length && q[j] <= value) j++;
    largest = Math.max(largest, Math.abs(i / p.length - j / q.length));
  }
  return largest;
}

/**
 * Histograms of networks on common bins, and the distances of every pair.
 *
 * @param networks prunable weights of each, none empty
 */
export function distributionDistances(networks: readonly Float32Array[]): ResultOf<'distribution'> {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const weights of networks) {
    for (const weight of weights) {
      low = Math.min(low, weight);
      high = Math.max(high, weight);
    }
  }
  const models = networks.map((weights) => sharesOf(weights, low, high));
  const pairs = networks.flatMap((first, a) =>
    networks.slice(a + 1).map((second, offset) => ({
      a,
      b: a + 1 + offset,
      totalVariation: totalVariation(models[a], models[a + 1 + offset]),
      kolmogorov: kolmogorov(first, second),
    })),
  );
  return { kind: 'distribution', low, high, models, pairs };
}
