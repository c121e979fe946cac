/** Arrays of numbers with their axes in another order. */

/** A typed array of numbers. */
export type Numbers =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint16Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/**
 * Permutes the axes of a row-major array.
 *
 * @param shape of the array; its product is the number of values
 * @param permutation `permutation[k]` is the axis of `shape` that becomes axis k
 * @returns a new array, row-major in the new order
 */
export function permuteAxes<T extends Numbers>(
  values: T,
  shape: readonly number[],
  permutation: readonly number[],
): T {
  const strides: number[] = [];
  for (let axis = shape.length - 1, stride = 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  const sizes = permutation.map((axis) => shape[axis]!);
  const steps = permutation.map((axis) => strides[axis]!);
  const result = values.slice() as T;
  const index = sizes.map(() => 0);
  let source = 0;
  for (let target = 0; target < result.length; target++) {
    result[target] = values[source]!;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      source += steps[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      source -= steps[axis]! * sizes[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
