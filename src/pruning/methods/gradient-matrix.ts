/**
 * Algebra with few gradients of many weights: F = ridge I + G'G / N, G the N x D matrix of gradients, by matrices of
 * N x N. All sums are float64.
 */
import { InputError } from '../../errors.js';
import type { LossOracle } from './method.js';

/** Columns of G that are worked on at once. */
const COLUMNS = 256;

/** Gradients of mini-batches, one a row. */
export interface GradientMatrix {
  /** N */
  rows: number;
  /** D */
  columns: number;
  /** Row-major, float32 as computed. */
  values: Float32Array;
}

/** Most numbers of a gradient matrix, 2 GiB of them. */
const MOST_NUMBERS = 2 ** 29;

/**
 * Gathers the gradients of `count` mini-batches.
 *
 * @throws InputError `prune/memory` where they take more than 2 GiB
 */
export async function gradientMatrix(
  oracle: LossOracle,
  weights: Float32Array,
  options: { batchSize: number; count: number },
): Promise<GradientMatrix> {
  const columns = weights.length;
  if (options.count * columns > MOST_NUMBERS) {
    throw new InputError(
      'prune/memory',
      `${options.count} gradients of ${columns} weights take more than 2 GiB; let the method see fewer examples with --calibration ${Math.max(2, Math.floor(MOST_NUMBERS / columns))}, or use --method compensated`,
    );
  }
  const values = new Float32Array(options.count * columns);
  await oracle.gradientRows(weights, options, (row, index) => values.set(row, index * columns));
  return { rows: options.count, columns, values };
}

/** The columns of a matrix that are picked, as a matrix of their own. */
export function pickColumns(
  { rows, columns, values }: GradientMatrix,
  picked: ArrayLike<number>,
): GradientMatrix {
  const result = new Float32Array(rows * picked.length);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < picked.length; j++) {
      result[row * picked.length + j] = values[row * columns + picked[j]];
    }
  }
  return { rows, columns: picked.length, values: result };
}

/** G v, length N. */
export function timesVector({ rows, columns, values }: GradientMatrix, vector: Float64Array): Float64Array {
  const product = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let sum = 0;
    for (let j = 0; j < columns; j++) {
      sum += values[start + j] * vector[j];
    }
    product[row] = sum;
  }
  return product;
}

/** G' u, length D. */
export function transposedTimesVector(
  { rows, columns, values }: GradientMatrix,
  vector: Float64Array,
): Float64Array {
  const product = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    const factor = vector[row];
    const start = row * columns;
    if (factor !== 0) {
      for (let j = 0; j < columns; j++) {
        product[j] += factor * values[start + j];
      }
    }
  }
  return product;
}

/** ridge I + G G', N x N, row-major, the lower triangle. */
function shiftedGram({ rows, columns, values }: GradientMatrix, shift: number): Float64Array {
  const gram = new Float64Array(rows * rows);
  // Four rows at once, so that every number that is loaded is used more than once.
  for (let i = 0; i < rows; i += 2) {
    const a = i * columns;
    const b = Math.min(i + 1, rows - 1) * columns;
    for (let j = 0; j <= i + 1 && j < rows; j += 2) {
      const c = j * columns;
      const d = Math.min(j + 1, rows - 1) * columns;
      let ac = 0;
      let ad = 0;
      let bc = 0;
      let bd = 0;
      for (let k = 0; k < columns; k++) {
        const left = values[a + k];
        const next = values[b + k];
        const right = values[c + k];
        const other = values[d + k];
        ac += left * right;
        ad += left * other;
        bc += next * right;
        bd += next * other;
      }
      gram[i * rows + j] = ac;
      if (j + 1 < rows) {
        gram[i * rows + j + 1] = ad;
      }
      if (i + 1 < rows) {
        gram[(i + 1) * rows + j] = bc;
        if (j + 1 < rows) {
          gram[(i + 1) * rows + j + 1] = bd;
        }
      }
    }
  }
  for (let i = 0; i < rows; i++) {
    gram[i * rows + i] += shift;
  }
  return gram;
}

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

/** The inverse of F = ridge I + G'G / N, by Woodbury: (I - G' K^-1 G) / ridge with K = N ridge I + G G'. */
export interface InverseFisher {
  /** F^-1 v, length D. */
  apply(vector: Float64Array): Float64Array;
  /** All [F^-1]_qq, length D. */
  diagonal(): Float64Array;
}

/**
 * @param gradients G
 * @param ridge damping, above 0
 */
export function inverseFisher(gradients: GradientMatrix, ridge: number): InverseFisher {
  const { rows, columns, values } = gradients;
  const factor = shiftedGram(gradients, rows * ridge);
  choleskyInPlace(factor, rows);
  return {
    apply: (vector) => {
      const inner = choleskySolve(factor, rows, timesVector(gradients, vector));
      const outer = transposedTimesVector(gradients, inner);
      return vector.map((value, i) => (value - outer[i]) / ridge);
    },
    diagonal: () => {
      const diagonal = new Float64Array(columns);
      // Squared norms of the columns of L^-1 G, some columns at a time.
      const block = new Float64Array(rows * COLUMNS);
      for (let first = 0; first < columns; first += COLUMNS) {
        const width = Math.min(COLUMNS, columns - first);
        for (let i = 0; i < rows; i++) {
          const at = i * width;
          for (let j = 0; j < width; j++) {
            block[at + j] = values[i * columns + first + j];
          }
          for (let k = 0; k < i; k++) {
            const scale = factor[i * rows + k];
            const from = k * width;
            for (let j = 0; j < width; j++) {
              block[at + j] -= scale * block[from + j];
            }
          }
          const pivot = factor[i * rows + i];
          for (let j = 0; j < width; j++) {
            block[at + j] /= pivot;
            diagonal[first + j] += block[at + j] ** 2;
          }
        }
      }
      return diagonal.map((norm) => Math.max(Number.MIN_VALUE, (1 - norm) / ridge));
    },
  };
}

/** The places where a mask keeps a weight. */
export function keptPlaces(mask: Uint8Array): Uint32Array {
  const places: number[] = [];
  mask.forEach((kept, i) => {
    if (kept !== 0) {
      places.push(i);
    }
  });
  return Uint32Array.from(places);
}

/**
 * The kept weights that minimise 1/2 d'F d + a'd, d = w - w*, with the others 0: F_SS d_S = -F_SP d_P - a_S. Without
 * a this is the joint OBS update dw = -F^-1 E_P ([F^-1]_PP)^-1 w_P (Hassibi & Stork 1992) of all pruned weights P.
 *
 * @param gradients G of F = ridge I + G'G / N
 * @param weights w*, length D
 * @param linear a; null: 0
 * @returns w, 0 where the mask is
 */
export function bestKeptWeights(
  gradients: GradientMatrix,
  ridge: number,
  weights: Float32Array,
  mask: Uint8Array,
  linear: Float64Array | null,
): Float32Array {
  const kept = keptPlaces(mask);
  const removed = Float64Array.from(weights, (weight, i) => (mask[i] === 0 ? -weight : 0));
  const pulled = transposedTimesVector(gradients, timesVector(gradients, removed));
  const right = Float64Array.from(
    kept,
    (i) => -pulled[i] / gradients.rows - (linear === null ? 0 : linear[i]),
  );
  const step = inverseFisher(pickColumns(gradients, kept), ridge).apply(right);
  const result = new Float32Array(weights.length);
  kept.forEach((i, j) => {
    result[i] = weights[i] + step[j];
  });
  return result;
}
