/** Functions of a model: put in the place of their calls, and left in the file as they are. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { OnnxCheckpoint } from '../../../src/checkpoint/checkpoint.js';
import { readOnnx } from '../../../src/checkpoint/onnx/reader.js';
import { prepareBackend } from '../../../src/compute/backend.js';
import { createNetwork } from '../../../src/network/create-network.js';
import { directoryOf } from '../../checkpoint/fixtures.js';
import { hasNative } from '../../compute/compile/support.js';
import {
  encodeModel,
  type FunctionSpec,
  type ModelSpec,
  markedModel,
  type NodeSpec,
} from '../../support/onnx-files.js';
import { distance, normalInputs, outputOf, pruned, runtimeOutputOfFile, withFile } from './support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

const w1 = normalInputs([4, 3], 1);
const w2 = normalInputs([2, 4], 2);
const float = (name: string, shape: number[], values: ArrayLike<number>) => ({ name, shape, values });
const MODULE = 'pkg.torch.2.3.0';
const LIBRARY = 'pkg.onnxscript.torch_lib';

/** As PyTorch 2 wrote modules: a function a module, its operators functions of a library. */
const linear: FunctionSpec = {
  name: 'aten_linear',
  domain: LIBRARY,
  inputs: ['X', 'W', 'B'],
  outputs: ['Y'],
  nodes: [
    { opType: 'Transpose', inputs: ['W'], outputs: ['t'], attributes: { perm: [1, 0] } },
    { opType: 'Gemm', inputs: ['X', 't', 'B'], outputs: ['Y'] },
  ],
};
const block: FunctionSpec = {
  name: 'torch_nn_modules_Block',
  domain: MODULE,
  inputs: ['X', 'W', 'B'],
  outputs: ['Y'],
  defaults: { slope: { float: 0.5 } },
  domains: { [LIBRARY]: 1 },
  nodes: [
    { opType: 'aten_linear', domain: LIBRARY, inputs: ['X', 'W', 'B'], outputs: ['t'] },
    {
      opType: 'LeakyRelu',
      inputs: ['t'],
      outputs: ['Y'],
      attributes: { alpha: { message: { refAttrName: 'slope', type: 1 } } },
    },
  ],
};

function model(first = w1, second = w2): ModelSpec {
  return {
    domains: { [MODULE]: 1, [LIBRARY]: 1 },
    functions: [block, linear],
    nodes: [
      {
        opType: block.name,
        domain: MODULE,
        name: 'one',
        inputs: ['x', 'w1', 'b1'],
        outputs: ['h'],
        attributes: { slope: { float: 0.25 } },
      },
      { opType: block.name, domain: MODULE, name: 'two', inputs: ['h', 'w2'], outputs: ['y'] },
    ],
    initializers: [float('w1', [4, 3], first), float('b1', [4], [1, -1, 2, 0]), float('w2', [2, 4], second)],
    inputs: [{ name: 'x', shape: ['N', 3] }],
    outputs: [{ name: 'y', shape: ['N', 2] }],
  };
}

const inputs = normalInputs([5, 3], 9);

async function read(spec: ModelSpec): Promise<OnnxCheckpoint> {
  return readOnnx(join(directoryOf({ 'model.onnx': encodeModel(spec) }), 'model.onnx'));
}

