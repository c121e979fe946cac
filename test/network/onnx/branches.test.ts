/** If nodes: decided where their condition is known before the network runs, refused with what helps elsewhere. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { hasNative } from '../../compute/compile/support.js';
import {
  type GraphSpec,
  type InitializerSpec,
  type ModelSpec,
  markedModel,
  type NodeSpec,
} from '../../support/onnx-files.js';
import { distance, normalInputs, outputOf, pruned, runtimeOutputOfFile, withFile } from './support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

const w = normalInputs([3, 3], 1);
const inputs = normalInputs([5, 3], 9);
const truth = (value: boolean, name = 'condition'): InitializerSpec => ({
  name,
  shape: [],
  type: 'bool',
  values: [Number(value)],
});
const branch = (nodes: NodeSpec[], initializers: InitializerSpec[] = []): GraphSpec => ({
  nodes,
  initializers,
  outputs: [{ name: nodes.at(-1)!.outputs![0] }],
});
const either = (yes: GraphSpec, no: GraphSpec, condition = 'condition', output = 'y'): NodeSpec => ({
  opType: 'If',
  name: 'choice',
  inputs: [condition],
  outputs: [output],
  attributes: { then_branch: { graph: yes }, else_branch: { graph: no } },
});

/** z = x w, then what the node makes of it. */
function model(node: NodeSpec, initializers: InitializerSpec[], before: NodeSpec[] = []): ModelSpec {
  return {
    nodes: [{ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] }, ...before, node],
    initializers: [{ name: 'w', shape: [3, 3], values: w }, ...initializers],
    inputs: [{ name: 'x', shape: ['N', 3] }],
    outputs: [{ name: 'y', shape: ['N', 3] }],
  };
}

const relu = branch([{ opType: 'Relu', inputs: ['z'], outputs: ['r'] }]);
const tanh = branch([{ opType: 'Tanh', inputs: ['z'], outputs: ['r'] }]);
const rank: NodeSpec[] = [
  { opType: 'Shape', inputs: ['z'], outputs: ['shape'] },
  { opType: 'Size', inputs: ['shape'], outputs: ['rank'] },
  { opType: 'Equal', inputs: ['rank', 'two'], outputs: ['condition'] },
];
const two: InitializerSpec = { name: 'two', shape: [], type: 'int64', values: [2] };

const decided: [string, ModelSpec][] = [
  ['true: the first branch, which takes a value from around it', model(either(relu, tanh), [truth(true)])],
  ['false: the second branch, whose names are those of the first', model(either(relu, tanh), [truth(false)])],
  [
    'computed from constants',
    model(either(relu, tanh), [truth(true, 'a')], [{ opType: 'Not', inputs: ['a'], outputs: ['condition'] }]),
  ],
  [
    'in one another, captured through both',
    model(
      either(
        branch([either(relu, tanh, 'inner', 'i'), { opType: 'Neg', inputs: ['i'], outputs: ['n'] }]),
        tanh,
      ),
      [truth(true), truth(false, 'inner')],
    ),
  ],
  ['of the rank of a value', model(either(relu, tanh), [two], rank)],
  [
    'of an extent',
    model(
      either(relu, tanh),
      [{ name: 'one', shape: [1], type: 'int64', values: [1] }],
      [
        { opType: 'Shape', inputs: ['z'], outputs: ['shape'] },
        { opType: 'Gather', inputs: ['shape', 'one'], outputs: ['extent'] },
        { opType: 'Equal', inputs: ['extent', 'one'], outputs: ['condition'] },
      ],
    ),
  ],
];

