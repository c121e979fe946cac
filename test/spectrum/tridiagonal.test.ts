import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { tridiagonalEigen } from '../../src/spectrum/tridiagonal.js';

describe('tridiagonalEigen', () => {
  it.each([1, 2, 3, 17, 80])('agrees with a dense eigendecomposition at size %i', (size) => {
    const random = randomStream(size, 'tridiagonal');
    const diagonal = Float64Array.from({ length: size }, () => random.normal());
    const offDiagonal = Float64Array.from({ length: size }, () => Math.abs(random.normal()));
    const dense = Matrix.zeros(size, size);
    for (let i = 0; i < size; i++) {
      dense.set(i, i, diagonal[i]);
      if (i + 1 < size) {
        dense.set(i, i + 1, offDiagonal[i]);
        dense.set(i + 1, i, offDiagonal[i]);
      }
    }
    const reference = new EigenvalueDecomposition(dense, { assumeSymmetric: true });
    const order = reference.realEigenvalues
      .map((value, index) => ({ value, index }))
      .sort((a, b) => a.value - b.value);
    const { values, first, last } = tridiagonalEigen(diagonal, offDiagonal);
    order.forEach(({ value, index }, i) => {
      const vectors = reference.eigenvectorMatrix;
      expect(values[i]).toBeCloseTo(value, 11);
      expect(Math.abs(first[i])).toBeCloseTo(Math.abs(vectors.get(0, index)), 9);
      expect(Math.abs(last[i])).toBeCloseTo(Math.abs(vectors.get(size - 1, index)), 9);
    });
  });

  it('knows the second-difference matrix', () => {
    const size = 40;
    const { values } = tridiagonalEigen(new Float64Array(size).fill(2), new Float64Array(size).fill(-1));
    values.forEach((value, i) => {
      expect(value).toBeCloseTo(2 - 2 * Math.cos(((i + 1) * Math.PI) / (size + 1)), 13);
    });
  });

  it('handles a matrix that splits, and an empty one', () => {
    expect(Array.from(tridiagonalEigen([3, 1, 2], [0, 0]).values)).toEqual([1, 2, 3]);
    expect(Array.from(tridiagonalEigen([3, 1, 2], [0, 0]).first)).toEqual([0, 0, 1]);
    expect(tridiagonalEigen([], []).values).toHaveLength(0);
  });
});
