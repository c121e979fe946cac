import { type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { type ConnectedPruning, connectedPruning } from '../../src/analysis/connectivity.js';
import type { Checkpoint, LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { createNetwork } from '../../src/network/create-network.js';
import { type Network, type NetworkOptions, weightTensors } from '../../src/network/network.js';
import { pruneSmallest, rankByMagnitude } from '../../src/pruning/magnitude.js';
import { randomExamples } from '../support/models.js';

/** The limit of a network whose inputs have a shape. */
export function limitOf(network: Network, shape: readonly number[]): ConnectedPruning {
  const train = randomExamples({ count: 1, shape, outputs: network.outputs, targets: 'real', seed: 1 });
  return connectedPruning({ network, train }, rankByMagnitude(network.weights));
}

/** Builds a network, hands it over and disposes of it. */
export async function withNetwork<T>(
  checkpoint: Checkpoint,
  use: (network: Network) => T,
  options: NetworkOptions = {},
): Promise<T> {
  const network = await createNetwork(checkpoint, options);
  try {
    return use(network);
  } finally {
    network.dispose();
  }
}

type Checkpoints = LayersCheckpoint['weights'];

/** Makes a network of relu, sums and maxima homogeneous and positive: no shift, no negative scale. */
export function withoutShifts(weights: Checkpoints): void {
  for (const weight of weights) {
    const isShift = /(bias|beta|moving_mean)$/.test(weight.name);
    weight.values = weight.values.map((value) => (isShift ? 0 : Math.abs(value)));
  }
}

/** Outputs of every example, with other weights. */
export function evaluated(network: Network, weights: Float32Array, inputs: Tensor): number[][] {
  return tidy(() => network.logits(weightTensors(network, weights), inputs).arraySync());
}

/** Counts at which the connection of some output changes, and those after them. */
export function decisiveCounts({ prunedCounts }: ConnectedPruning, dimension: number): number[] {
  const counts = [0, dimension, ...prunedCounts, ...prunedCounts.map((count) => count + 1)];
  return [...new Set(counts)].filter((count) => count >= 0 && count <= dimension);
}

/** A homogeneous network of positive weights tells the truth: an output is 0 exactly where it is not connected. */
export function expectPositiveWhereConnected(network: Network, shape: readonly number[]): void {
  const ranking = rankByMagnitude(network.weights);
  const limit = limitOf(network, shape);
  expect(limit.exact).toBe(true);
  const ones = tensor(new Float32Array(shape.reduce((product, extent) => product * extent, 1)).fill(1), [
    1,
    ...shape,
  ]);
  for (const count of decisiveCounts(limit, network.dimension)) {
    const [outputs] = evaluated(network, pruneSmallest(network.weights, ranking, count), ones);
    expect(outputs.map((value) => value > 0)).toEqual(
      Array.from(limit.prunedCounts, (last) => count <= last),
    );
  }
  ones.dispose();
}