describe('functions of a model', () => {
  it('stand in the place of their calls, in one another, with attributes of the call and without operands', async () => {
    const { graph, weights } = await read(model());
    expect(
      graph.nodes.map(({ opType, name, inputs: from, outputs }) => [opType, name, from, outputs]),
    ).toEqual([
      ['Transpose', 'one/#0/#0', ['w1'], ['one/#0/t']],
      ['Gemm', 'one/#0/#1', ['x', 'one/#0/t', 'b1'], ['one/t']],
      ['LeakyRelu', 'one/#1', ['one/t'], ['h']],
      ['Transpose', 'two/#0/#0', ['w2'], ['two/#0/t']],
      ['Gemm', 'two/#0/#1', ['h', 'two/#0/t', ''], ['two/t']],
      ['LeakyRelu', 'two/#1', ['two/t'], ['y']],
    ]);
    const slopes = [2, 5].map((index) => graph.nodes[index].attributes.get('alpha'));
    expect(slopes).toEqual([
      { kind: 'float', value: 0.25 },
      { kind: 'float', value: 0.5 },
    ]);
    expect(weights.map(({ name }) => name)).toEqual(['w1', 'b1', 'w2']);
  });

  it('compute what ONNX Runtime computes; pruning changes the weights alone', async () => {
    await withFile(model(), async (network, path) => {
      expect(network).toMatchObject({ dimension: 20, parameters: 24, leftOut: [] });
      expect(network.prunable.map(({ name }) => name)).toEqual(['w1', 'w2']);
      const output = await pruned(path, 0.5);
      const smallest = [...network.weights].map(Math.abs).sort((a, b) => a - b)[9];
      const [first, second] = [w1, w2].map((each) => each.map((x) => (Math.abs(x) > smallest ? x : 0)));
      expect(readFileSync(output)).toEqual(markedModel(model(first, second)));
      if (hasNative) {
        const expected = await runtimeOutputOfFile(path, inputs, [5, 3]);
        expect(distance(outputOf(network, inputs, [5, 3]), expected)).toBeLessThan(1e-6);
      }
    });
  });

  it('may hold weights in Constant nodes, which are one weight for all calls', async () => {
    const own = (values: ArrayLike<number>): ModelSpec => {
      const nodes: NodeSpec[] = [
        { opType: 'Constant', outputs: ['W'], attributes: { value: { tensor: { shape: [3, 3], values } } } },
        { opType: 'Gemm', inputs: ['X', 'W'], outputs: ['z'] },
        { opType: 'Tanh', inputs: ['z'], outputs: ['Y'] },
      ];
      return {
        ...model(),
        functions: [{ name: 'Layer', domain: 'my', inputs: ['X'], outputs: ['Y'], nodes }],
        domains: { my: 1 },
        nodes: [
          { opType: 'Layer', domain: 'my', inputs: ['x'], outputs: ['W'] },
          { opType: 'Layer', domain: 'my', inputs: ['W'], outputs: ['y'] },
        ],
        initializers: [],
        outputs: [{ name: 'y', shape: ['N', 3] }],
      };
    };
    const values = [0.1, 2, -3, 4, -5, 6, 7, 8, 0.9];
    await withFile(own(values), async (network, path) => {
      // "W" is the name of a value of the graph.
      expect(network.prunable.map(({ name, size }) => [name, size])).toEqual([['Layer/W', 9]]);
      if (hasNative) {
        const expected = await runtimeOutputOfFile(path, inputs, [5, 3]);
        expect(distance(outputOf(network, inputs, [5, 3]), expected)).toBeLessThan(1e-6);
      }
      expect(readFileSync(await pruned(path, 1 / 3))).toEqual(
        markedModel(own([0, 0, -3, 4, -5, 6, 7, 8, 0])),
      );
    });
  });

  it('have operators of the version that they import', async () => {
    const mean: FunctionSpec = {
      name: 'Mean',
      domain: 'my',
      inputs: ['X', 'axes'],
      outputs: ['Y'],
      opset: 18,
      nodes: [{ opType: 'ReduceMean', inputs: ['X', 'axes'], outputs: ['Y'], attributes: { keepdims: 0 } }],
    };
    const spec: ModelSpec = {
      opset: 13,
      functions: [mean],
      domains: { my: 1 },
      nodes: [
        { opType: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] },
        { opType: 'Mean', domain: 'my', inputs: ['z', 'axis'], outputs: ['y'] },
      ],
      initializers: [
        float('w', [2, 2], [1, 2, 3, 4]),
        { name: 'axis', shape: [1], type: 'int64', values: [1] },
      ],
      inputs: [{ name: 'x', shape: ['N', 3, 2] }],
      outputs: [{ name: 'y', shape: ['N', 2] }],
    };
    await withFile(spec, (network) => {
      // The mean of the rows [1, 2], [3, 4] and [4, 6].
      expect([...outputOf(network, Float32Array.of(1, 0, 0, 1, 1, 1), [1, 3, 2])]).toEqual([
        expect.closeTo(8 / 3, 5),
        4,
      ]);
    });
  });

  it('hand an operand or a constant on as their result', async () => {
    const through: FunctionSpec = {
      name: 'Through',
      domain: 'my',
      inputs: ['X'],
      outputs: ['X', 'c'],
      nodes: [
        {
          opType: 'Constant',
          outputs: ['c'],
          attributes: { value: { tensor: { shape: [2], values: [5, 7] } } },
        },
      ],
    };
    const spec: ModelSpec = {
      functions: [through],
      domains: { my: 1 },
      nodes: [
        { opType: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] },
        { opType: 'Through', domain: 'my', inputs: ['z'], outputs: ['same', 'shift'] },
        { opType: 'Add', inputs: ['same', 'shift'], outputs: ['y'] },
      ],
      initializers: [float('w', [1, 2], [1, 2])],
      inputs: [{ name: 'x', shape: ['N', 1] }],
      outputs: [{ name: 'y', shape: ['N', 2] }],
    };
    await withFile(spec, (network) => {
      expect([...outputOf(network, Float32Array.of(10), [1, 1])]).toEqual([15, 27]);
    });
  });

  it('kernels that they compute are left out by name', async () => {
    const scaled: FunctionSpec = {
      ...linear,
      nodes: [
        { opType: 'Mul', inputs: ['W', 'W'], outputs: ['s'] },
        { ...linear.nodes[0], inputs: ['s'] },
        linear.nodes[1],
      ],
    };
    await expect(withFile({ ...model(), functions: [block, scaled] }, () => {})).rejects.toMatchObject({
      code: 'network/nothing-prunable',
      message: expect.stringMatching(
        /"one\/#0\/s" is computed by Mul in function "aten_linear".*onnx\.inliner/,
      ),
    });
  });
});

