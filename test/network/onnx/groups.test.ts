/** Several batches at once, for graphs that take batches of one size alone. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { traceProgram } from '../../../src/compute/compile/trace.js';
import { weightTensors } from '../../../src/network/network.js';
import { hasNative } from '../../compute/compile/support.js';
import { integerTensor, type ModelSketch, type NodeSketch, normalWeight } from '../../support/onnx-models.js';
import { behindBatch, fixedBatchCases } from './batch-cases.js';
import { node } from './image-case.js';
import { distance, normalInputs, outputOf, runtimeOutput, withOnnxNetwork } from './support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

type Rest = Parameters<typeof behindBatch>[2];

/** What is done along the first axis, or with other ranks and first axes. */
const operations: [string, (batch: number) => { nodes: NodeSketch[]; rest?: Rest }][] = [
  ['Softmax', () => ({ nodes: [node('Softmax', ['r'], 'o', { axis: 0 })] })],
  ['LogSoftmax', () => ({ nodes: [node('LogSoftmax', ['r'], 'o', { axis: -3 })] })],
  ['ReduceMean', () => ({ nodes: [node('ReduceMean', ['r'], 'o', { axes: [0], keepdims: 1 })] })],
  [
    'ReduceSum by an operand, an axis less, and Unsqueeze',
    () => ({
      nodes: [node('ReduceSum', ['r', 'zero'], 's', { keepdims: 0 }), node('Unsqueeze', ['s', 'zero'], 'o')],
      rest: { constants: { zero: integerTensor([0]) } },
    }),
  ],
  [
    'Concat with constants',
    (batch) => ({
      nodes: [
        node('Concat', ['r', 'row'], 'c', { axis: 0 }),
        node('Concat', ['c', 'column'], 'o', { axis: 2 }),
      ],
      rest: {
        weights: { row: normalWeight([1, 2 * batch, 2], 2), column: normalWeight([4, 2 * batch, 1], 3) },
      },
    }),
  ],
  [
    'Slice and Gather',
    () => ({
      nodes: [
        node('Slice', ['r', 'one', 'end', 'zero'], 's'),
        node('Gather', ['r', 'back'], 'g', { axis: 0 }),
        node('Mul', ['s', 'g'], 'o'),
      ],
      rest: {
        constants: {
          zero: integerTensor([0]),
          one: integerTensor([1]),
          end: integerTensor([2 ** 40]),
          back: integerTensor([-1, 0]),
        },
      },
    }),
  ],
  [
    'Gather of one position',
    () => ({
      nodes: [node('Gather', ['r', 'one'], 'g', { axis: 0 }), node('Unsqueeze', ['g', 'zero'], 'o')],
      rest: { constants: { one: integerTensor([1], []), zero: integerTensor([0]) } },
    }),
  ],
  [
    'Slice by attributes',
    () => ({
      nodes: [node('Slice', ['r'], 'o', { starts: [-2], ends: [9], axes: [0] })],
      rest: { opset: 9 },
    }),
  ],
  [
    'Split',
    () => ({
      nodes: [
        { op: 'Split', inputs: ['r', 'sizes'], outputs: ['a', 'b0'], attributes: { axis: 0 } },
        node('Add', ['a', 'b0'], 'o'),
      ],
      rest: { constants: { sizes: integerTensor([1, 2]) } },
    }),
  ],
  [
    'broadcasting with constants of every rank',
    (batch) => ({
      nodes: [
        node('Add', ['r', 'whole'], 'a'),
        node('Mul', ['a', 'rows'], 'm'),
        node('Sub', ['last', 'm'], 's'),
        node('Greater', ['s', 'number'], 'g'),
        node('Where', ['g', 's', 'm'], 'o'),
      ],
      rest: {
        weights: {
          whole: normalWeight([3, 2 * batch, 2], 2),
          rows: normalWeight([3, 1, 1], 3),
          last: normalWeight([2], 4),
          number: { shape: [], values: [0.3] },
        },
      },
    }),
  ],
  [
    'products of values and constants',
    (batch) => ({
      nodes: [
        node('MatMul', ['r', 'right'], 'a'),
        node('MatMul', ['stack', 'a'], 'b1'),
        node('Transpose', ['b1'], 'c', { perm: [0, 2, 1] }),
        node('MatMul', ['b1', 'c'], 'd'),
        node('MatMul', ['d', 'r'], 'o'),
      ],
      rest: {
        weights: { right: normalWeight([2, 2], 2), stack: normalWeight([3, 2 * batch, 2 * batch], 3) },
      },
    }),
  ],
  [
    'matrices of one batch',
    (batch) => ({
      nodes: [
        node('Reshape', ['r', 'matrix'], 'm'),
        node('MatMul', ['left', 'm'], 'l'),
        node('Transpose', ['l'], 'lt', { perm: [1, 0] }),
        node('MatMul', ['l', 'lt'], 'q'),
        node('MatMul', ['q', 'm'], 'p'),
        node('Reshape', ['p', 'heads'], 'o'),
      ],
      rest: {
        weights: { left: normalWeight([3, 3], 2, 0.5) },
        constants: { matrix: integerTensor([3, 4 * batch]) },
      },
    }),
  ],
  [
    'Expand by a new axis',
    (batch) => ({
      nodes: [
        node('Expand', ['r', 'target'], 'e'),
        node('Mul', ['e', 'e'], 'q'),
        node('ReduceMean', ['q'], 'o', { axes: [0], keepdims: 0 }),
      ],
      rest: { constants: { target: integerTensor([2, 3, 2 * batch, 1]) } },
    }),
  ],
  [
    'shapes of values are those of one batch',
    () => ({
      nodes: [
        node('Shape', ['r'], 'shape'),
        node('Flatten', ['r'], 'f', { axis: 2 }),
        node('Neg', ['f'], 'n'),
        node('Reshape', ['n', 'shape'], 'o'),
      ],
    }),
  ],
  [
    'Squeeze without axes',
    () => ({
      nodes: [
        node('Reshape', ['r', 'ones'], 'x'),
        node('Squeeze', ['x'], 's'),
        node('Reshape', ['s', 'heads'], 'o'),
      ],
      rest: { constants: { ones: integerTensor([1, 3, -1, 1, 2]) } },
    }),
  ],
  [
    'Pad, Tile and Einsum of other axes',
    () => ({
      nodes: [
        node('Pad', ['r', 'pads'], 'p'),
        node('Tile', ['p', 'repeats'], 'u'),
        node('Einsum', ['u', 'right'], 'o', { equation: 'abc,cd->abd' }),
      ],
      rest: {
        weights: { right: normalWeight([6, 2], 2) },
        constants: { pads: integerTensor([0, 0, 1, 0, 0, 0]), repeats: integerTensor([1, 1, 2]) },
      },
    }),
  ],
];

