import { describe, expect, it } from 'vitest';
import { elementCount, type Graph } from '../../../src/compute/compile/graph.js';
import { PRODUCT_SUM, sumProducts } from '../../../src/compute/compile/product-sums.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import { BLOCKED_SUM } from '../../../src/compute/compile/stay-blocked.js';
import { normalVector } from '../../support/vectors.js';
import { graphOf, hasNative, kernelsOf, native, runGraph } from './support.js';

const WHOLE = [8, 32, 32, 8];

interface Sketch {
  shape?: readonly number[];
  axis?: number[];
  keepDims?: boolean;
  square?: boolean;
  outputs?: string[];
  /** Over images in blocks of channels, of which `shape` says the extents. */
  blocked?: boolean;
}

/** The sum of a product, or of a square. */
function graphFor({
  shape = WHOLE,
  axis = [0, 1, 2],
  keepDims = false,
  square = false,
  outputs = ['s'],
  blocked = false,
}: Sketch): Graph {
  const ofPositions = shape.flatMap((extent, index) =>
    axis.includes(index) ? (keepDims ? [1] : []) : [extent],
  );
  const rest = blocked ? [shape[1] * shape[4]] : ofPositions;
  const product = square
    ? { kernel: 'Square', inputs: { x: 'x' }, outputs: ['p'] }
    : { kernel: 'Multiply', inputs: { a: 'x', b: 'y' }, outputs: ['p'] };
  return graphOf({
    values: { x: shape, y: shape, p: shape, s: rest },
    inputs: ['x', 'y'],
    nodes: [
      product as never,
      {
        kernel: blocked ? BLOCKED_SUM : 'Sum',
        inputs: { x: 'p' },
        outputs: ['s'],
        attributes: { axis, keepDims },
      },
    ],
    outputs,
  });
}

const kernels = (sketch: Sketch, block: number | null = 8): string[] =>
  kernelsOf(simplify(sumProducts(graphFor(sketch), block)));

describe('sums of products', () => {
  it('are one node where nothing else reads the product', () => {
    expect(kernels({})).toEqual([PRODUCT_SUM]);
    expect(kernels({ square: true, keepDims: true })).toEqual([PRODUCT_SUM]);
    expect(kernels({}, 16)).toEqual([PRODUCT_SUM]);
    expect(kernels({ shape: [16, 3, 8, 16, 8], blocked: true })).toEqual([PRODUCT_SUM]);
    expect(kernels({ shape: [64, 3, 3, 8, 8], blocked: true })).toEqual(['Multiply', BLOCKED_SUM]);
  });

  it.each<[string, Sketch, number | null]>([
    ['there are no blocks', {}, null],
    ['the product is read', { outputs: ['s', 'p'] }, 8],
    ['channels are summed', { axis: [1, 2, 3] }, 8],
    ['examples are kept', { axis: [1, 2] }, 8],
    ['a block holds no whole positions', { shape: [8, 32, 32, 6] }, 8],
    ['a block holds a part of a position', { shape: [8, 32, 32, 16] }, 8],
    ['positions cannot be divided into parts', { shape: [8191, 8] }, 8],
    ['there is little to sum', { shape: [8, 8, 8, 8] }, 8],
  ])('are left as they are where %s', (_, sketch, block) => {
    expect(kernels(sketch, block)).not.toContain(PRODUCT_SUM);
  });

  it.skipIf(!hasNative).each<[string, Sketch]>([
    ['a block of channels', { shape: [16, 16, 16, 16] }],
    ['half a block of channels', {}],
    ['one channel', { shape: [40, 1024, 1], axis: [0, 1] }],
    ['parts that are no power of two', { shape: [9, 20, 30, 8] }],
    ['a square', { square: true, keepDims: true }],
    ['blocks of channels', { shape: [5, 3, 8, 20, native?.channelBlock ?? 16], blocked: true }],
  ])('are what float64 loops find: %s', async (_, sketch) => {
    const graph = graphFor(sketch);
    const shape = sketch.shape ?? WHOLE;
    const [x, y] = [1, 2].map((seed) => Float32Array.from(normalVector(elementCount(shape), seed)));
    const last = shape.at(-1) ?? 1;
    const channels = sketch.blocked ? shape[1] * last : last;
    // In blocks, a channel comes again after the positions of its block and those of the other blocks.
    const channelOf = (index: number): number =>
      sketch.blocked
        ? (Math.floor(index / (shape[2] * shape[3] * last)) % shape[1]) * last + (index % last)
        : index % last;
    const expected = new Float64Array(channels);
    const largest = new Float64Array(channels);
    x.forEach((value, index) => {
      const product = value * (sketch.square === true ? value : y[index]);
      expected[channelOf(index)] += product;
      largest[channelOf(index)] += Math.abs(product);
    });
    const found = await runGraph(simplify(sumProducts(graph, native.channelBlock ?? null)), {
      x: { shape, data: x },
      y: { shape, data: y },
    });
    found.s.forEach((sum, channel) => {
      expect(Math.abs(sum - expected[channel]), `channel ${channel}`).toBeLessThan(1e-6 * largest[channel]);
    });
    expect(found.s).toHaveLength(channels);
  });
});
