import { layerOrders } from '../layer-removal.js';
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
  layerOrders(layers, rankByMagnitude(weights)).forEach((order, layer) => {
    for (const index of order.subarray(0, counts[layer])) {
      mask[index] = 0;
    }
  });
  return prunedBy(weights, mask);
};
