import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elementCount, type Graph } from '../../../src/compute/compile/graph.js';
import { fuseScaledSums, SCALED_SUM } from '../../../src/compute/compile/scaled-sums.js';
import { simplify, stepsOfRectified } from '../../../src/compute/compile/simplify.js';
import { normalVector } from '../../support/vectors.js';
import { graphOf, hasNative, kernelsOf, type NodeSketch, native, runGraph } from './support.js';

const WHOLE = [8, 8, 8, 16];
const CHANNELS = [1, 1, 1, 16];

/** Nodes over tensors `x`, `y`, `z`, numbers of channels `c`, `d` and a scalar `s`; every result has their shape. */
function graphWith(
  nodes: NodeSketch[],
  outputs: string[],
  whole: readonly number[] = WHOLE,
  channels: readonly number[] = CHANNELS,
): Graph {
  const results = nodes.flatMap((node) => node.outputs);
  return graphOf({
    values: {
      ...{ x: whole, y: whole, z: whole, c: channels, d: channels, s: [], one: whole },
      ...Object.fromEntries(results.map((name) => [name, whole])),
    },
    constants: { one: 1.5 },
    inputs: ['x', 'y', 'z', 'c', 'd', 's'],
    nodes,
    outputs,
  });
}

/** The same over images in blocks of channels, three of them. */
function graphOnBlocks(nodes: NodeSketch[], outputs: string[], block: number): Graph {
  return graphWith(nodes, outputs, [6, 3, 8, 5, block], [3, 1, 1, block]);
}

const node = (kernel: string, a: string, b: string, output: string): NodeSketch => ({
  kernel,
  inputs: { a, b },
  outputs: [output],
});
const unary = (kernel: string, x: string, output: string): NodeSketch => ({
  kernel,
  inputs: { x },
  outputs: [output],
});

/** A normalised batch: (x - c) d + s, rectified, with a shortcut. */
const normalization = [
  node('Sub', 'x', 'c', 'centred'),
  node('Multiply', 'centred', 'd', 'scaled'),
  node('Add', 'scaled', 's', 'shifted'),
  node('Add', 'shifted', 'y', 'joined'),
  unary('Relu', 'joined', 'result'),
  unary('Step', 'joined', 'slope'),
];

/** A step with momentum and a penalty: v' = v s + (g + sign(w) s). */
const update = [
  node('Multiply', 'x', 'y', 'gradient'),
  unary('Sign', 'z', 'sign'),
  node('Multiply', 'sign', 's', 'penalty'),
  node('Add', 'gradient', 'penalty', 'total'),
  node('Multiply', 'y', 's', 'kept'),
  node('Add', 'kept', 'total', 'result'),
];

const written = (graph: Graph, block: number | null = 16): string[] =>
  kernelsOf(simplify(fuseScaledSums(stepsOfRectified(graph), block)));

function inputsOf(graph: Graph): Record<string, { shape: readonly number[]; data: Float32Array }> {
  return Object.fromEntries(
    Object.entries(graph.inputs).map(([name, id], index) => {
      const shape = graph.values.get(id)?.shape ?? [];
      return [name, { shape, data: Float32Array.from(normalVector(elementCount(shape), index)) }];
    }),
  );
}

async function expectSame(graph: Graph): Promise<void> {
  const inputs = inputsOf(graph);
  const fused = simplify(fuseScaledSums(stepsOfRectified(graph), native.channelBlock ?? null));
  const [expected, found] = [await runGraph(graph, inputs), await runGraph(fused, inputs)];
  for (const [name, values] of Object.entries(expected)) {
    expect(found[name]).toHaveLength(values.length);
    const scale = Math.max(1, ...values.map(Math.abs));
    const difference = Math.max(...found[name].map((value, i) => Math.abs(value - values[i])));
    expect(difference, name).toBeLessThan(1e-5 * scale);
  }
}

