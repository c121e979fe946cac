import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockFilterGradients } from '../../../src/compute/compile/block-filter-gradients.js';
import { BLOCKED_FILTER_GRADIENT } from '../../../src/compute/compile/example-blocks.js';
import { elementCount, type Graph } from '../../../src/compute/compile/graph.js';
import { graphCost } from '../../../src/compute/compile/graph-cost.js';
import { normalVector } from '../../support/vectors.js';
import { graphOf, hasNative, kernelsOf, native, runGraph } from './support.js';

interface GradientCase {
  batch: number;
  image: [number, number];
  channels: [number, number];
  kernel: [number, number];
  strides: [number, number];
  /** Above, below, left, right. */
  pad: [number, number, number, number];
  /** Between the rows of the filter. */
  dilation: number;
}

const plain: GradientCase = {
  batch: 16,
  image: [5, 6],
  channels: [3, 16],
  kernel: [3, 3],
  strides: [1, 1],
  pad: [1, 1, 1, 1],
  dilation: 1,
};

/** Rows and columns of the result; where the filter does not fit, not positive. */
function resultSize({ image, kernel, strides, pad, dilation }: GradientCase): [number, number] {
  const size = (extent: number, padding: number, reach: number, stride: number): number =>
    Math.floor((extent + padding - reach) / stride) + 1;
  return [
    size(image[0], pad[0] + pad[1], (kernel[0] - 1) * dilation + 1, strides[0]),
    size(image[1], pad[2] + pad[3], kernel[1], strides[1]),
  ];
}

function graphFor(gradient: GradientCase): Graph {
  const { batch, image, channels, kernel, strides, pad, dilation } = gradient;
  const filterShape = [...kernel, ...channels];
  return graphOf({
    values: {
      x: [batch, ...image, channels[0]],
      dy: [batch, ...resultSize(gradient), channels[1]],
      g: filterShape,
    },
    inputs: ['x', 'dy'],
    nodes: [
      {
        kernel: 'Conv2DBackpropFilter',
        inputs: { x: 'x', dy: 'dy' },
        outputs: ['g'],
        attributes: {
          strides,
          dilations: [dilation, 1],
          pad: [
            [0, 0],
            [pad[0], pad[1]],
            [pad[2], pad[3]],
            [0, 0],
          ],
          dataFormat: 'NHWC',
          dimRoundingMode: 'floor',
          filterShape,
        },
      },
    ],
    outputs: ['g'],
  });
}

/** The definition, in float64: the sum of x dy over all examples and positions that a tap sees together. */
function filterGradient(gradient: GradientCase, x: Float32Array, dy: Float32Array): Float64Array {
  const { batch, image, channels, kernel, strides, pad, dilation } = gradient;
  const [rows, columns] = resultSize(gradient);
  const [inputs, outputs] = channels;
  const result = new Float64Array(elementCount([...kernel, ...channels]));
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < kernel[0]; i++) {
      for (let j = 0; j < kernel[1]; j++) {
        for (let r = 0; r < rows; r++) {
          for (let c = 0; c < columns; c++) {
            const [row, column] = [r * strides[0] + i * dilation - pad[0], c * strides[1] + j - pad[2]];
            if (row < 0 || column < 0 || row >= image[0] || column >= image[1]) {
              continue;
            }
            const from = ((n * image[0] + row) * image[1] + column) * inputs;
            const to = ((n * rows + r) * columns + c) * outputs;
            for (let a = 0; a < inputs; a++) {
              for (let b = 0; b < outputs; b++) {
                result[((i * kernel[1] + j) * inputs + a) * outputs + b] += x[from + a] * dy[to + b];
              }
            }
          }
        }
      }
    }
  }
  return result;
}

