import { prunedBy, pruneLowest } from './mask.js';
import type { LossOracle, PruningMethod } from './method.js';

/**
 * The diagonal of the empirical Fisher matrix: the mean square of the gradients of single examples.
 *
 * @returns length D, float64
 */
export function fisherDiagonal(oracle: LossOracle, weights: Float32Array): Promise<Float64Array> {
  return oracle.meanSquaredGradient(weights, oracle.examples);
}

/** w^2 times a diagonal, the loss that the quadratic model (doubled) ascribes to a weight alone. */
export function diagonalScores(weights: Float32Array, diagonal: Float64Array): Float64Array {
  return diagonal.map((value, i) => weights[i] ** 2 * value);
}

/** Prunes the lowest w^2 F_ii, F the empirical Fisher matrix (LeCun, Denker & Solla 1989; Theis et al. 2018). */
export const saliency: PruningMethod = async ({ weights, oracle }, { prunedWeights }) => {
  const scores = diagonalScores(weights, await fisherDiagonal(oracle, weights));
  return prunedBy(weights, pruneLowest(scores, prunedWeights));
};
