import { memory } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { createNetwork } from '../../../src/network/create-network.js';
import type { ZooOptions } from '../../../src/training/zoo/options.js';
import { createZooCheckpoint } from '../../../src/training/zoo/registry.js';

const mnist: ZooOptions = {
  exampleShape: [28, 28],
  layout: 'NHWC',
  classes: 10,
  hidden: [300, 100],
  seed: 0,
};

beforeAll(async () => {
  await prepareBackend('cpu');
});

const shapesOf = (name: 'mlp' | 'lenet5', options: ZooOptions) =>
  createZooCheckpoint(name, options).checkpoint.weights.map((weight) => [weight.name, [...weight.shape]]);

describe('createZooCheckpoint', () => {
  it('builds LeNet-300-100 for MNIST by default', () => {
    expect(shapesOf('mlp', mnist)).toEqual([
      ['dense_1/kernel', [784, 300]],
      ['dense_1/bias', [300]],
      ['dense_2/kernel', [300, 100]],
      ['dense_2/bias', [100]],
      ['dense_3/kernel', [100, 10]],
      ['dense_3/bias', [10]],
    ]);
  });

  it('takes hidden widths, input size and class count from elsewhere', () => {
    const options: ZooOptions = { exampleShape: [7], layout: 'flat', classes: 3, hidden: [5], seed: 0 };
    expect(shapesOf('mlp', options).map(([, shape]) => shape)).toEqual([[7, 5], [5], [5, 3], [3]]);
  });

  it('builds LeNet-5 for MNIST', () => {
    const { checkpoint, inputShape } = createZooCheckpoint('lenet5', mnist);
    expect(inputShape).toEqual([28, 28, 1]);
    expect(checkpoint.weights.map(({ name, shape }) => [name, [...shape]])).toEqual([
      ['conv_1/kernel', [5, 5, 1, 6]],
      ['conv_1/bias', [6]],
      ['conv_2/kernel', [5, 5, 6, 16]],
      ['conv_2/bias', [16]],
      ['dense_1/kernel', [400, 120]],
      ['dense_1/bias', [120]],
      ['dense_2/kernel', [120, 84]],
      ['dense_2/bias', [84]],
      ['dense_3/kernel', [84, 10]],
      ['dense_3/bias', [10]],
    ]);
  });

  it.each([
    ['NHWC', [32, 32, 3]],
    ['NCHW', [3, 32, 32]],
  ] as const)('gives LeNet-5 channels last for %s images', (layout, exampleShape) => {
    const { checkpoint, inputShape } = createZooCheckpoint('lenet5', { ...mnist, layout, exampleShape });
    expect(inputShape).toEqual([32, 32, 3]);
    expect(checkpoint.weights[0].shape).toEqual([5, 5, 3, 6]);
    expect(checkpoint.weights[4].shape).toEqual([576, 120]);
  });

  it.each([
    [[784], 'flat'],
    [[8, 8], 'NHWC'],
    [[3, 32, 2], 'NHWC'],
  ] as const)('refuses examples of shape %j (%s) for LeNet-5', (exampleShape, layout) => {
    expect(() => createZooCheckpoint('lenet5', { ...mnist, exampleShape, layout })).toThrow(
      /lenet5 takes images .* one example has shape .* train mlp instead/,
    );
  });

  it('draws He normal kernels, an output kernel of gain 1, and zero biases', () => {
    const { weights } = createZooCheckpoint('mlp', mnist).checkpoint;
    const expected = [2 / 784, 0, 2 / 300, 0, 1 / 100, 0];
    weights.forEach(({ values }, index) => {
      const meanSquare =
        Float64Array.from(values).reduce((sum, value) => sum + value * value, 0) / values.length;
      // Relative standard deviation of a mean of n squares: sqrt(2 / n).
      const tolerance = 5 * expected[index] * Math.sqrt(2 / values.length);
      expect(Math.abs(meanSquare - expected[index])).toBeLessThanOrEqual(tolerance);
    });
  });

  it('gives the same bytes for the same seed, and others for another', () => {
    const bytes = (seed: number) =>
      createZooCheckpoint('lenet5', { ...mnist, seed }).checkpoint.weights.map(({ values }) =>
        Buffer.from(values.buffer).toString('base64'),
      );
    expect(bytes(3)).toEqual(bytes(3));
    const [first, other] = [bytes(3), bytes(4)];
    expect(other[0]).not.toBe(first[0]);
    expect(other[4]).not.toBe(first[4]);
  });

  it('ends in a softmax that the loss takes off, and leaves no tensors', async () => {
    const before = memory().numTensors;
    const { checkpoint } = createZooCheckpoint('lenet5', mnist);
    expect(memory().numTensors).toBe(before);
    const network = await createNetwork(checkpoint);
    expect(network.removedActivation).toBe('softmax');
    expect(network.dimension).toBe(150 + 2400 + 48_000 + 10_080 + 840);
    network.dispose();
  });
});
