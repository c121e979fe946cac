import { permutation, randomStream } from '../../random.js';
import {
  type GradientMatrix,
  gradientMatrix,
  timesVector,
  transposedTimesVector,
} from './gradient-matrix.js';
import { bestKeptWeights } from './inverse-fisher.js';
import { masked, prunedBy, pruneLowest } from './mask.js';
import type { PruningMethod } from './method.js';

/** Damping of the matrix that the update solves with, of the authors' scripts. */
const DAMPING = 1e-3;
/** Masks of magnitudes within random chunks that are tried at the start, plain magnitude first. */
const STARTS = 20;
const MOST_CHUNKS = 1000;
const SWEEPS = 100;
/** Ranks to each side in which a partner is looked for. */
const REACH = 10;
/** The least fall of the objective for which a swap is made. */
const LEAST_GAIN = 1e-4;
const MOST_MISSES = 20;
/** Sweeps without a lower loss after which the search ends. */
const PATIENCE = 5;

/** CBS's objective: w_P' H w_P over the pruned weights P, H = G'G / N. */
export function combinatorialObjective(
  gradients: GradientMatrix,
  weights: Float32Array,
  mask: Uint8Array,
): number {
  const removed = Float64Array.from(weights, (weight, i) => (mask[i] === 0 ? weight : 0));
  return timesVector(gradients, removed).reduce((sum, value) => sum + value * value, 0) / gradients.rows;
}

/** Columns of G as rows, so that one is contiguous. */
function transposed({ rows, columns, values }: GradientMatrix): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column];
    }
  }
  return result;
}

/** Makes sweeps of swaps between pruned and kept weights, each of which lowers the objective. */
export function swapSweeper(gradients: GradientMatrix, weights: Float32Array): (mask: Uint8Array) => number {
  const { rows } = gradients;
  const byColumn = transposed(gradients);
  const curvature = (i: number, j: number): number => {
    let sum = 0;
    for (let row = 0; row < rows; row++) {
      sum += byColumn[i * rows + row] * byColumn[j * rows + row];
    }
    return sum / rows;
  };
  const diagonal = Float64Array.from(weights, (_, i) => curvature(i, i));
  return (mask) => {
    const removed = Float64Array.from(weights, (weight, i) => (mask[i] === 0 ? weight : 0));
    const pulled = transposedTimesVector(gradients, timesVector(gradients, removed)).map(
      (value) => value / rows,
    );
    // What keeping a pruned weight gains, and what pruning a kept one costs.
    const gain = (i: number): number => 2 * weights[i] * pulled[i] - weights[i] ** 2 * diagonal[i];
    const cost = (j: number): number => 2 * weights[j] * pulled[j] + weights[j] ** 2 * diagonal[j];
    const places = [...mask.keys()];
    const gains = new Map(places.filter((i) => mask[i] === 0).map((i) => [i, gain(i)]));
    const pruned = [...gains.keys()].sort(
      (a, b) => (gains.get(b) as number) - (gains.get(a) as number) || a - b,
    );
    if (pruned.length === 0) {
      return 0;
    }
    const costs = new Map(
      places
        .filter((j) => mask[j] === 1)
        .map((j) => [j, cost(j) - 2 * weights[pruned[0]] * weights[j] * curvature(pruned[0], j)]),
    );
    const kept = [...costs.keys()].sort(
      (a, b) => (costs.get(a) as number) - (costs.get(b) as number) || a - b,
    );
    const swaps: [number, number][] = [];
    const used = new Set<number>();
    let misses = 0;
    for (const [rank, i] of pruned.entries()) {
      const window = kept.slice(Math.max(0, rank - REACH), rank + REACH + 1).filter((j) => !used.has(j));
      // H w_P has changed by the swaps so far: i' kept takes w_i' H_i'x away, j' pruned adds w_j' H_j'x.
      const shift = (x: number): number =>
        swaps.reduce(
          (sum, [from, to]) => sum - weights[from] * curvature(from, x) + weights[to] * curvature(to, x),
          0,
        );
      const gained = gain(i) + 2 * weights[i] * shift(i);
      const partner = window.find(
        (j) =>
          gained - (cost(j) + 2 * weights[j] * shift(j)) + 2 * weights[i] * weights[j] * curvature(i, j) >=
          LEAST_GAIN,
      );
      if (partner === undefined) {
        if (++misses > MOST_MISSES) {
          break;
        }
        continue;
      }
      used.add(partner);
      swaps.push([i, partner]);
    }
    for (const [from, to] of swaps) {
      mask[from] = 1;
      mask[to] = 0;
    }
    return swaps.length;
  };
}

/** The mask of magnitudes within chunks of shuffled weights, all of one share. */
function chunkedMask(weights: Float32Array, prunedWeights: number, seed: number): Uint8Array {
  const order = permutation(weights.length, randomStream(seed, 'prune/cbs'));
  const chunks = Math.max(1, Math.min(MOST_CHUNKS, Math.floor(Math.sqrt(weights.length))));
  const mask = new Uint8Array(weights.length).fill(1);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const [first, last] = [chunk, chunk + 1].map((edge) => Math.floor((edge * weights.length) / chunks));
    const [before, after] = [first, last].map((edge) => Math.floor((edge * prunedWeights) / weights.length));
    const places = [...order.subarray(first, last)].sort(
      (a, b) => Math.abs(weights[a]) - Math.abs(weights[b]),
    );
    for (const place of places.slice(0, after - before)) {
      mask[place] = 0;
    }
  }
  return mask;
}

/**
 * The combinatorial brain surgeon (Yu et al., ICML 2022): of masks of magnitudes within random chunks the one of lowest
 * training loss, then swaps that lower w_P' H w_P as long as the training loss falls, then the joint OBS update.
 */
export const cbs: PruningMethod = async ({ weights, oracle, products }, { prunedWeights, seed }) => {
  const range = { start: 0, end: oracle.examples };
  const lossOf = (mask: Uint8Array): Promise<number> => oracle.loss(masked(weights, mask), range);
  const magnitudes = Float64Array.from(weights, Math.abs);
  let best = pruneLowest(magnitudes, prunedWeights);
  let least = await lossOf(best);
  for (let start = 1; start < STARTS; start++) {
    const mask = chunkedMask(weights, prunedWeights, seed + start);
    const loss = await lossOf(mask);
    if (loss < least) {
      [best, least] = [mask, loss];
    }
  }
  if (prunedWeights === 0) {
    return prunedBy(weights, best);
  }
  const gradients = await gradientMatrix(oracle, weights, { batchSize: 1, count: oracle.examples });
  const sweep = swapSweeper(gradients, weights);
  const mask = best.slice();
  for (let count = 0, stale = 0; count < SWEEPS && stale < PATIENCE; count++) {
    if (sweep(mask) === 0) {
      break;
    }
    const loss = await lossOf(mask);
    stale++;
    if (loss < least) {
      [best, least, stale] = [mask.slice(), loss, 0];
    }
  }
  const model = { gradients, weights, ridge: DAMPING, linear: null };
  return { mask: best, weights: await bestKeptWeights(model, best, products) };
};
