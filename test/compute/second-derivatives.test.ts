import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { expectClose } from '../support/vectors.js';

type Operation = (x: tf.Tensor) => tf.Tensor;

const points = [-2.1, -0.7, -0.1, 0.3, 0.9, 2.4];
const positivePoints = [0.2, 0.7, 1.3, 3.1];

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const dSigmoid = (x: number): number => sigmoid(x) * (1 - sigmoid(x));
const d2Sigmoid = (x: number): number => dSigmoid(x) * (1 - 2 * sigmoid(x));

interface ElementwiseCase {
  name: string;
  f: Operation;
  /** f'' in closed form. */
  second: (x: number) => number;
  at?: number[];
}

const elementwise: ElementwiseCase[] = [
  { name: 'tanh', f: tf.tanh, second: (x) => -2 * Math.tanh(x) * (1 - Math.tanh(x) ** 2) },
  { name: 'sigmoid', f: tf.sigmoid, second: d2Sigmoid },
  { name: 'exp', f: tf.exp, second: Math.exp },
  { name: 'expm1', f: tf.expm1, second: Math.exp },
  { name: 'elu', f: tf.elu, second: (x) => (x > 0 ? 0 : Math.exp(x)) },
  { name: 'selu', f: tf.selu, second: (x) => (x > 0 ? 0 : 1.7580993408473766 * Math.exp(x)) },
  { name: 'relu', f: tf.relu, second: () => 0 },
  { name: 'softplus', f: tf.softplus, second: dSigmoid },
  { name: 'swish', f: (x) => tf.mul(x, tf.sigmoid(x)), second: (x) => 2 * dSigmoid(x) + x * d2Sigmoid(x) },
  { name: 'square', f: tf.square, second: () => 2 },
  { name: 'cube, by pow', f: (x) => tf.pow(x, 3), second: (x) => 6 * x },
  { name: 'x^2.5', f: (x) => tf.pow(x, 2.5), second: (x) => 3.75 * Math.sqrt(x), at: positivePoints },
  { name: 'sqrt', f: tf.sqrt, second: (x) => -0.25 * x ** -1.5, at: positivePoints },
  { name: 'rsqrt', f: tf.rsqrt, second: (x) => 0.75 * x ** -2.5, at: positivePoints },
  { name: 'log', f: tf.log, second: (x) => -1 / x ** 2, at: positivePoints },
  { name: 'log1p', f: tf.log1p, second: (x) => -1 / (1 + x) ** 2, at: positivePoints },
  { name: 'reciprocal', f: tf.reciprocal, second: (x) => 2 / x ** 3, at: positivePoints },
  { name: 'division', f: (x) => tf.div(tf.square(x), tf.add(x, 3)), second: (x) => 18 / (x + 3) ** 3 },
  { name: 'sin', f: tf.sin, second: (x) => -Math.sin(x) },
  {
    name: 'softsign',
    f: (x) => tf.div(x, tf.add(tf.abs(x), 1)),
    second: (x) => (-2 * Math.sign(x)) / (1 + Math.abs(x)) ** 3,
  },
  {
    name: 'clipByValue of a square',
    f: (x) => tf.clipByValue(tf.square(x), 0.05, 1),
    second: (x) => (x * x > 0.05 && x * x < 1 ? 2 : 0),
  },
  {
    name: 'maximum of a square and a constant',
    f: (x) => tf.maximum(tf.square(x), tf.fill([6], 0.5)),
    second: (x) => (x * x > 0.5 ? 2 : 0),
  },
  {
    name: 'erf',
    f: tf.erf,
    second: (x) => (-4 * x * Math.exp(-x * x)) / Math.sqrt(Math.PI),
  },
];

/** Gradient of the sum of f'(x) v. */
function hessianProduct(f: Operation, x: tf.Tensor, vector: tf.Tensor): Float32Array {
  return tf.tidy(
    () =>
      tf
        .grad((at) => tf.sum(tf.mul(tf.grad((inner) => tf.sum(f(inner)))(at), vector)))(x)
        .dataSync() as Float32Array,
  );
}

