import * as tf from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Checkpoint, LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { createNetwork, describeNetwork } from '../../src/network/create-network.js';
import type { Evaluation } from '../../src/network/evaluation.js';
import type { LossName } from '../../src/network/loss.js';
import { lossPair, pairNotes, requireOneDecision } from '../../src/network/loss-pair.js';
import { weightTensors } from '../../src/network/network.js';
import {
  type OutputTransform,
  type RemovedActivation,
  transformOutputs,
} from '../../src/network/output-transform.js';
import { createBatches } from '../../src/programs/batches.js';
import { evaluate } from '../../src/programs/evaluation.js';
import { expectInputError } from '../dataset/support.js';
import { randomExamples, seededCheckpoint } from '../support/models.js';
import { normalWeight, onnxCheckpoint } from '../support/onnx-models.js';
import { expectClose } from '../support/vectors.js';

beforeAll(async () => {
  await prepareBackend('cpu');
});

const EXAMPLES = 40;
const OUTPUTS = 4;
const source = randomExamples({ count: EXAMPLES, shape: [3], outputs: OUTPUTS, targets: 'one-hot', seed: 6 });

function checkpointEnding(activation: string): Promise<LayersCheckpoint> {
  const hidden = layers.dense({ units: 5, activation: 'tanh', inputShape: [3] });
  const last = layers.dense({ units: OUTPUTS, activation: activation as 'softmax' });
  return seededCheckpoint(sequential({ layers: [hidden, last] }), 11);
}

