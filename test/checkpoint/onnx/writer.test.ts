/** Writing ONNX models: nothing changes but what was asked for. */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { OnnxCheckpoint } from '../../../src/checkpoint/checkpoint.js';
import { readOnnx } from '../../../src/checkpoint/onnx/reader.js';
import { writeCheckpoint } from '../../../src/checkpoint/registry.js';
import type { OnnxRuntime } from '../../../src/compute/compile/native-session.js';
import { loadOnnxRuntime } from '../../../src/compute/onnx-runtime.js';
import { onnxSchema } from '../../../src/onnx-schema.js';
import { encodeModel, type InitializerSpec, type ModelSpec } from '../../support/onnx-files.js';
import { bitsOf, directoryOf, expectInputError, temporaryDirectory } from '../fixtures.js';

const models = fileURLToPath(new URL('../../../../shared/models', import.meta.url));

const found = await loadOnnxRuntime();
const runtime: OnnxRuntime | null = typeof found === 'string' ? null : found.runtime;
if (runtime === null) {
  console.info(`onnxruntime-node: ${found}; its tests are skipped`);
}

/** The checkpoint with values for which `drop` holds set to 0, in all weights or in those named. */
function pruned(checkpoint: OnnxCheckpoint, drop: (value: number, index: number) => boolean): OnnxCheckpoint {
  const weights = checkpoint.weights.map((weight) => ({
    ...weight,
    values: (weight.values as Float32Array).map((value, i) => (drop(value, i) ? 0 : value)),
  }));
  return { ...checkpoint, weights };
}

const odd = (_: number, index: number) => index % 2 === 1;

async function readModel(
  bytes: Uint8Array,
  files: Record<string, ArrayBufferView> = {},
): Promise<OnnxCheckpoint> {
  return readOnnx(join(directoryOf({ 'model.onnx': bytes, ...files }), 'model.onnx'));
}

/** Writes, reads back, and checks that the weights are the checkpoint's bit for bit. */
async function roundTrip(
  checkpoint: OnnxCheckpoint,
  options = {},
): Promise<{ path: string; bytes: Uint8Array }> {
  const path = join(temporaryDirectory(), 'out.onnx');
  const files = await writeCheckpoint(checkpoint, path, options);
  expect(files.at(-1)).toBe(path);
  const back = await readOnnx(path);
  const heads = ({ weights }: OnnxCheckpoint) => weights.map(({ values: _, ...head }) => head);
  expect(heads(back)).toEqual(heads(checkpoint));
  for (const [i, { name, values }] of checkpoint.weights.entries()) {
    const same = Buffer.compare(bitsOf(values), bitsOf(back.weights[i]!.values)) === 0;
    expect(same, `${name} reads back bit for bit`).toBe(true);
  }
  expect(back.graph).toEqual(checkpoint.graph);
  return { path, bytes: readFileSync(path) };
}

const floats = Float32Array.of(1.5, -0, 1e-45, 0.1, -7, 3);
const halves = Uint16Array.of(0x3c00, 0x3555, 0x0001, 0x8000, 0x7bff, 0x4000);
const doubles = Float64Array.of(0.1, 1 / 3, 1e-300, -2, 1e-60, 7);

const storages: [string, Omit<InitializerSpec, 'name'>][] = [
  ['raw float32', { shape: [2, 3], values: floats }],
  ['float_data', { shape: [6], fields: { floatData: [...floats] } }],
  ['raw float16', { shape: [6], type: 'float16', values: halves }],
  ['int32_data float16', { shape: [6], type: 'float16', fields: { int32Data: [...halves] } }],
  ['raw bfloat16', { shape: [6], type: 'bfloat16', values: halves }],
  ['int32_data bfloat16', { shape: [6], type: 'bfloat16', fields: { int32Data: [...halves] } }],
  ['raw float64', { shape: [6], type: 'float64', values: doubles }],
  ['double_data', { shape: [6], type: 'float64', fields: { doubleData: [...doubles] } }],
];

