import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import type { Graph } from '../../../src/compute/compile/graph.js';
import { recordKernels, renumbered, traceProgram } from '../../../src/compute/compile/trace.js';
import { MAX_POOL_GATHER } from '../../../src/compute/kernels.js';
import { kernelShapes } from '../../../src/compute/shapes/kernel-shapes.js';
import { ShapesUnknownError, withShapesAlone } from '../../../src/compute/shapes/shape-backend.js';
import type { ProgramInputs } from '../../../src/compute/tensor-program.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

type Shape = number[];
type Operation = (...operands: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

/** Runs a kernel of that name, which no operation of tfjs calls by itself. */
function kernel(name: string, inputs: Record<string, tf.Tensor>, attributes: object = {}): tf.Tensor {
  const { runKernel } = tf.engine() as unknown as {
    runKernel(name: string, inputs: object, attributes: object): tf.Tensor;
  };
  return runKernel.call(tf.engine(), name, inputs, attributes);
}

const image: Shape = [2, 7, 6, 3];
const convolution = { strides: [2, 1], pad: 'same', dataFormat: 'NHWC', dilations: [1, 1] };
const pooling = { filterSize: [3, 2], strides: [2, 2], pad: 'valid' };
const gradientOf =
  (f: (x: tf.Tensor) => tf.Tensor): Operation =>
  (x) =>
    tf.grad((at) => tf.sum(f(at)))(x);

const cases: [string, Shape[], Operation][] = [
  [
    'elementwise operations of one tensor',
    [[3, 4]],
    (x) =>
      [
        ...[tf.abs, tf.ceil, tf.cos, tf.elu, tf.erf, tf.exp, tf.expm1, tf.floor, tf.leakyRelu, tf.log],
        ...[tf.log1p, tf.neg, tf.reciprocal, tf.relu, tf.relu6, tf.rsqrt, tf.selu, tf.sigmoid, tf.sign],
        ...[tf.sin, tf.softplus, tf.sqrt, tf.square, tf.step, tf.tanh, tf.zerosLike, tf.onesLike],
        (y: tf.Tensor) => tf.softmax(y as tf.Tensor2D),
        (y: tf.Tensor) => tf.clipByValue(y, -1, 1),
        (y: tf.Tensor) => tf.cast(y, 'int32'),
        (y: tf.Tensor) => tf.clone(y),
        (y: tf.Tensor) => tf.prelu(y, tf.scalar(0.2)),
      ].map((operation) => (operation as (y: tf.Tensor) => tf.Tensor)(x)),
  ],
  [
    'elementwise operations of two that broadcast',
    [
      [3, 1, 4],
      [2, 1],
    ],
    (a, b) =>
      [
        ...[tf.add, tf.sub, tf.mul, tf.div, tf.maximum, tf.minimum, tf.pow, tf.squaredDifference],
        ...[tf.equal, tf.notEqual, tf.greater, tf.greaterEqual, tf.less, tf.lessEqual],
      ].map((operation) => operation(a, b)),
  ],
  [
    'logic',
    [[3, 4]],
    (x) => {
      const positive = tf.greater(x, 0);
      return [
        ...[tf.logicalNot(positive), tf.logicalAnd(positive, positive), tf.logicalOr(positive, positive)],
        ...[tf.where(positive, x, tf.neg(x)), tf.any(positive, 1), tf.all(positive, 0, true)],
      ];
    },
  ],
  [
    'sums, means, extremes',
    [[2, 3, 4]],
    (x) => [
      ...[tf.sum(x), tf.sum(x, [0, 2]), tf.sum(x, -1, true), tf.mean(x, 1), tf.max(x, [1]), tf.min(x, 2)],
      ...[tf.argMax(x, 1), tf.addN([x, x, x]), tf.mean(tf.cast(x, 'int32'), 0)],
    ],
  ],
  [
    'arrangements',
    [[2, 3, 4]],
    (x) => [
      ...[tf.reshape(x, [4, -1]), tf.expandDims(x, 1), tf.expandDims(x, -1), tf.transpose(x, [2, 0, 1])],
      ...[
        tf.tile(x, [1, 2, 3]),
        tf.slice(x, [0, 1, 0], [2, 2, -1]),
        tf.slice(x, [1]),
        tf.slice(x, 1),
        tf.reverse(x, 1),
        tf.stack([x, x], 1),
      ],
      tf.pad(x, [
        [0, 1],
        [2, 0],
        [1, 1],
      ]),
      ...[
        tf.concat([x, tf.slice(x, [0, 0, 0], [2, 1, 4])], 1),
        tf.gather(x, tf.tensor1d([2, 0], 'int32'), 1),
      ],
      ...tf.split(x, 2, 2),
      ...tf.split(x, [1, 2], 1),
      ...tf.unstack(x, 1),
    ],
  ],
  [
    'products',
    [
      [2, 3, 4],
      [5, 4],
      [3, 6],
    ],
    (a, b, c) => [
      tf.matMul(a, tf.expandDims(b), false, true),
      tf.matMul(tf.reshape(a, [6, 4]), b, false, true),
      tf.matMul(c, tf.slice(c, [0, 0], [3, 2]), true, false),
      kernel(
        '_FusedMatMul',
        { a: tf.expandDims(c), b: tf.expandDims(tf.transpose(c)) },
        { activation: 'linear' },
      ),
    ],
  ],
  [
    'convolutions and their derivatives',
    [image, [3, 2, 3, 4], [3, 2, 3, 2]],
    (x, filter, depthwise) => {
      const y = kernel('Conv2D', { x, filter }, convolution);
      const z = kernel('DepthwiseConv2dNative', { x, filter: depthwise }, convolution);
      return [
        ...[y, z],
        kernel('FusedConv2D', { x, filter }, { ...convolution, activation: 'linear' }),
        kernel('FusedDepthwiseConv2D', { x, filter: depthwise }, { ...convolution, activation: 'linear' }),
        kernel('Conv2DBackpropInput', { dy: y, filter }, { ...convolution, inputShape: x.shape }),
        kernel('Conv2DBackpropFilter', { x, dy: y }, { ...convolution, filterShape: filter.shape }),
        kernel(
          'DepthwiseConv2dNativeBackpropInput',
          { dy: z, filter: depthwise },
          { ...convolution, inputShape: x.shape },
        ),
        kernel(
          'DepthwiseConv2dNativeBackpropFilter',
          { x, dy: z },
          { ...convolution, filterShape: depthwise.shape },
        ),
      ];
    },
  ],
  [
    'pooling and its derivatives',
    [image],
    (x) => {
      const maxima = kernel('MaxPool', { x }, pooling);
      const means = kernel('AvgPool', { x }, pooling);
      return [
        ...[maxima, means],
        kernel('MaxPoolGrad', { dy: maxima, input: x, output: maxima }, pooling),
        kernel('AvgPoolGrad', { dy: means, input: x }, pooling),
        kernel(MAX_POOL_GATHER, { values: x, input: x }, pooling),
      ];
    },
  ],
  [
    'resizing and its derivatives',
    [image],
    (x) => [
      tf.image.resizeBilinear(x as tf.Tensor4D, [5, 9]),
      tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [14, 3]),
      gradientOf((at) => tf.image.resizeBilinear(at as tf.Tensor4D, [5, 9]))(x) as tf.Tensor,
      gradientOf((at) => tf.image.resizeNearestNeighbor(at as tf.Tensor4D, [14, 3]))(x) as tf.Tensor,
    ],
  ],
  [
    'normalisation',
    [image],
    (x) => tf.batchNorm(x as tf.Tensor4D, tf.zeros([3]), tf.ones([3]), tf.ones([3]), tf.ones([3])),
  ],
];

