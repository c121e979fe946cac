import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type {
  Checkpoint,
  CheckpointDtype,
  LayersCheckpoint,
  OnnxCheckpoint,
} from '../../../src/checkpoint/checkpoint.js';
import type { OnnxAttribute, OnnxNode } from '../../../src/checkpoint/onnx-graph.js';
import { assignWeights, readCheckpointWithWeights } from '../../../src/checkpoint/weights/assign-weights.js';
import { openWeightFile } from '../../../src/checkpoint/weights/weight-file.js';
import { silentProgress } from '../../../src/progress.js';
import { npy, npz } from '../../dataset/support.js';
import { directoryOf, expectInputError, modelJson } from '../fixtures.js';
import { f32, type MadeTensor, safetensors, weightFile } from './weight-files.js';

type Shapes = Record<string, readonly number[]>;

function emptyWeights(shapes: Shapes, dtype: CheckpointDtype = 'float32') {
  return Object.entries(shapes).map(([name, shape]) => ({
    name,
    shape,
    dtype,
    values: new Float32Array(0),
    storage: { dtype: 'float16' } as const,
  }));
}

type LayerEntry = [className: string, config: Record<string, unknown>];

function layersModel(shapes: Shapes, layers: LayerEntry[] = []): LayersCheckpoint {
  const weights = emptyWeights(shapes);
  return {
    format: 'tfjs-layers',
    path: 'net/model.json',
    sha256: 'abc',
    topology: {
      class_name: 'Sequential',
      config: { name: 'net', layers: layers.map(([class_name, config]) => ({ class_name, config })) },
    },
    weights,
    metadata: { kept: true },
    manifestGroups: [weights.length],
    extra: {},
  };
}

type NodeEntry = [opType: string, inputs: string[], output: string, attributes?: Record<string, number>];

function onnxModel(shapes: Shapes, nodes: NodeEntry[]): OnnxCheckpoint {
  return {
    format: 'onnx',
    path: 'net.onnx',
    sha256: 'abc',
    fileSha256: 'abc',
    graph: {
      nodes: nodes.map(([opType, inputs, output, attributes = {}], index): OnnxNode => {
        const entries = Object.entries(attributes).map(
          ([name, value]) => [name, { kind: 'int', value } as OnnxAttribute] as const,
        );
        return {
          name: `#${index}`,
          opType,
          domain: '',
          inputs,
          outputs: [output],
          attributes: new Map(entries),
        };
      }),
      inputs: [],
      outputs: [],
      constants: new Map(),
      opset: 17,
      producer: '',
    },
    weights: emptyWeights(shapes),
    metadata: {},
  };
}

/** Assigns tensors of a safetensors file; the values by weight, and what was noted. */
async function assigned(architecture: Checkpoint, tensors: readonly MadeTensor[]) {
  return assignedFrom(architecture, weightFile('w.safetensors', safetensors(tensors)));
}

async function assignedFrom(architecture: Checkpoint, path: string) {
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (note: string) => void notes.push(note) };
  const result = await assignWeights(architecture, await openWeightFile(path), progress);
  for (const { shape, values } of result.weights) {
    expect(values.length).toBe(shape.reduce((product, size) => product * size, 1));
  }
  const values = Object.fromEntries(result.weights.map((weight) => [weight.name, [...weight.values]]));
  return { result, values, notes };
}

const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

/** A tensor whose values are 0, 1, 2, ... */
const counting = (name: string, shape: number[], from = 0): MadeTensor =>
  f32(
    name,
    shape,
    range(
      shape.reduce((a, b) => a * b, 1),
      from,
    ),
  );

describe('the checkpoint with other weights', () => {
  it('keeps all else, loses storage types, and has a hash of network and weights', async () => {
    const architecture = layersModel({ 'a/kernel': [2, 1], 'a/bias': [1] });
    const bytes = safetensors([f32('a/bias', [1], [5]), f32('a/kernel', [2, 1], [-0, 7])]);
    const { result, notes } = await assignedFrom(architecture, weightFile('w', bytes));
    const fileHash = createHash('sha256').update(bytes).digest('hex');
    expect(result).toEqual({
      ...architecture,
      weights: [
        { name: 'a/kernel', shape: [2, 1], dtype: 'float32', values: Float32Array.of(-0, 7), storage: null },
        { name: 'a/bias', shape: [1], dtype: 'float32', values: Float32Array.of(5), storage: null },
      ],
      sha256: createHash('sha256').update(`abc\n${fileHash}\n`).digest('hex'),
    });
    expect(notes).toEqual([]);
  });

  it('is refused with NaN, named by weight, index and file', async () => {
    const architecture = layersModel({ 'fc/kernel': [2, 2] });
    await expectInputError(
      assigned(architecture, [f32('fc.weight', [2, 2], [0, Number.NaN, 0, 0])]),
      'checkpoint/non-finite-weight',
      'w.safetensors: weight "fc/kernel" holds NaN at index [1, 0]',
    );
  });

  it('takes integers for integer weights alone', async () => {
    const counter = { ...layersModel({}), weights: emptyWeights({ 'a/steps': [1] }, 'int32') };
    const integer = { name: 'a/steps', dtype: 'I64', shape: [1], data: BigInt64Array.of(9n) };
    expect((await assigned(counter, [integer])).result.weights[0]!.values).toEqual(Int32Array.of(9));
    await expectInputError(
      assigned(layersModel({ 'a/steps': [1] }), [integer]),
      'checkpoint/unsupported-dtype',
      '"a/steps" has dtype "I64", and the model needs float32',
    );
  });
});