/** A model around an initialiser, with other things that must stay as they are. */
function surrounded(spec: Omit<InitializerSpec, 'name'>, more: ModelSpec = {}): Uint8Array {
  return encodeModel({
    nodes: [{ opType: 'Identity', name: 'id', inputs: ['w'], outputs: ['y'], attributes: { a: [1, 2] } }],
    initializers: [
      { name: 'before', shape: [2], type: 'int64', values: [1, 2] },
      { name: 'w', ...spec, fields: { docString: 'what it is', ...spec.fields } },
      { name: 'after', shape: [0] },
    ],
    outputs: [{ name: 'y' }],
    metadata: { author: 'someone', pruneLimit: '{ "seed":1 }' },
    producer: ['pytorch', '2'],
    ...more,
  });
}

describe('writing', () => {
  it.each(storages)('keeps the element type and every bit of %s', async (_name, spec) => {
    const original = surrounded(spec);
    const checkpoint = await readModel(original);
    expect((await roundTrip(checkpoint)).bytes).toEqual(Buffer.from(original));

    const changed = pruned(checkpoint, odd);
    const { bytes } = await roundTrip(changed);
    const model = onnxSchema.lookupType('Model');
    const [was, is] = [original, bytes].map((data) => model.toObject(model.decode(data)) as AnyModel);
    const [tensorWas, tensorIs] = [was!, is!].map(({ graph }) => graph.initializer.splice(1, 1)[0]!);
    expect(is).toEqual(was);
    expect(Object.keys(tensorIs!)).toEqual(Object.keys(tensorWas!));
    expect(tensorIs!.docString).toBe('what it is');
    // Unchanged elements are the same bytes, also the doubles and halves that float32 rounds.
    const elements = (tensor: AnyTensor) =>
      tensor.floatData ?? tensor.doubleData ?? tensor.int32Data ?? rawElements(tensor);
    const [before, after] = [elements(tensorWas!), elements(tensorIs!)];
    expect(after).toEqual([...before].map((element, i) => (i % 2 === 1 ? after[1] : element)));
    expect(Number(after[1])).toBe(0);
  });

  it('writes new values that the element type has, and refuses others', async () => {
    const checkpoint = await readModel(
      surrounded({ shape: [6], type: 'float16', fields: { int32Data: [...halves] } }),
    );
    const set = (value: number) => {
      const values = (checkpoint.weights[0]!.values as Float32Array).map((old, i) => (i === 2 ? value : old));
      return {
        ...checkpoint,
        weights: [{ ...checkpoint.weights[0]!, values }, ...checkpoint.weights.slice(1)],
      };
    };
    await roundTrip(set(-1.5));
    await roundTrip(set(-0));
    const output = join(temporaryDirectory(), 'a.onnx');
    await expectInputError(
      writeCheckpoint(set(0.1), output),
      'checkpoint/not-representable',
      '"w"',
      '[2]',
      'float16',
    );
    await expectInputError(writeCheckpoint(set(Number.NaN), output), 'checkpoint/non-finite-weight', '"w"');
    expect(existsSync(output)).toBe(false);
  });

  it('keeps infinities and NaN of tensors that do not change', async () => {
    const original = surrounded({ shape: [3], values: [-Infinity, Number.NaN, 1] });
    expect((await roundTrip(await readModel(original))).bytes).toEqual(Buffer.from(original));
  });

  it('changes the metadata entry pruneLimit alone, and where it is missing adds it', async () => {
    const spec = { shape: [6], values: floats };
    const checkpoint = await readModel(surrounded(spec));
    const { bytes, path } = await roundTrip({ ...checkpoint, metadata: { pruneLimit: { seed: 2 } } });
    expect((await readOnnx(path)).metadata).toEqual({ pruneLimit: { seed: 2 } });
    expect(Buffer.from(bytes)).toEqual(
      Buffer.from(surrounded(spec, { metadata: { author: 'someone', pruneLimit: '{"seed":2}' } })),
    );
    const without = await readModel(surrounded(spec, { metadata: {} }));
    const added = await roundTrip({ ...without, metadata: { pruneLimit: { a: 'ü' } } });
    expect((await readOnnx(added.path)).metadata).toEqual({ pruneLimit: { a: 'ü' } });
    expect(added.bytes.subarray(0, surrounded(spec, { metadata: {} }).length)).toEqual(
      Buffer.from(surrounded(spec, { metadata: {} })),
    );
  });

  it('keeps fields that the schema does not know, also where lengths around them change', async () => {
    const spec = { shape: [6], type: 'float16' as const, fields: { int32Data: [...halves] } };
    const unknown = Uint8Array.of(0xd2, 0x01, 3, 1, 2, 3); // ModelProto.configuration
    const original = Buffer.concat([unknown, surrounded(spec), unknown]);
    const checkpoint = await readOnnx(join(directoryOf({ 'a.onnx': original }), 'a.onnx'));
    const { bytes } = await roundTrip(pruned(checkpoint, odd));
    expect(bytes.length).toBeLessThan(original.length);
    expect([bytes.subarray(0, 6), bytes.subarray(-6)]).toEqual([Buffer.from(unknown), Buffer.from(unknown)]);
  });

  it('writes to a file, or into a folder under the name of the model', async () => {
    const checkpoint = await readModel(surrounded({ shape: [6], values: floats }));
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'folder'));
    expect(await writeCheckpoint(checkpoint, join(directory, 'folder'))).toEqual([
      join(directory, 'folder/model.onnx'),
    ]);
    expect(await writeCheckpoint(checkpoint, join(directory, 'new/'))).toEqual([
      join(directory, 'new/model.onnx'),
    ]);
    expect(await writeCheckpoint(checkpoint, join(directory, 'x'))).toEqual([join(directory, 'x')]);
    expect(readdirSync(directory).sort()).toEqual(['folder', 'new', 'x']);
  });

  it('refuses to overwrite the input, by whatever path', async () => {
    const checkpoint = await readModel(surrounded({ shape: [6], values: floats }));
    const folder = join(checkpoint.path, '..');
    const elsewhere = temporaryDirectory();
    symlinkSync(checkpoint.path, join(elsewhere, 'link.onnx'));
    linkSync(checkpoint.path, join(elsewhere, 'hard.onnx'));
    for (const output of [
      checkpoint.path,
      folder,
      join(elsewhere, 'link.onnx'),
      join(elsewhere, 'hard.onnx'),
    ]) {
      await expectInputError(
        writeCheckpoint(checkpoint, output),
        'checkpoint/overwrites-input',
        'another file',
      );
    }
    expect(await writeCheckpoint(checkpoint, join(folder, 'other.onnx'))).toHaveLength(1);
  });

  it('refuses a model that has changed, is gone, or never was in a file', async () => {
    const checkpoint = await readModel(surrounded({ shape: [6], values: floats }));
    const output = join(temporaryDirectory(), 'out.onnx');
    await expectInputError(writeCheckpoint({ ...checkpoint, path: '' }, output), 'checkpoint/no-source');
    writeFileSync(checkpoint.path, surrounded({ shape: [6], values: floats.map((x) => 2 * x) }));
    await expectInputError(writeCheckpoint(checkpoint, output), 'checkpoint/changed', checkpoint.path);
    await expectInputError(
      writeCheckpoint({ ...checkpoint, path: `${checkpoint.path}x` }, output),
      'checkpoint/missing-file',
    );
    expect(existsSync(output)).toBe(false);
  });

  it('takes weights that are not those of the file for a defect of the caller', async () => {
    const checkpoint = await readModel(surrounded({ shape: [6], values: floats }));
    const output = join(temporaryDirectory(), 'out.onnx');
    await expect(writeCheckpoint({ ...checkpoint, weights: [] }, output)).rejects.toThrow(
      'not those of its file',
    );
  });
});

