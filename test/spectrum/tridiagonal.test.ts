import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { tridiagonalEigen, tridiagonalEigenvectors } from '../../src/spectrum/tridiagonal.js';

/** A random tridiagonal matrix, and the same written out. */
function randomTridiagonal(size: number) {
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
  return { diagonal, offDiagonal, dense };
}

describe('tridiagonalEigen', () => {
  it.each([1, 2, 3, 17, 80])('agrees with a dense eigendecomposition at size %i', (size) => {
    const { diagonal, offDiagonal, dense } = randomTridiagonal(size);
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

describe('tridiagonalEigenvectors', () => {
  it.each([1, 2, 3, 17, 80])('agrees with a dense eigendecomposition at size %i', (size) => {
    const { diagonal, offDiagonal, dense } = randomTridiagonal(size);
    const reference = new EigenvalueDecomposition(dense, { assumeSymmetric: true });
    const order = [...reference.realEigenvalues.keys()].sort(
      (i, j) => reference.realEigenvalues[i] - reference.realEigenvalues[j],
    );
    const { values, rows } = tridiagonalEigenvectors(diagonal, offDiagonal);
    expect(rows).toHaveLength(size);
    order.forEach((index, j) => {
      expect(values[j]).toBeCloseTo(reference.realEigenvalues[index], 11);
      const expected = reference.eigenvectorMatrix.getColumn(index);
      const found = rows.map((row) => row[j]);
      // Vectors are known but for their sign.
      const overlap = found.reduce((sum, entry, i) => sum + entry * expected[i], 0);
      found.forEach((entry, i) => {
        expect(entry).toBeCloseTo(Math.sign(overlap) * expected[i], 9);
      });
    });
  });

  it('has the first and last row, and the values, of tridiagonalEigen', () => {
    const { diagonal, offDiagonal } = randomTridiagonal(30);
    const { values, rows } = tridiagonalEigenvectors(diagonal, offDiagonal);
    const two = tridiagonalEigen(diagonal, offDiagonal);
    expect([values, rows[0], rows[29]]).toEqual([two.values, two.first, two.last]);
  });

  it('is a basis of eigenvectors at 300 steps, also of a matrix that splits', () => {
    const { diagonal, offDiagonal } = randomTridiagonal(300);
    offDiagonal[120] = 0;
    const { values, rows } = tridiagonalEigenvectors(diagonal, offDiagonal);
    const coupling = (i: number): number => (i < 0 || i >= 299 ? 0 : offDiagonal[i]);
    for (const j of [0, 1, 77, 150, 299]) {
      const vector = rows.map((row) => row[j]);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 12);
      vector.forEach((entry, i) => {
        const product =
          coupling(i - 1) * (vector[i - 1] ?? 0) + diagonal[i] * entry + coupling(i) * (vector[i + 1] ?? 0);
        expect(product).toBeCloseTo(values[j] * entry, 12);
      });
      const other = rows.reduce((sum, row) => sum + row[j] * row[(j + 1) % 300], 0);
      expect(other).toBeCloseTo(0, 12);
    }
  });

  it('handles an empty matrix', () => {
    expect(tridiagonalEigenvectors([], [])).toEqual({ values: new Float64Array(0), rows: [] });
  });
});