/** Compares what the written graph computes with the definition. */
async function expectDefinition(gradient: GradientCase): Promise<void> {
  const graph = graphFor(gradient);
  const block = native.channelBlock ?? null;
  const written = blockFilterGradients(graph, block);
  if (block !== null) {
    expect(kernelsOf(written)).toContain(BLOCKED_FILTER_GRADIENT);
  }
  const given = (name: 'x' | 'dy', seed: number) => {
    const shape = graph.values.get(graph.inputs[name])?.shape ?? [];
    return { shape, data: Float32Array.from(normalVector(elementCount(shape), seed)) };
  };
  const inputs = { x: given('x', 1), dy: given('dy', 2) };
  const { g } = await runGraph(written, inputs);
  const expected = filterGradient(gradient, inputs.x.data, inputs.dy.data);
  expect(g).toHaveLength(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  const difference = Math.max(...expected.map((value, index) => Math.abs(value - g[index])));
  expect(difference).toBeLessThanOrEqual(1e-5 * scale);
}

describe('filter gradients over blocks of examples', () => {
  const kernels = (gradient: GradientCase, block: number | null = 16): string[] =>
    kernelsOf(blockFilterGradients(graphFor(gradient), block));

  it('are written where that is faster, and only there', () => {
    expect(kernels(plain)).toContain(BLOCKED_FILTER_GRADIENT);
    expect(kernels(plain, null)).toEqual(['Conv2DBackpropFilter']);
    expect(kernels({ ...plain, kernel: [1, 1] })).toEqual(['Conv2DBackpropFilter']);
    expect(kernels({ ...plain, image: [1, 1], kernel: [1, 2], strides: [2, 1], pad: [1, 0, 0, 1] })).toEqual([
      'Conv2DBackpropFilter',
    ]);
    expect(kernels({ ...plain, batch: 3 })).toEqual(['Conv2DBackpropFilter']);
    expect(kernels({ ...plain, image: [5, 7], channels: [3, 3] })).toEqual(['Conv2DBackpropFilter']);
    expect(kernels({ ...plain, batch: 9, channels: [3, 4] })).toContain(BLOCKED_FILTER_GRADIENT);
    expect(kernels({ ...plain, batch: 9, image: [5, 7], channels: [3, 6] })).toEqual([
      'Conv2DBackpropFilter',
    ]);
  });

  it('count neighbouring columns as outputs where that fills blocks', () => {
    const cost = graphCost(blockFilterGradients(graphFor({ ...plain, channels: [3, 6] }), 16));
    // Two of six columns at a time: 12 outputs of a block of 16, for filters of four columns.
    expect(cost.operations).toBe(2 * 3 * 4 * 3 * 16 * 16 * 5 * 3);
  });

  it('cost two operations for each tap, channel, output, position and example, with those filled up', () => {
    const cost = graphCost(blockFilterGradients(graphFor({ ...plain, batch: 30 }), 16));
    expect(cost.operations).toBe(2 * 9 * 3 * 16 * 30 * 32);
  });

  it.skipIf(!hasNative).each<[string, Partial<GradientCase>]>([
    ['whole blocks', { channels: [16, 32] }],
    ['several groups of examples', { batch: 64, channels: [2, 16] }],
    ['several groups of examples, several blocks of outputs', { batch: 64, channels: [8, 32] }],
    ['one group of several blocks of examples', { batch: 32, image: [2, 2], channels: [1, 32] }],
    ['several blocks of outputs to fill up', { batch: 61, channels: [8, 30] }],
    ['padding at one side', { batch: 21, channels: [3, 16], pad: [0, 1, 2, 0] }],
    ['one channel', { channels: [1, 16] }],
    ['examples and outputs to fill up', { batch: 21, channels: [5, 12] }],
    ['few outputs', { channels: [1, 6] }],
    ['few outputs and strides', { image: [9, 8], channels: [2, 3], strides: [2, 2], pad: [1, 1, 0, 1] }],
    ['no padding', { pad: [0, 0, 0, 0], kernel: [2, 4] }],
    ['uneven padding', { pad: [2, 0, 0, 1] }],
    ['strides', { strides: [2, 2] }],
    ['strides that leave rows and columns over', { image: [6, 8], strides: [3, 3], pad: [0, 0, 0, 0] }],
    ['one position', { image: [3, 3], pad: [0, 0, 0, 0] }],
    ['a filter with space between its rows', { image: [7, 6], dilation: 2 }],
    ['a filter wider than the image', { image: [2, 2], kernel: [5, 5], pad: [2, 2, 2, 2] }],
  ])('compute the same: %s', async (_, gradient) => {
    await expectDefinition({ ...plain, ...gradient });
  });

  it.skipIf(!hasNative)('compute the same for any geometry', async () => {
    const extent = fc.integer({ min: 1, max: 3 });
    const padding = fc.integer({ min: 0, max: 2 });
    const gradients = fc
      .record({
        batch: fc.constantFrom(8, 16, 30, 32),
        image: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 })),
        channels: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom(8, 14, 16)),
        kernel: fc.tuple(extent, extent),
        strides: fc.tuple(extent, extent),
        pad: fc.tuple(padding, padding, padding, padding),
        dilation: fc.integer({ min: 1, max: 2 }),
      })
      .filter((gradient) => {
        const { kernel, pad, dilation } = gradient;
        return (
          kernel[0] * kernel[1] > 1 &&
          pad[0] <= (kernel[0] - 1) * dilation &&
          pad[2] < kernel[1] &&
          resultSize(gradient).every((size) => size > 0)
        );
      });
    await fc.assert(fc.asyncProperty(gradients, expectDefinition), { numRuns: 40 });
  });
});
