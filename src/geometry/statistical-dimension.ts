/**
 * Statistical dimensions of convex cones, `delta(C) = E ||Pi_C(g)||^2` with g
 * standard normal: the "size" of a cone that decides whether a random subspace
 * meets it (Amelunxen, Lotz, McCoy & Tropp 2014, "Living on the edge: phase
 * transitions in convex programs with random data", called ALMT below).
 */
import { type SpectralMeasure, spectralAverage } from '../spectrum/spectral-measure.js';
import { requirePositive, resolventAverage } from './gaussian-width.js';

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