interface AnyTensor {
  docString: string;
  rawData: Uint8Array;
  floatData?: number[];
  doubleData?: number[];
  int32Data?: number[];
}
interface AnyModel {
  graph: { initializer: AnyTensor[] };
}

/** The six elements of a tensor in raw data, as numbers. */
function rawElements({ rawData }: AnyTensor): number[] {
  const width = rawData.length / 6;
  return Array.from({ length: 6 }, (_, i) =>
    Number(
      `0x${Buffer.from(rawData.slice(i * width, (i + 1) * width))
        .reverse()
        .toString('hex')}`,
    ),
  );
}

describe('external data', () => {
  const at = (location: string, offset: number, length: number) => ({
    dataLocation: 1,
    externalData: Object.entries({ location, offset, length }).map(([key, value]) => ({
      key,
      value: String(value),
    })),
  });
  const data = {
    'data/w.bin': Uint8Array.from({ length: 40 }, (_, i) => (i * 7) % 100),
    'other.bin': new Uint8Array(8).fill(1),
  };
  const initializers = [
    { name: 'a', shape: [4], fields: at('data/w.bin', 4, 16) },
    { name: 'b', shape: [4], type: 'float16' as const, fields: at('data/w.bin', 24, 8) },
    { name: 'c', shape: [1], type: 'int64' as const, fields: at('other.bin', 0, 8) },
  ];

  it('is written beside the new model, changed where the weights are', async () => {
    const checkpoint = await readModel(encodeModel({ initializers }), data);
    const { path, bytes } = await roundTrip(pruned(checkpoint, odd));
    expect(bytes).toEqual(readFileSync(checkpoint.path));
    const expected = data['data/w.bin'].slice();
    for (const start of [8, 16]) expected.fill(0, start, start + 4);
    for (const start of [26, 30]) expected.fill(0, start, start + 2);
    expect(new Uint8Array(readFileSync(join(path, '../data/w.bin')))).toEqual(expected);
    expect(new Uint8Array(readFileSync(join(path, '../other.bin')))).toEqual(data['other.bin']);
    expect(readdirSync(join(path, '../data'))).toEqual(['w.bin']);
  });

  it('is never overwritten', async () => {
    const checkpoint = await readModel(encodeModel({ initializers }), data);
    const output = join(checkpoint.path, '../new.onnx');
    await expectInputError(
      writeCheckpoint(checkpoint, output),
      'checkpoint/overwrites-input',
      'w.bin',
      'another folder',
    );
    const clash = join(temporaryDirectory(), 'other.bin');
    await expectInputError(writeCheckpoint(checkpoint, clash), 'checkpoint/overwrites-input', '"other.bin"');
  });

  it('that weights have in common changes for all of them or not at all', async () => {
    const tied = [initializers[0]!, { ...initializers[0]!, name: 'twin', shape: [2, 2] }];
    const checkpoint = await readModel(encodeModel({ initializers: tied }), data);
    await roundTrip(pruned(checkpoint, odd));
    const [first, twin] = pruned(checkpoint, odd).weights;
    const output = join(temporaryDirectory(), 'out.onnx');
    const apart = { ...checkpoint, weights: [checkpoint.weights[0]!, twin!] };
    await expectInputError(writeCheckpoint(apart, output), 'checkpoint/shared-data', '"twin"');
    expect(first!.name).toBe('a');
  });
});

