import { memory } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { InputError } from '../../src/errors.js';
import { type Progress, silentProgress } from '../../src/progress.js';
import { type TrainingOptions, trainCheckpoint } from '../../src/training/training-run.js';
import { createZooCheckpoint } from '../../src/training/zoo/registry.js';
import { separableData, trainingOptions } from './problems.js';

beforeAll(async () => {
  await prepareBackend('cpu');
});

function untrained(hidden: number[], seed = 0): LayersCheckpoint {
  return createZooCheckpoint('mlp', { exampleShape: [2], layout: 'flat', classes: 3, hidden, seed })
    .checkpoint;
}

const bytesOf = (checkpoint: LayersCheckpoint): string[] =>
  checkpoint.weights.map(({ values }) => Buffer.from(values.buffer).toString('base64'));

/** Penalised loss of a network with one hidden relu layer, in float64: kernel, bias, kernel, bias. */
function referenceObjective(weights: Float64Array[], options: TrainingOptions): number {
  const { train } = separableData();
  const [kernel1, bias1, kernel2, bias2] = weights;
  const classOf = train.labels.values;
  let loss = 0;
  for (let i = 0; i < train.count; i++) {
    const x = train.values.subarray(2 * i, 2 * i + 2);
    const hidden = bias1.map((bias, j) =>
      Math.max(0, bias + x[0] * kernel1[j] + x[1] * kernel1[bias1.length + j]),
    );
    const logits = bias2.map(
      (bias, k) => bias + hidden.reduce((sum, h, j) => sum + h * kernel2[j * bias2.length + k], 0),
    );
    loss += Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - logits[classOf[i]];
  }
  const kernels = [...kernel1, ...kernel2];
  return (
    loss / train.count +
    options.l1 * kernels.reduce((sum, w) => sum + Math.abs(w), 0) +
    (options.l2 / 2) * kernels.reduce((sum, w) => sum + w * w, 0)
  );
}

describe('trainCheckpoint', () => {
  it.each([
    { l1: 0, l2: 0 },
    { l1: 0.3, l2: 0 },
    { l1: 0, l2: 0.7 },
    { l1: 0.2, l2: 0.5 },
  ])('steps along the gradient of the penalised loss: %j', async (penalties) => {
    const start = untrained([4]);
    const options: TrainingOptions = {
      ...trainingOptions,
      ...penalties,
      schedule: 'constant',
      learningRate: 0.5,
      epochs: 1,
      batchSize: 90,
    };
    const stepped = await trainCheckpoint(start, separableData(), options, silentProgress);
    const weights = start.weights.map(({ values }) => Float64Array.from(values));
    const h = 1e-5;
    weights.forEach((values, w) => {
      values.forEach((value, i) => {
        values[i] = value + h;
        const above = referenceObjective(weights, options);
        values[i] = value - h;
        const below = referenceObjective(weights, options);
        values[i] = value;
        const moved = (value - stepped.weights[w].values[i]) / options.learningRate;
        expect(moved, `${start.weights[w].name}[${i}]`).toBeCloseTo((above - below) / (2 * h), 4);
      });
    });
  });

  it('tells separable classes apart without error, and reports every step and epoch', async () => {
    const notes: string[] = [];
    const updates: number[] = [];
    let total = 0;
    const progress: Progress = {
      stage: (_, amount) => {
        total = amount;
        return { update: (done) => updates.push(done), end: () => {} };
      },
      note: (message) => notes.push(message),
      unwritten: () => {},
    };
    await trainCheckpoint(untrained([8]), separableData(), trainingOptions, progress);
    expect(notes).toHaveLength(8);
    expect(notes[7]).toMatch(
      /^epoch 8\/8: train loss 0\.\d+, accuracy 100\.00 %, test accuracy 100\.00 %, rate 0\.\d+$/,
    );
    expect(total).toBe(8 * 6);
    expect(updates).toEqual(Array.from({ length: total }, (_, index) => index + 1));
  });

  it('gives the same bytes for the same seed, and others for another order of examples', async () => {
    const start = untrained([8]);
    const given = bytesOf(start);
    const run = async (seed: number) =>
      bytesOf(await trainCheckpoint(start, separableData(), { ...trainingOptions, seed }, silentProgress));
    const first = await run(5);
    expect(await run(5)).toEqual(first);
    expect(await run(6)).not.toEqual(first);
    expect(bytesOf(start)).toEqual(given);
  });

  it('drives needless weights to zero with an l1 penalty', async () => {
    const small = async (l1: number) => {
      const options: TrainingOptions = { ...trainingOptions, l1, epochs: 40 };
      const { weights } = await trainCheckpoint(untrained([32]), separableData(), options, silentProgress);
      const kernels = weights.filter(({ shape }) => shape.length === 2).flatMap(({ values }) => [...values]);
      return kernels.filter((value) => Math.abs(value) < 1e-3).length / kernels.length;
    };
    expect(await small(0)).toBeLessThan(0.05);
    expect(await small(0.01)).toBeGreaterThan(0.5);
  });

  it('stops with advice when the loss overflows, and leaves nothing on the backend', async () => {
    const before = memory().numTensors;
    const options: TrainingOptions = { ...trainingOptions, learningRate: 1e20, schedule: 'constant' };
    const failure = await trainCheckpoint(untrained([8]), separableData(), options, silentProgress).catch(
      (error) => error,
    );
    expect(failure).toBeInstanceOf(InputError);
    expect(failure.code).toBe('training/diverged');
    expect(failure.message).toMatch(/the loss became (NaN|Infinity) in epoch 1; lower --learning-rate/);
    expect(memory().numTensors).toBe(before);
  });

  it('does not leak tensors', async () => {
    const before = memory().numTensors;
    await trainCheckpoint(
      untrained([8]),
      separableData(),
      { ...trainingOptions, l1: 1e-3, l2: 1e-3 },
      silentProgress,
    );
    expect(memory().numTensors).toBe(before);
  });

  it('trains LeNet-5 on the wasm backend without leaks', async () => {
    await prepareBackend('wasm');
    try {
      const before = memory().numTensors;
      const values = new Uint8Array(32 * 144).map((_, i) => (Math.floor(i / 144) % 2 === i % 2 ? 255 : 0));
      const train = {
        ...separableData(32, 2).train,
        shape: [12, 12],
        layout: 'NHWC' as const,
        values,
        byteImages: true,
      };
      const notes: string[] = [];
      const { checkpoint, inputShape } = createZooCheckpoint('lenet5', {
        exampleShape: [12, 12],
        layout: 'NHWC',
        classes: 2,
        hidden: [],
        seed: 0,
      });
      await trainCheckpoint(
        checkpoint,
        { train, test: train, inputShape, inputOrder: 'NHWC', normalization: null, classes: 2 },
        { ...trainingOptions, learningRate: 0.02, epochs: 6 },
        { ...silentProgress, note: (message) => notes.push(message) },
      );
      expect(notes.at(-1)).toContain('test accuracy 100.00 %');
      expect(memory().numTensors).toBe(before);
    } finally {
      await prepareBackend('cpu');
    }
  });
});
