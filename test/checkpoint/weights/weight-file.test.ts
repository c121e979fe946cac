import { createHash } from 'node:crypto';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import type { CheckpointDtype } from '../../../src/checkpoint/checkpoint.js';
import { openWeightFile } from '../../../src/checkpoint/weights/weight-file.js';
import { InputError } from '../../../src/errors.js';
import { encodeFloat16 } from '../../../src/float16.js';
import { randomStream } from '../../../src/random.js';
import { npy, npyHeader, npyRaw, npz } from '../../dataset/support.js';
import { bitsOf, expectInputError, temporaryDirectory, writeAnew } from '../fixtures.js';
import { f32, type MadeTensor, safetensors, weightFile } from './weight-files.js';

async function readOne(path: string, name: string, dtype: CheckpointDtype) {
  const file = await openWeightFile(path);
  const { values } = await file.read(new Map([[name, dtype]]));
  expect([...values.keys()]).toEqual([name]);
  return values.get(name)!;
}

const FLOATS = [0.1, -0, 2 ** -149, -3.4028234663852886e38, 65504];

describe('values of a safetensors file', () => {
  /** Reads a tensor that stands behind one of an odd number of bytes. */
  function read(tensor: Omit<MadeTensor, 'name'>, dtype: CheckpointDtype) {
    const odd = { name: 'odd', dtype: 'U8', shape: [1], data: Uint8Array.of(1) };
    return readOne(weightFile('w.safetensors', safetensors([odd, { name: 'w', ...tensor }])), 'w', dtype);
  }

  it('are float32 bit for bit', async () => {
    const data = Float32Array.from(FLOATS);
    expect(bitsOf(await read({ dtype: 'F32', shape: [5], data }, 'float32'))).toEqual(bitsOf(data));
  });

  it('are rounded from float64, to nearest', async () => {
    const data = Float64Array.of(0.1, -0, 1e-60, 1 + 2 ** -24, 1 + 2 ** -24 + 2 ** -50, 3.4028235e38);
    expect(await read({ dtype: 'F64', shape: [6], data }, 'float32')).toEqual(
      Float32Array.of(0.1, -0, 0, 1, 1 + 2 ** -23, 3.4028234663852886e38),
    );
  });

  it('are not rounded from float64 to infinity', async () => {
    const data = Float64Array.of(0, 3.5e38);
    await expectInputError(
      read({ dtype: 'F64', shape: [2], data }, 'float32'),
      'checkpoint/value-range',
      '"w" holds 3.5e+38 at index [1]',
      'float32 cannot hold',
    );
  });

  it('are those of float16 and bfloat16', async () => {
    const halves = Float32Array.of(1, -2, 65504, 2 ** -24, -0);
    expect(await read({ dtype: 'F16', shape: [5], data: encodeFloat16(halves) }, 'float32')).toEqual(halves);
    // 1, -2, the smallest subnormal, the largest, -0
    const brain = Uint16Array.of(0x3f80, 0xc000, 0x0001, 0x7f7f, 0x8000);
    expect(await read({ dtype: 'BF16', shape: [5], data: brain }, 'float32')).toEqual(
      Float32Array.of(1, -2, 2 ** -133, (2 - 2 ** -7) * 2 ** 127, -0),
    );
  });

  it.each<[string, ArrayBufferView, number[]]>([
    ['I64', BigInt64Array.of(-(2n ** 31n), 5n), [-(2 ** 31), 5]],
    ['U64', BigUint64Array.of(2n ** 31n - 1n), [2 ** 31 - 1]],
    ['I32', Int32Array.of(-7, 2 ** 31 - 1), [-7, 2 ** 31 - 1]],
    ['U32', Uint32Array.of(8), [8]],
    ['I16', Int16Array.of(-9), [-9]],
    ['U16', Uint16Array.of(65535), [65535]],
    ['I8', Int8Array.of(-128), [-128]],
    ['U8', Uint8Array.of(255, 0), [255, 0]],
  ])('are integers of %s', async (dtype, data, values) => {
    expect(await read({ dtype, shape: [values.length], data }, 'int32')).toEqual(Int32Array.from(values));
  });

  it('are booleans', async () => {
    const data = Uint8Array.of(1, 0, 1);
    expect(await read({ dtype: 'BOOL', shape: [3], data }, 'bool')).toEqual(data);
  });

  it.each<[string, ArrayBufferView, CheckpointDtype, string[]]>([
    [
      'I64',
      BigInt64Array.of(1n, 2n ** 31n),
      'int32',
      ['"w" holds 2147483648 at index [1]', 'int32 cannot hold'],
    ],
    ['U64', BigUint64Array.of(2n ** 64n - 1n), 'int32', ['holds 18446744073709551615']],
    ['BOOL', Uint8Array.of(2), 'bool', ['"w" holds 2 at index [0]']],
  ])('of %s out of range are refused', async (dtype, data, target, parts) => {
    const shape = [dtype === 'I64' ? 2 : 1];
    await expectInputError(read({ dtype, shape, data }, target), 'checkpoint/value-range', ...parts);
  });

  it.each<[string, number, CheckpointDtype]>([
    ['I32', 4, 'float32'],
    ['BOOL', 1, 'float32'],
    ['F8_E4M3', 1, 'float32'],
    ['C64', 8, 'float32'],
    ['F32', 4, 'int32'],
    ['U8', 1, 'bool'],
  ])('of %s are refused where another kind is needed, and only there', async (dtype, bytes, target) => {
    const other = { name: 'w', dtype, shape: [1], data: new Uint8Array(bytes) };
    const path = weightFile('w.safetensors', safetensors([other, f32('v', [1], [3])]));
    expect(await readOne(path, 'v', 'float32')).toEqual(Float32Array.of(3));
    await expectInputError(
      readOne(path, 'w', target),
      'checkpoint/unsupported-dtype',
      `"w" has dtype "${dtype}", and the model needs ${target}`,
    );
  });
});

