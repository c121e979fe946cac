import * as tf from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { createNetwork } from '../../src/network/create-network.js';
import { batchMeanDeviation, EPSILON_BATCH, summarizeEvaluation } from '../../src/network/evaluation.js';
import type { ExampleSource } from '../../src/network/example-source.js';
import type { LossName } from '../../src/network/loss.js';
import { createBatches } from '../../src/programs/batches.js';
import { evaluate } from '../../src/programs/evaluation.js';
import { randomStream } from '../../src/random.js';
import { checkpointOf } from '../support/models.js';
import { smallConvNet } from '../support/network-cases.js';
import { withProblem } from '../support/problems.js';
import { expectClose } from '../support/vectors.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

/** Evaluates a network that passes its three inputs through. */
async function evaluateIdentity(loss: LossName, inputs: number[][], targets: number[][], batchSize = 2) {
  const model = sequential({ layers: [layers.dense({ units: 3, inputShape: [3], useBias: false })] });
  const checkpoint = await checkpointOf(model);
  model.dispose();
  checkpoint.weights[0].values = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
  const source: ExampleSource = {
    count: inputs.length,
    shape: [3],
    inputs: (start, end) => Float32Array.from(inputs.slice(start, end).flat()),
    targets: (start, end) => Float32Array.from(targets.slice(start, end).flat()),
  };
  const network = await createNetwork(checkpoint);
  const batches = createBatches(source, 3, { batchSize, keepBytes: 0 });
  const result = await evaluate(network, loss, batches, network.weights);
  network.dispose();
  return result;
}

describe('evaluating a network', () => {
  const inputs = [
    [2, 1, 0],
    [-1, 3, 2],
    [0.5, 0.25, 0.75],
  ];

  it('counts the class of the largest output as the prediction', async () => {
    const targets = [
      [1, 0, 0],
      [0, 0, 1],
      [0, 0, 1],
    ];
    expect((await evaluateIdentity('cross-entropy', inputs, targets)).accuracy).toBeCloseTo(2 / 3, 12);
  });

  it('counts every output of a binary loss', async () => {
    const targets = [
      [1, 1, 0],
      [1, 1, 1],
      [0, 0, 0],
    ];
    // Right: all three; the last two; none.
    expect((await evaluateIdentity('binary-cross-entropy', inputs, targets)).accuracy).toBeCloseTo(5 / 9, 12);
  });

  it('says which examples are right, and by how much', async () => {
    const targets = [
      [1, 0, 0],
      [0, 0, 1],
      [0, 0, 1],
    ];
    const classes = await evaluateIdentity('cross-entropy', inputs, targets);
    expect([...classes.correct!]).toEqual([1, 0, 1]);
    expect([...classes.decisionMargins!]).toEqual([1, -1, 0.25]);
    const outputs = await evaluateIdentity('binary-cross-entropy', inputs, targets);
    expect([...outputs.correct!]).toEqual([2, 2, 1]);
    expect(outputs).toMatchObject({ decisions: 3, decisionMargins: null });
    expect((await evaluateIdentity('mse', inputs, targets)).correct).toBeNull();
  });

  it('one output is one decision', () => {
    const logits = [Float32Array.of(2, -1), Float32Array.of(0)];
    const targets = [Float32Array.of(1, 1), Float32Array.of(0)];
    const { correct, decisions, decisionMargins, accuracy } = summarizeEvaluation(
      'binary-cross-entropy',
      new Float64Array(3),
      logits,
      targets,
      1,
    );
    expect([[...correct!], decisions, [...decisionMargins!]]).toEqual([[1, 0, 1], 1, [2, -1, -0]]);
    expect(accuracy).toBe(2 / 3);
  });

  it('the first of equal outputs is the prediction; what is not a number predicts nothing', () => {
    const summary = (loss: LossName, logits: number[], targets: number[], width: number) =>
      summarizeEvaluation(
        loss,
        new Float64Array(logits.length / width),
        [Float32Array.from(logits)],
        [Float32Array.from(targets)],
        width,
      );
    const tied = summary('cross-entropy', [1, 1, 0, 1, 1, 0], [1, 0, 0, 0, 1, 0], 3);
    expect([...tied.correct!]).toEqual([1, 0]);
    const broken = [Number.NaN, Number.NaN, Number.NaN, 1, Number.NaN, 0];
    expect([...summary('cross-entropy', broken, [1, 0, 0, 1, 0, 0], 3).correct!]).toEqual([0, 0]);
    expect([...summary('binary-cross-entropy', [Number.NaN, Number.NaN], [0, 1], 2).correct!]).toEqual([0]);
  });

  it('the largest output decides where the network says so, whatever the loss', () => {
    const summary = (decidesClasses: boolean) =>
      summarizeEvaluation(
        'binary-cross-entropy',
        new Float64Array(2),
        [Float32Array.of(-1, -2, -3, 4, 5, -1)],
        [Float32Array.of(1, 0, 0, 1, 0, 0)],
        3,
        decidesClasses,
      );
    expect(summary(true)).toMatchObject({ accuracy: 1 / 2, decisions: 1 });
    expect([...summary(true).correct!]).toEqual([1, 0]);
    expect(summary(false)).toMatchObject({ accuracy: 4 / 6, decisions: 3 });
  });

  it.each<[string, number[], number, boolean]>([
    ['rows that sum to 1', [0.25, 0.75, 1, 0], 2, true],
    ['one row that does not', [0.25, 0.75, 1, 0.01], 2, false],
    ['a sum of 1 with a number below 0', [-0.5, 1.5, 0.5, 0.5], 2, false],
    ['numbers that are none', [Number.NaN, 1, 0.5, 0.5], 2, false],
    ['a single output', [1, 1], 1, false],
  ])('outputs read like probabilities: %s', (_title, outputs, width, expected) => {
    const values = Float32Array.from(outputs);
    const evaluation = summarizeEvaluation(
      'cross-entropy',
      new Float64Array(values.length / width),
      [values.slice(0, width), values.slice(width)],
      [values.slice(0, width), values.slice(width)],
      width,
    );
    expect(evaluation.outputsSumToOne).toBe(expected);
  });

  it('has no accuracy for a regression', async () => {
    const { accuracy, losses, meanLoss } = await evaluateIdentity('mse', inputs, inputs);
    expect(accuracy).toBeNull();
    expect([...losses]).toEqual([0, 0, 0]);
    expect(meanLoss).toBe(0);
  });

  it('gives losses in the order of the examples, whatever the batches', async () => {
    const targets = inputs.map(() => [1, 0, 0]);
    const whole = await evaluateIdentity('cross-entropy', inputs, targets, 3);
    const expected = inputs.map((z) => Math.log(z.reduce((sum, value) => sum + Math.exp(value), 0)) - z[0]);
    expectClose(whole.losses, expected, 1e-6);
    for (const batchSize of [1, 2, 100]) {
      const split = await evaluateIdentity('cross-entropy', inputs, targets, batchSize);
      expectClose(split.losses, whole.losses, 1e-6);
      expect(split.accuracy).toBe(whole.accuracy);
    }
  });

  it('weights an uneven last batch by its size', async () => {
    const means: number[] = [];
    for (const batchSize of [11, 4, 3, 1]) {
      await withProblem(
        smallConvNet,
        { seed: 3, examples: 11, batchSize },
        async ({ network, loss, batches }) => {
          const progress: number[] = [];
          const { meanLoss, accuracy } = await evaluate(network, loss, batches, network.weights, (done) =>
            progress.push(done),
          );
          means.push(meanLoss);
          expect(Number.isInteger(Math.round((accuracy as number) * 11 * 1e9) / 1e9)).toBe(true);
          expect(progress[progress.length - 1]).toBe(11);
          expect(progress.length).toBe(Math.ceil(11 / batchSize));
        },
      );
    }
    expectClose(
      means,
      means.map(() => means[0]),
      1e-6,
    );
  });

  it('leaves no tensors, also after an exception', async () => {
    await withProblem(smallConvNet, { seed: 1 }, async ({ network, loss, batches }) => {
      await evaluate(network, loss, batches, network.weights);
      const before = tf.memory().numTensors;
      await evaluate(network, loss, batches, network.weights);
      const stopped = evaluate(network, loss, batches, network.weights, () => {
        throw new Error('stop');
      });
      await expect(stopped).rejects.toThrow('stop');
      expect(tf.memory().numTensors).toBe(before);
    });
  });
});

