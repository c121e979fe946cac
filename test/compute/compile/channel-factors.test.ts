import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldChannelFactors } from '../../../src/compute/compile/channel-factors.js';
import { elementCount, type Graph } from '../../../src/compute/compile/graph.js';
import { unfoldFilterGradients } from '../../../src/compute/compile/restructure.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import { normalVector } from '../../support/vectors.js';
import { graphOf, hasNative, kernelsOf, type NodeSketch, runGraph } from './support.js';

const BATCH = 3;
const [HEIGHT, WIDTH, INPUTS, OUTPUTS] = [5, 4, 2, 6];
const IMAGE = [BATCH, HEIGHT, WIDTH, INPUTS];
const RESULT = [BATCH, HEIGHT, WIDTH, OUTPUTS];
const FILTER = [3, 3, INPUTS, OUTPUTS];
const attributes = { strides: [1, 1], dilations: [1, 1], pad: 'same', dataFormat: 'NHWC' };

const values = {
  x: IMAGE,
  w: FILTER,
  v: FILTER,
  f: [1, 1, 1, OUTPUTS],
  g: [OUTPUTS],
  dy: RESULT,
  y: RESULT,
  z: RESULT,
  sum: RESULT,
  scaled: RESULT,
  dx: IMAGE,
  dw: FILTER,
  end: RESULT,
};

const convolution = (filter: string, output: string): NodeSketch => ({
  kernel: 'Conv2D',
  inputs: { x: 'x', filter },
  outputs: [output],
  attributes,
});
const product = (a: string, b: string): NodeSketch => ({
  kernel: 'Multiply',
  inputs: { a, b },
  outputs: ['scaled'],
});
const added: NodeSketch = { kernel: 'Add', inputs: { a: 'y', b: 'z' }, outputs: ['sum'] };
const ofInput: NodeSketch = {
  kernel: 'Conv2DBackpropInput',
  inputs: { dy: 'scaled', filter: 'w' },
  outputs: ['dx'],
  attributes: { ...attributes, inputShape: IMAGE },
};
const ofFilter: NodeSketch = {
  kernel: 'Conv2DBackpropFilter',
  inputs: { x: 'x', dy: 'scaled' },
  outputs: ['dw'],
  attributes: { ...attributes, filterShape: FILTER },
};

const graphFor = (nodes: NodeSketch[], outputs: string[]): Graph =>
  graphOf({ values, inputs: ['x', 'w', 'v', 'f', 'g', 'dy'], nodes, outputs });

/** Shapes of what is multiplied, in order. */
function products(graph: Graph): (readonly number[])[] {
  return simplify(foldChannelFactors(graph))
    .nodes.filter(({ kernel }) => kernel === 'Multiply')
    .map(({ outputs }) => graph.values.get(outputs[0])?.shape ?? FILTER);
}

describe('factors of channels', () => {
  it.each<[string, NodeSketch[], string[], number]>([
    ['a convolution', [convolution('w', 'y'), product('y', 'f')], ['scaled'], 1],
    ['.. from the left, as a vector', [convolution('w', 'y'), product('g', 'y')], ['scaled'], 1],
    [
      'a sum of two',
      [convolution('w', 'y'), convolution('v', 'z'), added, product('sum', 'f')],
      ['scaled'],
      2,
    ],
    ['the gradients of both', [product('dy', 'f'), ofInput, ofFilter], ['dx', 'dw'], 2],
  ])('are taken into filters: %s', (_, nodes, outputs, count) => {
    const found = products(graphFor(nodes, outputs));
    expect(found).toEqual(Array(count).fill(FILTER));
  });

  it.each<[string, NodeSketch[], string[]]>([
    ['the convolution is read elsewhere', [convolution('w', 'y'), product('y', 'f')], ['scaled', 'y']],
    [
      'something else is added',
      [convolution('w', 'y'), { ...added, inputs: { a: 'y', b: 'dy' } }, product('sum', 'f')],
      ['scaled'],
    ],
    ['the product is read elsewhere', [product('dy', 'f'), ofInput], ['dx', 'scaled']],
    ['all numbers are multiplied', [convolution('w', 'y'), product('y', 'dy')], ['scaled']],
  ])('stay where %s', (_, nodes, outputs) => {
    const graph = graphFor(nodes, outputs);
    expect(kernelsOf(simplify(foldChannelFactors(graph)))).toEqual(kernelsOf(graph));
  });

  it.skipIf(!hasNative)('change no value', async () => {
    const network = [
      convolution('w', 'y'),
      convolution('v', 'z'),
      added,
      product('sum', 'f'),
      { ...ofInput, inputs: { dy: 'end', filter: 'w' } },
      { ...ofFilter, inputs: { x: 'x', dy: 'end' } },
      { kernel: 'Multiply', inputs: { a: 'dy', b: 'g' }, outputs: ['end'] },
    ];
    const ordered = [...network.slice(0, 4), network[6], network[4], network[5]];
    const graph = graphFor(ordered, ['scaled', 'dx', 'dw']);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), async (seed) => {
        const inputs = Object.fromEntries(
          Object.entries(graph.inputs).map(([name, id], index) => {
            const shape = graph.values.get(id)?.shape ?? [];
            return [
              name,
              { shape, data: Float32Array.from(normalVector(elementCount(shape), seed + index)) },
            ];
          }),
        );
        const [expected, found] = [
          await runGraph(unfoldFilterGradients(graph, [], false), inputs),
          await runGraph(unfoldFilterGradients(foldChannelFactors(graph), [], false), inputs),
        ];
        for (const [name, numbers] of Object.entries(expected)) {
          const largest = Math.max(...numbers.map(Math.abs));
          found[name].forEach((value, index) => {
            expect(Math.abs(value - numbers[index]), `${name}[${index}]`).toBeLessThan(1e-5 * largest);
          });
        }
      }),
      { numRuns: 5 },
    );
  });
});
