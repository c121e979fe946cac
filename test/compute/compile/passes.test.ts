import { describe, expect, it } from 'vitest';
import type { Graph } from '../../../src/compute/compile/graph.js';
import { peakLiveBytes } from '../../../src/compute/compile/graph-cost.js';
import { separateFixedTransposes, splitGraph } from '../../../src/compute/compile/restructure.js';
import {
  dependentValues,
  eliminateCommonSubexpressions,
  eliminateDeadNodes,
  simplify,
  simplifyAlgebra,
} from '../../../src/compute/compile/simplify.js';
import { type GraphSketch, graphOf, kernelsOf } from './support.js';

/** What an output of a graph is: an input by name, the number that fills it, or the kernel that computes it. */
function outputOf(graph: Graph, name = 'y'): string | number {
  const id = graph.outputs[name];
  const constant = graph.constants.get(id);
  if (constant?.kind === 'uniform') {
    return constant.value;
  }
  const input = Object.entries(graph.inputs).find(([, inputId]) => inputId === id);
  return input?.[0] ?? graph.nodes.find(({ outputs }) => outputs.includes(id))?.kernel ?? 'nothing';
}

describe('dead nodes', () => {
  const graph = graphOf({
    values: { x: [2], k: [2], a: [2], dead: [2], deader: [2] },
    constants: { k: 3 },
    inputs: ['x'],
    nodes: [
      { kernel: 'Multiply', inputs: { a: 'x', b: 'k' }, outputs: ['dead'] },
      { kernel: 'Exp', inputs: { x: 'x' }, outputs: ['a'] },
      { kernel: 'Tanh', inputs: { x: 'dead' }, outputs: ['deader'] },
    ],
    outputs: ['a'],
  });

  it('go with the constants that only they read', () => {
    const live = eliminateDeadNodes(graph);
    expect(kernelsOf(live)).toEqual(['Exp']);
    expect(live.constants.size).toBe(0);
    expect(live.inputs).toEqual(graph.inputs);
  });

  it('stay where one of several outputs is read', () => {
    const split = graphOf({
      values: { x: [4], a: [2], b: [2] },
      inputs: ['x'],
      nodes: [{ kernel: 'SplitV', inputs: { x: 'x' }, outputs: ['a', 'b'], attributes: { axis: 0 } }],
      outputs: ['b'],
    });
    expect(eliminateDeadNodes(split).nodes).toEqual(split.nodes);
  });
});

