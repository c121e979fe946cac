import {
  gaussianWidthLimit,
  largestWhere,
  type RadiusSquared,
  squaredGaussianWidth,
} from '../geometry/gaussian-width.js';
import { sharpLimit } from '../geometry/sharp-limit.js';
import { ellipsoidConeStatisticalDimension } from '../geometry/statistical-dimension.js';
import type { TheoryReport } from '../report/schema.js';
import { mixMeasures, type SpectralFunctional, type SpectralMeasure } from '../spectrum/spectral-measure.js';

/** Points of the curve in [0, 0.99]; what a picture needs. */
const COARSE_STEPS = 100;

/** A quadrature rule whose limit is this near to the stated one is taken as it is. */
const SAME_LIMIT = 1e-9;

/** What the curve is of. */
export interface TheoryCurveSetting {
  /** Quadrature rules of the spectrum, with negative nodes counted as the limits count them. */
  rules: readonly SpectralMeasure[];
  radiusSquared: RadiusSquared;
  epsilon: number;
  /** D */
  dimension: number;
  /** The limits as estimated, pruned fractions. */
  gaussianWidth: number;
  sharp: number;
}

/**
 * The squared Gaussian width and the statistical dimension of the sublevel set
 * as functions of the pruned fraction p, over D:
 *
 *     squaredGaussianWidth = s(R(p)^2 / (2 eps))
 *     statisticalDimension = n/D,  R0^2 (D - n) / (2 mu(n) D) = eps,  R0 = R(p) / sqrt(p)
 *
 * A subspace at distance R from the minimum is a linear one seen from R0
 * (`statistical-dimension.ts`), so that the first crosses the diagonal at the
 * Gaussian-width limit and the second at the sharp one: the paper's figure 5.
 *
 * The limits are extrapolated from several quadrature rules, none of which has
 * them as its own; each curve is that of the mixture of rules that does
 * ({@link measureWithLimit}).
 */
export function theoryCurve(setting: TheoryCurveSetting): TheoryReport['curve'] {
  return curveOf(setting, limitMeasures(setting));
}

/** Mixtures of the rules that have the limits of a setting as their own. */
export interface LimitMeasures {
  ofWidth: SpectralMeasure;
  ofDimension: SpectralMeasure;
}

/** The measures that {@link theoryCurve} draws. */
export function limitMeasures({
  rules,
  radiusSquared,
  epsilon,
  gaussianWidth,
  sharp,
}: TheoryCurveSetting): LimitMeasures {
  return {
    ofWidth: measureWithLimit(
      rules,
      (rule) => gaussianWidthLimit(rule, radiusSquared, epsilon),
      gaussianWidth,
    ),
    ofDimension: measureWithLimit(rules, (rule) => sharpLimit(rule, radiusSquared, epsilon), sharp),
  };
}

/** {@link theoryCurve} of given measures; the limits of the setting are among its points. */
export function curveOf(
  { radiusSquared, epsilon, dimension, gaussianWidth, sharp }: Omit<TheoryCurveSetting, 'rules'>,
  { ofWidth, ofDimension }: LimitMeasures,
): TheoryReport['curve'] {
  return curveFractions(dimension, [gaussianWidth, sharp]).map((pruned) => {
    const squared = radiusSquared(pruned);
    const distance = pruned === 0 ? 0 : Math.sqrt(squared / pruned);
    return {
      pruned,
      radius: Math.sqrt(squared),
      squaredGaussianWidth: atMostOne(squaredGaussianWidth(ofWidth, 1, squared, epsilon)),
      statisticalDimension: atMostOne(ellipsoidConeStatisticalDimension(ofDimension, distance, epsilon, 1)),
    };
  });
}

/**
 * 0 to 0.99 in hundredths, on towards 1 in ever smaller steps until less than
 * one weight is left, 1, and the limits.
 */
function curveFractions(dimension: number, limits: readonly number[]): number[] {
  const fractions = [...limits, 1];
  for (let i = 0; i < COARSE_STEPS; i++) {
    fractions.push(i / COARSE_STEPS);
  }
  for (let digits = 100; digits < dimension; digits *= 10) {
    fractions.push(1 - 0.5 / digits, 1 - 0.1 / digits);
  }
  return [...new Set(fractions)].sort((a, b) => a - b);
}

/**
 * A mixture of two of the rules whose limit is the given one: of those whose
 * limits enclose it most closely. The nearest rule where none enclose it.
 *
 * @param limit of a measure, as a pruned fraction
 */
export function measureWithLimit(
  rules: readonly SpectralMeasure[],
  limit: SpectralFunctional,
  value: number,
): SpectralMeasure {
  const known = rules.map((rule) => ({ rule, error: limit(rule) - value }));
  const nearest = (candidates: typeof known): (typeof known)[number] | undefined =>
    [...candidates].sort((a, b) => Math.abs(a.error) - Math.abs(b.error))[0];
  const below = nearest(known.filter(({ error }) => error <= SAME_LIMIT));
  const above = nearest(known.filter(({ error }) => error >= -SAME_LIMIT));
  if (below === undefined || above === undefined || below === above) {
    return nearest(known)!.rule;
  }
  const mixture = (share: number): SpectralMeasure =>
    mixMeasures([below.rule, above.rule], [1 - share, share]);
  return mixture(largestWhere((share) => limit(mixture(share)) <= value));
}

function atMostOne(value: number): number {
  return Math.min(1, value);
}