describe('the branch of an If node whose condition is known', () => {
  it.each(decided)('%s', async (_name, spec) => {
    await withFile(spec, async (network, path) => {
      expect(network).toMatchObject({ dimension: 9, outputs: 3 });
      expect(network.notes).toHaveLength(1);
      expect(network.notes![0]).toMatch(/^the conditions? of .*If node/);
      if (hasNative) {
        const expected = await runtimeOutputOfFile(path, inputs, [5, 3]);
        expect(distance(outputOf(network, inputs, [5, 3]), expected)).toBeLessThan(1e-6);
      }
    });
  });

  it('may hold weights, which are pruned where they stand', async () => {
    const own = (kernel: ArrayLike<number>, initialiser: ArrayLike<number>): ModelSpec => {
      const yes = branch(
        [
          {
            opType: 'Constant',
            outputs: ['c'],
            attributes: { value: { tensor: { shape: [3, 3], values: kernel } } },
          },
          { opType: 'MatMul', inputs: ['z', 'c'], outputs: ['m'] },
          { opType: 'MatMul', inputs: ['m', 'w'], outputs: ['r'] },
        ],
        // Another one than that around the branch.
        [{ name: 'w', shape: [3, 3], values: initialiser }],
      );
      return model(either(yes, tanh), [truth(true)]);
    };
    const [kernel, initialiser] = [3, 4].map((seed) => normalInputs([3, 3], seed).map((x) => x * 100));
    await withFile(own(kernel, initialiser), async (network, path) => {
      expect(network.prunable.map(({ name }) => name)).toEqual(['w', 'c', 'choice/then_branch/w']);
      if (hasNative) {
        const expected = await runtimeOutputOfFile(path, inputs, [5, 3]);
        expect(distance(outputOf(network, inputs, [5, 3]), expected)).toBeLessThan(1e-5);
      }
      const size = [...network.weights].map(Math.abs).sort((a, b) => a - b)[17];
      const cut = (values: Float32Array): Float32Array => values.map((x) => (Math.abs(x) > size ? x : 0));
      const expected = own(cut(kernel), cut(initialiser));
      const [first, ...rest] = expected.initializers!;
      const initializers = [{ ...first, values: cut(w) }, ...rest];
      expect(readFileSync(await pruned(path, 2 / 3))).toEqual(markedModel({ ...expected, initializers }));
    });
  });
});

describe('an If node that cannot be decided', () => {
  const first = { opType: 'ReduceSum', inputs: ['z'], outputs: ['sum'], attributes: { keepdims: 0 } };

  it('is refused with what helps', async () => {
    const spec = model(
      either(relu, tanh),
      [{ name: 'zero', shape: [], values: [0] }],
      [first, { opType: 'Greater', inputs: ['sum', 'zero'], outputs: ['condition'] }],
    );
    await expect(withFile(spec, () => {})).rejects.toMatchObject({
      code: 'network/onnx-operator',
      message: expect.stringMatching(/operator If .*node "choice".*onnxsim/),
    });
  });

  it('is passed over where the output does not need it', async () => {
    const spec = model(
      either(relu, tanh, 'condition', 'other'),
      [{ name: 'zero', shape: [], values: [0] }],
      [
        first,
        { opType: 'Greater', inputs: ['sum', 'zero'], outputs: ['condition'] },
        { opType: 'Relu', inputs: ['z'], outputs: ['y'] },
      ],
    );
    await withFile(spec, (network) => expect(network.notes).toEqual([]));
  });

  it('is refused where its condition hangs on the batch', async () => {
    const spec = model(
      either(relu, tanh),
      [two, { name: 'first', shape: [], type: 'int64', values: [0] }],
      [
        { opType: 'Shape', inputs: ['z'], outputs: ['shape'] },
        { opType: 'Gather', inputs: ['shape', 'first'], outputs: ['batch'] },
        { opType: 'Equal', inputs: ['batch', 'two'], outputs: ['condition'] },
      ],
    );
    await expect(withFile(spec, () => {})).rejects.toThrow(/operator If /);
  });

  it('may nest no deeper than is read', async () => {
    const deep = Array.from({ length: 30 }).reduce<GraphSpec>(
      (inner) => branch([either(inner, tanh, 'condition', 'i')]),
      relu,
    );
    await expect(withFile(model(either(deep, tanh), [truth(true)]), () => {})).rejects.toMatchObject({
      code: 'checkpoint/invalid-onnx',
      message: expect.stringMatching(/more than 64 deep/),
    });
  });
});