async function inBatches(sketch: ModelSketch, inputs: Float32Array, batch: number): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for (let start = 0; start < inputs.length; start += batch * 12) {
    parts.push(await runtimeOutput(sketch, inputs.slice(start, start + batch * 12), [batch, 3, 4]));
  }
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

function kernelCount(sketch: ModelSketch, count: number): Promise<number> {
  return withOnnxNetwork(sketch, (network) => {
    const inputs = { x: tf.tensor(normalInputs([count, 3, 4], 3), [count, 3, 4]) };
    const weights = weightTensors(network, network.weights);
    const { nodes } = traceProgram(({ x }) => ({ y: network.logits(weights, x) }), inputs);
    tf.dispose([inputs, weights]);
    return nodes.length;
  });
}

describe.skipIf(!hasNative).each([1, 2])('batches of %i, several at once', (batch) => {
  // Products over the axis that the batch is part of mix the examples of batches of 2.
  it.each(operations.filter(([name]) => batch === 1 || !/products|matrices/.test(name)))(
    '%s',
    async (_name, build) => {
      const { nodes, rest } = build(batch);
      const sketch = behindBatch(batch, nodes, rest);
      const inputs = normalInputs([4, 3, 4], 7);
      const expected = await inBatches(sketch, inputs, batch);
      await withOnnxNetwork(sketch, (network) => {
        expect(network.notes).toEqual([]);
        expect(distance(outputOf(network, inputs, [4, 3, 4]), expected)).toBeLessThan(1e-5);
        // A batch that is not full.
        const three = outputOf(network, inputs.slice(0, 36), [3, 3, 4]);
        expect(distance(three, expected.slice(0, (expected.length / 4) * 3))).toBeLessThan(1e-5);
      });
      expect(await kernelCount(sketch, 8)).toBe(await kernelCount(sketch, 4));
    },
  );
});

describe('a batch axis that is free in name alone', () => {
  it.each(fixedBatchCases.slice(0, 1))(
    '$name: examples are run one at a time, and the report says so',
    async ({ sketch }) => {
      const inputs = normalInputs([4, 3, 4], 7);
      const fixed = await withOnnxNetwork(sketch, (network) => outputOf(network, inputs, [4, 3, 4]));
      const free = { ...sketch, input: [null, 3, 4] };
      await withOnnxNetwork(free, (network) => {
        expect(network.notes).toEqual([
          'its batch axis is free, but it takes one example at a time, and is run so',
        ]);
        expect(distance(outputOf(network, inputs, [4, 3, 4]), fixed)).toBeLessThan(1e-6);
      });
      expect(await kernelCount(free, 8)).toBe(await kernelCount(free, 4));
    },
  );
});
