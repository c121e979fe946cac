/** Reading ONNX models that are well-formed. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readOnnx } from '../../../src/checkpoint/onnx/reader.js';
import { readCheckpoint } from '../../../src/checkpoint/registry.js';
import {
  encodeMessage,
  encodeModel,
  type InitializerSpec,
  type ModelSpec,
  modelMessage,
} from '../../support/onnx-files.js';
import { bitsOf, directoryOf, expectInputError } from '../fixtures.js';

const models = fileURLToPath(new URL('../../../../shared/models', import.meta.url));

type Files = Record<string, string | ArrayBufferView>;

/** Path of a file `model.onnx` in a folder of its own, with other files beside it. */
function modelFile(spec: ModelSpec | Uint8Array, files: Files = {}): string {
  const bytes = spec instanceof Uint8Array ? spec : encodeModel(spec);
  return join(directoryOf({ 'model.onnx': bytes, ...files }), 'model.onnx');
}

const read = (spec: ModelSpec | Uint8Array, files: Files = {}) => readOnnx(modelFile(spec, files));

/** Reads a model of one initialiser `w`. */
async function readTensor(spec: Omit<InitializerSpec, 'name'>, files: Files = {}) {
  const { weights, graph } = await read({ initializers: [{ name: 'w', ...spec }] }, files);
  return weights[0] ?? graph.constants.get('w')!;
}

