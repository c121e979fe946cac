/** Gradients of a network as the rows of a matrix, and products with vectors, whose sums are float64. */
import { InputError } from '../../errors.js';
import type { LossOracle } from './method.js';

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
