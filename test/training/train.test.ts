import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../src/checkpoint/registry.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { type TrainConfig, trainDefaults } from '../../src/config.js';
import type { Split } from '../../src/dataset/dataset.js';
import { silentProgress } from '../../src/progress.js';
import { train } from '../../src/train.js';
import { separableSplit } from './problems.js';

let root: string;

function csvOf(split: Split): string {
  const rows = Array.from(
    { length: split.count },
    (_, i) => `${split.values[2 * i]},${split.values[2 * i + 1]},${split.labels.values[i]}`,
  );
  return `a,b,label\n${rows.join('\n')}\n`;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'prune-limit-train-'));
  await writeFile(join(root, 'train.csv'), csvOf(separableSplit(90, 3, 1)));
  await writeFile(join(root, 'test.csv'), csvOf(separableSplit(60, 3, 2)));
});

afterAll(() => rm(root, { recursive: true, force: true }));

function config(name: string, changes: Partial<TrainConfig> = {}): TrainConfig {
  return {
    ...trainDefaults,
    network: 'mlp',
    data: root,
    output: join(root, name),
    hidden: [8],
    epochs: 8,
    batchSize: 16,
    backend: 'cpu',
    ...changes,
  };
}

describe('train', () => {
  it('writes a checkpoint that knows its data and how it was made', async () => {
    const summary = await train(config('plain', { l1: 1e-4, seed: 7 }), silentProgress);
    expect(summary).toMatchObject({
      output: join(root, 'plain'),
      files: [join(root, 'plain', 'weights.bin'), join(root, 'plain', 'model.json')],
      epochs: 8,
      trainAccuracy: 1,
      testAccuracy: 1,
      parameters: 2 * 8 + 8 + 8 * 3 + 3,
    });
    const checkpoint = await readCheckpoint(join(root, 'plain'));
    expect(checkpoint.metadata).toMatchObject({
      pruneLimit: { data: '..', loss: 'cross-entropy' },
      training: {
        network: 'mlp',
        hidden: [8],
        epochs: 8,
        l1: 1e-4,
        l2: 0,
        seed: 7,
        schedule: 'cosine',
        trainLoss: summary.trainLoss,
        testAccuracy: 1,
      },
    });
    expect(Object.keys(checkpoint.metadata.pruneLimit as object)).toEqual(['data', 'loss']);
  });

  it('says how many epochs were done where a target ends the run', async () => {
    const summary = await train(config('early', { targetLoss: 1e9 }), silentProgress);
    expect(summary.epochs).toBe(1);
    expect(summary.history).toMatchObject([{ epoch: 1, loss: expect.any(Number) }]);
    const { metadata } = await readCheckpoint(join(root, 'early'));
    expect(metadata).toMatchObject({ training: { epochs: 1 } });
  });

  it('records what analyze needs besides the data, and --record-data as given', async () => {
    const normalize = { mean: [0.5], std: [2] };
    const changes = { normalize, labelColumn: 'label', recordData: '../elsewhere' };
    await train(config('recorded', changes), silentProgress);
    const { metadata } = await readCheckpoint(join(root, 'recorded'));
    expect(metadata.pruneLimit).toEqual({
      data: '../elsewhere',
      normalize,
      labelColumn: 'label',
      loss: 'cross-entropy',
    });
  });

  it('stores float16 weights and reports the figures of the rounded ones', async () => {
    const exact = await train(config('float32'), silentProgress);
    const rounded = await train(config('float16', { weightsDtype: 'float16' }), silentProgress);
    const { weights } = await readCheckpoint(join(root, 'float16'));
    expect(weights.every(({ storage }) => storage?.dtype === 'float16')).toBe(true);
    expect(rounded.trainLoss).not.toBe(exact.trainLoss);
    expect(rounded.trainLoss).toBeCloseTo(exact.trainLoss, 3);
  });

  it('writes the same bytes for the same seed, and leaves nothing on the backend', async () => {
    await train(config('first', { seed: 3 }), silentProgress);
    const before = memory().numTensors;
    await train(config('second', { seed: 3 }), silentProgress);
    await train(config('third', { seed: 4 }), silentProgress);
    expect(memory().numTensors).toBe(before);
    const [first, second, third] = await Promise.all(
      ['first', 'second', 'third'].map((name) => readCheckpoint(join(root, name))),
    );
    expect(second.sha256).toBe(first.sha256);
    expect(third.sha256).not.toBe(first.sha256);
  });

  it('goes on from a given model, also one with batch normalisation and dropout', async () => {
    const { sequential, layers } = await import('@tensorflow/tfjs-layers');
    await prepareBackend('wasm');
    const model = sequential({
      layers: [
        layers.dense({ units: 8, inputShape: [2], useBias: false }),
        layers.batchNormalization({ momentum: 0.9 }),
        layers.reLU(),
        layers.dropout({ rate: 0.2 }),
        layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });
    const variables = model.weights as unknown as {
      originalName: string;
      val: { dataSync(): Float32Array };
    }[];
    const weights = variables.map(({ originalName: name, val }, index) => ({
      name,
      shape: model.weights[index].shape as number[],
      dtype: 'float32' as const,
      values: val.dataSync(),
      storage: null,
    }));
    await writeCheckpoint(
      {
        format: 'tfjs-layers',
        path: '',
        sha256: '',
        topology: model.toJSON(null, false) as Record<string, unknown>,
        weights,
        metadata: {},
        manifestGroups: [weights.length],
        extra: {},
      },
      join(root, 'given'),
      {},
    );
    model.dispose();
    const from = join(root, 'given', 'model.json');
    for (const backend of ['wasm', 'auto'] as const) {
      const changes = { network: null, from, backend, learningRate: 0.05, epochs: 12 };
      const summary = await train(config(`tuned-${backend}`, changes), silentProgress);
      expect(summary.trainAccuracy).toBe(1);
      const tuned = await readCheckpoint(join(root, `tuned-${backend}`));
      expect(tuned.metadata.training).toMatchObject({ from: 'model.json' });
      const moved = tuned.weights.find(({ name }) => name.endsWith('moving_variance'));
      expect([...(moved as { values: Float32Array }).values]).not.toContain(1);
    }
  });

  it('trains without a test split', async () => {
    const data = join(root, 'train.csv');
    const summary = await train(config('no-test', { data }), silentProgress);
    expect(summary).toMatchObject({ trainAccuracy: 1, testLoss: null, testAccuracy: null });
  });

  it.each([
    ['diverges', { learningRate: 1e20 }, /diverged: the loss became .* lower --learning-rate/],
    [
      'learns nothing',
      { l1: 10, learningRate: 0.001 },
      /no better than guessing \(1\.099\).*--learning-rate 0\.0001/,
    ],
    ['is given images it cannot take', { network: 'lenet5' }, /lenet5 takes images/],
  ] as const)('writes nothing when it %s', async (name, changes, message) => {
    await expect(train(config(name, changes), silentProgress)).rejects.toThrow(message);
    expect(await readdir(root)).not.toContain(name);
  });

  it('refuses data whose labels are no classes', async () => {
    const data = join(root, 'regression.csv');
    await writeFile(data, 'x,y\n1,0.5\n2,0.25\n');
    await expect(train(config('regression', { data }), silentProgress)).rejects.toThrow(
      /the labels are numbers, not classes/,
    );
  });
});
