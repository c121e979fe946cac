import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockConvolutions } from '../../../src/compute/compile/block-convolutions.js';
import { elementCount, type Graph } from '../../../src/compute/compile/graph.js';
import { FROM_PHASES } from '../../../src/compute/compile/phases.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import { phaseInputGradients } from '../../../src/compute/compile/strided-input-gradients.js';
import { normalVector } from '../../support/vectors.js';
import { graphOf, hasNative, kernelsOf, native, runGraph, type ShapedData } from './support.js';

interface StridedCase {
  image: [number, number];
  /** Of the input and of the result. */
  channels: [number, number];
  kernel: [number, number];
  strides: [number, number];
  /** Above, below, left, right. */
  pad: [number, number, number, number];
}

const BATCH = 2;

/** That of residual networks, with an even image. */
const usual: StridedCase = {
  image: [8, 6],
  channels: [16, 32],
  kernel: [3, 3],
  strides: [2, 2],
  pad: [1, 1, 1, 1],
};

function resultSize({ image, kernel, strides, pad }: StridedCase): [number, number] {
  const size = (axis: 0 | 1): number =>
    Math.floor((image[axis] + pad[2 * axis] + pad[2 * axis + 1] - kernel[axis]) / strides[axis]) + 1;
  return [size(0), size(1)];
}

/** One input gradient that is an output, and the sum of two more, of which one has a filter of a single tap. */
function graphFor(strided: StridedCase, dilation = 1): Graph {
  const { image, channels, kernel, strides, pad } = strided;
  const inputShape = [BATCH, ...image, channels[0]];
  const size = resultSize(strided);
  const single: StridedCase = { ...strided, kernel: [1, 1], pad: [0, 0, 0, 0] };
  const gradient = (dy: string, filter: string, output: string, { pad: own }: StridedCase) => ({
    kernel: 'Conv2DBackpropInput',
    inputs: { dy, filter },
    outputs: [output],
    attributes: {
      strides,
      dilations: [dilation, dilation],
      pad: [[0, 0], own.slice(0, 2), own.slice(2), [0, 0]],
      dataFormat: 'NHWC',
      dimRoundingMode: 'floor',
      inputShape,
    },
  });
  return graphOf({
    values: {
      dy: [BATCH, ...size, channels[1]],
      du: [BATCH, ...resultSize(single), channels[1]],
      f: [...kernel, ...channels],
      g: [1, 1, ...channels],
      ...{ dx: inputShape, first: inputShape, second: inputShape, sum: inputShape },
    },
    inputs: ['dy', 'du', 'f', 'g'],
    nodes: [
      gradient('dy', 'f', 'dx', { ...strided, pad }),
      gradient('dy', 'f', 'first', strided),
      gradient('du', 'g', 'second', single),
      { kernel: 'Add', inputs: { a: 'first', b: 'second' }, outputs: ['sum'] },
    ],
    outputs: ['dx', 'sum'],
  });
}

/** The definition, in float64: each output gradient times each tap, where that tap read. */
function inputGradient(
  { image, channels, kernel, strides, pad }: StridedCase,
  dy: ShapedData,
  filter: ShapedData,
) {
  const [, rows, columns] = dy.shape;
  const [inputs, outputs] = channels;
  const result = new Float64Array(BATCH * image[0] * image[1] * inputs);
  for (let n = 0; n < BATCH; n++) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        for (let i = 0; i < kernel[0]; i++) {
          for (let j = 0; j < kernel[1]; j++) {
            const [row, column] = [r * strides[0] + i - pad[0], c * strides[1] + j - pad[2]];
            if (row < 0 || column < 0 || row >= image[0] || column >= image[1]) {
              continue;
            }
            const to = ((n * image[0] + row) * image[1] + column) * inputs;
            const from = ((n * rows + r) * columns + c) * outputs;
            for (let a = 0; a < inputs; a++) {
              for (let b = 0; b < outputs; b++) {
                const weight = filter.data[((i * kernel[1] + j) * inputs + a) * outputs + b];
                result[to + a] += dy.data[from + b] * weight;
              }
            }
          }
        }
      }
    }
  }
  return result;
}