describe('functions that are refused', () => {
  const calling = (name: string, ...called: string[]): FunctionSpec => ({
    name,
    domain: 'my',
    inputs: ['X'],
    outputs: ['Y'],
    nodes: called.map((opType, index) => ({
      opType,
      domain: opType === 'Relu' ? '' : 'my',
      inputs: [index === 0 ? 'X' : `t${index}`],
      outputs: [index === called.length - 1 ? 'Y' : `t${index + 1}`],
    })),
  });
  const withFunctions = (functions: FunctionSpec[], operands = ['x']): ModelSpec => ({
    functions,
    domains: { my: 1 },
    nodes: [{ opType: functions[0].name, domain: 'my', name: 'call', inputs: operands, outputs: ['y'] }],
    inputs: [{ name: 'x', shape: ['N', 2] }],
    outputs: [{ name: 'y', shape: ['N', 2] }],
  });
  const chain = (length: number, times: number): FunctionSpec[] =>
    Array.from({ length }, (_, i) =>
      calling(`f${i}`, ...Array(times).fill(i === length - 1 ? 'Relu' : `f${i + 1}`)),
    );

  it.each<[string, ModelSpec, string, RegExp]>([
    ['call themselves', withFunctions([calling('a', 'a')]), 'checkpoint/invalid-graph', /"a" calls itself/],
    [
      'call each other',
      withFunctions([calling('a', 'b'), calling('b', 'a')]),
      'checkpoint/invalid-graph',
      /calls itself/,
    ],
    [
      'multiply to any number of nodes',
      withFunctions(chain(24, 2)),
      'checkpoint/too-large',
      /more than the 65536 nodes/,
    ],
    [
      'stand in one another without end',
      withFunctions(chain(40, 1)),
      'checkpoint/invalid-graph',
      /more than 32 deep/,
    ],
    [
      'have one name',
      withFunctions([calling('a', 'Relu'), calling('a', 'Relu')]),
      'checkpoint/invalid-graph',
      /two functions/,
    ],
    [
      'get more operands than they have',
      withFunctions([calling('a', 'Relu')], ['x', 'x']),
      'checkpoint/invalid-graph',
      /more operands/,
    ],
    [
      'read what is not theirs',
      withFunctions([
        { ...calling('a', 'Relu'), nodes: [{ opType: 'Relu', inputs: ['x'], outputs: ['Y'] }] },
      ]),
      'checkpoint/invalid-graph',
      /reads "call\/x", which nothing computes/,
    ],
    [
      'import operators of old',
      withFunctions([{ ...calling('a', 'Relu'), opset: 6 }]),
      'checkpoint/unsupported-opset',
      /version 6/,
    ],
  ])('%s', async (_name, spec, code, message) => {
    await expect(read(spec)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('of which there are none in the file: the message says so', async () => {
    const spec = withFunctions([calling('a', 'Relu')]);
    await expect(withFile({ ...spec, functions: [] }, () => {})).rejects.toThrow(
      /operator my\.a .* with standard operators, or with the function/,
    );
  });
});

const shared = fileURLToPath(new URL('../../../../shared/cases/onnx/local_function.onnx', import.meta.url));

it.skipIf(!existsSync(shared))('a published case has 80 prunable weights', async () => {
  const network = await createNetwork(await readOnnx(shared));
  expect(network).toMatchObject({ dimension: 80, parameters: 92, leftOut: [] });
  network.dispose();
});