describe('tensors', () => {
  const floats = Float32Array.of(1.5, -0, 1e-45, -3.4e38, 0.1, 2);
  // 1, -2, smallest subnormal, -0, largest
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x8000, 0x7bff);
  const halfValues = Float32Array.of(1, -2, 2 ** -24, -0, 65504);
  // 1, -2, 3.140625, -0
  const brains = Uint16Array.of(0x3f80, 0xc000, 0x4049, 0x8000);
  const brainValues = Float32Array.of(1, -2, 3.140625, -0);
  const doubles = Float64Array.of(0.1, 1e-300, -7);
  const int64s = BigInt64Array.of(-3n, 2n ** 62n, 2n ** 63n - 1n);

  it.each<[string, Omit<InitializerSpec, 'name'>, ArrayBufferView]>([
    ['raw float32', { shape: [2, 3], values: floats }, floats],
    ['float_data', { shape: [6], fields: { floatData: [...floats] } }, floats],
    ['raw float16', { shape: [5], type: 'float16', values: halves }, halfValues],
    ['int32_data float16', { shape: [5], type: 'float16', fields: { int32Data: [...halves] } }, halfValues],
    ['raw bfloat16', { shape: [4], type: 'bfloat16', values: brains }, brainValues],
    [
      'int32_data bfloat16',
      { shape: [4], type: 'bfloat16', fields: { int32Data: [...brains] } },
      brainValues,
    ],
    ['raw float64', { shape: [3], type: 'float64', values: doubles }, Float32Array.from(doubles)],
    [
      'double_data',
      { shape: [3], type: 'float64', fields: { doubleData: [...doubles] } },
      Float32Array.from(doubles),
    ],
    ['a scalar', { shape: [], values: [4] }, Float32Array.of(4)],
    ['nothing', { shape: [3, 0], values: [] }, new Float32Array(0)],
    ['nothing, without a field', { shape: [0] }, new Float32Array(0)],
    ['raw int64', { shape: [3], type: 'int64', values: int64s }, Float64Array.of(-3, 2 ** 62, 2 ** 63)],
    [
      'int64_data',
      { shape: [3], type: 'int64', fields: { int64Data: [-3, 0, 2 ** 40] } },
      Float64Array.of(-3, 0, 2 ** 40),
    ],
    [
      'raw uint64',
      { shape: [1], type: 'uint64', values: BigUint64Array.of(2n ** 63n) },
      Float64Array.of(2 ** 63),
    ],
    [
      'uint64_data',
      { shape: [2], type: 'uint64', fields: { uint64Data: [7, 2 ** 53] } },
      Float64Array.of(7, 2 ** 53),
    ],
    [
      'uint64_data uint32',
      { shape: [1], type: 'uint32', fields: { uint64Data: [2 ** 32 - 1] } },
      Float64Array.of(2 ** 32 - 1),
    ],
    ['raw int32', { shape: [2], type: 'int32', values: [-5, 9] }, Float64Array.of(-5, 9)],
    ['int32_data', { shape: [2], type: 'int32', fields: { int32Data: [-5, 9] } }, Float64Array.of(-5, 9)],
    ['raw int8', { shape: [2], type: 'int8', values: [-5, 9] }, Float64Array.of(-5, 9)],
    ['int32_data int8', { shape: [2], type: 'int8', fields: { int32Data: [-5, 9] } }, Float64Array.of(-5, 9)],
    ['raw int16', { shape: [2], type: 'int16', values: [-500, 9] }, Float64Array.of(-500, 9)],
    [
      'int32_data uint16',
      { shape: [2], type: 'uint16', fields: { int32Data: [65535, 9] } },
      Float64Array.of(65535, 9),
    ],
    ['raw uint8', { shape: [2], type: 'uint8', values: [200, 9] }, Float64Array.of(200, 9)],
    ['raw bool', { shape: [3], type: 'bool', values: [0, 1, 7] }, Uint8Array.of(0, 1, 1)],
    ['int32_data bool', { shape: [2], type: 'bool', fields: { int32Data: [0, 1] } }, Uint8Array.of(0, 1)],
  ])('reads %s', async (_name, spec, expected) => {
    const tensor = await readTensor(spec);
    expect(tensor.shape).toEqual(spec.shape);
    expect(tensor.values.constructor).toBe(expected.constructor);
    expect(bitsOf(tensor.values)).toEqual(bitsOf(expected));
  });

  it('reads lists that are not packed', async () => {
    // TensorProto: dims 2 and 1, data_type, name, float_data one by one
    const tensor = [0x08, 2, 0x08, 1, 0x10, 1, 0x42, 1, 0x77, 0x25, 0, 0, 0x80, 0x3f, 0x25, 0, 0, 0, 0x40];
    const graph = [0x2a, tensor.length, ...tensor];
    const opset = [0x42, 2, 0x10, 17];
    const { weights } = await read(Uint8Array.of(0x08, 8, ...opset, 0x3a, graph.length, ...graph));
    expect(weights[0]).toMatchObject({ name: 'w', shape: [2, 1], values: Float32Array.of(1, 2) });
  });

  it('says how a weight was stored where checkpoints have a word for it', async () => {
    expect(await readTensor({ shape: [5], type: 'float16', values: halves })).toMatchObject({
      storage: { dtype: 'float16' },
    });
    expect(await readTensor({ shape: [6], values: floats })).toMatchObject({ storage: null });
  });

  it('reads external data, hashed in order of first use; tied weights have it in common', async () => {
    const at = (location: string, offset?: number, length?: number) => ({
      dataLocation: 1,
      externalData: [
        { key: 'location', value: location },
        ...(offset === undefined ? [] : [{ key: 'offset', value: String(offset) }]),
        ...(length === undefined ? [] : [{ key: 'length', value: String(length) }]),
      ],
    });
    const files = { 'sub/b.bin': bitsOf(floats), 'a.bin': bitsOf(Float64Array.of(5, 6)) };
    const path = modelFile(
      {
        initializers: [
          { name: 'one', shape: [2], fields: at('sub/b.bin', 4, 8) },
          { name: 'two', shape: [1], type: 'float64', fields: at('a.bin', 8) },
          { name: 'three', shape: [3], fields: at('./sub/b.bin', 12) },
          { name: 'tied', shape: [1, 2], fields: at('sub/b.bin', 4, 8) },
          { name: 'none', shape: [0], fields: at('a.bin', 16) },
          { name: 'count', shape: [1], type: 'int64', fields: at('a.bin', 0, 8) },
        ],
      },
      files,
    );
    const { weights, graph, sha256 } = await readOnnx(path);
    expect(weights.map(({ name, values }) => [name, ...values])).toEqual([
      ['one', -0, floats[2]],
      ['two', 6],
      ['three', ...floats.slice(3)],
      ['tied', -0, floats[2]],
      ['none'],
    ]);
    expect(weights[3]!.values).toBe(weights[0]!.values);
    expect(graph.constants.get('count')!.values).toEqual(
      Float64Array.of(Number(new BigInt64Array(Float64Array.of(5).buffer)[0])),
    );
    const hash = createHash('sha256');
    for (const part of [encodedOf(path), files['sub/b.bin'], files['a.bin']]) hash.update(part);
    expect(sha256).toBe(hash.digest('hex'));
  });

  const sparseOf = (shape: number[], values: InitializerSpec, indices: InitializerSpec) => ({
    sparse: [{ name: 's', shape, values, indices }],
  });

  it.each([
    ['linear', { shape: [2], values: [1, 5] }],
    ['multi-dimensional', { shape: [2, 2], values: [0, 1, 1, 2] }],
    ['listed', { shape: [2], fields: { int64Data: [1, 5] } }],
  ])('reads sparse initialisers with %s indices', async (_name, indices) => {
    const { weights } = await read(sparseOf([2, 3], { shape: [2], values: [7, -8] }, indices));
    expect(weights).toEqual([
      {
        name: 's',
        shape: [2, 3],
        dtype: 'float32',
        values: Float32Array.of(0, 7, 0, 0, 0, -8),
        storage: null,
      },
    ]);
  });

  it('reads sparse initialisers of other types, and of zeros alone', async () => {
    const integers = await read(
      sparseOf([3], { shape: [1], type: 'int32', values: [4] }, { shape: [1], values: [2] }),
    );
    expect(integers.graph.constants.get('s')).toEqual({
      shape: [3],
      type: 'integer',
      values: Float64Array.of(0, 0, 4),
    });
    const halfs = await read(
      sparseOf(
        [2],
        { shape: [1], type: 'float16', values: Uint16Array.of(0x3c00) },
        { shape: [1], values: [1] },
      ),
    );
    expect(halfs.weights[0]).toMatchObject({ values: Float32Array.of(0, 1), storage: { dtype: 'float16' } });
    const none = await read(sparseOf([2, 2], { shape: [0] }, { shape: [0] }));
    expect(none.weights[0]!.values).toEqual(new Float32Array(4));
  });

  it('keeps the file order of dense and sparse initialisers', async () => {
    const message = modelMessage({
      initializers: [{ name: 'b', shape: [1], values: [1] }],
      sparse: [
        { name: 'a', shape: [2], values: { shape: [1], values: [3] }, indices: { shape: [1], values: [0] } },
      ],
    });
    const { weights } = await read(encodeMessage(message));
    expect(weights.map(({ name }) => name)).toEqual(['b', 'a']);
  });
});

