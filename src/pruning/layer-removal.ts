/** Pruning each layer to a count of its own, by magnitude within it. */
import type { MagnitudeRanking } from './magnitude.js';

/** Where a layer lies in the flat vector. */
export interface LayerSpan {
  offset: number;
  size: number;
}

/**
 * The flat indices of each layer by ascending magnitude, ties by index.
 *
 * @param layers ascending by offset, without gaps
 */
export function layerOrders(
  layers: readonly LayerSpan[],
  { order }: Pick<MagnitudeRanking, 'order'>,
): Uint32Array[] {
  const owners = new Uint32Array(order.length);
  layers.forEach(({ offset, size }, layer) => {
    owners.fill(layer, offset, offset + size);
  });
  const orders = layers.map(({ size }) => new Uint32Array(size));
  const filled = layers.map(() => 0);
  for (const index of order) {
    const layer = owners[index];
    orders[layer][filled[layer]++] = index;
  }
  return orders;
}

/**
 * The weights with the smallest of each layer set to 0.
 *
 * @param orders of `layerOrders`
 * @param counts how many of each layer
 */
export function pruneLayers(
  weights: Float32Array,
  orders: readonly Uint32Array[],
  counts: readonly number[],
): Float32Array {
  const pruned = weights.slice();
  orders.forEach((order, layer) => {
    for (const index of order.subarray(0, counts[layer])) {
      pruned[index] = 0;
    }
  });
  return pruned;
}

/** How many weights of each layer are among the first `count` of a ranking over all of them. */
export function countsByLayer(
  layers: readonly LayerSpan[],
  { order }: Pick<MagnitudeRanking, 'order'>,
  count: number,
): number[] {
  const removed = new Uint8Array(order.length);
  for (const index of order.subarray(0, count)) {
    removed[index] = 1;
  }
  return layers.map(({ offset, size }) =>
    removed.subarray(offset, offset + size).reduce((sum, flag) => sum + flag, 0),
  );
}

/** d of weights that became others, in float64. */
export function displacementTo(weights: Float32Array, pruned: Float32Array): Float64Array {
  return Float64Array.from(weights, (weight, index) => pruned[index] - weight);
}