describe('the deviation of a mini-batch mean', () => {
  it('is the sample deviation over the root of the batch size', () => {
    const losses = Float64Array.from({ length: 8 }, (_, i) => i);
    expect(batchMeanDeviation(losses, 4)).toBeCloseTo(Math.sqrt(6) / 2, 12);
    expect(batchMeanDeviation(new Float64Array(8).fill(3), 4)).toBe(0);
  });

  it('needs two batches', () => {
    expect(batchMeanDeviation(new Float64Array(2 * EPSILON_BATCH - 1))).toBeNull();
    expect(batchMeanDeviation(new Float64Array(2 * EPSILON_BATCH))).toBe(0);
  });

  it('agrees with drawn mini-batches within their standard error', () => {
    const random = randomStream(5, 'losses');
    const losses = Float64Array.from({ length: 4000 }, () => Math.exp(1.2 * random.normal()));
    const draws = 3000;
    const means = Array.from({ length: draws }, () => {
      let sum = 0;
      for (let i = 0; i < EPSILON_BATCH; i++) {
        sum += losses[random.integer(losses.length)];
      }
      return sum / EPSILON_BATCH;
    });
    const mean = means.reduce((a, b) => a + b, 0) / draws;
    const moment = (power: number): number =>
      means.reduce((sum, value) => sum + (value - mean) ** power, 0) / draws;
    const drawn = Math.sqrt(moment(2));
    // Standard error of a sample deviation: sqrt((kurtosis - 1) / (4 draws)) of it.
    const standardError = drawn * Math.sqrt((moment(4) / moment(2) ** 2 - 1) / (4 * draws));
    expect(standardError / drawn).toBeLessThan(0.02);
    expect(Math.abs((batchMeanDeviation(losses) as number) - drawn)).toBeLessThan(3.5 * standardError);
  });
});