describe('a npz file', () => {
  it('lists its arrays in order and gives their values and its hash', async () => {
    const bytes = npz({
      'dense/kernel': npy('<f4', [2, 1], Float32Array.of(1.5, -0)),
      half: npy('<f2', [1], Uint16Array.of(0x3c00)),
      double: npy('<f8', [], Float64Array.of(0.1)),
      steps: npy('<i8', [1], BigInt64Array.of(-3n)),
      flags: npy('|b1', [2], Uint8Array.of(1, 0)),
    });
    const file = await openWeightFile(weightFile('any.name', bytes));
    expect(file.entries).toEqual([
      { name: 'dense/kernel', shape: [2, 1], dtype: '<f4', problem: null },
      { name: 'half', shape: [1], dtype: '<f2', problem: null },
      { name: 'double', shape: [], dtype: '<f8', problem: null },
      { name: 'steps', shape: [1], dtype: '<i8', problem: null },
      { name: 'flags', shape: [2], dtype: '|b1', problem: null },
    ]);
    const { values, sha256 } = await file.read(
      new Map<string, CheckpointDtype>([
        ['dense/kernel', 'float32'],
        ['half', 'float32'],
        ['double', 'float32'],
        ['steps', 'int32'],
        ['flags', 'bool'],
      ]),
    );
    expect(Object.fromEntries(values)).toEqual({
      'dense/kernel': Float32Array.of(1.5, -0),
      half: Float32Array.of(1),
      double: Float32Array.of(0.1),
      steps: Int32Array.of(-3),
      flags: Uint8Array.of(1, 0),
    });
    expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('may hold arrays that cannot be read, where they are not needed', async () => {
    const text = npyRaw(npyHeader('<U1', [1]), new Uint8Array(4));
    const file = await openWeightFile(weightFile('w.npz', npz({ text })));
    expect(file.entries[0]).toMatchObject({ name: 'text', problem: { code: 'format/npy' } });
    expect(file.entries[0]!.problem!.message).toMatch(/w\.npz, text: unsupported dtype "<U1"/);
  });

  it('of members that unpack to too much together is refused before they are', async () => {
    const bytes = npz({ a: new Uint8Array(2 ** 21), b: new Uint8Array(2 ** 21) }, 0);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    let central = view.getUint32(bytes.length - 6, true);
    for (let member = 0; member < 2; member++) {
      const local = view.getUint32(central + 42, true);
      for (const fields of [central + 10, local + 8]) {
        view.setUint16(fields, 8, true); // deflated: enough for what is declared
        view.setUint32(fields + 14, 2 ** 30 + 1, true);
      }
      central += 46 + view.getUint16(central + 28, true) + view.getUint16(central + 30, true);
    }
    await expectInputError(
      openWeightFile(weightFile('w.npz', bytes)),
      'format/zip-too-large',
      'unpack to more than the limit of 2147483648 bytes together',
    );
  });

  it('shows names that could drive a terminal as text', async () => {
    const name = 'a\n\u001b[2J\u009b';
    const file = await openWeightFile(weightFile('w.npz', npz({ [name]: Uint8Array.of(1, 2) })));
    const { message } = file.entries[0]!.problem!;
    expect(message).toContain('a\\u000a\\u001b[2J\\u009b');
    expect(message).not.toContain('\n');
    const two = Buffer.from(npz({ 'p\n\u009b': Uint8Array.of(1), 'q\n\u009b': Uint8Array.of(2) }, 0));
    const twice = Buffer.from(two.toString('latin1').replaceAll('q\n', 'p\n'), 'latin1');
    await expectInputError(
      openWeightFile(weightFile('w.npz', twice)),
      'format/zip-members',
      'holds "p\\n\\u009b.npy" twice',
    );
  });

  it('gives an InputError or its arrays for every one of 2000 mutations', async () => {
    const valid = npz(
      { a: npy('<f4', [3], Float32Array.of(1, 2, 3)), b: npy('<f8', [], Float64Array.of(1)) },
      0,
    );
    const random = randomStream(12, 'npz');
    let refused = 0;
    for (let round = 0; round < 2000; round++) {
      const bytes = Uint8Array.from(valid);
      for (let change = random.integer(3); change >= 0; change--) {
        bytes[random.integer(bytes.length)] = random.integer(256);
      }
      const kept = random.uniform() < 0.2 ? bytes.subarray(0, random.integer(bytes.length)) : bytes;
      try {
        const file = await openWeightFile(mutated(kept));
        const read = file.entries.filter(({ problem, dtype }) => problem === null && dtype.includes('f'));
        await file.read(new Map(read.map(({ name }) => [name, 'float32'])));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(300);
    expect(refused).toBeLessThan(2000);
  });
});

const folder = temporaryDirectory();

function mutated(bytes: Uint8Array): string {
  const path = `${folder}/w.npz`;
  writeAnew(path, bytes);
  return path;
}

describe('a file of another kind', () => {
  it.each<[string, Uint8Array, string[]]>([
    [
      'HDF5',
      Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13, 10),
      ['is an HDF5 file', 'safetensors or numpy.savez'],
    ],
    ['a pickle', Uint8Array.of(0x80, 2, 0x7d), ['is a pickle', 'never loaded']],
    ['one array', npy('<f4', [1], Float32Array.of(1)), ['is a single .npy array']],
    ['JSON', new TextEncoder().encode('{"weight_map": {}}'), ['is a JSON file, such as an index of shards']],
    ['nothing', new Uint8Array(0), ['is empty', '.safetensors and .npz']],
    ['noise', Uint8Array.of(1, 2, 3, 4), ['unknown format']],
    [
      'a zip archive',
      zipSync({ 'data.pkl': Uint8Array.of(1) }),
      ['without .npy arrays', 'PyTorch or .keras'],
    ],
  ])('(%s) is refused with what to do', async (_title, bytes, parts) => {
    await expectInputError(
      openWeightFile(weightFile('w', bytes)),
      'checkpoint/unsupported-weights',
      ...parts,
    );
  });

  it('is not what a safetensors file is taken for, whatever the length of its header', async () => {
    for (let length = 0; length < 600; length++) {
      const name = 'n'.repeat(length);
      const file = await openWeightFile(mutated(safetensors([f32(name, [1], [1])])));
      expect(file.entries[0]!.name).toBe(name);
    }
  });

  it('is known by its name where its content says nothing', async () => {
    const noise = Uint8Array.of(1, 2, 3, 4);
    await expectInputError(
      openWeightFile(weightFile('w.safetensors', noise)),
      'checkpoint/invalid-safetensors',
      'has 4 bytes',
    );
    await expectInputError(openWeightFile(weightFile('w.npz', noise)), 'format/corrupt-zip', 'damaged zip');
  });

  it('or none at all is an error', async () => {
    await expectInputError(openWeightFile('/nowhere/w.npz'), 'checkpoint/missing-file', '/nowhere/w.npz');
    await expectInputError(openWeightFile(folder), 'checkpoint/not-a-file', 'not a regular file');
  });
});
