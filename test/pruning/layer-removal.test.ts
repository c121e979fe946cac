import { describe, expect, it } from 'vitest';
import { countsByLayer, displacementTo, layerOrders, pruneLayers } from '../../src/pruning/layer-removal.js';
import { rankByMagnitude } from '../../src/pruning/magnitude.js';

describe('two layers of three and two weights', () => {
  const layers = [
    { offset: 0, size: 3 },
    { offset: 3, size: 2 },
  ];
  const weights = Float32Array.of(3, -1, 2, 0.5, -2);
  const ranking = rankByMagnitude(weights);
  const orders = layerOrders(layers, ranking);

  it('are each ranked by magnitude, ties by index', () => {
    expect(orders.map((order) => [...order])).toEqual([
      [1, 2, 0],
      [3, 4],
    ]);
  });

  it('are pruned to counts of their own', () => {
    const pruned = pruneLayers(weights, orders, [2, 1]);
    expect([...pruned]).toEqual([3, 0, 0, 0, -2]);
    expect([...displacementTo(weights, pruned)]).toEqual([0, 1, -2, -0.5, 0]);
    expect([...weights]).toEqual([3, -1, 2, 0.5, -2]);
  });

  it('are pruned by global magnitude as their counts say', () => {
    // Ascending: 0.5, -1, 2 (index 2), -2 (index 4), 3
    expect([0, 1, 2, 3, 4, 5].map((n) => countsByLayer(layers, ranking, n))).toEqual([
      [0, 0],
      [0, 1],
      [1, 1],
      [2, 1],
      [2, 2],
      [3, 2],
    ]);
  });
});
