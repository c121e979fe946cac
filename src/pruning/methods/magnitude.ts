import { pruneSmallest, rankByMagnitude } from '../magnitude.js';
import type { PruningMethod } from './method.js';

/** Prunes the smallest magnitudes over all layers at once. */
export const magnitude: PruningMethod = async ({ weights }, { prunedWeights }) => {
  const ranking = rankByMagnitude(weights);
  const mask = new Uint8Array(weights.length).fill(1);
  for (let n = 0; n < prunedWeights; n++) {
    mask[ranking.order[n]] = 0;
  }
  return { mask, weights: pruneSmallest(weights, ranking, prunedWeights) };
};
