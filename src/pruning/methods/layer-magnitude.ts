import { rankByMagnitude } from '../magnitude.js';
import { apportion, prunedBy } from './mask.js';
import type { PruningMethod } from './method.js';

/** Prunes the smallest magnitudes of every layer, each to the same share (to a weight, by largest remainders). */
export const layerMagnitude: PruningMethod = async ({ weights, layers }, { prunedWeights }) => {
  const counts = apportion(
    layers.map(({ size }) => size),
    prunedWeights,
  );
  const mask = new Uint8Array(weights.length).fill(1);
  layers.forEach(({ offset, size }, layer) => {
    const { order } = rankByMagnitude(weights.slice(offset, offset + size));
    for (let n = 0; n < counts[layer]; n++) {
      mask[offset + order[n]] = 0;
    }
  });
  return prunedBy(weights, mask);
};
