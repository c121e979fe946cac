/** Replaces the lower triangle of a positive definite matrix by its Cholesky factor, in place. */
export function choleskyInPlace(matrix: Float64Array, size: number): void {
  for (let i = 0; i < size; i++) {
    const row = i * size;
    for (let j = 0; j <= i; j++) {
      const other = j * size;
      let sum = matrix[row + j];
      for (let k = 0; k < j; k++) {
        sum -= matrix[row + k] * matrix[other + k];
      }
      matrix[row + j] = i === j ? Math.sqrt(sum) : sum / matrix[other + j];
    }
  }
}

/** Solves L L' x = b, L the lower triangle. */
export function choleskySolve(factor: Float64Array, size: number, right: Float64Array): Float64Array {
  const x = right.slice();
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) {
      x[i] -= factor[i * size + k] * x[k];
    }
    x[i] /= factor[i * size + i];
  }
  for (let i = size - 1; i >= 0; i--) {
    x[i] /= factor[i * size + i];
    for (let k = 0; k < i; k++) {
      x[k] -= factor[i * size + k] * x[i];
    }
  }
  return x;
}

/** L^-1 of a lower triangle, 0 above the diagonal. */
export function lowerInverse(factor: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    const row = i * size;
    for (let k = 0; k < i; k++) {
      const other = k * size;
      const scale = factor[row + k];
      for (let j = 0; j <= k; j++) {
        inverse[row + j] -= scale * inverse[other + j];
      }
    }
    const pivot = factor[row + i];
    for (let j = 0; j < i; j++) {
      inverse[row + j] /= pivot;
    }
    inverse[row + i] = 1 / pivot;
  }
  return inverse;
}
