/**
 * What holds of the elements of a tensor while weights are removed one after
 * another, as counts: how many may be gone before it holds no longer.
 *
 * An element that holds as soon as one of several things does has the largest
 * of their counts, one that needs two things the smaller: a network is walked
 * once, and not once for every mask.
 */
export interface Lifetimes {
  /**
   * Up to how many removed weights each element has a path from the network's
   * input through weights that are kept; {@link NEVER} where there is none.
   * Null: no element has one (weights, biases, constants).
   */
  readonly depends: Int32Array | null;
  /** Up to how many removed weights each element may be other than zero; at least `depends`. */
  readonly nonZero: Int32Array;
}

/** The count of what does not even hold with all weights in place. */
export const NEVER = -1;

/** Counts of a tensor whose elements are all alike. */
export function filled(size: number, count: number): Int32Array {
  return new Int32Array(size).fill(count);
}

/** Counts of what holds as long as one of two things does. */
export function longer(left: Int32Array, right: Int32Array): Int32Array {
  return left.map((count, index) => Math.max(count, right[index]));
}

/** Counts of what holds as long as two things do. */
export function shorter(left: Int32Array, right: Int32Array): Int32Array {
  return left.map((count, index) => Math.min(count, right[index]));
}

/** {@link longer}, where null stands for what never holds. */
export function longerOf(left: Int32Array | null, right: Int32Array | null): Int32Array | null {
  return left === null ? right : right === null ? left : longer(left, right);
}

/** Elements that read two others: a sum, a larger one. */
export function sumOf(left: Lifetimes, right: Lifetimes): Lifetimes {
  return {
    depends: longerOf(left.depends, right.depends),
    nonZero: longer(left.nonZero, right.nonZero),
  };
}

/** Products of two elements: what one factor carries arrives while the other is not zero. */
export function productOf(left: Lifetimes, right: Lifetimes): Lifetimes {
  const carried = ({ depends }: Lifetimes, { nonZero }: Lifetimes): Int32Array | null =>
    depends && shorter(depends, nonZero);
  return {
    depends: longerOf(carried(left, right), carried(right, left)),
    nonZero: shorter(left.nonZero, right.nonZero),
  };
}

/** Applies a function of counts to both counts. */
export function mapLifetimes(
  { depends, nonZero }: Lifetimes,
  map: (counts: Int32Array) => Int32Array,
): Lifetimes {
  return { depends: depends && map(depends), nonZero: map(nonZero) };
}