/** The bytes of a file that `modelFile` made. */
function encodedOf(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}

describe('the graph', () => {
  const input = { name: 'x', shape: ['N', 4, -1] };
  const relu = (from: string, to: string, name?: string) => ({
    opType: 'Relu',
    inputs: [from],
    outputs: [to],
    ...(name !== undefined && { name }),
  });

  it('reads nodes, values and who wrote them', async () => {
    const { graph, metadata, path } = await read({
      nodes: [
        {
          opType: 'Conv',
          name: 'conv',
          inputs: ['x', 'w', ''],
          outputs: ['y'],
          attributes: {
            pads: [1, -1],
            group: 2,
            alpha: { float: 0.5 },
            scales: { floats: [0.5, 2] },
            auto_pad: 'SAME',
            names: ['a', 'b'],
            value: { tensor: { shape: [2], values: [Number.NEGATIVE_INFINITY, 1] } },
            text: { tensor: { shape: [0], type: 'string' } },
            body: {
              message: { g: { name: 'sub', node: [{ opType: 'Loop', input: ['nowhere'] }] }, type: 5 },
            },
            binary: { message: { s: Uint8Array.of(0xff), type: 3 } },
            old: { message: { i: 3 } },
            zero: { message: { type: 2 } },
          },
        },
        { opType: 'Gelu', domain: 'com.example', inputs: ['y'], outputs: ['z', ''] },
        { opType: 'Relu', domain: 'ai.onnx', inputs: ['z'], outputs: ['r'] },
      ],
      initializers: [{ name: 'w', shape: [1], values: [1] }],
      inputs: [input, { name: 'w', shape: [1] }, { name: 'n', type: 'int64', shape: [] }, { name: 'free' }],
      outputs: [{ name: 'r', shape: ['N'] }, { name: 'x' }],
      opset: 13,
      domains: { 'com.example': 1 },
      producer: ['pytorch', '2.4.0'],
      irVersion: 3,
    });
    expect(path).toMatch(/model\.onnx$/);
    expect(graph.nodes.map(({ name, opType, domain }) => [name, opType, domain])).toEqual([
      ['conv', 'Conv', ''],
      ['#1', 'Gelu', 'com.example'],
      ['#2', 'Relu', ''],
    ]);
    expect(graph.nodes[0]).toMatchObject({ inputs: ['x', 'w', ''], outputs: ['y'] });
    expect(Object.fromEntries(graph.nodes[0]!.attributes)).toEqual({
      pads: { kind: 'ints', value: [1, -1] },
      group: { kind: 'int', value: 2 },
      alpha: { kind: 'float', value: 0.5 },
      scales: { kind: 'floats', value: [0.5, 2] },
      auto_pad: { kind: 'string', value: 'SAME' },
      names: { kind: 'strings', value: ['a', 'b'] },
      value: {
        kind: 'tensor',
        value: { shape: [2], type: 'float', values: Float32Array.of(Number.NEGATIVE_INFINITY, 1) },
      },
      text: { kind: 'unsupported' },
      body: { kind: 'unsupported' },
      binary: { kind: 'unsupported' },
      old: { kind: 'int', value: 3 },
      zero: { kind: 'int', value: 0 },
    });
    expect(graph.inputs).toEqual([
      { name: 'x', elementType: 1, shape: [null, 4, null] },
      { name: 'n', elementType: 7, shape: [] },
      { name: 'free', elementType: 1, shape: null },
    ]);
    expect(graph.outputs).toEqual([
      { name: 'r', elementType: 1, shape: [null] },
      { name: 'x', elementType: 1, shape: null },
    ]);
    expect([graph.opset, graph.producer]).toEqual([13, 'pytorch 2.4.0']);
    expect(metadata).toEqual({});
  });

  it('sorts nodes, and leaves the order alone that needs no sorting', async () => {
    const add = { opType: 'Add', inputs: ['c', 'a'], outputs: ['d'], name: 'add' };
    const spec = { inputs: [input], outputs: [{ name: 'd' }] };
    const nodes = [
      relu('b', 'c', 'third'),
      relu('x', 'a', 'first'),
      add,
      relu('a', 'b', 'second'),
      relu('x', 'e', 'last'),
    ];
    const names = async (order: typeof nodes) =>
      (await read({ ...spec, nodes: order })).graph.nodes.map(({ name }) => name);
    expect(await names(nodes)).toEqual(['first', 'second', 'third', 'add', 'last']);
    const sorted = [nodes[4]!, nodes[1]!, nodes[3]!, nodes[0]!, nodes[2]!];
    expect(await names(sorted)).toEqual(['last', 'first', 'second', 'third', 'add']);
  });

  it.each<[string, ModelSpec, string[]]>([
    ['an undefined operand', { nodes: [relu('q', 'y', 'n1')] }, ['"n1" (Relu)', '"q"', 'nothing computes']],
    [
      'a circle behind other nodes',
      { nodes: [relu('c', 'd', 'out'), relu('b', 'a', 'n1'), relu('a', 'b', 'n2'), relu('b', 'c', 'n3')] },
      ['"n2" (Relu)', '"a"', 'its own result'],
    ],
    ['a node that reads itself', { nodes: [relu('y', 'y')] }, ['"#0"', '"y"', 'its own result']],
    [
      'two nodes with one output',
      { nodes: [relu('x', 'y'), relu('x', 'y', 'twin')], inputs: [input] },
      ['"twin"', '"y"'],
    ],
    ['a node that computes an input', { nodes: [relu('x', 'x')], inputs: [input] }, ['"x"']],
    [
      'a node that computes an initialiser',
      { nodes: [relu('x', 'w')], inputs: [input], initializers: [{ name: 'w', shape: [0] }] },
      ['"w"'],
    ],
    ['two inputs of one name', { inputs: [input, input] }, ['"x"']],
    [
      'two initialisers of one name',
      {
        initializers: [
          { name: 'w', shape: [0] },
          { name: 'w', shape: [0] },
        ],
      },
      ['"w"', 'unique'],
    ],
    ['an initialiser without a name', { initializers: [{ shape: [0] }] }, ['no name']],
    ['an output that nothing computes', { outputs: [{ name: 'y' }] }, ['"y"', 'no node']],
  ])('refuses %s', async (_name, spec, parts) => {
    await expectInputError(read(spec), 'checkpoint/invalid-graph', 'model.onnx', ...parts);
  });

  it.each([
    [null, 'no version'],
    [6, 'version 6'],
    [-1, 'version -1'],
  ])('refuses opset %s', async (opset, part) => {
    await expectInputError(read({ opset }), 'checkpoint/unsupported-opset', part, 'from 7 on');
  });

  it('reads the metadata entry pruneLimit, and only that', async () => {
    const { metadata } = await read({ metadata: { other: '{', pruneLimit: '{"data": "../d", "seed": 3}' } });
    expect(metadata).toEqual({ pruneLimit: { data: '../d', seed: 3 } });
    await expectInputError(
      read({ metadata: { pruneLimit: '{"a":' } }),
      'checkpoint/invalid-json',
      'pruneLimit',
      'column 6',
    );
    await expectInputError(
      read({ metadata: { pruneLimit: '[1]' } }),
      'checkpoint/invalid-metadata',
      'pruneLimit',
    );
  });
});

