import { transitionWindow } from './statistical-dimension.js';

/** The bracket of the smallest kept ratio. All are fractions of D. */
export interface KeptBounds {
  /** Below this no choice of the kept weights' values is expected to stay within eps. */
  readonly lowerKept: number;
  /** The one-shot network with this much kept is within eps; null where no pruned fraction qualified. */
  readonly upperKept: number | null;
  /** `upperKept - lowerKept`. Negative where the quadratic model of the slice is the more optimistic one. */
  readonly delta: number | null;
  /** Half-width of the phase transition around `lowerKept`. */
  readonly window: number;
}

/**
 * Bounds of the kept ratio (Zhang et al., NeurIPS 2024, arXiv 2306.05857): below by
 * an existence limit, above by the slice limit.
 *
 * @param existencePruned the Gaussian-width or the sharp limit, as a pruned fraction
 * @param slicePruned the slice limit, as a pruned fraction
 */
export function keptBounds(
  existencePruned: number,
  slicePruned: number | null,
  dimension: number,
  eta?: number,
): KeptBounds {
  const lowerKept = 1 - existencePruned;
  const upperKept = slicePruned === null ? null : 1 - slicePruned;
  return {
    lowerKept,
    upperKept,
    delta: upperKept === null ? null : upperKept - lowerKept,
    window: transitionWindow(dimension, eta),
  };
}
