/** How far two right float32 computations may be from each other. */
import type { RandomStream } from '../random.js';

/** Largest relative difference between compiled programs and tfjs that passes: float32 rounding stays below 1e-4. */
export const AGREEMENT_TOLERANCE = 1e-3;

/** Distance of neighbouring float32 numbers, relative to them, at most. */
export const NEIGHBOUR_DISTANCE = 2 ** -23;

/**
 * Every weight moved to a neighbouring float32 number, up or down at random:
 * what a float32 computation changes by that is its rounding noise, all
 * roundings drawn anew, and what the rounding of the weights themselves does.
 */
export function neighbourOf(weights: ArrayLike<number>, random: RandomStream): Float32Array {
  const neighbour = new Float32Array(weights.length);
  for (let i = 0; i < weights.length; i++) {
    neighbour[i] = weights[i] * (1 + NEIGHBOUR_DISTANCE * random.sign());
  }
  return neighbour;
}

/** Rounding noise in units of one such change, which may be small by chance where there are few numbers. */
export const NOISE_FACTOR = 4;

/** || left - right || relative to the larger of the two norms; 0 where both are 0. */
export function relativeDifference(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let difference = 0;
  let leftSquares = 0;
  let rightSquares = 0;
  for (let i = 0; i < right.length; i++) {
    difference += (left[i] - right[i]) ** 2;
    leftSquares += left[i] ** 2;
    rightSquares += right[i] ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / Math.max(leftSquares, rightSquares));
}

/** Results of two computations of the same. */
export interface Agreement {
  /** Largest relative difference that rounding noise does not explain; NaN where only one side is finite. */
  difference: number;
  /** Whether more noise than the tolerance had to be allowed for. */
  isNoisy: boolean;
}

/**
 * Compares the results of a computation with those of a reference, one by one.
 *
 * @param neighbour the reference at {@link neighbourOf} the weights; asked for only where a difference is beyond the
 *   tolerance
 */
export async function agreementOf(
  found: readonly ArrayLike<number>[],
  reference: readonly ArrayLike<number>[],
  neighbour: () => Promise<readonly ArrayLike<number>[]>,
): Promise<Agreement> {
  const differences = reference.map((result, i) => relativeDifference(found[i], result));
  if (!differences.some((difference) => difference > AGREEMENT_TOLERANCE)) {
    return { difference: Math.max(...differences), isNoisy: false };
  }
  const moved = await neighbour();
  const unexplained = differences.map((difference, i) =>
    difference > AGREEMENT_TOLERANCE
      ? Math.max(0, difference - NOISE_FACTOR * relativeDifference(moved[i], reference[i]))
      : difference,
  );
  return { difference: Math.max(...unexplained), isNoisy: true };
}