describe.each(['wasm', 'cpu'] as const)('second derivatives on %s equal closed forms', (backend) => {
  beforeAll(async () => {
    await prepareBackend(backend);
  });

  it.each(elementwise)('$name', ({ f, second, at = points }) => {
    const x = tf.tensor1d(at);
    expectClose(hessianProduct(f, x, tf.onesLike(x)), at.map(second), 1e-5);
    x.dispose();
  });

  it.each(['tanh', 'sigmoid', 'elu', 'selu', 'relu', 'softplus', 'swish', 'softsign', 'erf'])(
    '%s far out, where exponentials overflow',
    (name) => {
      const { f, second } = elementwise.find((one) => one.name === name) as ElementwiseCase;
      const far = [-1e30, -1e4, -1000, -90, 90, 1000, 1e4, 1e30];
      const x = tf.tensor1d(far);
      const found = hessianProduct(f, x, tf.onesLike(x));
      // In float64 the closed forms overflow too, where the exact value is 0.
      const expected = far.map((at) => second(at) || 0);
      far.forEach((at, i) => {
        expect(Math.abs(found[i] - expected[i]), `${name}'' at ${at}`).toBeLessThan(1e-6);
      });
      x.dispose();
    },
  );

  it('softmax, summed with weights', () => {
    const z = [0.3, -1.2, 0.8, 0.1];
    const a = [1, -2, 0.5, 3];
    const v = [0.7, 0.2, -1.1, 0.4];
    const exponentials = z.map(Math.exp);
    const total = exponentials.reduce((s, e) => s + e, 0);
    const p = exponentials.map((e) => e / total);
    const mean = (values: number[]): number => values.reduce((s, value, i) => s + p[i] * value, 0);
    // d/dz_i of <a, p> is p_i (a_i - <a>); differentiated once more along v.
    const slopeOfMean = mean(a.map((ai, i) => (ai - mean(a)) * (v[i] - mean(v))));
    const expected = p.map((pi, i) => pi * (v[i] - mean(v)) * (a[i] - mean(a)) - pi * slopeOfMean);
    const weights = tf.tensor1d(a);
    const actual = hessianProduct((x) => tf.mul(tf.softmax(x), weights), tf.tensor1d(z), tf.tensor1d(v));
    expectClose(actual, expected, 1e-5);
  });

  it('log-sum-exp by log-softmax: minus the covariance of the softmax', () => {
    const z = [0.3, -1.2, 0.8];
    const v = [0.7, 0.2, -1.1];
    const exponentials = z.map(Math.exp);
    const total = exponentials.reduce((s, e) => s + e, 0);
    const p = exponentials.map((e) => e / total);
    const meanV = p.reduce((s, pi, i) => s + pi * v[i], 0);
    const first = tf.tensor1d([1, 0, 0]);
    const actual = hessianProduct((x) => tf.mul(tf.logSoftmax(x), first), tf.tensor1d(z), tf.tensor1d(v));
    expectClose(
      actual,
      p.map((pi, i) => -pi * (v[i] - meanV)),
      1e-5,
    );
  });

  it('maximum over an axis, of a square', () => {
    const x = tf.tensor2d([
      [1, -3, 2],
      [0.5, 0.1, -0.4],
    ]);
    const actual = hessianProduct((at) => tf.max(tf.square(at), 1), x, tf.ones([2, 3]));
    expectClose(actual, [0, 2, 0, 2, 0, 0], 1e-6);
  });

  it('max pooling and average pooling of a square, into the padding', () => {
    const x = tf.tensor4d([1, -3, 2, 0.5, 0.1, -0.4], [1, 2, 3, 1]);
    const pool = (at: tf.Tensor): tf.Tensor => tf.maxPool(tf.square(at) as tf.Tensor4D, 2, 2, 'same');
    expectClose(hessianProduct(pool, x, tf.ones([1, 2, 3, 1])), [0, 2, 2, 0, 0, 0], 1e-6);
    const average = (at: tf.Tensor): tf.Tensor => tf.avgPool(tf.square(at) as tf.Tensor4D, 2, 2, 'same');
    expectClose(hessianProduct(average, x, tf.ones([1, 2, 3, 1])), [0.5, 0.5, 1, 0.5, 0.5, 1], 1e-6);
  });

  it('a matrix product is bilinear', () => {
    const a = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const b = tf.tensor2d([0.5, -1, 2, 0.1], [2, 2]);
    const mixed = tf.grad((right) =>
      tf.sum(tf.mul(tf.grad((left) => tf.sum(tf.matMul(left as tf.Tensor2D, right as tf.Tensor2D)))(a), a)),
    )(b);
    // sum(dL/dA * A) = sum(A B), whose gradient in B has rows sum_i A_ik.
    expectClose(mixed.dataSync(), [4, 4, 6, 6], 1e-6);
  });

  it('a third derivative is right too', () => {
    const x = tf.tensor1d(points);
    const f = (at: tf.Tensor): tf.Tensor => tf.sum(tf.exp(at));
    const third = tf.grad((a) => tf.grad((b) => tf.grad(f)(b))(a))(x);
    expectClose(third.dataSync(), points.map(Math.exp), 1e-5);
  });

  it('leaves no tensors', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      hessianProduct(tf.tanh, tf.tensor1d(points), tf.ones([6]));
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});
