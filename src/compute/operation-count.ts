/** A kernel call as far as its work depends on it. */
export interface KernelShapes {
  name: string;
  /** Null for an operand that is left out. */
  inputShapes: readonly (readonly number[] | null)[];
  outputShapes: readonly (readonly number[])[];
}

function size(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/**
 * Floating-point operations of a matrix product or convolution of tfjs, two
 * for each output and each term of its sum; 0 for every other kernel.
 */
export function kernelOperations({ name, inputShapes, outputShapes }: KernelShapes): number {
  const [first, second] = inputShapes;
  const [output] = outputShapes;
  if (!first || !second) {
    return 0;
  }
  if (name.includes('MatMul')) {
    // (rows inner) (inner columns) (rows columns) is the square of the number of terms.
    return 2 * Math.sqrt(size(first) * size(second) * size(output));
  }
  if (!name.includes('Conv')) {
    return 0;
  }
  const [filter, positions] = name.endsWith('BackpropFilter')
    ? [output, second]
    : name.endsWith('BackpropInput')
      ? [second, first]
      : [second, output];
  return 2 * size(filter) * size(positions.slice(0, -1));
}
