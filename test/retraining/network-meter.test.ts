import { memory } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { tfjsExecutor } from '../../src/compute/tfjs-executor.js';
import { createTrainableNetwork } from '../../src/network/trainable-network.js';
import { openNetworkMeter } from '../../src/retraining/network-meter.js';
import { createZooCheckpoint } from '../../src/training/zoo/registry.js';
import { separableData } from '../training/problems.js';

beforeAll(() => prepareBackend('cpu'));

describe('the meter of networks', () => {
  it('measures any weights on the chosen examples, as float64 does, and lets go of all', async () => {
    const { checkpoint } = createZooCheckpoint('mlp', {
      ...{ exampleShape: [2], layout: 'flat', classes: 3, hidden: [4], seed: 1 },
    });
    const data = separableData();
    const before = memory().numTensors;
    const network = await createTrainableNetwork(checkpoint);
    const weights = network.weights.map(({ values }) => values.map((value, i) => value + 0.1 * (i % 3)));
    const [kernel1, bias1, kernel2, bias2] = weights;
    const reference = (values: ArrayLike<number>, labels: ArrayLike<number>, at: number) => {
      const hidden = Array.from(bias1, (bias, j) =>
        Math.max(0, bias + values[2 * at] * kernel1[j] + values[2 * at + 1] * kernel1[4 + j]),
      );
      const logits = Array.from(bias2, (bias, k) =>
        hidden.reduce((sum, h, j) => sum + h * kernel2[3 * j + k], bias),
      );
      const label = labels[at];
      return {
        loss: Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - logits[label],
        right: logits.indexOf(Math.max(...logits)) === label ? 1 : 0,
      };
    };
    const chosen = { train: Int32Array.of(3, 8, 40, 77), test: Int32Array.of(0, 1, 2, 30, 59) };
    const over = (
      split: { values: ArrayLike<number>; labels: { values: ArrayLike<number> } },
      order: Int32Array,
    ) => Array.from(order, (at) => reference(split.values, split.labels.values, at));
    const mean = (numbers: number[]) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

    const meter = await openNetworkMeter({ network, data, executor: tfjsExecutor }, chosen);
    const { loss, accuracy } = await meter.measure({ weights, statistics: [] });
    expect(loss).toBeCloseTo(mean(over(data.train, chosen.train).map((each) => each.loss)), 5);
    expect(accuracy).toBe(mean(over(data.test!, chosen.test).map(({ right }) => right)));
    meter.dispose();

    const all = await openNetworkMeter(
      { network, data: { ...data, test: null }, executor: tfjsExecutor },
      { train: chosen.train },
    );
    expect((await all.measure({ weights, statistics: [] })).accuracy).toBeNull();
    all.dispose();
    network.dispose();
    expect(memory().numTensors).toBe(before);
  });
});
