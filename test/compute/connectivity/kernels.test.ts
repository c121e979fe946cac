import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { windowGeometries } from '../../support/window-geometry.js';
import { expectAsComputed, type Operation } from './support.js';

beforeAll(async () => {
  await prepareBackend('cpu');
});

const SEEDS = [1, 2, 3];

type Case = [name: string, shapes: Record<string, readonly number[]>, operation: Operation];

function unary(functions: Record<string, (x: tf.Tensor) => tf.Tensor>): Case[] {
  return Object.entries(functions).map(([name, compute]) => [name, { x: [3, 5] }, ({ x }) => compute(x)]);
}

const elementwise: Case[] = [
  ...unary({
    relu: tf.relu,
    tanh: tf.tanh,
    neg: tf.neg,
    abs: tf.abs,
    sqrt: tf.sqrt,
    square: tf.square,
    erf: tf.erf,
    elu: tf.elu,
    selu: tf.selu,
    sin: tf.sin,
    sigmoid: tf.sigmoid,
    exp: tf.exp,
    softplus: tf.softplus,
    cos: tf.cos,
  }),
  // A sign alone tells zero from the rest, but not 1 from 3.
  ['sign', { x: [3, 5] }, ({ x }) => tf.add(x, tf.sign(x))],
  ['leaky relu', { x: [3, 5] }, ({ x }) => tf.leakyRelu(tf.neg(x), 0.3)],
  ['clip around zero', { x: [3, 5] }, ({ x }) => tf.clipByValue(x, -1, 9)],
  ['clip away from zero', { x: [3, 5] }, ({ x }) => tf.clipByValue(x, 0.1, 9)],
  ['prelu', { x: [3, 5], a: [5] }, ({ x, a }) => tf.add(tf.prelu(x, a), tf.prelu(tf.neg(x), a))],
  ['sum, broadcast', { x: [3, 1, 2], y: [4, 1] }, ({ x, y }) => tf.add(x, y)],
  ['difference', { x: [3, 4], y: [3, 4] }, ({ x, y }) => tf.sub(x, y)],
  ['squared difference', { x: [3, 4], y: [] }, ({ x, y }) => tf.squaredDifference(x, y)],
  ['maximum', { x: [3, 4], y: [3, 1] }, ({ x, y }) => tf.maximum(x, y)],
  ['product, broadcast', { x: [3, 1, 2], y: [4, 1] }, ({ x, y }) => tf.mul(x, y)],
  ['product with itself', { x: [3, 4] }, ({ x }) => tf.mul(x, x)],
  ['quotient', { x: [3, 4], y: [4] }, ({ x, y }) => tf.div(x, tf.add(y, 1))],
  ['power with a constant', { x: [3, 4] }, ({ x }) => tf.pow(x, 3)],
  ['power of two tensors', { x: [3, 4], y: [3, 4] }, ({ x, y }) => tf.pow(tf.add(x, 2), y)],
  ['sum of many', { x: [5], y: [5], z: [5] }, ({ x, y, z }) => tf.addN([x, y, z])],
  ['product with constants, some of them 0', { x: [2, 4] }, ({ x }) => tf.mul(x, tf.tensor1d([0, 1, -2, 0]))],
  [
    'choice by a constant',
    { x: [4], y: [4] },
    ({ x, y }) => tf.where(tf.tensor1d([1, 0, 1, 0], 'bool'), x, y),
  ],
  [
    'choice where both sides change',
    { x: [6], y: [6] },
    ({ x, y }) => tf.where(tf.greater(x, y), tf.add(x, y), tf.add(tf.mul(x, 2), tf.mul(y, 3))),
  ],
  [
    'batch normalisation',
    { x: [2, 3, 4], mean: [4], variance: [4], scale: [4], offset: [4] },
    ({ x, mean, variance, scale, offset }) =>
      tf.batchNorm(
        x,
        tf.neg(mean) as tf.Tensor1D,
        variance as tf.Tensor1D,
        offset as tf.Tensor1D,
        scale as tf.Tensor1D,
      ),
  ],
];

const reductions: Case[] = [
  ['sum of an axis', { x: [3, 4, 2] }, ({ x }) => tf.sum(x, 1)],
  ['sum of all', { x: [3, 4] }, ({ x }) => tf.sum(x)],
  ['mean of two axes', { x: [2, 3, 4, 2] }, ({ x }) => tf.mean(x, [1, 2], true)],
  ['maximum of the first axis', { x: [3, 4] }, ({ x }) => tf.max(x, 0)],
  ['product of an axis', { x: [3, 4] }, ({ x }) => tf.prod(x, 1)],
  ['softmax', { x: [3, 4] }, ({ x }) => tf.softmax(x)],
];

