import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/registry.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { classLabels } from '../../src/dataset/labels.js';
import { readDataset } from '../../src/dataset/registry.js';
import { prepareStored } from '../../src/dataset/stored.js';
import { createNetwork } from '../../src/network/create-network.js';
import { weightTensors } from '../../src/network/network.js';
import { evaluate } from '../../src/training/evaluation.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

describe('fixtures', () => {
  // The figures are those of the README.md beside each checkpoint.
  it.each([
    { name: 'mnist-lomp', train: 0.01692, test: 0.07351, accuracy: 0.9746, small: 0.914 },
    { name: 'mnist-dense', train: 0.00092, test: 0.09468, accuracy: 0.9805, small: 0.127 },
  ])('$name reaches its figures on the data it names', async ({ name, train, test, accuracy, small }) => {
    const checkpoint = await readCheckpoint(join('fixtures', name));
    const { data } = checkpoint.metadata.pruneLimit as { data: string };
    const dataset = await readDataset(join(dirname(checkpoint.path), data));
    const network = await createNetwork(checkpoint);
    const weights = weightTensors(network, network.weights);
    const measured = [dataset.train, dataset.test].map((split) => {
      const examples = prepareStored(split!, { inputShape: network.inputShape, normalization: null });
      const classOf = classLabels(examples.labels, network.outputs);
      return evaluate(examples, classOf, network.outputs, (inputs) => network.logits(weights, inputs));
    });
    const [onTrain, onTest] = await Promise.all(measured);
    expect(onTrain.loss).toBeCloseTo(train, 4);
    expect(onTest.loss).toBeCloseTo(test, 4);
    expect(onTest.accuracy).toBeCloseTo(accuracy, 3);
    const below = network.weights.filter((weight) => Math.abs(weight) < 0.01).length;
    expect(below / network.dimension).toBeCloseTo(small, 3);
  });

  it('stay small enough for a repository', async () => {
    const names = await readdir('fixtures', { recursive: true });
    const sizes = await Promise.all(
      names.map(async (name) => {
        const found = await stat(join('fixtures', name));
        return found.isFile() ? found.size : 0;
      }),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(2_000_000);
  });
});