describe('common subexpressions', () => {
  const clip = (name: string, limit: number) => ({
    kernel: 'ClipByValue',
    inputs: { x: 'x' },
    outputs: [name],
    attributes: { clipValueMin: 0, clipValueMax: limit },
  });

  it('are computed once, also in chains', () => {
    const graph = graphOf({
      values: { x: [2], a: [2], b: [2], c: [2], d: [2], y: [2] },
      inputs: ['x'],
      nodes: [
        { kernel: 'Exp', inputs: { x: 'x' }, outputs: ['a'] },
        { kernel: 'Exp', inputs: { x: 'x' }, outputs: ['b'] },
        { kernel: 'Tanh', inputs: { x: 'a' }, outputs: ['c'] },
        { kernel: 'Tanh', inputs: { x: 'b' }, outputs: ['d'] },
        { kernel: 'Sub', inputs: { a: 'c', b: 'd' }, outputs: ['y'] },
      ],
      outputs: ['y', 'd'],
    });
    const merged = eliminateCommonSubexpressions(graph);
    expect(kernelsOf(merged)).toEqual(['Exp', 'Tanh', 'Sub']);
    expect(merged.nodes[2].inputs.a).toBe(merged.nodes[2].inputs.b);
    expect(merged.outputs.d).toBe(graph.nodes[2].outputs[0]);
  });

  it.each([
    ['numbers', 1, 2],
    ['infinities', Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ['infinity and NaN', Number.POSITIVE_INFINITY, Number.NaN],
    ['zeros of different sign', 0, -0],
  ])('do not include different %s, as attributes or as constants', (_, first, second) => {
    const graph = graphOf({
      values: { x: [2], k: [2], l: [2], a: [2], b: [2], c: [2], d: [2] },
      constants: { k: first, l: second },
      inputs: ['x'],
      nodes: [
        clip('a', first),
        clip('b', second),
        { kernel: 'RealDiv', inputs: { a: 'x', b: 'k' }, outputs: ['c'] },
        { kernel: 'RealDiv', inputs: { a: 'x', b: 'l' }, outputs: ['d'] },
      ],
      outputs: ['a', 'b', 'c', 'd'],
    });
    expect(eliminateCommonSubexpressions(graph)).toEqual(graph);
  });

  it('include equal constants of the same shape only', () => {
    const graph = graphOf({
      values: { x: [2], k: [2], same: [2], wider: [1, 2], a: [2], b: [2], c: [1, 2] },
      constants: { k: 3, same: 3, wider: 3 },
      inputs: ['x'],
      nodes: ['k', 'same', 'wider'].map((constant, index) => ({
        kernel: 'Add',
        inputs: { a: 'x', b: constant },
        outputs: ['abc'[index]],
      })),
      outputs: ['a', 'b', 'c'],
    });
    const merged = eliminateCommonSubexpressions(graph);
    expect(merged.outputs.a).toBe(merged.outputs.b);
    expect(kernelsOf(merged)).toEqual(['Add', 'Add']);
  });
});

describe('algebra', () => {
  const values: GraphSketch['values'] = {
    x: [2, 3],
    row: [3],
    zero: [2, 3],
    one: [2, 3],
    two: [2, 3],
    tall: [4, 2, 3],
    half: [2, 3],
    same: [2, 3],
  };
  const constants = { zero: 0, one: 1, two: 2, tall: 1, half: -2.5 };
  const simplified = (
    kernel: string,
    inputs: Record<string, string>,
    result: GraphSketch['values'][string] = [2, 3],
    attributes: Record<string, unknown> = {},
  ): string | number =>
    outputOf(
      simplifyAlgebra(
        graphOf({
          values: { ...values, y: result },
          constants,
          inputs: ['x', 'row'],
          nodes: [{ kernel, inputs, outputs: ['y'], attributes }],
          outputs: ['y'],
        }),
      ),
    );

  it.each([
    ['x * 1', 'Multiply', { a: 'x', b: 'one' }, 'x'],
    ['1 * x', 'Multiply', { a: 'one', b: 'x' }, 'x'],
    ['x * 0', 'Multiply', { a: 'x', b: 'zero' }, 0],
    ['0 * x', 'Multiply', { a: 'zero', b: 'x' }, 0],
    ['x + 0', 'Add', { a: 'x', b: 'zero' }, 'x'],
    ['0 + x', 'Add', { a: 'zero', b: 'x' }, 'x'],
    ['x - 0', 'Sub', { a: 'x', b: 'zero' }, 'x'],
    ['0 - x', 'Sub', { a: 'zero', b: 'x' }, 'Sub'],
    ['x / 1', 'RealDiv', { a: 'x', b: 'one' }, 'x'],
    ['1 / x', 'RealDiv', { a: 'one', b: 'x' }, 'RealDiv'],
    ['x * 2', 'Multiply', { a: 'x', b: 'two' }, 'Multiply'],
    ['2 - 1', 'Sub', { a: 'two', b: 'one' }, 1],
    ['1 / 2', 'RealDiv', { a: 'one', b: 'two' }, 0.5],
    ['max(1, 2)', 'Maximum', { a: 'one', b: 'two' }, 2],
    ['sum of x and zeros', 'AddN', { a: 'x', b: 'zero', c: 'zero' }, 'x'],
    ['sum of zeros', 'AddN', { a: 'zero', b: 'zero' }, 0],
    ['sum of x and a number', 'AddN', { a: 'x', b: 'one' }, 'AddN'],
    ['-2', 'Neg', { x: 'two' }, -2],
    ['-x', 'Neg', { x: 'x' }, 'Neg'],
    ['step of 2', 'Step', { x: 'two' }, 1],
    ['step of 0', 'Step', { x: 'zero' }, 0],
    ['zeros like x', 'ZerosLike', { x: 'x' }, 0],
    ['ones like x', 'OnesLike', { x: 'x' }, 1],
    ['copy of x', 'Identity', { x: 'x' }, 'x'],
  ] as [string, string, Record<string, string>, string | number][])('%s', (_, kernel, inputs, expected) => {
    expect(simplified(kernel, inputs)).toBe(expected);
  });

  it('computes numbers in float32', () => {
    expect(simplified('Exp', { x: 'one' })).toBe(Math.fround(Math.E));
    expect(simplified('Fill', {}, [2, 3], { value: 0.1 })).toBe(Math.fround(0.1));
  });

  it('keeps what broadcasts: the result has another shape', () => {
    expect(simplified('Multiply', { a: 'row', b: 'one' })).toBe('Multiply');
    expect(simplified('Add', { a: 'row', b: 'zero' })).toBe('Add');
    expect(simplified('Multiply', { a: 'x', b: 'tall' }, [4, 2, 3])).toBe('Multiply');
    expect(simplified('Multiply', { a: 'row', b: 'zero' })).toBe(0);
    expect(simplified('AddN', { a: 'row', b: 'zero' })).toBe('AddN');
  });

  it('reduces tensors that hold one number', () => {
    expect(simplified('Sum', { x: 'two' }, [3], { axis: [0] })).toBe(4);
    expect(simplified('Sum', { x: 'two' }, [], {})).toBe(12);
    expect(simplified('Mean', { x: 'two' }, [2], { axis: [1] })).toBe(2);
    expect(simplified('Max', { x: 'half' }, [3], { reductionIndices: [0] })).toBe(-2.5);
    expect(simplified('Sum', { x: 'x' }, [3], { axis: [0] })).toBe('Sum');
  });

  it('drops reshapes and casts that change nothing', () => {
    expect(simplified('Reshape', { x: 'x' })).toBe('x');
    expect(simplified('Reshape', { x: 'x' }, [6])).toBe('Reshape');
    expect(simplified('Reshape', { x: 'two' }, [6])).toBe(2);
    expect(simplified('Transpose', { x: 'two' }, [3, 2], { perm: [1, 0] })).toBe(2);
    expect(simplified('Cast', { x: 'x' })).toBe('x');
    expect(simplified('Cast', { x: 'x' }, { shape: [2, 3], type: 'int32' })).toBe('Cast');
    // Of the same shape, but not the same.
    expect(simplified('Transpose', { x: 'x' }, [2, 3], { perm: [1, 0] })).toBe('Transpose');
    expect(simplified('Slice', { x: 'x' }, [2, 3])).toBe('Slice');
  });

  it('casts numbers as kernels do', () => {
    expect(simplified('Cast', { x: 'half' }, { shape: [2, 3], type: 'int32' })).toBe(-2);
    expect(simplified('Cast', { x: 'half' }, { shape: [2, 3], type: 'bool' })).toBe(1);
    expect(simplified('Cast', { x: 'zero' }, { shape: [2, 3], type: 'bool' })).toBe(0);
  });

  it('goes on until nothing shrinks', () => {
    const graph = graphOf({
      values: { x: [2], z: [2], a: [2], b: [2], c: [2], d: [2], y: [2] },
      inputs: ['x'],
      nodes: [
        { kernel: 'ZerosLike', inputs: { x: 'x' }, outputs: ['z'] },
        { kernel: 'Exp', inputs: { x: 'x' }, outputs: ['a'] },
        { kernel: 'Multiply', inputs: { a: 'a', b: 'z' }, outputs: ['b'] },
        { kernel: 'Add', inputs: { a: 'x', b: 'b' }, outputs: ['c'] },
        { kernel: 'Neg', inputs: { x: 'c' }, outputs: ['d'] },
        { kernel: 'Sub', inputs: { a: 'd', b: 'b' }, outputs: ['y'] },
      ],
      outputs: ['y'],
    });
    const result = simplify(graph);
    expect(kernelsOf(result)).toEqual(['Neg']);
    expect(result.nodes[0].inputs.x).toBe(graph.inputs.x);
  });
});

describe('the split at the variable inputs', () => {
  const graph = graphOf({
    values: { x: [2], v: [2], k: [2], h: [2], wide: [2], other: [2], u: [2], y: [2] },
    constants: { k: [1, 2] },
    inputs: ['x', 'v'],
    nodes: [
      { kernel: 'Tanh', inputs: { x: 'x' }, outputs: ['h'] },
      { kernel: 'Exp', inputs: { x: 'h' }, outputs: ['wide'] },
      { kernel: 'Multiply', inputs: { a: 'wide', b: 'k' }, outputs: ['other'] },
      { kernel: 'Multiply', inputs: { a: 'wide', b: 'v' }, outputs: ['u'] },
      { kernel: 'Add', inputs: { a: 'u', b: 'other' }, outputs: ['y'] },
    ],
    outputs: ['y', 'h'],
  });

  it('puts what does not depend on them in the prologue', () => {
    const { prologue, step } = splitGraph(graph, ['v']);
    expect(kernelsOf(prologue)).toEqual(['Tanh', 'Exp', 'Multiply']);
    expect(kernelsOf(step)).toEqual(['Multiply', 'Add']);
    expect(Object.keys(prologue.inputs)).toEqual(['x']);
    expect(step.outputs).toEqual(graph.outputs);
    const [h, wide, other] = graph.nodes.map(({ outputs }) => outputs[0]);
    expect(new Set(Object.values(prologue.outputs))).toEqual(new Set([h, wide, other]));
    expect(step.inputs).toEqual({ v: graph.inputs.v, ...prologue.outputs });
  });

  it('computes in every step what is not worth keeping, and in the prologue what that needs of it', () => {
    const { prologue, step } = splitGraph(graph, ['v'], ({ kernel }) => kernel === 'Exp');
    expect(kernelsOf(prologue)).toEqual(['Tanh', 'Exp', 'Multiply']);
    expect(kernelsOf(step)).toEqual(['Exp', 'Multiply', 'Add']);
    const [h, , other] = graph.nodes.map(({ outputs }) => outputs[0]);
    expect(new Set(Object.values(prologue.outputs))).toEqual(new Set([h, other]));
  });

  it('keeps a fixed input that a step reads', () => {
    const product = graphOf({
      values: { x: [2], v: [2], y: [2] },
      inputs: ['x', 'v'],
      nodes: [{ kernel: 'Multiply', inputs: { a: 'x', b: 'v' }, outputs: ['y'] }],
      outputs: ['y'],
    });
    const { prologue, step } = splitGraph(product, ['v']);
    expect(prologue.outputs).toEqual({ p0: product.inputs.x });
    expect(step.inputs).toEqual({ v: product.inputs.v, p0: product.inputs.x });
  });

  it('knows every value that depends on an input', () => {
    const [, , , u, y] = graph.nodes.map(({ outputs }) => outputs[0]);
    expect(dependentValues(graph, ['v'])).toEqual(new Set([graph.inputs.v, u, y]));
  });
});

describe('transposes of fixed operands', () => {
  const product = (a: string, b: string, attributes: Record<string, boolean>): Graph =>
    graphOf({
      values: { x: [4, 2], z: [3, 4], v: [4, 2], deep: [1, 4, 2], y: [2, 2] },
      inputs: ['x', 'z', 'v', 'deep'],
      nodes: [{ kernel: 'BatchMatMul', inputs: { a, b }, outputs: ['y'], attributes }],
      outputs: ['y'],
    });

  it('become nodes of their own, which the prologue computes', () => {
    const graph = product('x', 'v', { transposeA: true, transposeB: false });
    const separated = separateFixedTransposes(graph, ['v']);
    expect(kernelsOf(separated)).toEqual(['Transpose', 'BatchMatMul']);
    const [transpose, matMul] = separated.nodes;
    expect(transpose.attributes.perm).toEqual([1, 0]);
    expect(separated.values.get(transpose.outputs[0])).toEqual({ shape: [2, 4], type: 'float32' });
    expect(matMul.inputs).toEqual({ a: transpose.outputs[0], b: graph.inputs.v });
    expect(matMul.attributes).toEqual({ transposeA: false, transposeB: false });
    expect(kernelsOf(splitGraph(separated, ['v']).step)).toEqual(['BatchMatMul']);
  });

  it('on both sides', () => {
    const separated = separateFixedTransposes(product('x', 'z', { transposeA: true, transposeB: true }), []);
    expect(kernelsOf(separated)).toEqual(['Transpose', 'Transpose', 'BatchMatMul']);
  });

  it.each([
    ['variable operands', 'v', 'x', { transposeA: true, transposeB: false }],
    ['stacks of matrices', 'deep', 'x', { transposeA: true, transposeB: false }],
    ['operands as they are', 'z', 'x', { transposeA: false, transposeB: false }],
  ])('are left alone for %s', (_, a, b, attributes) => {
    const graph = product(a, b, attributes);
    expect(separateFixedTransposes(graph, ['v']).nodes).toEqual(graph.nodes);
  });
});

describe('peak memory', () => {
  it('counts what nodes made and later nodes still read', () => {
    const graph = graphOf({
      values: { x: [4], k: [1000], a: [4], b: [4], c: [8], unread: [2], y: [1] },
      constants: { k: 1 },
      inputs: ['x'],
      nodes: [
        { kernel: 'Exp', inputs: { x: 'x' }, outputs: ['a'] }, // a: 16
        { kernel: 'Neg', inputs: { x: 'x' }, outputs: ['unread'] }, // a + unread: 24
        { kernel: 'Tanh', inputs: { x: 'a' }, outputs: ['b'] }, // a + b: 32
        { kernel: 'Concat', inputs: { a: 'a', b: 'b' }, outputs: ['c'] }, // a + b + c: 64
        { kernel: 'Sum', inputs: { x: 'c' }, outputs: ['y'] }, // b (an output) + c + y: 52
      ],
      outputs: ['y', 'b'],
    });
    expect(peakLiveBytes(graph)).toBe(64);
    expect(peakLiveBytes({ ...graph, nodes: graph.nodes.slice(0, 2), outputs: {} })).toBe(16);
    expect(peakLiveBytes({ ...graph, nodes: [], outputs: {} })).toBe(0);
  });
});