function expectClose(found: readonly number[], expected: Float64Array): void {
  expect(found).toHaveLength(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  const difference = Math.max(...expected.map((value, index) => Math.abs(value - found[index])));
  expect(difference).toBeLessThanOrEqual(1e-5 * scale);
}

async function expectDefinition(strided: StridedCase, phased = true): Promise<void> {
  const graph = graphFor(strided);
  const block = native.channelBlock ?? null;
  const written = phaseInputGradients(graph, block);
  if (block !== null && phased) {
    expect(kernelsOf(written)).toContain(FROM_PHASES);
  }
  const given = Object.fromEntries(
    Object.entries(graph.inputs).map(([name, id], index) => {
      const shape = graph.values.get(id)?.shape ?? [];
      return [name, { shape, data: Float32Array.from(normalVector(elementCount(shape), index + 1)) }];
    }),
  );
  const { dx, sum } = await runGraph(simplify(blockConvolutions(written, block)), given);
  const expected = inputGradient(strided, given.dy, given.f);
  expectClose(dx, expected);
  const single = inputGradient({ ...strided, kernel: [1, 1], pad: [0, 0, 0, 0] }, given.du, given.g);
  expectClose(
    sum,
    expected.map((value, index) => value + single[index]),
  );
}

describe('input gradients of strided convolutions', () => {
  const kernels = (strided: StridedCase, block: number | null = 16, dilation = 1): string[] =>
    kernelsOf(phaseInputGradients(graphFor(strided, dilation), block));

  it.each([8, 16])('are phases where those are convolutions over blocks of %i channels', (block) => {
    const written = phaseInputGradients(graphFor(usual), block);
    // The sum is that of its phases: the second one of the filter with one tap is zeros.
    expect(kernelsOf(written).filter((kernel) => kernel === 'Add')).toHaveLength(1);
    expect(kernelsOf(written).filter((kernel) => kernel === 'Conv2D')).toHaveLength(5);
    expect(kernelsOf(written)).not.toContain('Conv2DBackpropInput');
    expect(kernelsOf(simplify(blockConvolutions(written, block)))).not.toContain('Add');
  });

  it('are left as they are elsewhere', () => {
    const before = graphFor(usual);
    expect(phaseInputGradients(before, null)).toBe(before);
    const unchanged = kernelsOf(before);
    expect(kernels({ ...usual, strides: [1, 1] })).toEqual(unchanged);
    expect(kernels({ ...usual, image: [9, 9] }, 16, 2)).toEqual(unchanged);
    expect(kernels({ ...usual, channels: [16, 18] })).toEqual(unchanged);
    // A phase in three has a tap.
    expect(kernels({ ...usual, kernel: [1, 1], pad: [0, 0, 0, 0], strides: [2, 3] })).toEqual(unchanged);
  });

  it.skipIf(!hasNative).each<[string, Partial<StridedCase>]>([
    ['an even image', {}],
    ['an odd image', { image: [7, 5] }],
    ['one row', { image: [1, 6] }],
    ['padding below and at the right', { pad: [0, 1, 0, 1] }],
    ['rows and columns left over', { image: [8, 8], pad: [0, 0, 0, 0] }],
    ['windows side by side', { kernel: [2, 2], pad: [0, 0, 0, 0] }],
    ['one tap', { kernel: [1, 1], pad: [0, 0, 0, 0] }],
    ['strides along rows only', { strides: [1, 2] }],
    ['strides along columns only', { strides: [2, 1] }],
    ['long strides', { image: [9, 9], strides: [3, 2] }],
    ['large filters', { kernel: [5, 7], pad: [2, 2, 3, 3] }],
    ['channels to fill up', { channels: [12, 28] }],
    ['columns of phases that lie next to each other as channels', { image: [8, 8], channels: [4, 16] }],
  ])('compute the same: %s', async (_, strided) => {
    await expectDefinition({ ...usual, ...strided });
  });

  it.skipIf(!hasNative)('compute the same for any geometry', async () => {
    const extent = fc.integer({ min: 1, max: 4 });
    const padding = fc.integer({ min: 0, max: 2 });
    const cases = fc
      .record({
        image: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
        channels: fc.tuple(fc.constantFrom(4, 8, 16), fc.constantFrom(8, 16, 20)),
        kernel: fc.tuple(extent, extent),
        strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
        pad: fc.tuple(padding, padding, padding, padding),
      })
      .filter((strided) => {
        const { kernel, pad } = strided;
        const within = Math.max(pad[0], pad[1]) < kernel[0] && Math.max(pad[2], pad[3]) < kernel[1];
        return within && resultSize(strided).every((size) => size > 0);
      });
    await fc.assert(
      fc.asyncProperty(cases, (strided) => expectDefinition(strided, false)),
      { numRuns: 60 },
    );
  });
});
