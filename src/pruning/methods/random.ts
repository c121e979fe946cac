import { permutation, randomStream } from '../../random.js';
import { prunedBy } from './mask.js';
import type { PruningMethod } from './method.js';

/** Prunes weights that are drawn uniformly over all layers at once. */
export const random: PruningMethod = async ({ weights }, { prunedWeights, seed }) => {
  const order = permutation(weights.length, randomStream(seed, 'prune/random'));
  const mask = new Uint8Array(weights.length).fill(1);
  for (const index of order.subarray(0, prunedWeights)) {
    mask[index] = 0;
  }
  return prunedBy(weights, mask);
};