describe('sparse', () => {
  const values = Float32Array.from({ length: 400 }, (_, i) =>
    i % 20 === 0 ? i + 1 : i % 20 === 1 ? -0 : 0.01,
  );
  const spec = { shape: [20, 20], values };

  it('stores a weight as positions and values where that is smaller', async () => {
    const original = surrounded(spec);
    const checkpoint = pruned(await readModel(original), (value) => value === Math.fround(0.01));
    const { path, bytes } = await roundTrip(checkpoint, { sparse: true });
    expect(bytes.length).toBeLessThan(0.5 * original.length);
    const model = onnxSchema.lookupType('Model');
    const { graph } = model.toObject(model.decode(bytes), { longs: Number }) as {
      graph: Record<string, { name?: string }[]>;
    };
    expect(graph.initializer!.map(({ name }) => name)).toEqual(['before', 'after']);
    const [sparse] = graph.sparseInitializer!;
    expect(sparse).toMatchObject({
      values: { name: 'w', dims: [40], dataType: 1, docString: 'what it is' },
      indices: { dims: [40], dataType: 7 },
      dims: [20, 20],
    });
    // Once more, from sparse to sparser.
    const sparser = pruned(await readOnnx(path), (value) => value < 100);
    expect((await roundTrip(sparser)).bytes.length).toBeLessThan(bytes.length);
    expect((await roundTrip(await readOnnx(path), { sparse: true })).bytes).toEqual(bytes);
  });

  it('leaves dense what would grow, is an input too, or lies in external data', async () => {
    const dense = await readModel(surrounded(spec));
    expect((await roundTrip(dense, { sparse: true })).bytes).toEqual(readFileSync(dense.path));
    const zeros = { shape: [400], values: new Float32Array(400) };
    const input = await readModel(surrounded(zeros, { inputs: [{ name: 'w', shape: [400] }] }));
    expect((await roundTrip(input, { sparse: true })).bytes).toEqual(readFileSync(input.path));
    expect((await roundTrip(await readModel(surrounded(zeros)), { sparse: true })).bytes.length).toBeLessThan(
      300,
    );
  });

  it('is refused where the file is older than sparse initialisers, or no ONNX model', async () => {
    const old = await readModel(surrounded(spec, { irVersion: 5 }));
    const output = join(temporaryDirectory(), 'out.onnx');
    await expectInputError(
      writeCheckpoint(old, output, { sparse: true }),
      'checkpoint/no-sparse',
      'IR version 5',
    );
    const layers = {
      format: 'tfjs-layers' as const,
      path: 'm',
      sha256: '',
      topology: {},
      weights: [],
      metadata: {},
      manifestGroups: [],
      extra: {},
    };
    await expectInputError(writeCheckpoint(layers, output, { sparse: true }), 'usage/sparse');
  });

  it
    .skipIf(runtime === null)
    .each<['float32' | 'float16' | 'float64' | 'bfloat16']>([
      ['float32'],
      ['float16'],
      ['float64'],
      ['bfloat16'],
    ])('computes the same in ONNX Runtime: %s', async (type) => {
    const bits = {
      float32: values,
      float64: Float64Array.from(values),
      float16: Uint16Array.from(values, (v) => (v > 1 ? 0x3c00 : v > 0 ? 0x211f : 0)),
      bfloat16: Uint16Array.from(values, (v) => (v > 1 ? 0x3f80 : 0)),
    }[type];
    const bytes = encodeModel({
      nodes: [{ opType: 'Cast', inputs: ['w'], outputs: ['y'], attributes: { to: 1 } }],
      initializers: [{ name: 'w', shape: [20, 20], type, values: bits }],
      inputs: [],
      outputs: [{ name: 'y', shape: [20, 20] }],
    });
    const checkpoint = pruned(await readModel(bytes), (value) => Math.abs(value) < 0.5);
    for (const changed of [checkpoint, pruned(checkpoint, () => true)]) {
      const { path, bytes: written } = await roundTrip(changed, { sparse: true });
      expect(written.length).toBeLessThan(bytes.length);
      const session = await runtime!.InferenceSession.create(path);
      const { y } = await session.run({});
      expect([...(y!.data as Float32Array)]).toEqual([...changed.weights[0]!.values]);
      await session.release();
    }
  });
});