describe('axes of torch arrays in a LayersModel', () => {
  /** torch[o][i][h][w] holds its own row-major position. */
  it.each<[string, string, number[], number[], (position: number[]) => number[]]>([
    ['Linear [out, in]', 'a/kernel', [2, 3], [3, 2], ([i, o]) => [o!, i!]],
    ['Conv1d [out, in, w]', 'a/kernel', [2, 3, 5], [5, 3, 2], ([w, i, o]) => [o!, i!, w!]],
    ['Conv2d [out, in, h, w]', 'a/kernel', [2, 3, 4, 5], [4, 5, 3, 2], ([h, w, i, o]) => [o!, i!, h!, w!]],
    [
      'Conv3d [out, in, d, h, w]',
      'a/kernel',
      [2, 3, 2, 4, 5],
      [2, 4, 5, 3, 2],
      ([d, h, w, i, o]) => [o!, i!, d!, h!, w!],
    ],
    [
      'ConvTranspose2d [in, out, h, w]',
      'a/kernel',
      [2, 3, 4, 5],
      [4, 5, 3, 2],
      ([h, w, o, i]) => [i!, o!, h!, w!],
    ],
    [
      'depthwise [in * multiplier, 1, h, w]',
      'a/depthwise_kernel',
      [6, 1, 4, 5],
      [4, 5, 3, 2],
      ([h, w, c, m]) => [2 * c! + m!, 0, h!, w!],
    ],
    ['Embedding [rows, columns]', 'a/embeddings', [3, 2], [3, 2], ([r, c]) => [r!, c!]],
  ])('%s', async (_title, name, torchShape, shape, torchPosition) => {
    const flat = (position: number[], sizes: number[]) =>
      position.reduce((sum, at, axis) => sum * sizes[axis]! + at, 0);
    const expected: number[] = [];
    const size = shape.reduce((a, b) => a * b, 1);
    for (let i = 0; i < size; i++) {
      const position: number[] = [];
      for (let axis = shape.length - 1, rest = i; axis >= 0; axis--) {
        position.unshift(rest % shape[axis]!);
        rest = Math.floor(rest / shape[axis]!);
      }
      expected.push(flat(torchPosition(position), torchShape));
    }
    const { values } = await assigned(layersModel({ [name]: shape }), [counting('a.weight', torchShape)]);
    expect(values[name]).toEqual(expected);
  });

  it('by hand: [[0, 1, 2], [3, 4, 5]] becomes [[0, 3], [1, 4], [2, 5]]', async () => {
    const { values } = await assigned(layersModel({ 'a/kernel': [3, 2] }), [counting('a.weight', [2, 3])]);
    expect(values['a/kernel']).toEqual([0, 3, 1, 4, 2, 5]);
  });

  it('of square matrices go by the convention of the name, and that is noted', async () => {
    const square = layersModel({ 'a/kernel': [2, 2] });
    const torch = await assigned(square, [counting('a.weight', [2, 2])]);
    expect(torch.values['a/kernel']).toEqual([0, 2, 1, 3]);
    expect(torch.notes).toEqual([
      expect.stringContaining('("weight": [out, in], "kernel": [in, out]): "a.weight"'),
    ]);
    const keras = await assigned(square, [counting('a.kernel', [2, 2])]);
    expect([keras.values['a/kernel'], keras.notes]).toEqual([[0, 1, 2, 3], []]);
  });

  it('that are in Keras order under a torch name are of another shape', async () => {
    await expectInputError(
      assigned(layersModel({ 'a/kernel': [3, 2] }), [counting('a.weight', [3, 2])]),
      'checkpoint/weights-mismatch',
      '1 of another shape ("a.weight" [3, 2] for "a/kernel" [3, 2])',
    );
  });
});

