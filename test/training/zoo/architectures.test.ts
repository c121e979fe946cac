import { tensor } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CheckpointWeight } from '../../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../../src/compute/backend.js';
import { createNetwork } from '../../../src/network/create-network.js';
import { weightTensors } from '../../../src/network/network.js';
import { type ZooName, zooCatalogue, zooNames } from '../../../src/training/zoo/catalogue.js';
import type { ZooOptions } from '../../../src/training/zoo/options.js';
import { countParameters, createZooCheckpoint } from '../../../src/training/zoo/registry.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

function optionsFor(exampleShape: readonly number[], classes: number, width = 1): ZooOptions {
  return { exampleShape, layout: 'NHWC', classes, hidden: [300, 100], width, seed: 0 };
}

describe('parameter counts', () => {
  // Counted by PyTorch 1.13 on the same layers; those of the paper's networks are those of its code, too.
  const usual: Record<ZooName, [prunable: number, trainable: number]> = {
    mlp: [266_200, 266_610],
    mlpnet: [32_360, 32_360],
    fc5: [3_883_000, 3_885_010],
    fc12: [7_263_000, 7_269_610],
    lenet: [120_920, 121_182],
    lenet5: [61_470, 61_706],
    alexnet: [46_778_400, 46_787_978],
    vgg16: [14_715_584, 14_728_266],
    resnet18: [11_210_432, 11_220_132],
    resnet20: [268_336, 269_722],
    resnet50: [23_652_032, 23_705_252],
  };

  it.each(zooNames)('of %s on its usual data', (name) => {
    const { exampleShape, classes } = zooCatalogue[name].usualData;
    const [prunable, trainable] = usual[name];
    expect(countParameters(name, optionsFor(exampleShape, classes))).toEqual({ prunable, trainable });
    expect(zooCatalogue[name].prunableWeights).toBe(prunable);
  });

  it.each([
    ['resnet18', [64, 64, 3], 200, 1, 11_261_632],
    ['resnet50', [64, 64, 3], 200, 1, 23_856_832],
    ['lenet', [28, 28], 10, 1, 85_560],
    ['vgg16', [32, 32, 3], 10, 1 / 4, 921_008],
    ['resnet18', [32, 32, 3], 10, 1 / 4, 699_056],
    ['resnet50', [32, 32, 3], 10, 1 / 4, 1_470_896],
    ['alexnet', [32, 32, 3], 10, 1 / 4, 2_937_864],
    ['alexnet', [224, 224, 3], 10, 1, 46_778_400],
    ['alexnet', [28, 28, 3], 10, 1, 46_778_400],
    ['vgg16', [224, 224, 3], 10, 1, 14_715_584],
  ] as const)('of %s on %j, %i classes, width %f', (name, shape, classes, width, prunable) => {
    expect(countParameters(name, optionsFor(shape, classes, width)).prunable).toBe(prunable);
  });
});

/** A weight that depends on nothing but its kind and size. */
function formula({ name, shape }: CheckpointWeight): (index: number) => number {
  const fanIn = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
  switch (name.split('/')[1]) {
    case 'kernel':
      return (i) => Math.sqrt(4 / fanIn) * Math.cos(0.37 * i ** 2);
    case 'gamma':
      return (i) => 0.6 + 0.2 * Math.sin(i);
    case 'moving_mean':
      return (i) => 0.1 * Math.sin(2 * i);
    case 'moving_variance':
      return (i) => 1 + 0.5 * Math.cos(3 * i);
    default:
      return (i) => 0.1 * Math.cos(i);
  }
}

describe('logits', () => {
  // Of two images with pixel i at cos(.11 i^2 / 7); by PyTorch 1.13 in double precision, with its own layers and
  // paddings, kernels in the order height, width, in, out, and channels last before the first dense layer.
  it.each([
    ['mlpnet', [28, 28, 1], 1, [0.52433, 3.049251, 1.487297, -0.191143, 0.820543, 0.398396]],
    ['lenet', [28, 28, 1], 1 / 2, [1.914836, 2.023333, -2.983334, 1.497459, 0.551426, -1.797797]],
    ['lenet5', [32, 32, 3], 1 / 2, [2.449755, 0.535929, -4.29974, 2.682866, 1.052017, -4.187311]],
    ['alexnet', [32, 32, 3], 1 / 16, [1.681094, -3.353115, -3.763766, 3.264656, -4.147645, -4.437622]],
    ['alexnet', [64, 64, 3], 1 / 16, [3.399917, -5.301053, -2.338068, 2.884518, -6.235919, -3.293046]],
    ['vgg16', [64, 64, 3], 1 / 16, [0.094061, 0.302688, -0.120965, 0.088271, 0.303822, -0.123715]],
    ['resnet18', [32, 32, 3], 1 / 16, [-4.004457, 1.166886, -9.977823, -3.690732, 0.948101, -8.987865]],
    ['resnet20', [28, 28, 1], 1 / 4, [24.156886, 17.955148, 5.859456, 24.745178, 15.901398, 5.934203]],
    ['resnet50', [32, 32, 3], 1 / 16, [756.2978, -96.47398, -321.4755, 719.4199, -93.47494, -309.6226]],
  ] as [ZooName, number[], number, number[]][])('of %s on %j', async (name, shape, width, expected) => {
    const { checkpoint } = createZooCheckpoint(name, optionsFor(shape, 3, width));
    for (const weight of checkpoint.weights) {
      const value = formula(weight);
      weight.values = Float32Array.from({ length: weight.values.length }, (_, i) => value(i));
    }
    const network = await createNetwork(checkpoint);
    const size = shape.reduce((product, extent) => product * extent, 1);
    const pixels = Float32Array.from({ length: 2 * size }, (_, i) => Math.cos((0.11 * i ** 2) / 7));
    const inputs = tensor(pixels, [2, ...(network.inputShape as number[])]);
    const weights = weightTensors(network, network.weights);
    const logits = network.logits(weights, inputs).dataSync();
    const scale = Math.max(...expected.map(Math.abs));
    expected.forEach((value, i) => {
      expect(Math.abs(logits[i] - value) / scale).toBeLessThan(1e-4);
    });
    [inputs, ...weights].forEach((owned) => {
      owned.dispose();
    });
    network.dispose();
  });
});
