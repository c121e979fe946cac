import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { PrunableWeight } from '../network/network.js';

/**
 * A copy of a checkpoint with other values for its prunable weights; all else
 * is shared with the original.
 *
 * @param flat new values of all prunable weights, length D
 */
export function withPrunableWeights<C extends Checkpoint>(
  checkpoint: C,
  prunable: readonly PrunableWeight[],
  flat: Float32Array,
): C {
  const places = new Map(prunable.map((weight) => [weight.checkpointName, weight]));
  const weights = checkpoint.weights.map((weight) => {
    const place = places.get(weight.name);
    return place === undefined
      ? weight
      : { ...weight, values: flat.slice(place.offset, place.offset + place.size) };
  });
  return { ...checkpoint, weights };
}