describe('readCheckpoint', () => {
  const bytes = encodeModel({ initializers: [{ name: 'w', shape: [1], values: [2] }] });

  it('recognises ONNX models by content or name, also alone in a folder', async () => {
    const directory = directoryOf({
      'net.bin': bytes,
      'only/a.ONNX': bytes,
      'two/a.onnx': bytes,
      'two/b.onnx': bytes,
    });
    expect((await readCheckpoint(join(directory, 'net.bin'))).format).toBe('onnx');
    expect((await readCheckpoint(join(directory, 'only'))).path).toBe(join(directory, 'only/a.ONNX'));
    await expectInputError(
      readCheckpoint(join(directory, 'two')),
      'checkpoint/missing-file',
      '"a.onnx", "b.onnx"',
    );
  });

  it('says what is wrong with what is only called so', async () => {
    const directory = directoryOf({ 'a.onnx': '', 'b.onnx': 'hello', 'c.onnx': '{}' });
    await expectInputError(readCheckpoint(join(directory, 'a.onnx')), 'checkpoint/invalid-onnx', 'no graph');
    await expectInputError(readCheckpoint(join(directory, 'b.onnx')), 'checkpoint/invalid-onnx', 'b.onnx');
    await expectInputError(readCheckpoint(join(directory, 'c.onnx')), 'checkpoint/unsupported-format');
  });
});

