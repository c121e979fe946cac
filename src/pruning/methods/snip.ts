import { prunedBy, pruneLowest } from './mask.js';
import type { PruningMethod } from './method.js';

/**
 * Prunes the lowest |w dL/dw| (SNIP: Lee, Ajanthan & Torr, ICLR 2019), here of a trained network, with the gradient
 * over all calibration examples.
 */
export const snip: PruningMethod = async ({ weights, oracle }, { prunedWeights }) => {
  const gradient = await oracle.gradient(weights, { start: 0, end: oracle.examples });
  const scores = gradient.map((value, i) => Math.abs(value * weights[i]));
  return prunedBy(weights, pruneLowest(scores, prunedWeights));
};
