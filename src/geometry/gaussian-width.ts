/**
 * The Gaussian width of a loss sublevel set and the pruning limit it gives.
 *
 * "The paper" is Zhang, Zhang, Sun & Liu, "How Sparse Can We Prune A Deep
 * Network: A Fundamental Limit Perspective", NeurIPS 2024 (arXiv 2306.05857).
 * Fractions are pruned fractions, in [0, 1].
 */
import type { SpectralMeasure } from '../spectrum/spectral-measure.js';

/** Squared projection distance `R^2(p)` of one-shot pruning at the pruned fraction p; not decreasing. */
export type RadiusSquared = (prunedFraction: number) => number;

/** Fractions are located to this, far below the 1/D that pruning can resolve. */
const FRACTION_RESOLUTION = 1e-10;

/** `s(mu) = <1/(1 + mu |lambda|)>`, falling in mu from 1 to the share of zero eigenvalues. */
export function resolventAverage(measure: SpectralMeasure, mu: number): number {
  // Not by spectralAverage: searches call this some ten thousand times, and a call a node takes longer than the sum.
  const { nodes, weights } = measure;
  let sum = 0;
  for (let i = 0; i < nodes.length; i++) {
    sum += weights[i] * (1 / (1 + mu * Math.abs(nodes[i])));
  }
  return sum;
}

/**
 * The squared Gaussian width of the sublevel set `1/2 (w - w*)' H (w - w*) <= eps`
 * projected onto the unit sphere around a point at distance R:
 *
 *     sum_i r_i^2 / (R^2 + r_i^2) = D s(R^2 / (2 eps)),   r_i^2 = 2 eps / |lambda_i|
 *
 * (the paper; Larsen, Fort, Becker & Ganguli, "How many degrees of
 * freedom do we need to train deep networks", ICLR 2022).
 */
export function squaredGaussianWidth(
  measure: SpectralMeasure,
  dimension: number,
  radiusSquared: number,
  epsilon: number,
): number {
  requirePositive('epsilon', epsilon);
  return dimension * resolventAverage(measure, radiusSquared / (2 * epsilon));
}

/**
 * The Gaussian-width limit: the largest pruned fraction with
 *
 *     p <= s(R^2(p) / (2 eps))
 *
 * (the paper's lower bound of the kept ratio, by Gordon's escape theorem and
 * the approximate kinematic formula of Amelunxen, Lotz, McCoy & Tropp 2014,
 * "Living on the edge", theorem I).
 *
 * R does not decrease and s does not increase, so `p - s` strictly increases:
 * there is one crossing, found by bisection. At p = 0 the condition always
 * holds (R = 0, s = 1).
 */
export function gaussianWidthLimit(
  measure: SpectralMeasure,
  radiusSquared: RadiusSquared,
  epsilon: number,
): number {
  requirePositive('epsilon', epsilon);
  return largestWhere((p) => p <= resolventAverage(measure, radiusSquared(p) / (2 * epsilon)));
}

/** The largest p in [0, 1] of a condition that holds up to a point and not beyond; 0 is taken to hold. */
export function largestWhere(holds: (fraction: number) => boolean): number {
  if (holds(1)) {
    return 1;
  }
  let good = 0;
  let bad = 1;
  while (bad - good > FRACTION_RESOLUTION) {
    const middle = (good + bad) / 2;
    if (holds(middle)) {
      good = middle;
    } else {
      bad = middle;
    }
  }
  return good;
}

/** Rejects what would make a limit meaningless, NaN included. */
export function requirePositive(name: string, value: number): void {
  if (!(value > 0) || value === Number.POSITIVE_INFINITY) {
    throw new RangeError(`expected ${name} to be positive and finite, got ${value}`);
  }
}