describe('scaled sums', () => {
  it('take one pass for each tensor that is read', () => {
    const large = (kernels: string[]): string[] => kernels.filter((kernel) => kernel === SCALED_SUM);
    const kernels = written(graphWith(normalization, ['result', 'slope']));
    // The normalisation with its rectifier, and the derivative of that.
    expect(large(kernels)).toHaveLength(2);
    expect(kernels).not.toContain('Relu');
    expect(kernels).not.toContain('Step');
    const step = written(graphWith(update, ['result']));
    expect(large(step)).toHaveLength(3);
    expect(step).not.toContain('Add');
  });

  it('are not written where they save nothing, for small tensors, or without blocks', () => {
    const sum = graphWith([node('Add', 'x', 'y', 'result')], ['result']);
    expect(written(sum)).toEqual(['Add']);
    const product = graphWith([node('Multiply', 'x', 'y', 'result')], ['result']);
    expect(written(product)).toEqual(['Multiply']);
    expect(written(graphWith(normalization, ['result']), null)).not.toContain(SCALED_SUM);
    expect(written(graphWith(normalization, ['result'], [1, 1, 1, 16]))).not.toContain(SCALED_SUM);
  });

  it('have a number for each channel of images in blocks', () => {
    for (const block of [8, 16]) {
      const kernels = written(graphOnBlocks(normalization, ['result'], block), block);
      expect(kernels.filter((kernel) => kernel === SCALED_SUM)).toHaveLength(1);
      // Blocks of another size are no blocks.
      expect(written(graphOnBlocks(normalization, ['result'], block), 24 - block)).toContain('Sub');
    }
  });

  it('leave what something else reads', () => {
    const kernels = written(graphWith(normalization, ['centred', 'result', 'joined']));
    expect(kernels.filter((kernel) => kernel === SCALED_SUM)).toHaveLength(2);
    expect(kernels).toContain('Relu');
  });

  it.skipIf(!hasNative).each([
    ['a normalised batch', normalization, ['result', 'slope']],
    ['.. with what lies between', normalization, ['centred', 'result', 'joined']],
    ['a step with momentum', update, ['result', 'total']],
    [
      'differences of sums, and a constant',
      [
        node('Multiply', 'x', 'd', 'a'),
        node('Multiply', 'y', 'c', 'b'),
        node('Add', 'b', 'c', 'e'),
        node('Sub', 'a', 'e', 'f'),
        node('Add', 'f', 'one', 'g'),
        node('Multiply', 's', 'g', 'h'),
        node('Sub', 'z', 'h', 'result'),
      ],
      ['result'],
    ],
  ] as const)('compute the same: %s', async (_, nodes, outputs) => {
    await expectSame(graphWith([...nodes], [...outputs]));
    await expectSame(graphOnBlocks([...nodes], [...outputs], native.channelBlock ?? 16));
  });

  it.skipIf(!hasNative)('combine a number for each channel with one for each place in a block', async () => {
    const block = native.channelBlock ?? 16;
    const nodes = [
      node('Multiply', 'x', 'c', 'a'),
      node('Multiply', 'a', 's', 'b'),
      node('Add', 'b', 's', 'e'),
      node('Add', 'e', 'd', 'f'),
      unary('Relu', 'f', 'result'),
    ];
    const graph = graphOnBlocks(nodes, ['result'], block);
    const place = Math.max(...graph.values.keys()) + 1;
    const values = new Map([...graph.values, [place, { shape: [block], type: 'float32' as const }]]);
    const unknown = graph.inputs.s;
    const read = graph.nodes.map((each) => ({
      ...each,
      inputs: Object.fromEntries(
        Object.entries(each.inputs).map(([name, id]) => [name, id === unknown ? place : id]),
      ),
    }));
    await expectSame({ ...graph, values, nodes: read, inputs: { ...graph.inputs, s: place } });
  });

  it.skipIf(!hasNative)('compute the same for any expression', async () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('Multiply', 'Add', 'Sub'), fc.nat(), fc.nat()), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (chosen, rectified) => {
        const wholes = ['x', 'y', 'z'];
        const nodes = chosen.map(([kernel, left, right], index) => {
          const a = wholes[left % wholes.length];
          const others = kernel === 'Multiply' ? ['c', 'd', 's', 'one'] : [...wholes, 'c', 'd', 's', 'one'];
          const output = `r${index}`;
          wholes.push(output);
          return node(kernel, a, others[right % others.length], output);
        });
        const last = nodes[nodes.length - 1].outputs[0];
        const ending = rectified ? [unary('Relu', last, 'end')] : [unary('Sign', last, 'end')];
        const all = [...nodes, ...ending];
        const outputs = rectified ? ['end', nodes[0].outputs[0]] : [last];
        await expectSame(graphWith(all, outputs));
        await expectSame(graphOnBlocks(all, outputs, native.channelBlock ?? 16));
      }),
      { numRuns: 40 },
    );
  });

  it.skipIf(!hasNative)('give signs and steps of every size, and of zero', async () => {
    const nodes = [unary('Sign', 'x', 'sign'), unary('Step', 'x', 'step')];
    const graph = graphWith(nodes, ['sign', 'step']);
    const values = [0, -0, 1e-37, -1e-37, 3, -5, 1e38, -1e38, Number.POSITIVE_INFINITY, -1e-30];
    const inputs = inputsOf(graph);
    const data = inputs.x.data.map((_, i) => values[i % values.length]);
    const { sign, step } = await runGraph(fuseScaledSums(graph, native.channelBlock ?? null), {
      ...inputs,
      x: { shape: WHOLE, data },
    });
    expect(sign.map((value) => value + 0)).toEqual(Array.from(data, (value) => Math.sign(value) + 0));
    expect(step.map((value) => value + 0)).toEqual(Array.from(data, (value) => (value > 0 ? 1 : 0)));
  });
});