describe('published models in ONNX Runtime', () => {
  const names = ['mlpnet/mlpnet.onnx', 'resnet20/resnet20.onnx', 'resnet20/resnet20-bn-folded.onnx'];
  const present = names.every((name) => existsSync(join(models, name)));
  if (!present) console.warn('skipped: published models are not at ../shared/models beside the repository');

  it.skipIf(!present || runtime === null).each(names)(
    '%s, pruned, computes the same dense and sparse',
    async (name) => {
      const checkpoint = await readOnnx(join(models, name));
      const [input] = checkpoint.graph.inputs;
      const shape = input!.shape!.map((extent) => extent ?? 2);
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i));
      const logits = async (path: string) => {
        const session = await runtime!.InferenceSession.create(path, { graphOptimizationLevel: 'disabled' });
        const result = await session.run({ [input!.name]: new runtime!.Tensor('float32', data, shape) });
        await session.release();
        return [...(result[checkpoint.graph.outputs[0]!.name]!.data as Float32Array)];
      };
      const sorted = checkpoint.weights
        .flatMap(({ values }) => [...values].map(Math.abs))
        .sort((a, b) => a - b);
      const threshold = sorted[Math.floor(0.8 * sorted.length)]!;
      const changed = pruned(checkpoint, (value) => Math.abs(value) < threshold);
      const dense = await roundTrip(changed);
      const sparse = await roundTrip(changed, { sparse: true });
      expect(dense.bytes.length).toBe(readFileSync(checkpoint.path).length);
      expect(sparse.bytes.length).toBeLessThan(0.75 * dense.bytes.length);
      const expected = await logits(dense.path);
      expect(await logits(sparse.path)).toEqual(expected);
      expect(await logits(checkpoint.path)).not.toEqual(expected);
    },
  );
});
