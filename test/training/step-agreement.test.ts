import { layers, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { onnxExecutor } from '../../src/compute/compile/onnx-executor.js';
import { createTrainableNetwork } from '../../src/network/trainable-network.js';
import { silentProgress } from '../../src/progress.js';
import { randomStream } from '../../src/random.js';
import { compareSteps } from '../../src/training/step-agreement.js';
import { initialState, type StepSetting, type TrainingBatch } from '../../src/training/step-engine.js';
import { plainSurroundings, stepOptions, trainCheckpoint } from '../../src/training/training-run.js';
import { createZooCheckpoint } from '../../src/training/zoo/registry.js';
import { hasNative, native, wrongBy } from '../compute/compile/support.js';
import { seededCheckpoint } from '../support/models.js';
import { separableData, trainingOptions } from './problems.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

const random = randomStream(3, 'batch');
const normal = (length: number): Float32Array => Float32Array.from({ length }, () => random.normal());
const batch: TrainingBatch = {
  size: 4,
  inputs: normal(4 * 6 * 6 * 2),
  targets: Float32Array.from([1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0]),
  dropoutMasks: [],
};

/** A convolution with batch normalisation, whose statistics a step moves. */
async function withSetting(
  optimizer: 'sgd' | 'adam',
  use: (setting: StepSetting) => Promise<void>,
): Promise<void> {
  const model = sequential({
    layers: [
      layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', inputShape: [6, 6, 2] }),
      layers.batchNormalization(),
      layers.reLU(),
      layers.flatten(),
      layers.dense({ units: 3 }),
    ],
  });
  const network = await createTrainableNetwork(await seededCheckpoint(model, 1));
  const options = stepOptions({ ...trainingOptions, optimizer, l1: 1e-3 });
  try {
    await use({ network, inputShape: [6, 6, 2], options, state: initialState(network, options) });
  } finally {
    network.dispose();
  }
}

describe.skipIf(!hasNative)('steps by compiled programs and by tfjs', () => {
  it.each(['sgd', 'adam'] as const)('agree: %s', async (optimizer) => {
    await withSetting(optimizer, async (setting) => {
      expect(await compareSteps(onnxExecutor(native), setting, batch)).toBeLessThan(1e-5);
    });
  });

  it('differ where results are wrong', async () => {
    await withSetting('sgd', async (setting) => {
      expect(await compareSteps(onnxExecutor(wrongBy(1.01)), setting, batch)).toBeCloseTo(1 - 1 / 1.01, 4);
      expect(await compareSteps(onnxExecutor(wrongBy(Number.NaN)), setting, batch)).toBeNaN();
    });
  });

  it('are those of tfjs, with a note, where compiled ones are wrong', async () => {
    const notes: string[] = [];
    const { checkpoint } = createZooCheckpoint('mlp', {
      exampleShape: [2],
      layout: 'flat',
      classes: 3,
      hidden: [4],
      seed: 0,
    });
    const options = { ...trainingOptions, epochs: 1 };
    const progress = { ...silentProgress, note: (message: string) => notes.push(message) };
    const train = (executor = plainSurroundings.executor) =>
      trainCheckpoint(checkpoint, separableData(), options, progress, { ...plainSurroundings, executor });
    const wrong = await train(onnxExecutor(wrongBy(1.01)));
    expect(notes[0]).toMatch(
      /^training with tfjs, which takes several times as long: compiled steps differ from tfjs by/,
    );
    expect(wrong.weights).toEqual((await train()).weights);
  });
});
