import type { ExampleSource } from '../network/example-source.js';
import type { LossName } from '../network/loss.js';
import type { Network } from '../network/network.js';
import type { RandomStream } from '../random.js';
import { ordinaryPoint, trainedPoint } from './check-points.js';
import { type Comparison, compareDerivatives, NOTHING_KNOWN } from './derivative-comparison.js';

/**
 * Largest relative error that passes. A missing term in a nested gradient
 * shows as 0.03 to 0.7; float32 differences of a right one agree to 1e-4 to
 * 1e-2.
 */
export const SELF_CHECK_TOLERANCE = 0.02;

/** How well derivatives agree with finite differences. */
export interface SelfCheck {
  /**
   * || H v - (g(w + h v) - g(w - h v)) / 2h || / || H v ||, the larger one of
   * the points that resolve it. A difference within the tolerance and what the
   * point leaves open counts as the tolerance at most. NaN where a derivative
   * is not finite.
   */
  productError: number;
  /** | <g, v> - (L(w + h v) - L(w - h v)) / 2h | / || g || ||v||, likewise. */
  gradientError: number;
  /**
   * Relative error of a product below which the check sees nothing, in [0, 1],
   * where it sees most: at the trained weights or at ordinary ones. Above
   * {@link SELF_CHECK_TOLERANCE} the products are checked no better than that.
   */
  resolution: number;
  /**
   * The same at the trained weights alone. Above the tolerance derivatives
   * there are too close to rounding noise to be checked, and the errors are
   * those of the same program at ordinary weights and random targets.
   */
  trainedResolution: number;
}

/** The error that a comparison shows, as far as what it leaves open does not explain it. */
function shownError({ error, resolution }: Comparison): number {
  return Math.max(Math.min(error, SELF_CHECK_TOLERANCE), error - resolution);
}

/** The largest error of comparisons that resolve the tolerance or exceed it all the same. */
function worstError(comparisons: readonly Comparison[]): number {
  const resolved = comparisons.filter(({ resolution }) => resolution <= SELF_CHECK_TOLERANCE);
  const exceeding = comparisons.filter((one) => !(shownError(one) <= SELF_CHECK_TOLERANCE));
  const telling = [...resolved, ...exceeding];
  return telling.length > 0 ? Math.max(...telling.map(shownError)) : Math.min(...comparisons.map(shownError));
}

/**
 * Compares the gradient and one random Hessian-vector product of a network
 * with central differences of loss and gradients, on a few examples, at two
 * points: at the trained weights, where nothing may be wrong beyond the noise
 * of what is compared; and at ordinary weights and random targets, where a
 * network that fits perfectly or is saturated leaves its derivatives no place
 * to hide.
 */
export async function checkDerivatives(
  network: Network,
  loss: LossName,
  source: ExampleSource,
  random: RandomStream,
): Promise<SelfCheck> {
  const trained = await trainedPoint(network, loss, source);
  const atTrained = await compareDerivatives(network, loss, trained, random, SELF_CHECK_TOLERANCE);
  const ordinary = ordinaryPoint(network, loss, trained, random);
  const elsewhere = await compareDerivatives(network, loss, ordinary, random, SELF_CHECK_TOLERANCE);
  // Other weights than the trained ones are free to overflow.
  const atOrdinary = Number.isNaN(elsewhere.product.error)
    ? { product: NOTHING_KNOWN, gradient: NOTHING_KNOWN }
    : elsewhere;
  const trainedResolution = Math.min(1, atTrained.product.resolution);
  return {
    productError: worstError([atTrained.product, atOrdinary.product]),
    gradientError: worstError([atTrained.gradient, atOrdinary.gradient]),
    resolution: Math.min(trainedResolution, atOrdinary.product.resolution),
    trainedResolution,
  };
}