describe('names', () => {
  it.each(['fc/kernel:0', 'module.fc.weight', 'model.fc.kernel', 'module._orig_mod.model/fc/kernel'])(
    '%s is fc/kernel',
    async (name) => {
      const { values, notes } = await assigned(layersModel({ 'fc/kernel': [1, 2] }), [
        counting(name, name.endsWith('weight') ? [2, 1] : [1, 2]),
      ]);
      expect([values['fc/kernel'], notes]).toEqual([[0, 1], []]);
    },
  );

  it.each(['/', '.'])('of flax are those of Keras, its two collections joined (%s)', async (separator) => {
    const model = layersModel({
      'Conv_0/kernel': [1, 1, 2, 2],
      'BatchNorm_0/gamma': [1],
      'BatchNorm_0/beta': [1],
      'BatchNorm_0/moving_mean': [1],
      'BatchNorm_0/moving_variance': [1],
      'Embed_0/embeddings': [2, 1],
      'Dense_0/kernel': [2, 2],
      'Dense_0/bias': [2],
    });
    const named = (name: string, shape: number[], from: number) =>
      counting(name.replaceAll('/', separator), shape, from);
    const { values, notes } = await assigned(model, [
      named('params/Conv_0/kernel', [1, 1, 2, 2], 0),
      named('params/BatchNorm_0/scale', [1], 10),
      named('params/BatchNorm_0/bias', [1], 11),
      named('batch_stats/BatchNorm_0/mean', [1], 12),
      named('batch_stats/BatchNorm_0/var', [1], 13),
      named('params/Embed_0/embedding', [2, 1], 14),
      named('params/Dense_0/kernel', [2, 2], 20),
      named('params/Dense_0/bias', [2], 30),
    ]);
    expect(Object.values(values)).toEqual([
      [0, 1, 2, 3],
      [10],
      [11],
      [12],
      [13],
      [14, 15],
      [20, 21, 22, 23],
      [30, 31],
    ]);
    expect(notes).toEqual([]);
  });

  it('as jax shows paths, and of layers that Keras calls otherwise, fit by their shapes', async () => {
    const model = layersModel({ 'dense/kernel': [2, 3], 'dense/bias': [3], 'dense_1/kernel': [3, 1] });
    const { values } = await assigned(model, [
      counting("['params']['Dense_0']['kernel']", [2, 3]),
      counting("['params']['Dense_0']['bias']", [3], 10),
      counting("['params']['Dense_1']['kernel']", [3, 1], 20),
    ]);
    expect(values).toEqual({
      'dense/kernel': range(6),
      'dense/bias': range(3, 10),
      'dense_1/kernel': range(3, 20),
    });
  });

  it('of transposed convolutions of flax are refused: their axes and windows are others', async () => {
    const model = layersModel({ 'up/kernel': [2, 2, 3, 3] }, [['Conv2DTranspose', { name: 'up' }]]);
    await expectInputError(
      assigned(model, [counting('params/up/kernel', [2, 2, 3, 3])]),
      'checkpoint/unsupported-weights',
      '"params/up/kernel" is the kernel of a transposed convolution of flax',
    );
    await assigned(model, [counting('up/kernel', [2, 2, 3, 3])]);
  });

  it('are read below the one prefix that has them all, and that is noted', async () => {
    const model = layersModel({ 'fc/kernel': [1, 2], 'fc/bias': [2] });
    const ema = (prefix: string, from: number) => [
      counting(`${prefix}fc.weight`, [2, 1], from),
      counting(`${prefix}fc.bias`, [2], from + 2),
    ];
    for (const prefix of ['ema.', 'state.ema.', 'net.module.']) {
      const { values, notes } = await assigned(model, [...ema(prefix, 4), counting('step', [1])]);
      expect(values).toEqual({ 'fc/kernel': [4, 5], 'fc/bias': [6, 7] });
      expect(notes).toEqual([
        expect.stringMatching(/read without their prefix "(ema|state|net)\.(ema\.)?"$/),
        expect.stringContaining('1 arrays belong to no weight of the model'),
      ]);
    }
    const wrapped = onnxModel({ 'net.fc.weight': [2, 1], 'net.fc.bias': [2] }, []);
    expect((await assigned(wrapped, ema('', 0))).values).toEqual({
      'net.fc.weight': [0, 1],
      'net.fc.bias': [2, 3],
    });
    await expectInputError(
      assigned(model, [...ema('ema.', 0), ...ema('net.', 4)]),
      'checkpoint/weights-mismatch',
      'Each of several sets of arrays would do, below "ema.", "net."; save the one that is meant',
    );
  });

  it('of weights in parts and of shared tensors are followed, and what was done is noted', async () => {
    const model = layersModel({ 'fc/kernel': [2, 1], 'fc/bias': [1], 'out/kernel': [2, 1] });
    const tensors = [
      f32('fc.weight_orig', [1, 2], [3, 4]),
      f32('fc.weight_mask', [1, 2], [0, 1]),
      f32('fc.bias', [1], [5]),
    ];
    const aliases = { 'out.weight_orig': 'fc.weight_orig', 'out.weight_mask': 'fc.weight_mask' };
    const path = weightFile('w.safetensors', safetensors(tensors, { ...aliases, 'x.bias': 'fc.bias' }));
    const { values, notes } = await assignedFrom(model, path);
    expect(values).toEqual({ 'fc/kernel': [0, 4], 'fc/bias': [5], 'out/kernel': [0, 4] });
    expect(notes).toEqual([expect.stringMatching(/prune is folded: "fc\.weight", "out\.weight"$/)]);
    const tied = weightFile(
      'w.safetensors',
      safetensors([f32('a.bias', [3], [1, 2, 3])], { 'b.bias': 'a.bias' }),
    );
    const both = await assignedFrom(layersModel({ 'a/bias': [3], 'b/bias': [3] }), tied);
    expect(both.values['b/bias']).toEqual([1, 2, 3]);
    expect(both.notes).toEqual([expect.stringContaining('names of shared tensors are followed: "b.bias"')]);
    await expectInputError(
      assignedFrom(layersModel({ 'a/bias': [3], 'b/bias': [2] }), tied),
      'checkpoint/weights-mismatch',
      '"b.bias", shared with "a.bias", [3] for "b/bias" [2]',
    );
  });

  it('of torch normalisations are those of Keras; counters of batches are left out silently', async () => {
    const bn = layersModel({
      'bn/gamma': [2],
      'bn/beta': [2],
      'bn/moving_mean': [2],
      'bn/moving_variance': [2],
      'fc/bias': [1],
    });
    const { values, notes } = await assigned(bn, [
      f32('bn.bias', [2], [3, 4]),
      f32('bn.running_mean', [2], [5, 6]),
      f32('bn.running_var', [2], [7, 8]),
      f32('bn.weight', [2], [1, 2]),
      f32('fc.bias', [1], [9]),
      { name: 'bn.num_batches_tracked', dtype: 'I64', shape: [], data: BigInt64Array.of(100n) },
    ]);
    expect(values).toEqual({
      'bn/gamma': [1, 2],
      'bn/beta': [3, 4],
      'bn/moving_mean': [5, 6],
      'bn/moving_variance': [7, 8],
      'fc/bias': [9],
    });
    expect(notes).toEqual([]);
  });

  it('that are the same to the letter win over those that mean the same', async () => {
    const { values, notes } = await assigned(layersModel({ 'a/bias': [1] }), [
      f32('module.a.bias', [1], [1]),
      f32('a/bias', [1], [2]),
    ]);
    expect(values['a/bias']).toEqual([2]);
    expect(notes).toEqual([expect.stringMatching(/1 arrays belong to no weight .*: "module\.a\.bias"$/)]);
  });

  it('that mean the same twice match nothing', async () => {
    const both = [counting('module.a.bias', [1]), counting('model.a.bias', [1]), counting('b.bias', [1])];
    await expectInputError(
      assigned(layersModel({ 'a/bias': [1], 'b/bias': [1] }), both),
      'checkpoint/weights-mismatch',
      'no array for 1 of 2 weights ("a/bias")',
      '2 arrays that belong nowhere ("module.a.bias", "model.a.bias")',
    );
  });

  it('that do not fit are listed, missing, of another shape and unexpected, the first of each kind', async () => {
    const shapes = Object.fromEntries(range(9).map((i) => [`l${i}/bias`, [2]]));
    await expectInputError(
      assigned(
        layersModel(shapes),
        range(9).map((i) => counting(i < 5 ? `l${i}/bias` : `other${i}`, i === 0 ? [2] : [3])),
      ),
      'checkpoint/weights-mismatch',
      'w.safetensors does not fit net/model.json: ',
      'no array for 4 of 9 weights ("l5/bias" and 3 more); ',
      '4 of another shape ("l1/bias" [3] for "l1/bias" [2] and 3 more); ',
      '4 arrays that belong nowhere ("other5" and 3 more). Give arrays the names of the weights.',
    );
  });

  it('of arrays that cannot be read are an error where these are needed', async () => {
    const text = npy('<U1' as '<f4', [1], Uint8Array.of(1, 0, 0, 0));
    const bias = npy('<f4', [1], Float32Array.of(3));
    const path = weightFile('w.npz', npz({ 'a/bias': bias, note: text }));
    expect((await assignedFrom(layersModel({ 'a/bias': [1] }), path)).values['a/bias']).toEqual([3]);
    await expectInputError(
      assignedFrom(layersModel({ note: [1] }), path),
      'format/npy',
      'note: unsupported dtype',
    );
  });
});