const shapes: Case[] = [
  ['reshape', { x: [3, 4] }, ({ x }) => tf.reshape(x, [2, 6])],
  ['transpose', { x: [2, 3, 4] }, ({ x }) => tf.transpose(x, [2, 0, 1])],
  ['slice', { x: [4, 5] }, ({ x }) => tf.slice(x, [1, 2], [2, -1])],
  ['tile', { x: [2, 3] }, ({ x }) => tf.tile(x, [2, 3])],
  ['reverse', { x: [2, 3, 2] }, ({ x }) => tf.reverse(x, [0, -1])],
  [
    'padding with zeros',
    { x: [2, 3] },
    ({ x }) =>
      tf.pad(x, [
        [1, 0],
        [2, 1],
      ]),
  ],
  [
    'padding with ones',
    { x: [2, 3] },
    ({ x }) =>
      tf.pad(
        x,
        [
          [1, 0],
          [2, 1],
        ],
        1,
      ),
  ],
  ['concatenation', { x: [2, 3], y: [2, 1] }, ({ x, y }) => tf.concat([x, y, x], 1)],
  ['stacking', { x: [2, 3], y: [2, 3] }, ({ x, y }) => tf.stack([x, y], 1)],
  ['splitting', { x: [2, 5] }, ({ x }) => tf.split(x, [2, 3], 1)],
  ['unstacking', { x: [2, 3, 4] }, ({ x }) => tf.unstack(x, 1)],
  [
    'gathering',
    { x: [3, 4, 2] },
    ({ x }) =>
      tf.gather(
        x,
        tf.tensor2d(
          [
            [3, 0],
            [3, 1],
          ],
          [2, 2],
          'int32',
        ),
        1,
      ),
  ],
];

const products: Case[] = [
  ['matrix product', { x: [3, 4], y: [4, 5] }, ({ x, y }) => tf.matMul(x, y)],
  ['matrix product, transposed', { x: [4, 3], y: [5, 4] }, ({ x, y }) => tf.matMul(x, y, true, true)],
  ['product of batches', { x: [2, 3, 4], y: [2, 4, 2] }, ({ x, y }) => tf.matMul(x, y)],
  ['product of a batch with one', { x: [3, 2, 4], y: [1, 3, 4] }, ({ x, y }) => tf.matMul(x, y, false, true)],
  [
    'attention',
    { q: [1, 3, 2], k: [1, 3, 2], v: [1, 3, 2] },
    ({ q, k, v }) => tf.matMul(tf.softmax(tf.matMul(q, k, false, true)), v),
  ],
];

describe('lifetimes pass through kernels as their numbers do', () => {
  it.each([...elementwise, ...reductions, ...shapes, ...products])('%s', (_, operands, operation) => {
    for (const seed of SEEDS) {
      expectAsComputed(operation, operands, seed);
    }
  });
});

describe('lifetimes pass through windows as numbers do', () => {
  const runs = { numRuns: 40 };

  it('convolutions', () => {
    fc.assert(
      fc.property(
        windowGeometries(),
        ({ batch, height, width, channels, outChannels, window, strides, pad, seed }) => {
          expectAsComputed(
            ({ x, w }) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, strides, pad),
            { x: [batch, height, width, channels], w: [...window, channels, outChannels] },
            seed,
          );
        },
      ),
      runs,
    );
  });

  it('convolutions with dilation', () => {
    for (const seed of SEEDS) {
      expectAsComputed(
        ({ x, w }) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same', 'NHWC', [2, 1]),
        { x: [1, 6, 5, 2], w: [3, 2, 2, 2] },
        seed,
      );
    }
  });

  it('convolutions with padding of unequal sides', () => {
    for (const seed of SEEDS) {
      expectAsComputed(
        ({ x, w }) =>
          tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 2, [
            [0, 0],
            [1, 0],
            [0, 2],
            [0, 0],
          ]),
        { x: [1, 6, 5, 2], w: [3, 2, 2, 2] },
        seed,
      );
    }
  });

  it('depthwise convolutions', () => {
    fc.assert(
      fc.property(
        windowGeometries(),
        ({ batch, height, width, channels, outChannels, window, strides, pad, seed }) => {
          const stride = strides[0];
          expectAsComputed(
            ({ x, w }) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad),
            { x: [batch, height, width, channels], w: [...window, channels, outChannels] },
            seed,
          );
        },
      ),
      runs,
    );
  });

  it('transposed convolutions', () => {
    fc.assert(
      fc.property(
        windowGeometries(),
        ({ batch, height, width, channels, outChannels, window, strides, seed }) => {
          const [rows, columns] = [height, width].map(
            (extent, axis) => (extent - 1) * strides[axis] + window[axis],
          );
          expectAsComputed(
            ({ x, w }) =>
              tf.conv2dTranspose(
                x as tf.Tensor4D,
                w as tf.Tensor4D,
                [batch, rows, columns, outChannels],
                strides,
                'valid',
              ),
            { x: [batch, height, width, channels], w: [...window, outChannels, channels] },
            seed,
          );
        },
      ),
      runs,
    );
  });

  it.each([
    ['maximum', tf.maxPool],
    ['average', tf.avgPool],
  ] as const)('pooling: %s', (_, pool) => {
    fc.assert(
      fc.property(windowGeometries(), ({ batch, height, width, channels, window, strides, pad, seed }) => {
        expectAsComputed(
          ({ x }) => pool(x as tf.Tensor4D, window, strides, pad),
          { x: [batch, height, width, channels] },
          seed,
        );
      }),
      runs,
    );
  });

  it.each([true, false])('resizing, corners aligned: %s', (alignCorners) => {
    for (const size of [
      [6, 4],
      [2, 3],
      [5, 7],
    ] as [number, number][]) {
      for (const resize of [tf.image.resizeBilinear, tf.image.resizeNearestNeighbor]) {
        expectAsComputed(({ x }) => resize(x as tf.Tensor4D, size, alignCorners), { x: [1, 3, 4, 2] }, 1);
      }
    }
  });
});