/** The same program by both ways of recording. */
function bothWays(shapes: readonly Shape[], operation: Operation): [Graph, Graph] {
  const inputs: ProgramInputs = Object.fromEntries(
    shapes.map((shape, i) => [`x${i}`, tf.add(tf.randomUniform(shape, 0.1, 0.9, 'float32', i), 0)]),
  );
  const program = (given: ProgramInputs) =>
    Object.fromEntries([operation(...Object.values(given))].flat().map((tensor, i) => [`y${i}`, tensor]));
  const byShapes = withShapesAlone(() => recordKernels(program, inputs));
  const byNumbers = recordKernels(program, inputs);
  tf.dispose(inputs);
  return [renumbered(byShapes), renumbered(byNumbers)];
}

describe('programs followed by shapes alone', () => {
  const seen = new Set<string>();

  it.each(cases)('are those that are computed: %s', (_, shapes, operation) => {
    const [byShapes, byNumbers] = bothWays(shapes, operation);
    expect(byShapes).toEqual(byNumbers);
    for (const { kernel: name } of byShapes.nodes) {
      seen.add(name);
    }
  });

  it('are of every kernel that has a rule', () => {
    expect(Object.keys(kernelShapes).filter((name) => !seen.has(name))).toEqual([]);
  });

  it('take no memory and leave nothing behind', () => {
    const tensors = tf.memory().numTensors;
    const backend = tf.getBackend();
    const x = withShapesAlone(() => tf.ones([1, 3]));
    const graph = traceProgram(
      ({ x: at }) => ({ y: tf.matMul(tf.tile(at, [2 ** 20, 1]), tf.tile(at, [2 ** 20, 1]), false, true) }),
      { x },
    );
    expect(graph.values.get(graph.outputs.y)?.shape).toEqual([2 ** 20, 2 ** 20]);
    x.dispose();
    expect(tf.getBackend()).toBe(backend);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it('are computed where they depend on numbers, or call a kernel without a rule', () => {
    const x = tf.tensor2d([
      [1, 2],
      [3, 4],
    ]);
    const byNumbers = ({ x: at }: ProgramInputs) => ({ y: tf.add(at, tf.sum(at).dataSync()[0]) });
    const byUnknown = ({ x: at }: ProgramInputs) => ({ y: tf.cumsum(at, 1) });
    const explaining = (inputs: ProgramInputs) => {
      try {
        return byUnknown(inputs);
      } catch (cause) {
        throw new Error('a program that gives errors words of its own', { cause });
      }
    };
    for (const program of [byNumbers, byUnknown, explaining]) {
      expect(() => withShapesAlone(() => recordKernels(program, { x }))).toThrow(ShapesUnknownError);
      expect(renumbered(traceProgram(program, { x }))).toEqual(renumbered(recordKernels(program, { x })));
    }
    x.dispose();
  });

  it('may make tensors of numbers that are computed with afterwards', () => {
    const made = withShapesAlone(() => tf.tensor1d([1, 2, 3]));
    expect([...tf.mul(made, 2).dataSync()]).toEqual([2, 4, 6]);
    made.dispose();
  });
});
