/** ONNX files that are damaged or hostile: every one is refused in one line, quickly, without much memory. */
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readOnnx } from '../../../src/checkpoint/onnx/reader.js';
import { encodeVarint } from '../../../src/checkpoint/onnx/rewrite.js';
import { InputError } from '../../../src/errors.js';
import { type RandomStream, randomStream } from '../../../src/random.js';
import { encodeModel, type InitializerSpec } from '../../support/onnx-files.js';
import { directoryOf, expectInputError, temporaryDirectory, writeAnew } from '../fixtures.js';

/** A small model with one of everything. */
const everything = encodeModel({
  nodes: [
    { opType: 'Constant', outputs: ['k'], attributes: { value: { tensor: { shape: [2], values: [1, 2] } } } },
    {
      opType: 'Conv',
      name: 'conv',
      inputs: ['x', 'w', 'h'],
      outputs: ['y'],
      attributes: {
        pads: [1, 1],
        alpha: { float: 1 },
        floats: { floats: [1, 2] },
        mode: 'a',
        names: ['b', 'c'],
      },
    },
    { opType: 'Add', domain: 'custom', inputs: ['y', 'k'], outputs: ['z'] },
  ],
  initializers: [
    { name: 'w', shape: [2, 2], values: [1, 2, 3, 4] },
    { name: 'f', shape: [2], fields: { floatData: [1, 2] } },
    { name: 'h', shape: [3], type: 'float16', fields: { int32Data: [15360, 1, 0] } },
    { name: 'd', shape: [1], type: 'float64', fields: { doubleData: [0.5] } },
    { name: 'i', shape: [2], type: 'int64', fields: { int64Data: [-1, 300] } },
    { name: 'u', shape: [1], type: 'uint32', fields: { uint64Data: [300] } },
  ],
  sparse: [
    {
      name: 's',
      shape: [2, 3],
      values: { shape: [2], values: [1, 2] },
      indices: { shape: [2], values: [1, 5] },
    },
  ],
  inputs: [{ name: 'x', shape: ['N', 3] }],
  outputs: [{ name: 'z', shape: ['N', 3] }],
  metadata: { pruneLimit: '{"seed": 1}' },
  producer: ['test', '1'],
});

const directory = temporaryDirectory();

async function readBytes(bytes: Uint8Array) {
  const path = join(directory, 'model.onnx');
  writeAnew(path, bytes);
  return readOnnx(path);
}

