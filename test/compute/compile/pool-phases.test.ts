import {
  add,
  conv2d,
  maxPool,
  mul,
  relu,
  sum,
  type Tensor,
  type Tensor4D,
  tensor,
  tidy,
  valueAndGrads,
} from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { blockConvolutions } from '../../../src/compute/compile/block-convolutions.js';
import { blockFilterGradients } from '../../../src/compute/compile/block-filter-gradients.js';
import { type Graph, graphValue } from '../../../src/compute/compile/graph.js';
import { FROM_PHASES, PHASE } from '../../../src/compute/compile/phases.js';
import { poolByPhases } from '../../../src/compute/compile/pool-phases.js';
import { unfoldFilterGradients } from '../../../src/compute/compile/restructure.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import { traceProgram } from '../../../src/compute/compile/trace.js';
import type { Program } from '../../../src/compute/tensor-program.js';
import { hasNative, kernelsOf, native, runGraph, type ShapedData, shapedData } from './support.js';

/** A convolution, a bias, a rectifier and a max pooling, whose result is summed with weights. */
interface Layer {
  batch: number;
  image: [number, number];
  channels: [number, number];
  filter: [number, number];
  pad: 'same' | 'valid';
  window: [number, number];
  strides: [number, number];
  poolPad: 'same' | 'valid';
  rectified: boolean;
  /** Whether the gradient of the image is wanted too, as in layers after the first. */
  inputGradient: boolean;
}

const first: Layer = {
  batch: 2,
  image: [4, 6],
  channels: [1, 3],
  filter: [3, 3],
  pad: 'same',
  window: [2, 2],
  strides: [2, 2],
  poolPad: 'valid',
  rectified: true,
  inputGradient: false,
};

// The reference has tfjs' own kernels.
beforeAll(async () => {
  await prepareBackend('cpu');
});

function programOf({ pad, window, strides, poolPad, rectified, inputGradient }: Layer): Program {
  return ({ x, f, b, g }) => {
    const { value, grads } = valueAndGrads((filter: Tensor, bias: Tensor, image: Tensor) => {
      const linear = add(conv2d(image as Tensor4D, filter as Tensor4D, 1, pad), bias) as Tensor4D;
      const pooled = maxPool(rectified ? relu(linear) : linear, window, strides, poolPad);
      return sum(mul(pooled, g)) as never;
    })([f, b, x]);
    return { value, df: grads[0], db: grads[1], ...(inputGradient ? { dx: grads[2] } : {}) };
  };
}

const asTensor = ({ data, shape }: ShapedData): Tensor => tensor(data, [...shape]);

/** Small integers, from a few values: sums of products are exact in any order, and many numbers are equal. */
function integers(shape: readonly number[], numbers: IterableIterator<number>): ShapedData {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { shape, data: Float32Array.from({ length: size }, () => numbers.next().value as number) };
}

function* cycle(...numbers: number[]): Generator<number, never> {
  for (let index = 0; ; index++) {
    yield numbers[(index * index + index) % numbers.length];
  }
}

function inputsOf(layer: Layer, numbers: IterableIterator<number> = cycle(1, -1, 0, 2, 0, -2, 1)) {
  const { batch, image, channels, filter } = layer;
  const shapes = { x: [batch, ...image, channels[0]], f: [...filter, ...channels], b: [channels[1]] };
  const inputs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, integers(shape, numbers)]),
  );
  const pooled = tidy(() => {
    const linear = conv2d(asTensor(inputs.x) as Tensor4D, asTensor(inputs.f) as Tensor4D, 1, layer.pad);
    return maxPool(linear, layer.window, layer.strides, layer.poolPad).shape;
  });
  return { ...inputs, g: integers(pooled, numbers) };
}

function traced(layer: Layer, inputs: Record<string, ShapedData>): Graph {
  const tensors = Object.entries(inputs).map(([name, input]) => [name, asTensor(input)]);
  return simplify(traceProgram(programOf(layer), Object.fromEntries(tensors)));
}

/** What tfjs computes, and what ONNX Runtime does with pooling by phases, must be the same numbers. */
async function expectSame(layer: Layer, inputs: Record<string, ShapedData>): Promise<void> {
  const expected = tidy(() => {
    const tensors = Object.entries(inputs).map(([name, input]) => [name, asTensor(input)]);
    const results = Object.entries(programOf(layer)(Object.fromEntries(tensors)));
    return Object.fromEntries(results.map(([name, result]) => [name, Array.from(shapedData(result).data)]));
  });
  const phased = simplify(poolByPhases(traced(layer, inputs)));
  const block = native.channelBlock ?? null;
  const blocked = blockFilterGradients(blockConvolutions(phased, block), block);
  const found = await runGraph(simplify(unfoldFilterGradients(blocked, [], false)), inputs);
  for (const [name, numbers] of Object.entries(expected)) {
    // -0 is 0.
    expect(
      found[name].map((number) => number + 0),
      name,
    ).toEqual(numbers.map((number) => number + 0));
  }
}

