import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as layers from '@tensorflow/tfjs-layers';
import { describe, expect, it } from 'vitest';
import { findBetterOrder } from '../../src/analysis/image-order.js';
import { openProblem, type Problem, type ProblemConfig } from '../../src/analysis/problem.js';
import { resourceScope } from '../../src/analysis/resources.js';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { readOnnx } from '../../src/checkpoint/onnx/reader.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { analyzeDefaults } from '../../src/config.js';
import type { Evaluation } from '../../src/network/evaluation.js';
import { createBatches } from '../../src/programs/batches.js';
import { evaluate } from '../../src/programs/evaluation.js';
import { silentProgress } from '../../src/progress.js';
import { randomStream } from '../../src/random.js';
import { npy, npz } from '../dataset/support.js';
import { newFolder } from '../end-to-end/support.js';
import { checkpointOf } from '../support/models.js';
import { onnxCheckpoint } from '../support/onnx-models.js';

const [PIXELS, CHANNELS, CLASSES, EXAMPLES] = [32 * 32, 3, 4, 120];
const SIZE = PIXELS * CHANNELS;
const random = randomStream(3, 'image order');

/** An image of each class, bytes, channel after channel. */
const templates = Array.from({ length: CLASSES }, () =>
  Uint8Array.from({ length: SIZE }, () => random.integer(256)),
);

/** The classes' templates with a number in eight changed. */
const images = Array.from({ length: EXAMPLES }, (_, example) =>
  templates[example % CLASSES].map((byte) => (random.uniform() < 1 / 8 ? random.integer(256) : byte)),
);

/** Brings an image from channel after channel to pixel after pixel. */
function channelsLast<T extends Uint8Array | Float32Array>(image: T): T {
  return image.map((_, i) => image[(i % CHANNELS) * PIXELS + Math.floor(i / CHANNELS)]) as T;
}

/** Correlates an image with every template; right for images in the order of the templates that it is made with. */
function kernel(order: 'NHWC' | 'NCHW'): Float32Array {
  const columns = templates.map((template) => {
    const centred = Float32Array.from(template, (byte) => (byte / 255 - 0.5) / 100);
    return order === 'NCHW' ? centred : channelsLast(centred);
  });
  return Float32Array.from(
    { length: SIZE * CLASSES },
    (_, i) => columns[i % CLASSES][Math.floor(i / CLASSES)],
  );
}

function onnx(order: 'NHWC' | 'NCHW'): Checkpoint {
  return onnxCheckpoint({
    input: [null, SIZE],
    nodes: [{ op: 'MatMul', inputs: ['input', 'w'], outputs: ['y'] }],
    weights: { w: { shape: [SIZE, CLASSES], values: kernel(order) } },
  } as Parameters<typeof onnxCheckpoint>[0]);
}

async function layersModel(order: 'NHWC' | 'NCHW'): Promise<Checkpoint> {
  await prepareBackend('cpu');
  const model = layers.sequential({
    layers: [layers.layers.dense({ units: CLASSES, useBias: false, inputShape: [SIZE] })],
  });
  const checkpoint = await checkpointOf(model);
  model.dispose();
  checkpoint.weights[0].values = kernel(order);
  return checkpoint;
}

const cifar = newFolder();
writeFileSync(
  join(cifar, 'data_batch_1.bin'),
  Buffer.concat(images.flatMap((image, example) => [Buffer.of(example % CLASSES), image])),
);
const labels = npy(
  '|u1',
  [EXAMPLES],
  Uint8Array.from(images, (_, example) => example % CLASSES),
);
const archive = (shape: number[], stored: readonly Uint8Array[]): string => {
  const path = join(newFolder(), 'd.npz');
  writeFileSync(
    path,
    npz({ x_train: npy('|u1', [EXAMPLES, ...shape], Buffer.concat(stored)), y_train: labels }, 0),
  );
  return path;
};
const first = archive([3, 32, 32], images);
const last = archive([32, 32, 3], images.map(channelsLast));

const config = (data: string, layout: 'NHWC' | 'NCHW' | null): ProblemConfig => ({
  ...analyzeDefaults,
  data,
  layout,
  backend: 'cpu',
});