describe('published models', () => {
  const present =
    existsSync(join(models, 'mlpnet/mlpnet.onnx')) && existsSync(join(models, 'resnet20/resnet20.onnx'));
  if (!present) console.warn('skipped: published models are not at ../shared/models beside the repository');

  it.skipIf(!present)('reads MLPNet with the weights of its model.json', async () => {
    const onnx = await readCheckpoint(join(models, 'mlpnet/mlpnet.onnx'));
    const layers = await readCheckpoint(join(models, 'mlpnet/model.json'));
    expect(onnx.weights.map(({ shape, values }) => ({ shape, values }))).toEqual(
      layers.weights.map(({ shape, values }) => ({ shape, values })),
    );
  });

  /** Values of a weight with its axes reversed in tfjs's order: HWIO for OIHW, inputs by outputs for a matrix. */
  function transposed(values: ArrayLike<number>, shape: readonly number[]): Float32Array {
    if (shape.length < 2) return Float32Array.from(values);
    const [outputs, inputs, ...window] = shape as [number, number, ...number[]];
    const area = window.reduce((product, extent) => product * extent, 1);
    const result = new Float32Array(values.length);
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        for (let at = 0; at < area; at++) {
          result[(at * inputs + i) * outputs + o] = values[(o * inputs + i) * area + at]!;
        }
      }
    }
    return result;
  }

  it.skipIf(!present)('reads ResNet-20 with the weights of its model.json', async () => {
    const onnx = await readCheckpoint(join(models, 'resnet20/resnet20.onnx'));
    const layers = await readCheckpoint(join(models, 'resnet20/model.json'));
    expect(onnx.weights).toHaveLength(97);
    const words = {
      gamma: 'weight',
      beta: 'bias',
      moving_mean: 'running_mean',
      moving_variance: 'running_var',
    };
    const byName = new Map(onnx.weights.map((weight) => [weight.name, weight]));
    for (const { name, values } of layers.weights) {
      const [layer, kind] = name.split('/') as [string, string];
      const word = words[kind as keyof typeof words] ?? (kind === 'kernel' ? 'weight' : kind);
      const weight = byName.get(`${layer.replace(/^(layer\d)_(\d)_/, '$1.$2.')}.${word}`);
      expect(weight, name).toBeDefined();
      const same = Buffer.compare(bitsOf(transposed(weight!.values, weight!.shape)), bitsOf(values)) === 0;
      expect(same, `${name} is ${weight!.name} transposed`).toBe(true);
    }
  });
});
