import type { Checkpoint, CheckpointWeight } from '../checkpoint/checkpoint.js';
import type { PrunableWeight } from '../network/network.js';

/**
 * A copy of a checkpoint with other values for its prunable weights; all else
 * is shared with the original. Kernels that an ONNX graph computes from
 * constants become `folded` weights, beside those that are there.
 *
 * @param flat new values of all prunable weights, length D
 */
export function withPrunableWeights<C extends Checkpoint>(
  checkpoint: C,
  prunable: readonly PrunableWeight[],
  flat: Float32Array,
): C {
  const places = new Map(prunable.map((weight) => [weight.checkpointName, weight]));
  const valuesOf = ({ offset, size }: PrunableWeight) => flat.slice(offset, offset + size);
  const weights = checkpoint.weights.map((weight) => {
    const place = places.get(weight.name);
    places.delete(weight.name);
    return place === undefined ? weight : { ...weight, values: valuesOf(place) };
  });
  const others = ((checkpoint.format === 'onnx' && checkpoint.folded) || []).filter(
    ({ name }) => !places.has(name),
  );
  const pruned = [...places.values()].map(
    (place): CheckpointWeight => ({
      name: place.checkpointName,
      shape: place.shape,
      dtype: 'float32',
      values: valuesOf(place),
      storage: null,
    }),
  );
  const folded = [...others, ...pruned];
  return { ...checkpoint, weights, ...(folded.length > 0 && { folded }) };
}