/** The problem, evaluated on its examples. */
function opened<T>(
  checkpoint: Checkpoint,
  settings: ProblemConfig,
  use: (problem: Problem, dense: Evaluation) => T | Promise<T>,
): Promise<T> {
  return resourceScope(async (scope) => {
    const problem = await openProblem(settings, checkpoint, silentProgress, scope);
    const { network, loss, train } = problem;
    const batches = createBatches(train, network.outputs, { batchSize: 128, keepBytes: 0 });
    return use(problem, await evaluate(network, loss, batches, network.weights));
  });
}

describe('the order of images before a flat input', () => {
  it.each<['onnx' | 'layers', string, string, 'NHWC' | 'NCHW' | null, 'NHWC' | 'NCHW']>([
    ['onnx', 'CIFAR', cifar, null, 'NCHW'],
    ['onnx', 'CIFAR', cifar, 'NHWC', 'NHWC'],
    ['onnx', 'CIFAR', cifar, 'NCHW', 'NCHW'],
    ['onnx', 'an npz, channels first', first, null, 'NCHW'],
    ['onnx', 'an npz, channels first', first, 'NHWC', 'NHWC'],
    ['onnx', 'an npz, channels first', first, 'NCHW', 'NCHW'],
    ['onnx', 'an npz, channels last', last, null, 'NHWC'],
    ['onnx', 'an npz, channels last', last, 'NCHW', 'NCHW'],
    ['onnx', 'an npz, channels last', last, 'NHWC', 'NHWC'],
    ['layers', 'CIFAR', cifar, null, 'NHWC'],
    ['layers', 'CIFAR', cifar, 'NCHW', 'NCHW'],
    ['layers', 'an npz, channels first', first, null, 'NHWC'],
    ['layers', 'an npz, channels first', first, 'NCHW', 'NCHW'],
    ['layers', 'an npz, channels last', last, null, 'NHWC'],
    ['layers', 'an npz, channels last', last, 'NCHW', 'NCHW'],
  ])('%s, %s, --layout: case %#', async (format, _title, data, layout, expected) => {
    const checkpoint = format === 'onnx' ? onnx(expected) : await layersModel(expected);
    await opened(checkpoint, config(data, layout), async (problem, dense) => {
      expect(problem.imageOrder).toBe(expected);
      expect(dense.accuracy).toBe(1);
      expect(await findBetterOrder(problem, config(data, layout))).toBeNull();
    });
  });

  it('that is wrong is found out', async () => {
    await opened(onnx('NHWC'), config(cifar, null), async (problem, dense) => {
      const better = await findBetterOrder(problem, config(cifar, null));
      expect(better).toEqual({
        order: 'NHWC',
        accuracy: 1,
        takenAccuracy: dense.accuracy,
        examples: EXAMPLES,
      });
    });
    await opened(await layersModel('NCHW'), config(first, null), async (problem) => {
      expect(await findBetterOrder(problem, config(first, null))).toMatchObject({
        order: 'NCHW',
        accuracy: 1,
      });
    });
  });

  it('is not blamed for a network that is at chance in both', async () => {
    const untrained = onnx('NHWC');
    (untrained.weights[0].values as Float32Array).reverse();
    await opened(untrained, config(cifar, null), async (problem, dense) => {
      expect(dense.accuracy).toBeLessThan(0.5);
      expect(await findBetterOrder(problem, config(cifar, null))).toBeNull();
    });
  });
});

describe('a network that PyTorch trained on flattened CIFAR images', () => {
  const shared = (path: string): string => fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
  const [model, data] = [shared('cases/onnx/flat_cifar.onnx'), shared('data/cifar-10-batches-bin')];

  // Loss and accuracy in both orders by PyTorch.
  it.skipIf(!existsSync(model) || !existsSync(data)).each([
    [null, 0.3514, 0.9629, 'NCHW'],
    ['NHWC', 5.6398, 0.0879, 'NHWC'],
  ] as const)('is right as stored: --layout %s', async (layout, loss, accuracy, order) => {
    const settings: ProblemConfig = {
      ...config(data, layout),
      examples: 512,
      sample: 'first',
      backend: 'wasm',
    };
    await opened(await readOnnx(model), settings, async (problem, dense) => {
      expect(problem.imageOrder).toBe(order);
      expect(dense.meanLoss).toBeCloseTo(loss, 4);
      expect(dense.accuracy).toBeCloseTo(accuracy, 4);
      const better = await findBetterOrder(problem, settings);
      expect(better?.order ?? null).toBe(layout === null ? null : 'NCHW');
    });
  });
});
