import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { exampleLosses, LOSS_NAMES, type LossName } from '../../src/network/loss.js';
import { outputHessian, REFERENCE_LOSSES } from '../support/float64-reference.js';
import { expectClose, normalVector } from '../support/vectors.js';

const logits = [
  [0.3, -1.2, 0.8],
  [4, 2, -5],
  [0, 0, 0],
];
const targets: Record<LossName, number[][]> = {
  'cross-entropy': [
    [0, 1, 0],
    [1, 0, 0],
    [0.2, 0.3, 0.5],
  ],
  'binary-cross-entropy': [
    [0, 1, 1],
    [1, 0, 0],
    [0.5, 0, 1],
  ],
  mse: [
    [0.5, -2, 3],
    [0, 1, 0],
    [0, 0, 0],
  ],
};

function lossesOf(name: LossName, z: number[][], t: number[][]): Float32Array {
  return tf.tidy(() => exampleLosses(name, tf.tensor2d(z), tf.tensor2d(t)).dataSync() as Float32Array);
}

function gradientOf(name: LossName, z: number[][], t: number[][]): Float32Array {
  return tf.tidy(
    () =>
      tf
        .grad((at) => tf.sum(exampleLosses(name, at, tf.tensor2d(t))))(tf.tensor2d(z))
        .dataSync() as Float32Array,
  );
}

describe.each(['wasm', 'cpu'] as const)('losses on %s', (backend) => {
  beforeAll(async () => {
    await prepareBackend(backend);
  });

  it.each(LOSS_NAMES)('%s equals its textbook formula in float64', (name) => {
    const expected = logits.map((z, i) => REFERENCE_LOSSES[name](z, targets[name][i]));
    expectClose(lossesOf(name, logits, targets[name]), expected, 1e-6);
  });

  it.each(LOSS_NAMES)('%s has its closed form of the second derivative', (name) => {
    const v = normalVector(9, 1);
    const actual = tf.tidy(() => {
      const vector = tf.tensor2d(Float32Array.from(v), [3, 3]);
      const gradient = (at: tf.Tensor): tf.Tensor =>
        tf.grad((z) => tf.sum(exampleLosses(name, z, tf.tensor2d(targets[name]))))(at);
      return tf
        .grad((at) => tf.sum(tf.mul(gradient(at), vector)))(tf.tensor2d(logits))
        .dataSync();
    });
    const expected = logits.flatMap((z, n) =>
      outputHessian(name, z).map((row) => row.reduce((sum, value, j) => sum + value * v[3 * n + j], 0)),
    );
    expectClose(actual, expected, 1e-5);
  });

  it('cross-entropy has the gradient softmax minus target', () => {
    const expected = logits.flatMap((z, n) => {
      const exponentials = z.map(Math.exp);
      const total = exponentials.reduce((a, b) => a + b, 0);
      return exponentials.map((e, i) => e / total - targets['cross-entropy'][n][i]);
    });
    expectClose(gradientOf('cross-entropy', logits, targets['cross-entropy']), expected, 1e-6);
  });

  it('cross-entropy does not overflow at logits of +-1e4', () => {
    const extreme = [
      [1e4, -1e4, 0],
      [1e4, -1e4, 0],
      [1e4, 1e4, 1e4],
    ];
    const oneHot = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ];
    expectClose(lossesOf('cross-entropy', extreme, oneHot), [0, 2e4, Math.log(3)], 1e-6);
    expectClose(
      gradientOf('cross-entropy', extreme, oneHot),
      [0, 0, 0, 1, -1, 0, 1 / 3, 1 / 3, -2 / 3],
      1e-6,
    );
  });

  it('binary cross-entropy does not overflow at logits of +-1e4', () => {
    const extreme = [
      [1e4, -1e4],
      [1e4, -1e4],
      [100, -100],
    ];
    const t = [
      [1, 0],
      [0, 1],
      [0, 1],
    ];
    expectClose(lossesOf('binary-cross-entropy', extreme, t), [0, 1e4, 100], 1e-6);
    expectClose(gradientOf('binary-cross-entropy', extreme, t), [0, 0, 0.5, -0.5, 0.5, -0.5], 1e-6);
  });

  it('cross-entropy does not change when all logits of an example are shifted', () => {
    const shifted = logits.map((z) => z.map((value) => value + 50));
    const t = targets['cross-entropy'];
    expectClose(lossesOf('cross-entropy', shifted, t), lossesOf('cross-entropy', logits, t), 1e-5);
  });
});