describe('names that have nothing in common with the model', () => {
  const mlp = { 'dense/kernel': [4, 3], 'dense/bias': [3], 'dense_1/kernel': [3, 3], 'dense_1/bias': [3] };
  const square = [counting('fc1.bias', [3]), counting('fc1.weight', [3, 4]), counting('fc2.bias', [3], 20)];

  it('are matched by the shapes of whole layers, and that is noted', async () => {
    const { values, notes } = await assigned(layersModel(mlp), [...square, counting('fc2.weight', [3, 3])]);
    expect(values).toEqual({
      'dense/kernel': [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11],
      'dense/bias': [0, 1, 2],
      'dense_1/kernel': [0, 3, 6, 1, 4, 7, 2, 5, 8],
      'dense_1/bias': [20, 21, 22],
    });
    expect(notes[0]).toMatch(/none of its names is one of the model's; layers were matched by their shapes/);
  });

  const twins = layersModel({ 'dense/kernel': [2, 2], 'last/kernel': [2, 2], 'middle/kernel': [2, 2] }, [
    ['Dense', { name: 'dense' }],
    ['Dense', { name: 'middle' }],
    ['Dense', { name: 'last' }],
  ]);

  it('go by their numbers where shapes are the same, to the layers in the order of the topology', async () => {
    const { values } = await assigned(
      twins,
      [10, 2, 9].map((i) => f32(`seq.${i}.kernel`, [2, 2], [i, i, i, i])),
    );
    expect([values['dense/kernel']![0], values['middle/kernel']![0], values['last/kernel']![0]]).toEqual([
      2, 9, 10,
    ]);
  });

  it.each<[string, string[]]>([
    ['differ in more than their numbers', ['head', 'hidden', 'tail']],
    ['differ in one', ['fc1', 'fc2', 'out3']],
    ['are too few', ['fc1', 'fc2']],
    ['are too many', ['fc1', 'fc2', 'fc3', 'fc4']],
  ])('are refused where shapes are the same and names %s', async (_title, names) => {
    await expectInputError(
      assigned(
        twins,
        names.map((name) => counting(`${name}.weight`, [2, 2])),
      ),
      'checkpoint/weights-mismatch',
      'no array for 3 of 3 weights',
      'No name fits, and the shapes do not settle which is which',
    );
  });

  it('are refused where one layer has no counterpart', async () => {
    await expectInputError(
      assigned(layersModel(mlp), square),
      'checkpoint/weights-mismatch',
      'no array for 2 of 4 weights ("dense_1/kernel", "dense_1/bias")',
    );
  });
});

describe('arrays without names, as numpy.savez(path, *model.get_weights()) writes them', () => {
  const unnamed = (shapes: number[][]) =>
    weightFile(
      'w.npz',
      npz(
        Object.fromEntries(
          shapes.map((shape, i) => {
            const size = shape.reduce((a, b) => a * b, 1);
            return [`arr_${i}`, npy('<f4', shape, Float32Array.from(range(size, 100 * i)))];
          }),
        ),
      ),
    );

  it('are taken in the order of the layers, as they are', async () => {
    const model = layersModel({ 'a/kernel': [2, 2], 'a/bias': [2] });
    const { values, notes } = await assignedFrom(model, unnamed([[2, 2], [2]]));
    expect(values).toEqual({ 'a/kernel': [0, 1, 2, 3], 'a/bias': [100, 101] });
    expect(notes).toEqual([expect.stringContaining('its arrays have no names')]);
  });

  it('from the eleventh on, too', async () => {
    const shapes = Object.fromEntries(range(12).map((i) => [`l${i}/bias`, [1]]));
    const { values } = await assignedFrom(layersModel(shapes), unnamed(range(12).map(() => [1])));
    expect(values['l11/bias']).toEqual([1100]);
  });

  it('go to layers where tfjs saved what is not trained after all that is', async () => {
    const saved = {
      'a/gamma': [1],
      'a/beta': [1],
      'b/gamma': [1],
      'b/beta': [1],
      'a/moving_mean': [1],
      'a/moving_variance': [1],
      'b/moving_mean': [1],
      'b/moving_variance': [1],
    };
    const model = layersModel(saved, [
      ['BatchNormalization', { name: 'a' }],
      ['BatchNormalization', { name: 'b' }],
    ]);
    const { values } = await assignedFrom(model, unnamed(range(8).map(() => [1])));
    expect(values).toEqual({
      'a/gamma': [0],
      'a/beta': [100],
      'a/moving_mean': [200],
      'a/moving_variance': [300],
      'b/gamma': [400],
      'b/beta': [500],
      'b/moving_mean': [600],
      'b/moving_variance': [700],
    });
  });

  it('must be as many, of the same shapes', async () => {
    const model = layersModel({ 'a/kernel': [2, 1], 'a/bias': [1] });
    await expectInputError(
      assignedFrom(model, unnamed([[2, 1]])),
      'checkpoint/weights-mismatch',
      'no array for 2 of 2',
      'Arrays called arr_0, arr_1, ... must be as many as the weights',
    );
    await expectInputError(
      assignedFrom(model, unnamed([[1, 2], [1]])),
      'checkpoint/weights-mismatch',
      '"arr_0" [1, 2] for "a/kernel" [2, 1]',
    );
  });
});

describe('features that a LayersModel flattens', () => {
  const conv = (extra: Record<string, unknown> = {}): LayerEntry => [
    'Conv2D',
    { name: 'conv', filters: 2, kernel_size: [3, 3], strides: [1, 1], padding: 'valid', ...extra },
  ];
  const input: LayerEntry = ['InputLayer', { name: 'in', batch_input_shape: [null, 10, 6, 1] }];
  const pool: LayerEntry = ['MaxPooling2D', { name: 'pool', pool_size: [2, 2], padding: 'valid' }];
  // 10 x 6 -> 8 x 4 by the convolution -> 4 x 2 by pooling -> 16 features of 2 channels
  const layers: LayerEntry[] = [input, conv(), pool, ['Flatten', { name: 'flat' }]];
  const shapes = { 'conv/bias': [2], 'out/kernel': [16, 1] };
  const arrays = [counting('conv.bias', [2]), counting('out.weight', [1, 16])];
  /** Where [h, w, c] of 4 x 2 windows of 2 channels is in torch's [c, h, w]. */
  const channelsLast = range(16).map((i) => (i % 2) * 8 + Math.floor(i / 2));

  it('go from channels first to channels last in torch kernels', async () => {
    const model = layersModel(shapes, [
      ...layers,
      ['Dropout', { name: 'd' }],
      ['Dense', { name: 'out', units: 1 }],
    ]);
    const { values, notes } = await assigned(model, arrays);
    expect(values['out/kernel']).toEqual(channelsLast);
    expect(notes).toEqual([]);
  });

  it('and in normalisations between, but not in what comes after the dense layer', async () => {
    const model = layersModel(
      { 'bn/gamma': [16], 'out/kernel': [16, 16], 'out/bias': [16], 'bn2/gamma': [16] },
      [
        ...layers,
        ['BatchNormalization', { name: 'bn' }],
        ['Dense', { name: 'out', units: 16 }],
        ['BatchNormalization', { name: 'bn2' }],
      ],
    );
    const { values } = await assigned(model, [
      counting('bn.weight', [16]),
      counting('out.weight', [16, 16]),
      counting('out.bias', [16]),
      counting('bn2.weight', [16]),
    ]);
    expect(values['bn/gamma']).toEqual(channelsLast);
    expect(values['out/bias']).toEqual(range(16));
    expect(values['bn2/gamma']).toEqual(range(16));
    expect(values['out/kernel']).toEqual(
      range(256).map((i) => (i % 16) * 16 + channelsLast[Math.floor(i / 16)]!),
    );
  });

  it('stay as they are in Keras kernels', async () => {
    const model = layersModel(shapes, [...layers, ['Dense', { name: 'out', units: 1 }]]);
    const { values } = await assigned(model, [counting('conv.bias', [2]), counting('out.kernel', [16, 1])]);
    expect(values['out/kernel']).toEqual(range(16));
  });

  it('are found in a functional model, through merges and padding', async () => {
    const model = layersModel(shapes);
    const node = (...names: string[]) => [names.map((name) => [name, 0, 0, {}])];
    const layer = ([class_name, config]: LayerEntry, ...inputs: string[]) => ({
      class_name,
      name: config.name,
      config,
      inbound_nodes: inputs.length > 0 ? node(...inputs) : [],
    });
    model.topology = {
      class_name: 'Functional',
      config: {
        name: 'net',
        layers: [
          layer(['InputLayer', { name: 'in', batch_input_shape: [null, 6, 2, 1] }]),
          layer(conv({ padding: 'same', strides: [2, 2] }), 'in'), // 3 x 1
          layer(
            [
              'ZeroPadding2D',
              {
                name: 'pad',
                padding: [
                  [1, 0],
                  [1, 0],
                ],
              },
            ],
            'conv',
          ), // 4 x 2
          layer(['ReLU', { name: 'relu' }], 'pad'),
          layer(['Add', { name: 'add' }], 'relu', 'pad'),
          layer(['Flatten', { name: 'flat' }], 'add'),
          layer(['Dense', { name: 'out', units: 1 }], 'flat'),
        ],
      },
    };
    expect((await assigned(model, arrays)).values['out/kernel']).toEqual(channelsLast);
  });

  it('are found behind a transposed convolution', async () => {
    const up = (config: Record<string, unknown>): LayerEntry => [
      'Conv2DTranspose',
      { name: 'up', filters: 2, data_format: 'channels_last', ...config },
    ];
    for (const [size, config] of [
      [[2, 1], { kernel_size: [3, 2], strides: [2, 2], padding: 'same' }],
      [[1, 1], { kernel_size: [4, 2], strides: [1, 2], padding: 'valid' }],
      [[2, 2], { kernel_size: [1, 1], strides: [2, 1], padding: 'valid' }],
    ] as const) {
      const start: LayerEntry = ['InputLayer', { name: 'in', batch_input_shape: [null, ...size, 3] }];
      const end: LayerEntry[] = [
        ['Flatten', { name: 'flat' }],
        ['Dense', { name: 'out', units: 1 }],
      ];
      const { values, notes } = await assigned(layersModel(shapes, [start, up(config), ...end]), arrays);
      expect([values['out/kernel'], notes]).toEqual([channelsLast, []]);
    }
  });

  it.each<[string, LayerEntry[]]>([
    ['an unknown layer', [input, ['Cropping2D', { name: 'crop' }], conv(), ['Flatten', { name: 'flat' }]]],
    ['channels first', [input, conv({ data_format: 'channels_first' }), ['Flatten', { name: 'flat' }]]],
    [
      'a free size',
      [
        ['InputLayer', { name: 'in', batch_input_shape: [null, null, 6, 1] }],
        conv(),
        ['Flatten', { name: 'flat' }],
      ],
    ],
    ['another number of features', [input, conv(), ['Flatten', { name: 'flat' }]]],
    ['layers that mix features', [...layers, ['RepeatVector', { name: 'r', n: 1 }]]],
  ])('of a shape that is not known (%s) are warned of', async (_title, before) => {
    const model = layersModel(shapes, [...before, ['Dense', { name: 'out', units: 1 }]]);
    const { values, notes } = await assigned(model, arrays);
    expect(values['out/kernel']).toEqual(range(16));
    expect(notes).toEqual([
      expect.stringMatching(/^warning: flattened features of unknown shape go into "out\/kernel"/),
    ]);
  });

  it.each<[string, LayerEntry[]]>([
    [
      'vectors',
      [
        ['InputLayer', { name: 'in', batch_input_shape: [null, 16] }],
        ['Flatten', { name: 'flat' }],
      ],
    ],
    ['pooled to one', [input, conv({ filters: 16 }), ['GlobalAveragePooling2D', { name: 'p' }]]],
    [
      'one pixel',
      [
        ['InputLayer', { name: 'in', batch_input_shape: [null, 1, 1, 16] }],
        ['Flatten', { name: 'flat' }],
      ],
    ],
  ])('that were %s are in the same order', async (_title, before) => {
    const model = layersModel(shapes, [...before, ['Dense', { name: 'out', units: 1 }]]);
    const { values, notes } = await assigned(model, arrays);
    expect([values['out/kernel'], notes]).toEqual([range(16), []]);
  });
});

describe('the weights of an ONNX graph', () => {
  const gemm: NodeEntry = ['Gemm', ['x', 'fc.weight', 'fc.bias'], 'y', { transB: 1 }];
  const matMul: NodeEntry[] = [
    ['MatMul', ['x', 'onnx::MatMul_9'], 'p'],
    ['Add', ['fc.bias', 'p'], 'y'],
  ];

  it('are in torch order, as exporters of torch write them', async () => {
    const model = onnxModel({ 'fc.weight': [2, 2], 'fc.bias': [2], 'c.weight': [3, 3, 3, 3] }, [
      ['Conv', ['x', 'c.weight'], 'h'],
      gemm,
    ]);
    const { values, notes } = await assigned(model, [
      counting('fc.weight', [2, 2]),
      counting('fc.bias', [2]),
      counting('c.weight', [3, 3, 3, 3]),
    ]);
    expect(values).toEqual({ 'fc.weight': range(4), 'fc.bias': range(2), 'c.weight': range(81) });
    expect(notes).toEqual([]);
  });

  it('that exporters transposed are found by their bias, and transposed', async () => {
    const { values } = await assigned(onnxModel({ 'onnx::MatMul_9': [3, 2], 'fc.bias': [2] }, matMul), [
      counting('fc.weight', [2, 3]),
      counting('fc.bias', [2]),
    ]);
    expect(values['onnx::MatMul_9']).toEqual([0, 3, 1, 4, 2, 5]);
  });

  it('that are square go by the operator and the convention of the name', async () => {
    const squares = onnxModel({ 'onnx::MatMul_9': [2, 2], 'fc.bias': [2] }, matMul);
    const torch = await assigned(squares, [counting('fc.weight', [2, 2]), counting('fc.bias', [2])]);
    expect(torch.values['onnx::MatMul_9']).toEqual([0, 2, 1, 3]);
    const keras = await assigned(squares, [counting('fc.kernel', [2, 2]), counting('fc.bias', [2])]);
    expect(keras.values['onnx::MatMul_9']).toEqual([0, 1, 2, 3]);
    const left = onnxModel({ w: [2, 2] }, [['MatMul', ['w', 'x'], 'y']]);
    expect((await assigned(left, [counting('w', [2, 2])])).values.w).toEqual([0, 1, 2, 3]);
    const turned = onnxModel({ 'fc.weight': [2, 2] }, [
      ['Transpose', ['fc.weight'], 't'],
      ['MatMul', ['x', 't'], 'y'],
    ]);
    expect((await assigned(turned, [counting('fc.weight', [2, 2])])).values['fc.weight']).toEqual([
      0, 1, 2, 3,
    ]);
  });

  it('take Keras kernels', async () => {
    const model = onnxModel({ 'fc.weight': [2, 3], 'fc.bias': [2], 'c.weight': [2, 3, 1, 2] }, [
      ['Conv', ['x', 'c.weight'], 'h'],
      gemm,
    ]);
    const { values } = await assigned(model, [
      counting('fc/kernel', [3, 2]),
      counting('fc/bias', [2]),
      counting('c/kernel', [1, 2, 3, 2]), // h w i o
    ]);
    expect(values['fc.weight']).toEqual([0, 2, 4, 1, 3, 5]);
    expect(values['c.weight']).toEqual([0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
  });

  it('are taken as they are where only this fits', async () => {
    const model = onnxModel({ 'fc.weight': [3, 2] }, [['MatMul', ['x', 'fc.weight'], 'y']]);
    expect((await assigned(model, [counting('fc.weight', [3, 2])])).values['fc.weight']).toEqual(range(6));
  });

  it('are refused where one says that names do not tell the order, and a square one hangs on its name', async () => {
    const model = onnxModel({ 'a.weight': [3, 2], 'b.weight': [2, 2] }, [
      ['MatMul', ['x', 'a.weight'], 'y'],
      ['MatMul', ['y', 'b.weight'], 'z'],
    ]);
    const torch = await assigned(model, [counting('a.weight', [2, 3]), counting('b.weight', [2, 2])]);
    expect(torch.values['b.weight']).toEqual([0, 2, 1, 3]);
    await expectInputError(
      assigned(model, [counting('a.weight', [3, 2]), counting('b.weight', [2, 2])]),
      'checkpoint/ambiguous-layout',
      'w.safetensors: by its shape "a.weight" is not in the order',
      '"b.weight" is open',
    );
  });
});

describe('readCheckpointWithWeights', () => {
  const manifest = [
    {
      paths: ['absent.bin'],
      weights: [
        { name: 'a/kernel', shape: [2, 1], dtype: 'float32', quantization: { dtype: 'float16' } },
        { name: 'iterations', shape: [], dtype: 'int32', group: 'optimizer' },
      ],
    },
  ];

  it('needs model.json alone, by its folder or its own name', async () => {
    const folder = directoryOf({ 'model.json': modelJson(manifest) });
    const bytes = safetensors([counting('a/kernel', [2, 1])]);
    const path = weightFile('w.safetensors', bytes);
    const checkpoint = await readCheckpointWithWeights(folder, path, silentProgress);
    const digest = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');
    expect(checkpoint).toMatchObject({
      path: join(folder, 'model.json'),
      manifestGroups: [1],
      weights: [{ name: 'a/kernel', values: Float32Array.of(0, 1), storage: null }],
      sha256: digest(`${digest(readFileSync(join(folder, 'model.json')))}\n${digest(bytes)}\n`),
    });
    expect(await readCheckpointWithWeights(join(folder, 'model.json'), path, silentProgress)).toEqual(
      checkpoint,
    );
  });

  it('says so where model.json does not list its weights', async () => {
    const path = weightFile('w.safetensors', safetensors([]));
    const none = directoryOf({ 'model.json': modelJson([]) });
    await expectInputError(
      readCheckpointWithWeights(none, path, silentProgress),
      'checkpoint/weights-mismatch',
      'model.json lists no weights',
    );
    const without = directoryOf({ 'model.json': modelJson(undefined) });
    await expectInputError(
      readCheckpointWithWeights(without, path, silentProgress),
      'checkpoint/invalid-manifest',
      'weightsManifest is missing',
    );
  });
});
