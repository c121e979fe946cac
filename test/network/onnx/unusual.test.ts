/** Models of kinds that exporters write and that are easily read wrongly. */
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { InputError } from '../../../src/errors.js';
import { createNetwork } from '../../../src/network/create-network.js';
import type { LossName } from '../../../src/network/loss.js';
import { lossPair, requireOneDecision } from '../../../src/network/loss-pair.js';
import type { Network } from '../../../src/network/network.js';
import {
  type ModelSketch,
  type NodeSketch,
  normalWeight,
  onnxCheckpoint,
} from '../../support/onnx-models.js';
import { distance, normalInputs, outputOf, withOnnxNetwork } from './support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

function node(
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: NodeSketch['attributes'] = {},
): NodeSketch {
  return { op, inputs, outputs, attributes };
}

describe('batch normalisation', () => {
  const normalised = (opset: number, outputs: string[]): ModelSketch => ({
    opset,
    input: [null, 4],
    nodes: [
      node('Gemm', ['input', 'w'], ['z']),
      node('BatchNormalization', ['z', 'one', 'zero', 'zero', 'one'], outputs),
    ],
    weights: {
      w: normalWeight([4, 3], 1),
      one: { shape: [3], values: [1, 1, 1] },
      zero: { shape: [3], values: [0, 0, 0] },
    },
  });

  it.each([7, 9, 13])('with outputs of statistics is in training mode at opset %i', async (opset) => {
    const sketch = normalised(opset, ['y', 'mean', 'variance', 'savedMean', 'savedVariance']);
    await expect(createNetwork(onnxCheckpoint({ ...sketch, outputs: { y: 1 } }))).rejects.toMatchObject({
      code: 'network/onnx-operator',
      message: expect.stringMatching(/BatchNormalization .*training mode/),
    });
  });

  it.each([
    ['alone', ['y']],
    ['beside outputs without a name', ['y', '', '', '', '']],
  ])('with its output %s is not', async (_name, outputs) => {
    const sketch = { ...normalised(9, outputs), outputs: { y: 1 } };
    await withOnnxNetwork(sketch, ({ outputs: count }) => expect(count).toBe(3));
  });
});

describe('numbers that are not finite', () => {
  const dense = (w: number, b: number, scale: number, shift: number): ModelSketch => ({
    input: [null, 1],
    nodes: [
      node('Transpose', ['w'], ['wt']),
      node('Gemm', ['input', 'wt', 'b'], ['z']),
      node('Mul', ['z', 'scale'], ['s']),
      node('Add', ['s', 'shift'], ['y']),
    ],
    weights: {
      w: { shape: [2, 1], values: [1, w] },
      b: { shape: [2], values: [b, 1] },
      scale: { shape: [2], values: [1, scale] },
      shift: { shape: [2], values: [shift, 1] },
    },
  });

  it.each([
    ['a kernel that is NaN', dense(Number.NaN, 0, 1, 0), /"w" holds NaN at index \[1, 0\]/],
    ['a kernel that is infinite', dense(-Infinity, 0, 1, 0), /"w" holds -Infinity at index \[1, 0\]/],
    ['a bias that is infinite', dense(1, Infinity, 1, 0), /"b" holds Infinity at index \[0\]/],
    ['a factor that is NaN', dense(1, 0, Number.NaN, 0), /"scale" holds NaN at index \[1\]/],
  ])('are refused: %s', async (_name, sketch, words) => {
    await expect(createNetwork(onnxCheckpoint(sketch))).rejects.toMatchObject({
      code: 'checkpoint/non-finite-weight',
      message: expect.stringMatching(words),
    });
  });

  it('are taken where they may be meant, and where nothing reads them', async () => {
    const sketch = dense(1, 0, 1, -Infinity);
    const unused = { shape: [1], values: [Number.NaN] };
    await withOnnxNetwork({ ...sketch, weights: { ...sketch.weights, unused } }, (network) => {
      expect(outputOf(network, Float32Array.of(2), [1, 1])).toEqual(Float32Array.of(-Infinity, 4));
    });
  });
});

