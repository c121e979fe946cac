import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { recordBranches, replayBranches } from '../../src/compute/frozen-branches.js';
import { expectClose } from '../support/vectors.js';

const SELU_SCALE = 1.0507009873554805;
const SELU_SCALE_ALPHA = 1.7580993408473766;

/** Runs an operation on numbers. */
function run(f: (x: tf.Tensor) => tf.Tensor, x: readonly number[]): Promise<Float32Array> {
  return Promise.resolve(tf.tidy(() => f(tf.tensor1d([...x])).dataSync() as Float32Array));
}

interface PieceCase {
  name: string;
  f: (x: tf.Tensor) => tf.Tensor;
  at: number[];
  elsewhere: number[];
  /** What the pieces taken at `at` give at `elsewhere`. */
  expected: number[];
}

const pieces: PieceCase[] = [
  { name: 'relu', f: tf.relu, at: [-1, 2], elsewhere: [3, -4], expected: [0, -4] },
  { name: 'relu6', f: tf.relu6, at: [-1, 2, 7], elsewhere: [3, -4, 1], expected: [0, -4, 6] },
  {
    name: 'leaky relu',
    f: (x) => tf.leakyRelu(x, 0.1),
    at: [-1, 2],
    elsewhere: [3, -4],
    expected: [0.3, -4],
  },
  {
    name: 'prelu',
    f: (x) => tf.prelu(x, tf.scalar(0.5)),
    at: [-1, 2],
    elsewhere: [3, -4],
    expected: [1.5, -4],
  },
  { name: 'abs', f: tf.abs, at: [-1, 2], elsewhere: [3, -4], expected: [-3, -4] },
  {
    name: 'clip',
    f: (x) => tf.clipByValue(x, 0, 1),
    at: [-1, 0.5, 2],
    elsewhere: [3, -4, 0],
    expected: [0, -4, 1],
  },
  { name: 'elu', f: tf.elu, at: [-1, 2], elsewhere: [1, -4], expected: [Math.E - 1, -4] },
  {
    name: 'selu',
    f: tf.selu,
    at: [-1, 2],
    elsewhere: [1, -4],
    expected: [SELU_SCALE_ALPHA * (Math.E - 1), -4 * SELU_SCALE],
  },
  { name: 'maximum', f: (x) => tf.maximum(x, 1), at: [0, 2], elsewhere: [3, -4], expected: [1, -4] },
  { name: 'minimum', f: (x) => tf.minimum(x, 1), at: [0, 2], elsewhere: [-3, 4], expected: [-3, 1] },
  { name: 'max', f: (x) => tf.max(x), at: [0, 2, 1], elsewhere: [9, 3, 8], expected: [3] },
  {
    name: 'max, keeping the axis',
    f: (x) => tf.max(x, -1, true),
    at: [0, 2],
    elsewhere: [9, 3],
    expected: [3],
  },
  { name: 'min', f: (x) => tf.min(x), at: [0, 2, 1], elsewhere: [9, 3, 8], expected: [9] },
  { name: 'max of equal entries', f: (x) => tf.max(x), at: [2, 2, 0], elsewhere: [4, 6, 9], expected: [5] },
  {
    name: 'max pooling',
    f: (x) => tf.maxPool(tf.reshape(x, [1, 2, 2, 1]) as tf.Tensor4D, 2, 2, 'valid'),
    at: [0, 1, 3, 2],
    elsewhere: [5, 6, 7, 8],
    expected: [7],
  },
];

describe.each(['wasm', 'cpu'] as const)('branches held fixed on %s', (backend) => {
  beforeAll(async () => {
    await prepareBackend(backend);
  });

  it.each(pieces)('$name', async ({ f, at, elsewhere, expected }) => {
    const { result, branches } = await recordBranches(() => run(f, at));
    expectClose(result, await run(f, at), 0, { label: 'recording changes nothing' });
    expectClose(await replayBranches(branches, () => run(f, at)), result, 1e-6, {
      label: 'the recorded point',
    });
    expectClose(await replayBranches(branches, () => run(f, elsewhere)), expected, 1e-6, {
      label: 'elsewhere',
    });
    branches.dispose();
  });

  it.each(pieces)('$name has the same gradient in its piece', async ({ f, at }) => {
    const gradient = (x: tf.Tensor): tf.Tensor => tf.grad((inner) => tf.sum(tf.square(f(inner))))(x);
    const { result, branches } = await recordBranches(() => run(gradient, at));
    const replayed = await replayBranches(branches, () => run(gradient, at));
    // Of equal entries tfjs counts every one in full; holding them takes their mean.
    const tied = new Set(at).size < at.length;
    expectClose(replayed, tied ? result.map((value) => value / 2) : result, 1e-6);
    branches.dispose();
  });

  it('leaves no tensors and the engine as it was, also after an exception', async () => {
    const runKernel = tf.engine().runKernel;
    const before = tf.memory().numTensors;
    const program = (x: tf.Tensor): tf.Tensor => tf.max(tf.relu(x));
    const { branches } = await recordBranches(() => run(program, [1, -2]));
    expect(tf.memory().numTensors).toBeGreaterThan(before);
    await expect(
      replayBranches(branches, async () => {
        throw new Error('stop');
      }),
    ).rejects.toThrow('stop');
    branches.dispose();
    await expect(
      recordBranches(async () => {
        await run(program, [1, -2]);
        throw new Error('stop');
      }),
    ).rejects.toThrow('stop');
    expect(tf.memory().numTensors).toBe(before);
    expect(tf.engine().runKernel).toBe(runKernel);
  });

  it('does not hold a maximum that cancels, which would overflow where another is larger', async () => {
    const logSoftmax = (x: tf.Tensor): tf.Tensor => tf.logSoftmax(x);
    const { branches } = await recordBranches(() => run(logSoftmax, [1000, 0, -1000]));
    const replayed = await replayBranches(branches, () => run(logSoftmax, [0, 1000, -1000]));
    expectClose(replayed, [-1000, 0, -2000], 1e-6);
    branches.dispose();
  });

  it('refuses to replay another program', async () => {
    const { branches } = await recordBranches(() => run(tf.relu, [1, -2]));
    await expect(replayBranches(branches, () => run(tf.abs, [1, -2]))).rejects.toThrow(
      'Abs where Relu was recorded',
    );
    branches.dispose();
  });
});
