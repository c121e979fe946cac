import { createHash } from 'node:crypto';
import { truncate } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { checkFile } from '../../../src/checkpoint/files.js';
import { readSafetensorsData, readSafetensorsHeader } from '../../../src/checkpoint/weights/safetensors.js';
import { openWeightFile } from '../../../src/checkpoint/weights/weight-file.js';
import { InputError } from '../../../src/errors.js';
import { randomStream } from '../../../src/random.js';
import { expectInputError, temporaryDirectory, writeAnew } from '../fixtures.js';
import { f32, safetensors, safetensorsRaw, weightFile } from './weight-files.js';

const CODE = 'checkpoint/invalid-safetensors';

async function headerOf(bytes: Uint8Array, name = 'w.safetensors') {
  return readSafetensorsHeader(await checkFile(weightFile(name, bytes)));
}

const THREE = [
  f32('b', [2, 2], [1, 2, 3, 4]),
  { name: 'a', dtype: 'U8', shape: [3], data: Uint8Array.of(7, 8, 9) },
  { name: 'empty', dtype: 'F64', shape: [0, 5], data: new Uint8Array(0) },
  f32('scalar', [], [0.5]),
];

describe('a safetensors file', () => {
  it('lists its tensors in the order of their data, whatever the order of the header', async () => {
    const text =
      '{"late":{"dtype":"F32","shape":[1],"data_offsets":[2,6]},"1":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}   ';
    const { tensors } = await headerOf(safetensorsRaw(text, new Uint8Array(6)));
    expect(tensors).toEqual([
      { name: '1', dtype: 'BF16', shape: [1], begin: 0, end: 2 },
      { name: 'late', dtype: 'F32', shape: [1], begin: 2, end: 6 },
    ]);
  });

  it('gives the bytes of the tensors that are asked for, and the hash of the whole file', async () => {
    const bytes = safetensors(THREE, { format: 'pt' });
    const header = await headerOf(bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const some = await readSafetensorsData(header, new Set(['a', 'scalar']));
    expect(some).toEqual({
      data: new Map([
        ['a', Uint8Array.of(7, 8, 9)],
        ['scalar', new Uint8Array(Float32Array.of(0.5).buffer)],
      ]),
      sha256,
    });
    const all = await readSafetensorsData(header, new Set(['a', 'b', 'empty', 'scalar']));
    expect([all.sha256, [...all.data.keys()]]).toEqual([sha256, ['b', 'a', 'empty', 'scalar']]);
    expect(await readSafetensorsData(header, new Set())).toEqual({ data: new Map(), sha256 });
  });

  it('hashes tensors larger than one read', async () => {
    const data = new Uint8Array(2 ** 20 * 2 + 17).map((_, i) => i);
    const bytes = safetensors([
      { name: 'large', dtype: 'U8', shape: [data.length], data },
      f32('w', [1], [2]),
    ]);
    const { sha256 } = await readSafetensorsData(await headerOf(bytes), new Set(['w']));
    expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('may hold no tensors at all', async () => {
    expect((await headerOf(safetensorsRaw('{}', new Uint8Array(0)))).tensors).toEqual([]);
  });

  it('is refused when it becomes shorter between header and data', async () => {
    const header = await headerOf(safetensors(THREE));
    await truncate(header.file.path, header.file.size - 3);
    await expectInputError(readSafetensorsData(header, new Set(['scalar'])), CODE, 'became shorter');
  });
});

/** A file with one tensor `w`, described so, and as many bytes of data. */
function oneTensor(description: string, dataBytes = 4): Uint8Array {
  return safetensorsRaw(`{"w":${description}}`, new Uint8Array(dataBytes));
}

function twoTensors(first: [number, number], second: [number, number], dataBytes: number): Uint8Array {
  const tensor = ([begin, end]: [number, number]) =>
    `{"dtype":"U8","shape":[${end - begin}],"data_offsets":[${begin},${end}]}`;
  return safetensorsRaw(`{"v":${tensor(first)},"w":${tensor(second)}}`, new Uint8Array(dataBytes));
}

describe('a hostile safetensors file', () => {
  const empty = new Uint8Array(0);
  it.each<[string, Uint8Array, string[]]>([
    ['is empty', empty, ['it has 0 bytes', 'w.safetensors']],
    ['ends within the length', Uint8Array.of(1, 2, 3), ['it has 3 bytes, fewer than the 8']],
    [
      'declares a header beyond the file',
      safetensorsRaw('{}', empty, 3n),
      ['header of 3 bytes, but only 2 follow'],
    ],
    [
      'declares a header beyond the limit',
      safetensorsRaw('{}', empty, 100_000_001n),
      ['100000001 bytes, more than the limit of 100000000'],
    ],
    [
      'declares a header beyond all files',
      safetensorsRaw('{}', empty, 2n ** 64n - 1n),
      ['18446744073709551615'],
    ],
    ['has no header', safetensorsRaw('', empty), ['does not start with "{"']],
    ['starts its header with a space', safetensorsRaw(' {}', empty), ['does not start with "{"']],
    ['starts with a list', safetensorsRaw('[]', empty), ['does not start with "{"']],
    ['has a tensor that is a list', oneTensor('[]'), ['"w" is not described by a JSON object']],
    ['has a tensor that is null', oneTensor('null'), ['"w" is not described']],
    ['has no dtype', oneTensor('{"shape":[1],"data_offsets":[0,4]}'), ['"w" has no dtype']],
    [
      'has an unknown dtype',
      oneTensor('{"dtype":"F\\n8","shape":[1],"data_offsets":[0,4]}'),
      ['unknown dtype "F\\u000a8"'],
    ],
    [
      'has the name of an object property as dtype',
      oneTensor('{"dtype":"constructor","shape":[1],"data_offsets":[0,4]}'),
      ['unknown dtype "constructor"'],
    ],
    [
      'has no shape',
      oneTensor('{"dtype":"F32","data_offsets":[0,4]}'),
      ['"w" has a shape that is not a list'],
    ],
    [
      'has a fractional size',
      oneTensor('{"dtype":"F32","shape":[0.5],"data_offsets":[0,4]}'),
      ['shape that is not'],
    ],
    [
      'has a negative size',
      oneTensor('{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}'),
      ['shape that is not'],
    ],
    [
      'has a text as size',
      oneTensor('{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}'),
      ['shape that is not'],
    ],
    [
      'has one offset',
      oneTensor('{"dtype":"F32","shape":[1],"data_offsets":[0]}'),
      ['data_offsets that are not two'],
    ],
    ['has a huge offset', oneTensor('{"dtype":"F32","shape":[1],"data_offsets":[0,1e300]}'), ['are not two']],
    ['ends before it begins', oneTensor('{"dtype":"F32","shape":[1],"data_offsets":[4,0]}'), ['4 to 0']],
    [
      'has another size than its shape',
      oneTensor('{"dtype":"F32","shape":[3],"data_offsets":[0,4]}'),
      ['"w" of shape [3] and dtype F32 needs 12 bytes, not 4'],
    ],
    [
      'has a shape beyond all numbers',
      oneTensor(`{"dtype":"F32","shape":[${Array(40).fill(2 ** 52)}],"data_offsets":[0,4]}`),
      ['needs Infinity bytes, not 4'],
    ],
    [
      'hides a shape beyond all numbers behind a zero',
      oneTensor(`{"dtype":"F32","shape":[${Array(40).fill(2 ** 52)},0],"data_offsets":[0,0]}`, 0),
      ['needs NaN bytes'],
    ],
    [
      'has half a byte',
      oneTensor('{"dtype":"F4","shape":[7],"data_offsets":[0,3]}', 3),
      ['needs 3.5 bytes, not 3'],
    ],
    [
      'goes beyond the data',
      oneTensor('{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'),
      ['"w" ends at byte 8 of the data, which has 4'],
    ],
    ['overlaps', twoTensors([0, 4], [2, 6], 6), ['"w" begins at byte 2 of the data, not 4: it overlaps']],
    ['has the same data twice', twoTensors([0, 4], [0, 4], 4), ['"w" begins at byte 0', 'overlaps']],
    [
      'has a hole',
      twoTensors([0, 4], [5, 6], 6),
      ['"w" begins at byte 5 of the data, not 4: it follows a hole'],
    ],
    ['starts with a hole', oneTensor('{"dtype":"U8","shape":[1],"data_offsets":[3,4]}'), ['follows a hole']],
    ['has bytes left', twoTensors([0, 1], [1, 3], 7), ['4 bytes are left after the last tensor']],
    [
      'has a number in its metadata',
      safetensorsRaw('{"__metadata__":{"epoch":3}}', empty),
      ['__metadata__ "epoch" is not a string'],
    ],
    [
      'has a list as metadata',
      safetensorsRaw('{"__metadata__":["x"]}', empty),
      ['__metadata__ is not a JSON object'],
    ],
  ])('that %s is refused', async (_title, bytes, parts) => {
    await expectInputError(headerOf(bytes), CODE, 'w.safetensors is not a valid safetensors file', ...parts);
  });

  const tensor = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}';
  it.each<[string, string, string[]]>([
    ['a tensor', `{"w":${tensor},"v":${tensor},"\\u0077":${tensor}}`, ['the key "w" twice']],
    [
      'a field',
      '{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"dtype":"I8"}}',
      ['the key "dtype" twice'],
    ],
    ['metadata', '{"__metadata__":{"a":"1","a":"2"}}', ['the key "a" twice']],
  ])('that holds %s twice is refused', async (_title, header, parts) => {
    await expectInputError(
      headerOf(safetensorsRaw(header, new Uint8Array(0))),
      'checkpoint/duplicate-key',
      'w.safetensors, header',
      ...parts,
    );
  });

  it.each<[string, string | Uint8Array, string[]]>([
    ['is cut short', '{"w":', ['header is not valid JSON', 'unexpected end']],
    ['is followed by more', '{} {}', ['header is not valid JSON', 'column 4']],
    ['is not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), ['not a safetensors header: it is not UTF-8 text']],
    ['nests too deep', `{"a":${'['.repeat(600)}${']'.repeat(600)}}`, ['it is not a safetensors header']],
  ])('whose header %s is refused', async (_title, header, parts) => {
    await expectInputError(
      headerOf(safetensorsRaw(header, new Uint8Array(0))),
      'checkpoint/invalid-json',
      ...parts,
    );
  });

  it('may call a tensor like a property of objects', async () => {
    const { tensors } = await headerOf(
      safetensorsRaw(`{"__proto__":${tensor},"constructor":${tensor}}`, new Uint8Array(0)),
    );
    expect(tensors.map(({ name }) => name)).toEqual(['__proto__', 'constructor']);
  });

  it('gives an InputError or its tensors for every one of 3000 mutations', async () => {
    const random = randomStream(11, 'safetensors');
    const valid = safetensors(THREE, { format: 'pt' });
    const path = `${temporaryDirectory()}/w.safetensors`;
    const below = random.integer;
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      let bytes = Uint8Array.from(valid);
      for (let change = below(3); change >= 0; change--) {
        const at = random.uniform() < 0.3 ? below(10) : below(bytes.length);
        const kind = below(4);
        if (kind === 0) bytes[at] = below(256);
        else if (kind === 1) bytes[at] = 48 + below(10);
        else if (kind === 2) bytes = bytes.slice(0, at + 1);
        else bytes = Uint8Array.from([...bytes.slice(0, at), ...bytes.slice(at + below(4))]);
      }
      writeAnew(path, bytes);
      try {
        const file = await openWeightFile(path);
        const floats = file.entries.filter(({ dtype }) => dtype.startsWith('F'));
        await file.read(new Map(floats.map(({ name }) => [name, 'float32'])));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1500);
    expect(refused).toBeLessThan(3000);
  });
});
