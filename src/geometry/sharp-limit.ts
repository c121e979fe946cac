/**
 * The sharp pruning limit: where a random affine subspace stops meeting an
 * ellipsoid, exactly and not only up to the Gaussian width.
 */
import { type SpectralMeasure, spectralAverage } from '../spectrum/spectral-measure.js';
import { type RadiusSquared, requirePositive, resolventAverage } from './gaussian-width.js';

/** Steps of the search for mu in log space; it ends earlier where doubles do. */
const MU_STEPS = 100;
/** The search covers this to its negative: all that squares of doubles can take. */
const SMALLEST_LOG_MU = Math.log(Number.MIN_VALUE) / 2;

/**
 * The mu with `s(mu) = fraction`.
 *
 * @returns 0 for a fraction of 1 or more, Infinity where the share of zero
 *   eigenvalues is the fraction or more (s never falls to it)
 */
export function inverseResolvent(measure: SpectralMeasure, fraction: number): number {
  if (fraction >= 1) {
    return 0;
  }
  const zeroShare = spectralAverage(measure, (node) => (node === 0 ? 1 : 0));
  if (fraction <= zeroShare) {
    return Number.POSITIVE_INFINITY;
  }
  return crossing((mu) => resolventAverage(measure, mu) > fraction);
}

/** The mu at which a condition that holds for small mu only ceases to hold, by bisection of the exponent. */
function crossing(holds: (mu: number) => boolean): number {
  let low = SMALLEST_LOG_MU;
  let high = -SMALLEST_LOG_MU;
  for (let step = 0; step < MU_STEPS; step++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) {
      break;
    }
    if (holds(Math.exp(middle))) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return Math.exp((low + high) / 2);
}

/**
 * The mean of |lambda| weighted by `1/(1 + mu |lambda|)`, the directions that
 * pruning leaves free. It falls in mu, from the mean of |lambda|: a larger mu
 * moves weight to smaller |lambda| (the weights have a monotone likelihood
 * ratio). With p = s(mu) it equals `(1 - p) / (p mu)`.
 */
export function freeCurvature(measure: SpectralMeasure, mu: number): number {
  return freeMagnitude(measure, mu) / resolventAverage(measure, mu);
}

/** `<|lambda| / (1 + mu |lambda|)>`, a loop of its own as that of {@link resolventAverage}. */
function freeMagnitude({ nodes, weights }: SpectralMeasure, mu: number): number {
  let sum = 0;
  for (let i = 0; i < nodes.length; i++) {
    const magnitude = Math.abs(nodes[i]);
    sum += weights[i] * (magnitude / (1 + mu * magnitude));
  }
  return sum;
}

/**
 * The smallest loss increase that is reachable when a fraction p is pruned,
 * the kept weights are free and the pruned coordinates point in a random
 * direction: for a uniformly random affine subspace of dimension k = (1 - p) D
 * at distance R from the minimum,
 *
 *     min 1/2 w' H w  ->  R^2 k / (2 mu n),   s(mu) = n/D = p
 *
 * Derived here as the deterministic equivalent of `B' (B H^-1 B')^-1 B`, with
 * B the orthonormal basis of the normal space; checked by simulation in the
 * tests.
 */
export function reachableIncrease(
  measure: SpectralMeasure,
  prunedFraction: number,
  radiusSquared: number,
): number {
  const mu = inverseResolvent(measure, prunedFraction);
  return mu === Number.POSITIVE_INFINITY ? 0 : (radiusSquared / 2) * freeCurvature(measure, mu);
}

/**
 * The sharp limit: the largest pruned fraction with
 *
 *     R^2(p) (1 - p) / (2 p mu(p)) <= eps,   s(mu(p)) = p
 *
 * Derived here, see {@link reachableIncrease}. The left side does not decrease
 * in p, as R^2 does not and {@link freeCurvature} rises while mu falls: one
 * crossing, found by bisection of mu, with p = s(mu). The Gaussian-width limit
 * is the same condition without the factor (1 - p)/p, so it is the smaller of
 * the two where it exceeds 1/2, and the larger below.
 */
export function sharpLimit(measure: SpectralMeasure, radiusSquared: RadiusSquared, epsilon: number): number {
  requirePositive('epsilon', epsilon);
  const fractionOf = (resolvent: number): number => Math.min(1, Math.max(0, resolvent));
  const exceeds = (mu: number): boolean => {
    const resolvent = resolventAverage(measure, mu);
    const curvature = freeMagnitude(measure, mu) / resolvent;
    return (radiusSquared(fractionOf(resolvent)) / 2) * curvature > epsilon;
  };
  return exceeds(0) ? fractionOf(resolventAverage(measure, crossing(exceeds))) : 1;
}