/** Reads bytes; the InputError they give, or null where they are a model. */
async function refusalOf(bytes: Uint8Array): Promise<InputError | null> {
  try {
    await readBytes(bytes);
    return null;
  } catch (error) {
    expect(error, (error as Error).stack).toBeInstanceOf(InputError);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not get through
    expect((error as Error).message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    return error as InputError;
  }
}

describe('damaged files', () => {
  it('are refused when cut short anywhere', async () => {
    expect(await refusalOf(everything)).toBeNull();
    const readable: number[] = [];
    for (let length = 0; length < everything.length; length++) {
      if ((await refusalOf(everything.subarray(0, length))) === null) readable.push(length);
    }
    // Only the metadata entry, the last field, may be missing as a whole.
    const metadata = 2 + 2 + 'pruneLimit'.length + 2 + '{"seed": 1}'.length;
    expect(readable).toEqual([everything.length - metadata]);
  });

  /** A model of one opset and a graph of these bytes. */
  const graphOf = (...bytes: number[]) =>
    Uint8Array.of(0x08, 8, 0x42, 2, 0x10, 17, 0x3a, bytes.length, ...bytes);
  const tensorOf = (...bytes: number[]) => graphOf(0x2a, bytes.length, ...bytes);

  it.each<[string, Uint8Array, string]>([
    [
      'a number where a message belongs',
      Uint8Array.of(0x08, 8, 0x38, 1),
      'Model.graph has wire type 0 in place of 2',
    ],
    [
      'bytes where a number belongs',
      Uint8Array.of(0x0a, 1, 8),
      'Model.irVersion has wire type 2 in place of 0',
    ],
    [
      'doubles where floats belong',
      tensorOf(0x21, 0, 0, 0, 0, 0, 0, 0, 0),
      'Tensor.floatData has wire type 1 in place of 5',
    ],
    ['a group', Uint8Array.of(0x08, 8, 0xf3, 0x01), 'wire type 3'],
    ['an unknown wire type', Uint8Array.of(0x08, 8, 0x0f), 'wire type 7'],
    ['field number 0', Uint8Array.of(0x08, 8, 0x02, 0), 'impossible number'],
    [
      'a field number beyond 32 bits',
      Uint8Array.of(0x08, 8, 0xf8, 0xff, 0xff, 0xff, 0xff, 0x7f, 0),
      'impossible number',
    ],
    ['an endless varint', Uint8Array.of(0x08, ...new Array(12).fill(0xff)), 'too long at byte 1'],
    ['a varint that the file cuts', Uint8Array.of(0x08, 0xff), 'cut short at byte 1'],
    ['a length beyond the file', Uint8Array.of(0x08, 8, 0x3a, 100), 'a field of 100 bytes'],
    ['a length beyond 2^53', Uint8Array.of(0x08, 8, 0x3a, ...new Array(9).fill(0xff), 1), 'passes the end'],
    [
      'a length beyond its message',
      graphOf(0x2a, 5, 0x42),
      'a field of 5 bytes passes the end of its message at byte 8',
    ],
    ['two graphs', Uint8Array.of(0x08, 8, 0x3a, 0, 0x3a, 0), 'Model.graph occurs twice'],
    ['names that are not UTF-8', graphOf(0x0a, 3, 0x0a, 1, 0xff), 'not UTF-8'],
    ['a packed list that ends in a varint', tensorOf(0x10, 1, 0x0a, 2, 2, 0x80), 'cut short'],
  ])('are refused for %s', async (_name, bytes, part) => {
    await expectInputError(readBytes(bytes), 'checkpoint/invalid-onnx', 'model.onnx', part);
  });

  it('with more fields than are read are refused before they fill the memory', async () => {
    const nodes = Buffer.alloc(2 ** 21, Uint8Array.of(0x0a, 0));
    const model = Buffer.concat([Uint8Array.of(0x3a), encodeVarint(nodes.length), nodes]);
    await expectInputError(readBytes(model), 'checkpoint/invalid-onnx', '1048576 fields');
  });

  it('over 2 GiB are refused by their size', async () => {
    const path = join(directoryOf({ 'big.onnx': everything }), 'big.onnx');
    truncateSync(path, 2 ** 31 + 1);
    await expectInputError(readOnnx(path), 'checkpoint/too-large', 'protobuf', 'external data');
  });
});

describe('tensors that contradict themselves', () => {
  const reading = (spec: Omit<InitializerSpec, 'name'>) =>
    readBytes(encodeModel({ initializers: [{ name: 'w', ...spec }] }));

  it.each<[string, Omit<InitializerSpec, 'name'>, string, string[]]>([
    [
      'shorter than its shape',
      { shape: [3], values: [1, 2] },
      'size-mismatch',
      ['3 values', 'found 2 in raw_data'],
    ],
    [
      'longer than its shape',
      { shape: [1], fields: { floatData: [1, 2] } },
      'size-mismatch',
      ['found 2 in float_data'],
    ],
    ['absurdly large', { shape: [2 ** 31, 2 ** 31, 2 ** 31], values: [1] }, 'size-mismatch', ['found 1']],
    ['of too many axes', { shape: new Array(65).fill(1), values: [1] }, 'invalid-shape', ['65 axes']],
    ['large without data', { shape: [2 ** 40] }, 'size-mismatch', ['found 0 in no field']],
    [
      'large beyond all numbers',
      { shape: new Array(40).fill(2 ** 52), values: [1] },
      'size-mismatch',
      ['Infinity'],
    ],
    ['of negative size', { shape: [-1], values: [1] }, 'invalid-shape', ['[-1]']],
    ['of a size beyond 2^53', { shape: [2 ** 60], values: [1] }, 'invalid-shape', []],
    [
      'not of whole elements',
      { shape: [1], fields: { rawData: new Uint8Array(5) } },
      'size-mismatch',
      ['1.25'],
    ],
    [
      'stored twice',
      { shape: [1], values: [1], fields: { floatData: [1] } },
      'invalid-tensor',
      ['raw_data and float_data'],
    ],
    [
      'stored as another type',
      { shape: [1], fields: { int32Data: [1] } },
      'invalid-tensor',
      ['int32_data', 'raw_data or float_data'],
    ],
    ['of strings', { shape: [1], type: 'string' }, 'unsupported-dtype', ['type string']],
    ['of an unknown type', { shape: [1], fields: { dataType: 77 } }, 'unsupported-dtype', ['number 77']],
  ])('are refused: %s', async (_name, spec, code, parts) => {
    await expectInputError(reading(spec), `checkpoint/${code}`, '"w"', ...parts);
  });

  it('are refused for a list that is cut in the middle of a value', async () => {
    const tensor = [0x10, 1, 0x42, 1, 0x77, 0x0a, 1, 1, 0x22, 3, 0, 0, 0];
    const bytes = Uint8Array.of(
      0x08,
      8,
      0x42,
      2,
      0x10,
      17,
      0x3a,
      tensor.length + 2,
      0x2a,
      tensor.length,
      ...tensor,
    );
    await expectInputError(readBytes(bytes), 'checkpoint/size-mismatch', '"w"', 'found 0.75 in float_data');
  });

  const ok = { shape: [2], values: [1, 2] };
  it.each<[string, number[], InitializerSpec, InitializerSpec, string]>([
    ['index beyond the shape', [4], ok, { shape: [2], values: [0, 4] }, 'invalid-tensor'],
    ['negative index', [4], ok, { shape: [2], values: [-1, 1] }, 'invalid-tensor'],
    [
      'index in two dimensions beyond one',
      [2, 3],
      ok,
      { shape: [2, 2], values: [0, 0, 0, 3] },
      'invalid-tensor',
    ],
    ['repeated index', [4], ok, { shape: [2], values: [1, 1] }, 'invalid-tensor'],
    ['descending indices', [4], ok, { shape: [2], values: [2, 1] }, 'invalid-tensor'],
    ['fewer indices than values', [4], ok, { shape: [1], values: [1] }, 'invalid-tensor'],
    ['indices of another rank', [2, 2], ok, { shape: [2, 3], values: [0, 0, 0, 0, 0, 1] }, 'invalid-tensor'],
    [
      'indices without axes',
      [],
      { shape: [1], values: [1] },
      { shape: [1, 0], values: [] },
      'invalid-tensor',
    ],
    ['indices of floats', [4], ok, { shape: [2], type: 'float32', values: [0, 1] }, 'invalid-tensor'],
    [
      'values of two dimensions',
      [4],
      { shape: [1, 2], values: [1, 2] },
      { shape: [2], values: [0, 1] },
      'invalid-tensor',
    ],
    ['an absurd size', [2 ** 20, 2 ** 20], ok, { shape: [2], values: [0, 1] }, 'too-large'],
    ['a negative size', [-4], ok, { shape: [2], values: [0, 1] }, 'invalid-shape'],
  ])('are refused, sparse: %s', async (_name, shape, values, indices, code) => {
    const bytes = encodeModel({ sparse: [{ name: 's', shape, values, indices }] });
    await expectInputError(readBytes(bytes), `checkpoint/${code}`, '"s"');
  });

  it('are refused for more integers than are read', async () => {
    const path = join(directoryOf({ 'm.onnx': '' }), 'm.onnx');
    const at = { dataLocation: 1, externalData: [{ key: 'location', value: 'i.bin' }] };
    const initializers = [{ name: 'i', shape: [2 ** 26 + 1], type: 'int8' as const, fields: at }];
    writeFileSync(path, encodeModel({ initializers }));
    await expectInputError(readOnnx(path), 'checkpoint/too-large', '"i"');
  });

  it('are refused where sparse ones are too large together', async () => {
    const one = { shape: [2 ** 25], values: { shape: [0] }, indices: { shape: [0] } };
    const sparse = ['a', 'b', 'c'].map((name) => ({ name, ...one }));
    await expectInputError(readBytes(encodeModel({ sparse })), 'checkpoint/too-large', '"c"', '67108864');
  });
});

describe('external data', () => {
  const model = (entries: Record<string, string>, shape = [2]) =>
    encodeModel({
      initializers: [
        {
          name: 'w',
          shape,
          fields: {
            dataLocation: 1,
            externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
          },
        },
      ],
    });

  it.each([
    ['../secret.bin', '".." step'],
    ['sub/../../secret.bin', '".." step'],
    ['/etc/passwd', 'absolute'],
    ['C:\\secret.bin', 'backslash'],
    ['file://secret.bin', 'colon'],
    ['', 'empty'],
    ['link.bin', 'link that leaves the folder'],
    ['sub/secret.bin', 'link that leaves the folder'],
  ])('%j is refused', async (location, part) => {
    const outer = directoryOf({ 'secret.bin': new Uint8Array(8) });
    const folder = join(outer, 'model');
    mkdirSync(folder);
    symlinkSync(join(outer, 'secret.bin'), join(folder, 'link.bin'));
    symlinkSync(outer, join(folder, 'sub'));
    writeFileSync(join(folder, 'model.onnx'), model({ location }));
    await expectInputError(
      readOnnx(join(folder, 'model.onnx')),
      'checkpoint/unsafe-path',
      'external data',
      part,
    );
  });

  it.each<[string, Record<string, string>, number[], string, string[]]>([
    [
      'too short a file',
      { location: 'w.bin', offset: '4' },
      [2],
      'size-mismatch',
      ['8 bytes', '4 bytes from 4'],
    ],
    [
      'an offset beyond it',
      { location: 'w.bin', offset: '9007199254740991' },
      [2],
      'size-mismatch',
      ['0 bytes'],
    ],
    ['a length beyond it', { location: 'w.bin', offset: '4', length: '8' }, [2], 'size-mismatch', ['w.bin']],
    ['another length', { location: 'w.bin', length: '4' }, [2], 'size-mismatch', ['needs 8 bytes']],
    ['an absurd shape', { location: 'w.bin' }, [2 ** 50], 'size-mismatch', []],
    ['an offset that is no number', { location: 'w.bin', offset: '-1' }, [2], 'invalid-tensor', ['"-1"']],
    ['no such file', { location: 'none.bin' }, [2], 'missing-file', ['none.bin']],
  ])('is refused for %s', async (_name, entries, shape, code, parts) => {
    const folder = directoryOf({ 'model.onnx': model(entries, shape), 'w.bin': new Uint8Array(8) });
    await expectInputError(readOnnx(join(folder, 'model.onnx')), `checkpoint/${code}`, ...parts);
  });

  it('is refused where two tensors share a part', async () => {
    const at = (offset: number) => ({
      dataLocation: 1,
      externalData: [
        { key: 'location', value: 'w.bin' },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: '8' },
      ],
    });
    const initializers = [0, 4].map((offset) => ({ name: `w${offset}`, shape: [2], fields: at(offset) }));
    const folder = directoryOf({ 'm.onnx': encodeModel({ initializers }), 'w.bin': new Uint8Array(12) });
    await expectInputError(readOnnx(join(folder, 'm.onnx')), 'checkpoint/invalid-tensor', '"w4"', '"w0"');
  });
});

