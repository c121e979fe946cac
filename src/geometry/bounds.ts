import { transitionWindow } from './statistical-dimension.js';

/** A pruned fraction and the interval that holds it. */
export interface PrunedInterval {
  readonly pruned: number;
  readonly low: number;
  readonly high: number;
}

/** The bracket of the smallest kept ratio. All are fractions of D. */
export interface KeptBounds {
  /** Kept at the limit that bounds from below; an estimate: networks that keep less do exist. */
  readonly lowerKept: number;
  /** Ends of the interval of `lowerKept`. */
  readonly lowerKeptLow: number;
  readonly lowerKeptHigh: number;
  /** The one-shot network with this much kept is within eps, in the quadratic model. */
  readonly upperKept: number;
  /** `upperKept - lowerKept`. Negative where the quadratic model of the slice is the more optimistic one. */
  readonly delta: number;
  /** Ends of the interval of `delta`. */
  readonly deltaLow: number;
  readonly deltaHigh: number;
}

/**
 * Bounds of the kept ratio (Zhang et al., NeurIPS 2024, arXiv 2306.05857): below by
 * the Gaussian-width limit, the paper's estimate, or the sharp one; above by the
 * slice limit.
 *
 * @param limit the Gaussian-width or the sharp limit
 * @param slicePruned the slice limit, as a pruned fraction
 */
export function keptBounds(limit: PrunedInterval, slicePruned: number): KeptBounds {
  const lowerKept = 1 - limit.pruned;
  const lowerKeptLow = 1 - limit.high;
  const lowerKeptHigh = 1 - limit.low;
  const upperKept = 1 - slicePruned;
  return {
    lowerKept,
    lowerKeptLow,
    lowerKeptHigh,
    upperKept,
    delta: upperKept - lowerKept,
    deltaLow: upperKept - lowerKeptHigh,
    deltaHigh: upperKept - lowerKeptLow,
  };
}

/** The probability that {@link transition} leaves outside. The paper's experiments need no other. */
export const TRANSITION_ETA = 0.05;

/** Where the phase transition of the quadratic model lies, as pruned fractions. */
export interface Transition {
  readonly low: number;
  readonly high: number;
  /** See {@link transitionWindow}. */
  readonly halfWidth: number;
}

/**
 * The proven window of the phase transition around the sharp limit: random
 * subspaces meet the sublevel set of the quadratic model with probability
 * `1 - eta` where less than `low` is pruned, and miss it where more than `high`
 * is (Amelunxen, Lotz, McCoy & Tropp 2014, theorem I).
 *
 * The bound is proven and wide: in simulations with D = 600 the transition took
 * +-0.06, by the bound +-0.24. The uncertainty of the sharp limit is added.
 */
export function transition(sharp: PrunedInterval, dimension: number): Transition {
  const halfWidth = transitionWindow(dimension, TRANSITION_ETA);
  return {
    low: Math.max(0, sharp.low - halfWidth),
    high: Math.min(1, sharp.high + halfWidth),
    halfWidth,
  };
}
