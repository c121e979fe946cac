/**
 * Algebra with few gradients of many weights: F = ridge I + G'G / N, G the N x D matrix of gradients, by matrices of
 * N x N. All sums are float64.
 */
import { choleskyInPlace, choleskySolve, lowerInverse } from './cholesky.js';
import { type GradientMatrix, pickColumns, timesVector, transposedTimesVector } from './gradient-matrix.js';
import type { DenseMatrix, MatrixProducts } from './matrix-products.js';

/** Numbers of G that are worked on at once, as float64. */
const NUMBERS_AT_ONCE = 2 ** 22;

/** G's columns, some at a time. */
function* columnBlocks({ rows, columns }: GradientMatrix): Generator<{ first: number; width: number }> {
  const most = Math.max(1, Math.floor(NUMBERS_AT_ONCE / rows));
  for (let first = 0; first < columns; first += most) {
    yield { first, width: Math.min(most, columns - first) };
  }
}

/** Some columns of G. */
function columnsOf({ rows, columns, values }: GradientMatrix, first: number, width: number): DenseMatrix {
  const picked = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    picked.set(values.subarray(row * columns + first, row * columns + first + width), row * width);
  }
  return { rows, columns: width, values: picked };
}

/** Some columns of G as rows. */
function columnsAsRows({ rows, columns, values }: GradientMatrix, first: number, width: number): DenseMatrix {
  const picked = new Float64Array(width * rows);
  for (let row = 0; row < rows; row++) {
    const start = row * columns + first;
    for (let j = 0; j < width; j++) {
      picked[j * rows + row] = values[start + j];
    }
  }
  return { rows: width, columns: rows, values: picked };
}

/** shift I + G G', N x N. */
async function shiftedGram(
  gradients: GradientMatrix,
  shift: number,
  products: MatrixProducts,
): Promise<Float64Array> {
  const { rows } = gradients;
  const gram = new Float64Array(rows * rows);
  for (const { first, width } of columnBlocks(gradients)) {
    const block = columnsOf(gradients, first, width);
    (await products.timesTransposed(block, block)).forEach((value, i) => {
      gram[i] += value;
    });
  }
  for (let i = 0; i < rows; i++) {
    gram[i * rows + i] += shift;
  }
  return gram;
}

/** The inverse of F = ridge I + G'G / N, by Woodbury: (I - G' K^-1 G) / ridge with K = N ridge I + G G'. */
export interface InverseFisher {
  /** F^-1 v, length D. */
  apply(vector: Float64Array): Float64Array;
  /** All [F^-1]_qq, length D. */
  diagonal(): Promise<Float64Array>;
}

/**
 * Factors K, so that F^-1 can be applied and its diagonal taken.
 *
 * @param gradients G, N x D
 * @param ridge damping, above 0
 */
export async function inverseFisher(
  gradients: GradientMatrix,
  ridge: number,
  products: MatrixProducts,
): Promise<InverseFisher> {
  const { rows, columns } = gradients;
  const factor = await shiftedGram(gradients, rows * ridge, products);
  choleskyInPlace(factor, rows);
  return {
    apply: (vector) => {
      const inner = choleskySolve(factor, rows, timesVector(gradients, vector));
      const outer = transposedTimesVector(gradients, inner);
      return vector.map((value, i) => (value - outer[i]) / ridge);
    },
    diagonal: async () => {
      const inverse = { rows, columns: rows, values: lowerInverse(factor, rows) };
      const diagonal = new Float64Array(columns);
      for (const { first, width } of columnBlocks(gradients)) {
        // Rows of (L^-1 G)'; of their squared norms the diagonal is made.
        const whitened = await products.timesTransposed(columnsAsRows(gradients, first, width), inverse);
        for (let j = 0; j < width; j++) {
          let norm = 0;
          for (let i = j * rows; i < (j + 1) * rows; i++) {
            norm += whitened[i] ** 2;
          }
          diagonal[first + j] = Math.max(Number.MIN_VALUE, (1 - norm) / ridge);
        }
      }
      return diagonal;
    },
  };
}

/** The places where a mask keeps a weight. */
function keptPlaces(mask: Uint8Array): Uint32Array {
  const places: number[] = [];
  mask.forEach((kept, i) => {
    if (kept !== 0) {
      places.push(i);
    }
  });
  return Uint32Array.from(places);
}

/** A model of the loss around a network: 1/2 d'F d + a'd, d = w - w*, F = ridge I + G'G / N. */
export interface FisherModel {
  /** G, N x D: gradients of mini-batches. */
  gradients: GradientMatrix;
  /** w*, length D. */
  weights: Float32Array;
  ridge: number;
  /** a, length D; null: 0. */
  linear: Float64Array | null;
}

/**
 * The kept weights of least model with the others 0: F_SS d_S = -F_SP d_P - a_S. Without
 * a this is the joint OBS update dw = -F^-1 E_P ([F^-1]_PP)^-1 w_P (Hassibi & Stork 1992) of all pruned weights P.
 *
 * @returns w, 0 where the mask is
 */
export async function bestKeptWeights(
  { gradients, weights, ridge, linear }: FisherModel,
  mask: Uint8Array,
  products: MatrixProducts,
): Promise<Float32Array> {
  const kept = keptPlaces(mask);
  const removed = Float64Array.from(weights, (weight, i) => (mask[i] === 0 ? -weight : 0));
  const pulled = transposedTimesVector(gradients, timesVector(gradients, removed));
  const right = Float64Array.from(
    kept,
    (i) => -pulled[i] / gradients.rows - (linear === null ? 0 : linear[i]),
  );
  const inverse = await inverseFisher(pickColumns(gradients, kept), ridge, products);
  const step = inverse.apply(right);
  const result = new Float32Array(weights.length);
  kept.forEach((i, j) => {
    result[i] = weights[i] + step[j];
  });
  return result;
}
