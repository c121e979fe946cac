/** Operators with spectra known exactly, to test spectral code against. */
import type { LinearOperator } from '../../src/curvature/linear-operator.js';
import { randomStream } from '../../src/random.js';

export function diagonalOperator(eigenvalues: ArrayLike<number>): LinearOperator {
  return {
    dim: eigenvalues.length,
    apply: async (vector) => {
      const image = Float64Array.from(vector);
      for (let i = 0; i < image.length; i++) {
        image[i] *= eigenvalues[i];
      }
      return image;
    },
  };
}

/** A dense symmetric matrix given by rows. */
export function denseOperator(rows: readonly ArrayLike<number>[]): LinearOperator {
  return {
    dim: rows.length,
    apply: async (vector) => {
      const image = new Float64Array(rows.length);
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i];
        let sum = 0;
        for (let j = 0; j < vector.length; j++) {
          sum += row[j] * vector[j];
        }
        image[i] = sum;
      }
      return image;
    },
  };
}

/** Rows of a random orthogonal matrix, by Gram-Schmidt done twice. */
export function orthogonalRows(dimension: number, seed: number): Float64Array[] {
  const random = randomStream(seed, 'orthogonal');
  const rows: Float64Array[] = [];
  for (let i = 0; i < dimension; i++) {
    const row = Float64Array.from({ length: dimension }, () => random.normal());
    for (let pass = 0; pass < 2; pass++) {
      for (const earlier of rows) {
        let overlap = 0;
        for (let k = 0; k < dimension; k++) {
          overlap += row[k] * earlier[k];
        }
        for (let k = 0; k < dimension; k++) {
          row[k] -= overlap * earlier[k];
        }
      }
    }
    const norm = Math.hypot(...row);
    rows.push(row.map((entry) => entry / norm));
  }
  return rows;
}

/** Eigenvectors of which the first `mixed` share their coordinates and every other has one of its own. */
export function partlyLocalRows(dimension: number, mixed: number, seed: number): Float64Array[] {
  const block = orthogonalRows(mixed, seed);
  return Array.from({ length: dimension }, (_, i) => {
    const row = new Float64Array(dimension);
    if (i < mixed) {
      row.set(block[i]);
    } else {
      row[i] = 1;
    }
    return row;
  });
}

/** The rows of sum_k values[k] q_k q_k', written out. */
export function explicitMatrix(
  values: ArrayLike<number>,
  eigenvectors: readonly Float64Array[],
): Float64Array[] {
  const dimension = eigenvectors[0].length;
  const rows = Array.from({ length: dimension }, () => new Float64Array(dimension));
  eigenvectors.forEach((vector, k) => {
    for (let i = 0; i < dimension; i++) {
      for (let j = 0; j < dimension; j++) {
        rows[i][j] += values[k] * vector[i] * vector[j];
      }
    }
  });
  return rows;
}

/** Independent signs, scaled to unit norm: a probe. */
export function signVector(dimension: number, seed: number, name = 'signs'): Float64Array {
  const random = randomStream(seed, name);
  return Float64Array.from({ length: dimension }, () => random.sign() / Math.sqrt(dimension));
}

/**
 * An operator with the given eigenvalues (a power of two of them) and generic
 * eigenvectors: S F diag(lambda) F S, with F the orthonormal Walsh-Hadamard
 * transform and S random signs. In the eigenbasis of a plain diagonal matrix a
 * Rademacher probe has no randomness at all; here it has.
 */
export function rotatedOperator(eigenvalues: ArrayLike<number>, seed: number): LinearOperator {
  const dim = eigenvalues.length;
  if ((dim & (dim - 1)) !== 0) {
    throw new RangeError(`rotatedOperator: expected a power of two, got ${dim} eigenvalues`);
  }
  const diagonal = Float64Array.from(eigenvalues);
  const random = randomStream(seed, 'rotation');
  const signs = Float64Array.from({ length: dim }, () => random.sign());
  const other = Float64Array.from({ length: dim }, () => random.sign());
  return {
    dim,
    apply: async (vector) => {
      const x = Float64Array.from(vector);
      scale(x, signs);
      walshHadamard(x);
      scale(x, other);
      walshHadamard(x);
      scale(x, diagonal);
      walshHadamard(x);
      scale(x, other);
      walshHadamard(x);
      scale(x, signs);
      return x;
    },
  };
}

function scale(x: Float64Array, factors: Float64Array): void {
  for (let i = 0; i < x.length; i++) {
    x[i] *= factors[i];
  }
}

function walshHadamard(x: Float64Array): void {
  for (let half = 1; half < x.length; half *= 2) {
    for (let start = 0; start < x.length; start += 2 * half) {
      for (let i = start; i < start + half; i++) {
        const a = x[i];
        const b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
  }
  const norm = 1 / Math.sqrt(x.length);
  for (let i = 0; i < x.length; i++) {
    x[i] *= norm;
  }
}

/** A network-like spectrum and pruning problem. */
export interface SyntheticProblem {
  eigenvalues: Float64Array;
  radiusSquared: (prunedFraction: number) => number;
  epsilon: number;
}

/**
 * A spectrum like a trained network's: a mass within 1e-5 of zero of both
 * signs, a log-normal tail up to 10, some of its small members negative; and
 * the R^2(p) of normally distributed weights.
 */
export function syntheticProblem(seed: number, dimension: number): SyntheticProblem {
  const random = randomStream(seed, 'synthetic');
  const between = (low: number, high: number): number => low + (high - low) * random.uniform();
  const concentrated = Math.floor(dimension * between(0.5, 0.9));
  const centre = between(-3.5, -1.5) * Math.LN10;
  const spread = between(1.2, 2.3);
  const negativeShare = between(0, 0.45);
  const tail = Array.from({ length: dimension - concentrated }, () =>
    Math.exp(centre + spread * random.normal()),
  );
  const scale = 10 / Math.max(...tail);
  const eigenvalues = new Float64Array(dimension);
  for (let i = 0; i < dimension; i++) {
    if (i < concentrated) {
      eigenvalues[i] = 10 ** between(-9, -5) * random.sign();
    } else {
      const value = tail[i - concentrated] * scale;
      eigenvalues[i] = value < 0.1 && random.uniform() < negativeShare ? -value : value;
    }
  }
  const total = [30, 100, 300][random.integer(3)];
  return { eigenvalues, radiusSquared: normalWeightsRadius(dimension, total, random.normal), epsilon: 0.06 };
}

/** R^2(p) of normally distributed weights of total squared norm `total`, linear between the counts. */
export function normalWeightsRadius(
  dimension: number,
  total: number,
  normal: () => number,
): (prunedFraction: number) => number {
  const squares = Float64Array.from({ length: dimension }, () => normal() ** 2).sort();
  const sums = new Float64Array(dimension + 1);
  for (let i = 0; i < dimension; i++) {
    sums[i + 1] = sums[i] + squares[i];
  }
  return (p) => {
    const at = Math.min(Math.max(p, 0), 1) * dimension;
    const below = Math.min(Math.floor(at), dimension - 1);
    return (total * (sums[below] + (at - below) * (sums[below + 1] - sums[below]))) / sums[dimension];
  };
}