describe('an input whose axes are all free', () => {
  const convolution = (after: NodeSketch[], features: number, group = 1): ModelSketch => ({
    input: [null, null, null, null],
    nodes: [
      node('Conv', ['input', 'k'], ['c'], { group }),
      ...after,
      node('Flatten', ['f'], ['flat']),
      node('MatMul', ['flat', 'w'], ['y']),
    ],
    weights: { k: normalWeight([6, 3, 3, 3], 1), w: normalWeight([features, 4], 2) },
  });

  it.each([1, 2])('has the channels of the convolution that reads it, in %i groups', async (group) => {
    const pooled = convolution([node('GlobalAveragePool', ['c'], ['f'])], 6, group);
    await withOnnxNetwork(pooled, ({ inputShape, outputs }) => {
      expect({ inputShape, outputs }).toEqual({ inputShape: [3 * group, null, null], outputs: 4 });
    });
  });

  it('takes the shape of the data', async () => {
    const images = convolution([node('Relu', ['c'], ['f'])], 6 * 8 * 5);
    const asked: unknown[] = [];
    const exampleShape = (shape: readonly (number | null)[]): number[] => {
      asked.push(shape);
      return [3, 10, 7];
    };
    await withOnnxNetwork(images, (network) => expect(network.outputs).toBe(4), { exampleShape });
    expect(asked).toEqual([[3, null, null]]);
    // No extent that is tried without data fits.
    await expect(createNetwork(onnxCheckpoint(images))).rejects.toMatchObject({ code: 'network/onnx-node' });
  });

  it('is not tried with images of any size', async () => {
    const axes = [null, ...Array(9).fill(null)];
    const sketch: ModelSketch = {
      input: axes,
      nodes: [node('Flatten', ['input'], ['f']), node('MatMul', ['f', 'w'], ['y'])],
      weights: { w: normalWeight([7, 4], 1) },
    };
    await expect(createNetwork(onnxCheckpoint(sketch))).rejects.toMatchObject({ code: 'network/onnx-node' });
    const exampleShape = (): number[] => Array(9).fill(100);
    await expect(createNetwork(onnxCheckpoint(sketch), { exampleShape })).rejects.toMatchObject({
      code: 'network/input-shape',
    });
  });
});

describe('a batch of millions in the file', () => {
  const declared = (batch: number | null, back: boolean): ModelSketch => ({
    input: [batch, 2, 4, 4],
    nodes: [
      node('Conv', ['input', 'k'], ['c']),
      ...(back
        ? [node('Transpose', ['c'], ['t'], { perm: [1, 2, 3, 0] }), node('Reshape', ['t', 'back'], ['b'])]
        : [node('Reshape', ['c', 'flat'], ['f'])]),
      ...(back ? [node('Transpose', ['b'], ['f'], { perm: [1, 0] })] : []),
      node('MatMul', ['f', 'w'], ['y']),
    ],
    weights: { k: normalWeight([3, 2, 3, 3], 1), w: normalWeight([12, 5], 2) },
    constants: {
      flat: { shape: [2], type: 'integer', values: Float64Array.of(batch ?? -1, 12) },
      back: { shape: [2], type: 'integer', values: Float64Array.of(12, batch ?? -1) },
    },
  });

  it('is freed', async () => {
    const inputs = normalInputs([7, 2, 4, 4], 3);
    const [free, freed] = await Promise.all(
      [null, 2e7].map((batch) =>
        withOnnxNetwork(declared(batch, false), (network) => outputOf(network, inputs, [7, 2, 4, 4])),
      ),
    );
    expect(distance(freed, free)).toBeLessThan(1e-6);
  });

  it('is refused where it cannot be freed', async () => {
    await expect(createNetwork(onnxCheckpoint(declared(2e7, true)))).rejects.toBeInstanceOf(InputError);
  });
});

describe('outputs of several axes', () => {
  const sequence = (shape: number[]): ModelSketch => ({
    input: [null, 2, 3],
    nodes: [node('MatMul', ['input', 'w'], ['z']), node('Reshape', ['z', 'shape'], ['y'])],
    weights: { w: normalWeight([3, 4], 1) },
    constants: { shape: { shape: [shape.length], type: 'integer', values: Float64Array.from(shape) } },
  });
  const check = (network: Network, loss: LossName): void =>
    requireOneDecision(network, null, loss, lossPair(null, loss, null));

  it('are no classes of cross-entropy', async () => {
    await withOnnxNetwork(sequence([-1, 2, 4]), (network) => {
      expect(network).toMatchObject({ outputs: 8, outputShape: [2, 4] });
      expect(() => check(network, 'cross-entropy')).toThrow(/\[2, 4\].*one row of classes/);
      expect(() => check(network, 'mse')).not.toThrow();
      expect(() => check(network, 'binary-cross-entropy')).not.toThrow();
    });
  });

  it.each([[[-1, 8]], [[-1, 8, 1, 1]], [[-1, 1, 8]]])('are one where the others are 1: %j', async (shape) => {
    await withOnnxNetwork(sequence(shape), (network) => {
      expect(() => check(network, 'cross-entropy')).not.toThrow();
    });
  });
});
