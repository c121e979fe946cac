import { describe, expect, it } from 'vitest';
import { foldPadding } from '../../../src/compute/compile/fold-padding.js';
import type { Graph } from '../../../src/compute/compile/graph.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import { normalVector } from '../../support/vectors.js';
import { graphOf, hasNative, kernelsOf, runGraph } from './support.js';

const window = { strides: [1, 1], dataFormat: 'NHWC' };

/** An image padded by a node of its own, convolved, and the gradients with the padding cut off again. */
function paddedConvolution(border: [number, number][], pad: unknown, outSize: [number, number]): Graph {
  const [[top, bottom], [left, right]] = border;
  const padded = [2, 5 + top + bottom, 4 + left + right, 3];
  const result = [2, ...outSize, 2];
  return graphOf({
    values: {
      x: [2, 5, 4, 3],
      f: [3, 3, 3, 2],
      u: [3, 3, 3, 2],
      dy: result,
      padded,
      y: result,
      df: [3, 3, 3, 2],
      first: padded,
      second: padded,
      sum: padded,
      dx: [2, 5, 4, 3],
    },
    inputs: ['x', 'f', 'u', 'dy'],
    nodes: [
      {
        kernel: 'PadV2',
        inputs: { x: 'x' },
        outputs: ['padded'],
        attributes: { paddings: [[0, 0], ...border, [0, 0]], constantValue: 0 },
      },
      {
        kernel: 'Conv2D',
        inputs: { x: 'padded', filter: 'f' },
        outputs: ['y'],
        attributes: { ...window, pad },
      },
      {
        kernel: 'Conv2DBackpropInput',
        inputs: { dy: 'dy', filter: 'f' },
        outputs: ['first'],
        attributes: { ...window, pad, inputShape: padded },
      },
      {
        kernel: 'Conv2DBackpropInput',
        inputs: { dy: 'dy', filter: 'u' },
        outputs: ['second'],
        attributes: { ...window, pad, inputShape: padded },
      },
      { kernel: 'Add', inputs: { a: 'first', b: 'second' }, outputs: ['sum'] },
      {
        kernel: 'Slice',
        inputs: { x: 'sum' },
        outputs: ['dx'],
        attributes: { begin: [0, top, left, 0], size: [2, 5, 4, 3] },
      },
    ],
    outputs: ['y', 'dx'],
  });
}

const cases: [string, [number, number][], unknown, [number, number], boolean][] = [
  [
    'the same on all sides',
    [
      [1, 1],
      [1, 1],
    ],
    'valid',
    [5, 4],
    true,
  ],
  [
    'uneven, with the padding of the convolution',
    [
      [0, 1],
      [1, 0],
    ],
    'same',
    [6, 5],
    true,
  ],
  [
    'wider than the filter reaches',
    [
      [3, 0],
      [0, 0],
    ],
    'valid',
    [6, 2],
    false,
  ],
];

describe('zeros around images', () => {
  it.each(cases)('%s', (_, border, pad, outSize, folds) => {
    const folded = simplify(foldPadding(paddedConvolution(border, pad, outSize)));
    expect(kernelsOf(folded).some((kernel) => kernel === 'PadV2' || kernel === 'Slice')).toBe(!folds);
  });

  it.skipIf(!hasNative).each(cases)('%s: the same values', async (_, border, pad, outSize) => {
    const graph = paddedConvolution(border, pad, outSize);
    const inputs = Object.fromEntries(
      Object.entries(graph.inputs).map(([name, id], index) => {
        const shape = graph.values.get(id)?.shape ?? [];
        const size = shape.reduce((product, extent) => product * extent, 1);
        return [name, { shape, data: Float32Array.from(normalVector(size, index)) }];
      }),
    );
    const expected = await runGraph(graph, inputs);
    const found = await runGraph(simplify(foldPadding(graph)), inputs);
    for (const name of ['y', 'dx']) {
      expect(found[name]).toHaveLength(expected[name].length);
      found[name].forEach((value, index) => {
        expect(value).toBeCloseTo(expected[name][index], 4);
      });
    }
  });

  it('stay where something else reads the padded image or the uncut gradient', () => {
    const graph = paddedConvolution(cases[0][1], 'valid', [5, 4]);
    const read = { ...graph, outputs: { ...graph.outputs, sum: graph.nodes[4].outputs[0] } };
    expect(kernelsOf(simplify(foldPadding(read)))).toContain('Slice');
  });

  it('other than zeros stay', () => {
    const graph = paddedConvolution(cases[0][1], 'valid', [5, 4]);
    const [padding, ...others] = graph.nodes;
    const ones = { ...padding, attributes: { ...padding.attributes, constantValue: 1 } };
    expect(kernelsOf(foldPadding({ ...graph, nodes: [ones, ...others] }))[0]).toBe('PadV2');
    expect(foldPadding({ ...graph, nodes: [ones, ...others] }).nodes[1].inputs.x).toBe(padding.outputs[0]);
  });
});
