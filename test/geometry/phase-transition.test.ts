import { CholeskyDecomposition, Matrix, QrDecomposition } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { reachableIncrease } from '../../src/geometry/sharp-limit.js';
import { randomStream } from '../../src/random.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';

const DIMENSION = 400;
const SUBSPACES = 3;
const DIRECTIONS = 40;

/**
 * Minima of a quadratic over uniformly random affine subspaces at distance 1
 * of its centre, against `R^2 k / (2 mu n)`. Over `B w = b` with B an
 * orthonormal n x D matrix the minimum is `1/2 b' (B H^-1 B')^-1 b`; b has a
 * random direction and length 1.
 */
describe('the minimum over a random affine subspace', () => {
  const random = randomStream(7, 'phase transition');
  const eigenvalues = Float64Array.from({ length: DIMENSION }, () => Math.exp(-4 + 2 * random.normal()));
  const measure = measureFromEigenvalues(eigenvalues);

  it.each([0.5, 0.7, 0.8, 0.9, 0.95])('agrees with the deterministic equivalent at p = %f', (pruned) => {
    const n = Math.round(pruned * DIMENSION);
    const normals = Array.from({ length: DIMENSION }, () => Array.from({ length: n }, () => random.normal()));
    const formula = reachableIncrease(measure, pruned, 1);
    let sum = 0;
    for (let subspace = 0; subspace < SUBSPACES; subspace++) {
      for (const row of normals) {
        for (let j = 0; j < n; j++) {
          row[j] = random.normal();
        }
      }
      const q = new QrDecomposition(new Matrix(normals)).orthogonalMatrix; // D x n
      const scaled = q.clone();
      for (let i = 0; i < DIMENSION; i++) {
        scaled.mulRow(i, 1 / eigenvalues[i]);
      }
      const product = q.transpose().mmul(scaled);
      const gram = product.clone().add(product.transpose()).div(2); // symmetric to the last bit
      const factor = new CholeskyDecomposition(gram);
      for (let k = 0; k < DIRECTIONS; k++) {
        const direction = Matrix.columnVector(Array.from({ length: n }, () => random.normal()));
        direction.div(direction.norm());
        sum += direction.dot(factor.solve(direction)) / 2;
      }
    }
    const simulated = sum / (SUBSPACES * DIRECTIONS);
    // One direction fluctuates by about sqrt(2/n) times the spread of (B H^-1 B')^-1,
    // 10 to 30 %; 120 of them, in three subspaces, by 2 to 3 %.
    expect(Math.abs(simulated / formula - 1)).toBeLessThan(0.05);
    // The Gaussian width says eps = R^2 / (2 mu) = formula p / (1 - p): far too much above 1/2.
    if (pruned >= 0.7) {
      expect(simulated).toBeLessThan((0.5 * formula * pruned) / (1 - pruned));
    }
  });
});