/** The network's own outputs, its last activation included; example by example. */
async function trueOutputs(checkpoint: Checkpoint): Promise<number[][]> {
  const network = await createNetwork(checkpoint, { keepFinalActivation: true });
  const values = tf.tidy(() => {
    const inputs = tf.tensor(source.inputs(0, EXAMPLES), [EXAMPLES, 3]);
    return [...network.logits(weightTensors(network, network.weights), inputs).dataSync()];
  });
  network.dispose();
  return Array.from({ length: EXAMPLES }, (_, i) => values.slice(i * OUTPUTS, (i + 1) * OUTPUTS));
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Losses as Keras defines them of outputs p and targets t. */
const textbook: Record<LossName, (p: number[], t: number[]) => number> = {
  mse: (p, t) => sum(p.map((value, j) => (value - t[j]) ** 2)) / p.length,
  'binary-cross-entropy': (p, t) =>
    -sum(p.map((value, j) => t[j] * Math.log(value) + (1 - t[j]) * Math.log(1 - value))) / p.length,
  'cross-entropy': (p, t) => -sum(p.map((value, j) => (t[j] === 0 ? 0 : t[j] * Math.log(value / sum(p))))),
};

async function analysed(checkpoint: Checkpoint, loss: LossName): Promise<Evaluation> {
  const pair = lossPair((await describeNetwork(checkpoint)).finalActivation, loss);
  const network = await createNetwork(checkpoint, pair);
  const batches = createBatches(source, OUTPUTS, { batchSize: 16, keepBytes: 0 });
  try {
    return await evaluate(network, loss, batches, network.weights);
  } finally {
    batches.dispose();
    network.dispose();
  }
}

const argmax = (row: readonly number[]): number => row.indexOf(Math.max(...row));

describe('the pair of an ending and a loss', () => {
  it.each<[RemovedActivation, LossName]>([
    ['softmax', 'cross-entropy'],
    ['softmax', 'binary-cross-entropy'],
    ['softmax', 'mse'],
    ['sigmoid', 'cross-entropy'],
    ['sigmoid', 'binary-cross-entropy'],
    ['sigmoid', 'mse'],
  ])('%s with %s: the loss is that of the outputs', async (activation, loss) => {
    const checkpoint = await checkpointEnding(activation);
    const outputs = await trueOutputs(checkpoint);
    const targets = outputs.map((_, i) => [...source.targets(i, i + 1)]);
    const expected = outputs.map((row, i) => textbook[loss](row, targets[i]));
    const evaluation = await analysed(checkpoint, loss);
    expectClose([...evaluation.losses], expected, 1e-5);
    if (loss !== 'mse' && !(activation === 'sigmoid' && loss === 'binary-cross-entropy')) {
      const right = outputs.filter((row, i) => argmax(row) === argmax(targets[i])).length;
      expect(evaluation.decisions).toBe(1);
      expect(evaluation.accuracy).toBeCloseTo(right / EXAMPLES, 12);
    }
  });

  it.each<[string, RemovedActivation, LossName]>([
    ['Softmax', 'softmax', 'binary-cross-entropy'],
    ['Sigmoid', 'sigmoid', 'cross-entropy'],
  ])('%s of an ONNX graph likewise', async (operator, activation, loss) => {
    const graph = onnxCheckpoint({
      input: [null, 3],
      nodes: [
        { op: 'MatMul', inputs: ['input', 'w'], outputs: ['z'] },
        { op: operator, inputs: ['z'], outputs: ['y'] },
      ],
      weights: { w: normalWeight([3, OUTPUTS], 1) },
    });
    expect((await describeNetwork(graph)).finalActivation).toBe(activation);
    const expected = (await trueOutputs(graph)).map((row, i) =>
      textbook[loss](row, [...source.targets(i, i + 1)]),
    );
    expectClose([...(await analysed(graph, loss)).losses], expected, 1e-5);
  });

  it('of a loss that was told to take the outputs for logits is computed likewise', () => {
    expect(lossPair('softmax', 'cross-entropy', true)).toEqual(lossPair('softmax', 'mse'));
    expect(pairNotes('softmax', 'cross-entropy', true)).toEqual([expect.stringContaining('from_logits')]);
    expect(pairNotes(null, 'cross-entropy', true)).toEqual([]);
  });

  it('is named where it is not a usual one', () => {
    expect(pairNotes('softmax', 'cross-entropy', null)).toEqual([]);
    expect(pairNotes('sigmoid', 'cross-entropy', null)[0]).toMatch(/ends in a sigmoid.*divided by their sum/);
    expect(pairNotes('softmax', 'binary-cross-entropy', false)[0]).toMatch(/softmax.*accuracy.*largest/);
  });
});

describe('transformed outputs', () => {
  const logSumExp = (values: readonly number[]): number => {
    const most = Math.max(...values);
    return most + Math.log(sum(values.map((value) => Math.exp(value - most))));
  };
  const formulas: Record<OutputTransform, (row: number[]) => number[]> = {
    'log-sigmoid': (row) => row.map((z) => (z > 0 ? -Math.log1p(Math.exp(-z)) : z - Math.log1p(Math.exp(z)))),
    'softmax-log-odds': (row) => row.map((z, j) => z - logSumExp(row.filter((_, k) => k !== j))),
  };
  const rows = [
    [0.3, -1.2, 2],
    [30, 0, -30],
    [1000, -1000, 990],
    [5, 5, 5],
    [-200, -200.5, -1000],
  ];

  it.each(Object.keys(formulas) as OutputTransform[])(
    '%s equals its formula, far out and at ties',
    (transform) => {
      const values = tf.tidy(() => transformOutputs(transform, tf.tensor2d(rows)).arraySync());
      for (const [i, row] of rows.entries()) {
        expectClose(values[i], formulas[transform](row), 1e-5);
      }
    },
  );

  it('softmax-log-odds has the derivatives of the formula, and finite ones far out', () => {
    const weight = tf.tensor2d([[0.7, -1.1, 0.4]]);
    const gradient = (row: number[]): number[] =>
      tf.tidy(() => {
        const of = (z: tf.Tensor) =>
          tf.sum(tf.mul(weight, transformOutputs('softmax-log-odds', z as tf.Tensor2D))) as tf.Scalar;
        return [
          ...tf
            .grad(of)(tf.tensor2d([row]))
            .dataSync(),
        ];
      });
    const formula = (row: number[]): number =>
      sum(formulas['softmax-log-odds'](row).map((u, j) => u * [0.7, -1.1, 0.4][j]));
    const row = [0.3, -1.2, 2];
    const expected = row.map((_, j) => {
      const moved = (by: number): number[] => row.map((z, k) => (k === j ? z + by : z));
      return (formula(moved(1e-5)) - formula(moved(-1e-5))) / 2e-5;
    });
    expectClose(gradient(row), expected, 1e-5);
    expect(gradient([1000, -1000, 990]).every(Number.isFinite)).toBe(true);
    weight.dispose();
  });
});

describe('classes on one of several axes', () => {
  const perStep = { outputs: 15, outputShape: [5, 3], removedActivation: null } as const;
  const check = (
    network: Parameters<typeof requireOneDecision>[0],
    ending: RemovedActivation | null,
    loss: LossName,
  ): void => requireOneDecision(network, ending, loss, lossPair(ending, loss));

  it.each<[string, RemovedActivation | null, LossName, RegExp]>([
    ['of a softmax', 'softmax', 'cross-entropy', /\[5, 3\].*softmax over parts.*--loss mse/],
    ['of a softmax with the other loss', 'softmax', 'binary-cross-entropy', /softmax over parts/],
    ['of logits', null, 'cross-entropy', /\[5, 3\].*one row of classes/],
    ['of sigmoids', 'sigmoid', 'cross-entropy', /one row of classes/],
  ])('%s are refused', async (_title, ending, loss, words) => {
    await expectInputError(async () => check(perStep, ending, loss), 'network/class-axes', words);
  });

  it('are no matter where each output counts for itself, nor are axes of one', () => {
    check(perStep, 'softmax', 'mse');
    check(perStep, 'sigmoid', 'binary-cross-entropy');
    check({ outputs: 3, outputShape: [1, 1, 3], removedActivation: 'softmax' }, 'softmax', 'cross-entropy');
    check({ outputs: 3, removedActivation: null }, null, 'cross-entropy');
  });

  it('flattened behind their softmax are refused as well', async () => {
    const flat = { outputs: 15, outputShape: [15], removedActivation: null } as const;
    await expectInputError(
      async () => check(flat, 'softmax', 'cross-entropy'),
      'network/class-axes',
      /parts/,
    );
  });

  it('a softmax of one output is refused of the loss that would divide by nothing', async () => {
    await expectInputError(
      async () => check({ outputs: 1, removedActivation: 'softmax' }, 'softmax', 'binary-cross-entropy'),
      'network/constant-softmax',
      /always 1/,
    );
  });
});