describe('mutations', () => {
  const MUTATIONS = 3000;

  /** One to three changes: a bit, a byte, bytes inserted, left out or repeated, a length of its own. */
  function mutated({ integer: below }: RandomStream): Uint8Array {
    let bytes = Buffer.from(everything);
    for (let changes = 1 + below(3); changes > 0; changes--) {
      const at = below(bytes.length);
      const kind = below(6);
      if (kind === 0) bytes[at]! ^= 1 << below(8);
      else if (kind === 1) bytes[at] = below(256);
      else if (kind === 2) {
        const extra = Buffer.from(Array.from({ length: 1 + below(6) }, () => (below(2) ? 0xff : below(256))));
        bytes = Buffer.concat([bytes.subarray(0, at), extra, bytes.subarray(at)]);
      } else if (kind === 3)
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(6))]);
      else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(at + 1))]);
      else {
        const varint = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).subarray(
          10 - 1 - below(10),
        );
        bytes = Buffer.concat([bytes.subarray(0, at), varint, bytes.subarray(at + 1)]);
      }
      if (bytes.length === 0) bytes = Buffer.from([0]);
    }
    return bytes;
  }

  it(`of a valid file, ${MUTATIONS} of them, read or are refused, at once and in little memory`, async () => {
    const random = randomStream(7, 'mutations');
    let slowest = 0;
    let refused = 0;
    const before = process.memoryUsage();
    let growth = 0;
    for (let i = 0; i < MUTATIONS; i++) {
      const bytes = mutated(random);
      const start = performance.now();
      if ((await refusalOf(bytes)) !== null) refused++;
      slowest = Math.max(slowest, performance.now() - start);
      const now = process.memoryUsage();
      growth = Math.max(growth, now.arrayBuffers - before.arrayBuffers + now.heapUsed - before.heapUsed);
    }
    // Both outcomes occur; most changes hit structure.
    expect(refused).toBeGreaterThan(0.5 * MUTATIONS);
    expect(refused).toBeLessThan(MUTATIONS);
    // A millisecond on a free machine; a loop or a hostile allocation takes longer on any.
    expect(slowest).toBeLessThan(5000);
    // A sparse initialiser may be as large as MAX_EXPANDED_ELEMENTS, 256 MiB of float32.
    expect(growth).toBeLessThan(600 * 2 ** 20);
  });
});
