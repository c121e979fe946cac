/**
 * Statistical dimensions of convex cones, `delta(C) = E ||Pi_C(g)||^2` with g
 * standard normal: the "size" of a cone that decides whether a random subspace
 * meets it (Amelunxen, Lotz, McCoy & Tropp 2014, "Living on the edge: phase
 * transitions in convex programs with random data", called ALMT below).
 */
import type { RandomStream } from '../random.js';
import { type SpectralMeasure, spectralAverage } from '../spectrum/spectral-measure.js';
import { requirePositive, resolventAverage } from './gaussian-width.js';

/** A subspace has its dimension (ALMT, section 2.2). */
export function subspaceStatisticalDimension(subspaceDimension: number): number {
  return subspaceDimension;
}

/** The nonnegative orthant of R^D has D/2 (ALMT, table 3.1). */
export function orthantStatisticalDimension(dimension: number): number {
  return dimension / 2;
}

/** The circular cone of half-angle a has `D sin^2 a + cos 2a`, up to O(1/D) (ALMT, proposition 3.4). */
export function circularConeStatisticalDimension(dimension: number, angle: number): number {
  return dimension * Math.sin(angle) ** 2 + Math.cos(2 * angle);
}

/** A Monte Carlo estimate with one standard error. */
export interface MonteCarloEstimate {
  readonly value: number;
  readonly standardError: number;
}

/**
 * The statistical dimension of any closed convex cone whose projection can be
 * computed, as a sample mean of `||Pi_C(g)||^2` (ALMT, definition 2.1).
 *
 * @param projection the nearest point of the cone; may reuse its argument
 */
export function monteCarloStatisticalDimension(
  dimension: number,
  projection: (point: Float64Array) => Float64Array,
  samples: number,
  random: RandomStream,
): MonteCarloEstimate {
  if (!(samples >= 2)) {
    throw new RangeError(`monteCarloStatisticalDimension: expected at least 2 samples, got ${samples}`);
  }
  let mean = 0;
  let squares = 0;
  for (let sample = 1; sample <= samples; sample++) {
    const projected = projection(Float64Array.from({ length: dimension }, () => random.normal()));
    let norm = 0;
    for (const component of projected) {
      norm += component * component;
    }
    const difference = norm - mean;
    mean += difference / sample;
    squares += difference * (norm - mean);
  }
  return { value: mean, standardError: Math.sqrt(squares / (samples - 1) / samples) };
}

/**
 * The statistical dimension of the cone spanned by the ellipsoid
 * `1/2 w' H w <= eps` as seen from a point in a random direction at distance
 * R0 of its centre, for large D: `delta = n` where
 *
 *     R0^2 (D - n) / (2 mu(n) D) = eps,   s(mu(n)) = n/D
 *
 * Derived here (deterministic equivalent, see `sharp-limit.ts`, with the
 * subspace's distance R = R0 sqrt(n/D)). As `(1 - s)/mu = <|lambda|/(1 + mu |lambda|)>`
 * falls in mu there is one solution. From inside the ellipsoid the cone is the
 * whole space: delta = D.
 */
export function ellipsoidConeStatisticalDimension(
  measure: SpectralMeasure,
  distance: number,
  epsilon: number,
  dimension: number,
): number {
  requirePositive('epsilon', epsilon);
  const increase = (mu: number): number =>
    (distance ** 2 / 2) * spectralAverage(measure, (node) => Math.abs(node) / (1 + mu * Math.abs(node)));
  if (increase(0) <= epsilon) {
    return dimension;
  }
  // increase(mu) < distance^2 / (2 mu), so the solution is below distance^2 / (2 eps).
  let low = 0;
  let high = distance ** 2 / (2 * epsilon);
  while (high - low > 1e-13 * high) {
    const middle = (low + high) / 2;
    if (increase(middle) > epsilon) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return dimension * resolventAverage(measure, (low + high) / 2);
}

/**
 * Half-width of the phase transition, as a fraction of D: outside of
 * `+- a sqrt(D)` around the statistical dimension, `a = sqrt(8 log(4/eta))`, a
 * random subspace meets the cone, or misses it, with probability 1 - eta at
 * least (ALMT, theorem I).
 *
 * @param eta the probability left. Default 0.05.
 */
export function transitionWindow(dimension: number, eta = 0.05): number {
  requirePositive('dimension', dimension);
  if (!(eta > 0 && eta < 1)) {
    throw new RangeError(`transitionWindow: expected eta between 0 and 1, got ${eta}`);
  }
  return Math.sqrt(8 * Math.log(4 / eta)) / Math.sqrt(dimension);
}
