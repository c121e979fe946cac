import { tensor2d } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { createNetwork } from '../../src/network/create-network.js';
import { weightTensors } from '../../src/network/network.js';
import { scaleWeights } from '../../src/network/scaled-weights.js';
import { randomStream } from '../../src/random.js';
import { createZooCheckpoint } from '../../src/training/zoo/registry.js';

beforeAll(() => prepareBackend('cpu'));

/** A perceptron whose biases are not 0. */
function perceptron(): LayersCheckpoint {
  const { checkpoint } = createZooCheckpoint('mlp', {
    exampleShape: [5],
    layout: 'NHWC',
    classes: 3,
    hidden: [7, 6],
    width: 1,
    seed: 3,
  });
  const random = randomStream(1, 'biases');
  return {
    ...checkpoint,
    weights: checkpoint.weights.map((weight) =>
      weight.name.endsWith('/bias')
        ? { ...weight, values: Float32Array.from(weight.values, () => random.normal()) }
        : weight,
    ),
  };
}

async function logitsOf(checkpoint: LayersCheckpoint): Promise<number[]> {
  const network = await createNetwork(checkpoint);
  const random = randomStream(2, 'inputs');
  const inputs = tensor2d(
    Array.from({ length: 20 }, () => random.normal()),
    [4, 5],
  );
  const weights = weightTensors(network, network.weights);
  const values = [...network.logits(weights, inputs).dataSync()];
  network.dispose();
  return values;
}

interface LayerChange {
  class_name?: string;
  activation?: string;
}

/** A change to one layer. */
function withLayer(checkpoint: LayersCheckpoint, index: number, change: LayerChange): LayersCheckpoint {
  const topology = structuredClone(checkpoint.topology) as {
    config: { layers: { class_name: string; config: object }[] };
  };
  const layer = topology.config.layers[index];
  const { class_name: kind = layer.class_name, ...config } = change;
  topology.config.layers[index] = { ...layer, class_name: kind, config: { ...layer.config, ...config } };
  return { ...checkpoint, topology };
}

describe('scaleWeights', () => {
  it.each([2, 5, 0.3])('by %f: the same function', async (factor) => {
    const dense = await logitsOf(perceptron());
    const scaled = await logitsOf(scaleWeights(perceptron(), factor));
    const largest = Math.max(...dense.map(Math.abs));
    expect(largest).toBeGreaterThan(0.5);
    scaled.forEach((value, i) => {
      // Rounding of float32.
      expect(Math.abs(value - dense[i])).toBeLessThan(1e-5 * largest);
    });
  });

  it('multiplies kernels and biases as it says', () => {
    const [before, after] = [perceptron(), scaleWeights(perceptron(), 3)];
    const factors = before.weights.map((weight, i) => {
      const place = weight.values.findIndex((value) => value !== 0);
      return after.weights[i].values[place] / weight.values[place];
    });
    const expected: Record<string, number> = {
      'dense_1/kernel': 3,
      'dense_1/bias': 3,
      'dense_2/kernel': 3,
      'dense_2/bias': 9,
      'dense_3/kernel': 1 / 9,
      'dense_3/bias': 1,
    };
    before.weights.forEach(({ name }, i) => {
      expect(factors[i]).toBeCloseTo(expected[name], 5);
    });
  });

  it.each<[string, LayerChange, RegExp]>([
    ['another activation', { activation: 'tanh' }, /has the activation tanh/],
    ['another layer', { class_name: 'BatchNormalization' }, /is a BatchNormalization/],
  ])('refuses %s', (_, change, message) => {
    expect(() => scaleWeights(withLayer(perceptron(), 1, change), 2)).toThrow(message);
  });
});