describe('max pooling by phases', () => {
  const kernels = (layer: Partial<Layer>): string[] => {
    const whole = { ...first, ...layer };
    return kernelsOf(simplify(poolByPhases(traced(whole, inputsOf(whole)))));
  };

  it('has neither a pooling nor a gradient of one; the image of a gradient is put together only where it is read', () => {
    expect(kernels({}).filter((kernel) => kernel.startsWith('MaxPool'))).toEqual([]);
    expect(kernels({}).filter((kernel) => kernel === PHASE)).toHaveLength(4);
    expect(kernels({})).not.toContain(FROM_PHASES);
    expect(kernels({ inputGradient: true })).toContain(FROM_PHASES);
  });

  it('takes the derivative of a rectifier after the pooling', () => {
    const layer = { ...first, inputGradient: true };
    const graph = simplify(poolByPhases(traced(layer, inputsOf(layer))));
    const [step] = graph.nodes.filter(({ kernel }) => kernel === 'Step');
    expect(graphValue(graph, step.outputs[0]).shape).toEqual([2, 2, 3, 3]);
  });

  it.each<[string, Partial<Layer>]>([
    ['overlap', { window: [3, 3] }],
    ['leave rows out', { strides: [3, 2] }],
    ['reach into padding', { image: [5, 5], poolPad: 'same' }],
    ['are of one number', { window: [1, 1], strides: [1, 1] }],
    ['are large', { image: [8, 8], window: [4, 4], strides: [4, 4] }],
  ])('leaves windows alone that %s', (_, layer) => {
    expect(kernels(layer)).toContain('MaxPoolGrad');
    expect(kernels(layer)).not.toContain(PHASE);
  });

  it.skipIf(!hasNative)('gives the gradient to the first of equal maxima in a window, by rows', async () => {
    // Equal numbers in one window: all; the last three; the second and third (by columns the third comes first).
    const image = Float32Array.of(1, 1, 0, 2, 0, 2, 1, 1, 2, 2, 2, 1);
    const layer: Layer = { ...first, batch: 1, image: [2, 6], channels: [1, 1], filter: [1, 1] };
    const inputs = {
      x: { shape: [1, 2, 6, 1], data: image },
      f: { shape: [1, 1, 1, 1], data: Float32Array.of(1) },
      b: { shape: [1], data: Float32Array.of(0) },
      g: { shape: [1, 1, 3, 1], data: Float32Array.of(1, 10, 100) },
    };
    const whole = traced({ ...layer, inputGradient: true }, inputs);
    const { dx } = await runGraph(simplify(unfoldFilterGradients(poolByPhases(whole), [], false)), inputs);
    expect(dx).toEqual([1, 0, 0, 10, 0, 100, 0, 0, 0, 0, 0, 0]);
  });

  it.skipIf(!hasNative).each<[string, Partial<Layer>]>([
    ['a first layer', {}],
    ['a first layer without padding', { image: [6, 8], pad: 'valid' }],
    ['a first layer with examples in blocks', { batch: 16, image: [8, 8], filter: [5, 5], channels: [1, 6] }],
    ['a later layer', { inputGradient: true }],
    ['no rectifier', { rectified: false }],
    ['rows and columns that are in no window', { image: [5, 7] }],
    ['rows left over, image gradient', { image: [5, 7], inputGradient: true }],
    ['windows of three', { image: [6, 9], window: [3, 3], strides: [3, 3] }],
    ['windows of one row', { window: [1, 3], strides: [1, 3] }],
  ])('computes what tfjs computes, ties included: %s', async (_, layer) => {
    const whole = { ...first, ...layer };
    await expectSame(whole, inputsOf(whole));
  });

  it.skipIf(!hasNative)('computes what tfjs computes for any windows', async () => {
    const extent = fc.integer({ min: 1, max: 3 });
    const image = fc.integer({ min: 3, max: 8 });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: fc.constantFrom(1, 2, 8, 16),
          image: fc.tuple(image, image),
          channels: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 6 })),
          filter: fc.tuple(extent, extent),
          pad: fc.constant<'same'>('same'),
          window: fc.tuple(extent, extent),
          poolPad: fc.constantFrom('same' as const, 'valid' as const),
          rectified: fc.boolean(),
          inputGradient: fc.boolean(),
        }),
        fc.infiniteStream(fc.integer({ min: -2, max: 2 })),
        async (layer, numbers) => {
          const whole = { ...layer, strides: layer.window };
          await expectSame(whole, inputsOf(whole, numbers));
        },
      ),
      { numRuns: 40 },
    );
  });
});
