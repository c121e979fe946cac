import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/registry.js';
import {
  bitsOf,
  directoryOf,
  expectInputError,
  modelJson,
  singleShard,
  TOPOLOGY,
  temporaryDirectory,
} from './fixtures.js';

const float = (name: string, ...shape: unknown[]) => ({ name, shape, dtype: 'float32' });

describe('readCheckpoint', () => {
  it('joins shards inside a group, also in the middle of a value, and keeps groups apart', async () => {
    const first = bitsOf(Float32Array.of(1, -0, 1e-45, 3.5));
    const files = {
      'model.json': modelJson(
        [
          { paths: ['a.bin', './sub/b.bin'], weights: [float('w1', 3), float('w2')] },
          {
            paths: ['c.bin'],
            weights: [
              { name: 'steps', shape: [1], dtype: 'int32' },
              { name: 'flags', shape: [2, 1], dtype: 'bool' },
              float('none', 0, 5),
            ],
          },
        ],
        {
          generatedBy: 'test',
          userDefinedMetadata: { pruneLimit: { seed: 3 } },
          trainingConfig: { loss: 'x' },
        },
      ),
      'a.bin': first.subarray(0, 6),
      'sub/b.bin': first.subarray(6),
      'c.bin': Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 1, 0),
    };
    const directory = directoryOf(files);
    const checkpoint = await readCheckpoint(directory);
    const hash = createHash('sha256');
    for (const name of ['model.json', 'a.bin', 'sub/b.bin', 'c.bin'])
      hash.update(readFileSync(join(directory, name)));
    expect(checkpoint).toEqual({
      format: 'tfjs-layers',
      path: join(directory, 'model.json'),
      sha256: hash.digest('hex'),
      topology: TOPOLOGY,
      weights: [
        { name: 'w1', shape: [3], dtype: 'float32', values: Float32Array.of(1, -0, 1e-45), storage: null },
        { name: 'w2', shape: [], dtype: 'float32', values: Float32Array.of(3.5), storage: null },
        { name: 'steps', shape: [1], dtype: 'int32', values: Int32Array.of(-2), storage: null },
        { name: 'flags', shape: [2, 1], dtype: 'bool', values: Uint8Array.of(1, 0), storage: null },
        { name: 'none', shape: [0, 5], dtype: 'float32', values: new Float32Array(0), storage: null },
      ],
      metadata: { pruneLimit: { seed: 3 } },
      manifestGroups: [2, 3],
      extra: { generatedBy: 'test', trainingConfig: { loss: 'x' } },
    });
    expect((await readCheckpoint(join(directory, 'model.json'))).sha256).toBe(checkpoint.sha256);
  });

  it('reads quantised weights, whatever the name of the file', async () => {
    const quantization = { dtype: 'uint8', scale: 0.5, min: -1, original_dtype: 'float32' };
    const weights = [
      { ...float('q', 3), quantization },
      { ...float('h', 1), quantization: { dtype: 'float16' } },
    ];
    const directory = directoryOf({
      'net.txt': `\ufeff \n${modelJson([{ paths: ['weights.bin'], weights }])}`,
      'weights.bin': Uint8Array.of(0, 1, 255, 0x00, 0x3c),
    });
    const [q, h] = (await readCheckpoint(join(directory, 'net.txt'))).weights;
    expect(q!.values).toEqual(Float32Array.of(-1, -0.5, 126.5));
    expect(q!.storage).toEqual({ dtype: 'uint8', scale: 0.5, min: -1 });
    expect(h!.values).toEqual(Float32Array.of(1));
    expect(h!.storage).toEqual({ dtype: 'float16' });
  });

  it('leaves the state of optimizers out', async () => {
    const weights = [float('a', 1), { ...float('Adam/m', 1), group: 'optimizer' }, float('b', 1)];
    const checkpoint = await readCheckpoint(singleShard(weights, Float32Array.of(1, Number.NaN, 3)));
    expect(checkpoint.weights.map(({ name, values }) => [name, values[0]])).toEqual([
      ['a', 1],
      ['b', 3],
    ]);
    expect(checkpoint).toMatchObject({ manifestGroups: [2] });
  });
});

describe('sizes', () => {
  const weights = [float('conv/kernel', 2, 2), float('conv/bias', 3)];
  it.each([
    [
      'truncated inside the first weight',
      15,
      ['"conv/kernel"', '[2, 2]', '28 bytes, found 15', 'bytes 0 to 16'],
    ],
    ['truncated inside the last weight', 27, ['"conv/bias"', '28 bytes, found 27', 'bytes 16 to 28']],
    ['empty', 0, ['"conv/kernel"', 'found 0']],
    ['oversized', 29, ['"conv/bias"', '28 bytes, found 29', '1 bytes are left']],
  ])('refuses a shard that is %s', async (_name, size, parts) => {
    const directory = singleShard(weights, new Uint8Array(size));
    await expectInputError(readCheckpoint(directory), 'checkpoint/size-mismatch', 'weights.bin', ...parts);
  });

  it('refuses shapes that no file backs, without allocating', async () => {
    const directory = singleShard([float('huge', 2 ** 29)], new Uint8Array(8));
    await expectInputError(
      readCheckpoint(directory),
      'checkpoint/size-mismatch',
      '"huge"',
      '2147483648',
      'found 8',
    );
  });

  it('refuses a group without files, and files without weights', async () => {
    const none = directoryOf({ 'model.json': modelJson([{ paths: [], weights: [float('w', 1)] }]) });
    await expectInputError(readCheckpoint(none), 'checkpoint/size-mismatch', '"w"', 'model.json');
    const surplus = singleShard([], new Uint8Array(4));
    await expectInputError(
      readCheckpoint(surplus),
      'checkpoint/size-mismatch',
      'weights.bin',
      '4 bytes are left',
    );
  });

  it('refuses more bytes than can be worked with', async () => {
    const size = 2 ** 30;
    const group = (name: string) => ({ paths: ['sparse.bin'], weights: [float(name, size / 4)] });
    const directory = directoryOf({
      'model.json': modelJson(['a', 'b', 'c'].map(group)),
      'sparse.bin': new Uint8Array(0),
    });
    truncateSync(join(directory, 'sparse.bin'), size);
    await expectInputError(readCheckpoint(directory), 'checkpoint/too-large', 'sparse.bin');
  });

  it('refuses a model.json that is too large', async () => {
    const directory = directoryOf({ 'model.json': '{' });
    truncateSync(join(directory, 'model.json'), 65 * 2 ** 20);
    await expectInputError(readCheckpoint(directory), 'checkpoint/too-large', 'model.json', '68157440');
  });
});

describe('weight specifications', () => {
  it.each<[string, unknown, string, string]>([
    ['negative size', float('w', -1), 'checkpoint/invalid-shape', '[-1]'],
    ['fraction', float('w', 1.5), 'checkpoint/invalid-shape', '[1.5]'],
    ['no number', float('w', '4'), 'checkpoint/invalid-shape', '["4"]'],
    ['null', float('w', null), 'checkpoint/invalid-shape', '[null]'],
    ['beyond safe integers', float('w', 2 ** 60), 'checkpoint/invalid-shape', '[115292150460684'],
    ['product too large', float('w', 65536, 65536), 'checkpoint/invalid-shape', '[65536,65536]'],
    [
      'product beyond float64 integers',
      float('w', 2 ** 50, 2 ** 50, 2 ** 50),
      'checkpoint/invalid-shape',
      'elements',
    ],
    ['too many axes', float('w', 1, 1, 1, 1, 1, 1, 1), 'checkpoint/invalid-shape', '6 axes'],
    ['string', { name: 'w', shape: [1], dtype: 'string' }, 'checkpoint/unsupported-dtype', '"string"'],
    ['complex', { name: 'w', shape: [1], dtype: 'complex64' }, 'checkpoint/unsupported-dtype', '"complex64"'],
    [
      'no shape',
      { name: 'w', dtype: 'float32' },
      'checkpoint/invalid-manifest',
      'weightsManifest[0].weights[0].shape',
    ],
    [
      'unknown quantisation',
      { ...float('w', 1), quantization: { dtype: 'int4' } },
      'checkpoint/invalid-quantization',
      '"int4"',
    ],
    [
      'quantisation without scale',
      { ...float('w', 1), quantization: { dtype: 'uint8', min: 0 } },
      'checkpoint/invalid-quantization',
      'scale',
    ],
    [
      'scale that is no number',
      { ...float('w', 1), quantization: { dtype: 'uint8', min: 0, scale: '1' } },
      'checkpoint/invalid-manifest',
      'quantization.scale',
    ],
    [
      'int32 as float16',
      { name: 'w', shape: [1], dtype: 'int32', quantization: { dtype: 'float16' } },
      'checkpoint/invalid-quantization',
      'float16',
    ],
    [
      'int32 that overflows',
      { name: 'w', shape: [1], dtype: 'int32', quantization: { dtype: 'uint16', scale: 1e6, min: 0 } },
      'checkpoint/invalid-quantization',
      'range of int32',
    ],
    [
      'bool as uint8',
      { name: 'w', shape: [1], dtype: 'bool', quantization: { dtype: 'uint8', scale: 1, min: 0 } },
      'checkpoint/invalid-quantization',
      'bool',
    ],
  ])('refuses %s', async (_name, spec, code, part) => {
    const directory = singleShard([spec], new Uint8Array(4));
    await expectInputError(readCheckpoint(directory), code, 'model.json', '"w"', part);
  });

  it('refuses two weights of one name, in different groups too', async () => {
    const group = (path: string) => ({ paths: [path], weights: [float('dense/kernel', 1)] });
    const directory = directoryOf({
      'model.json': modelJson([group('a'), group('b')]),
      a: new Uint8Array(4),
      b: new Uint8Array(4),
    });
    await expectInputError(readCheckpoint(directory), 'checkpoint/duplicate-weight', '"dense/kernel"');
  });

  it('keeps control characters and endless names out of the message', async () => {
    const directory = singleShard([float(`\u001b[31m\n\u2028${'x'.repeat(10_000)}`, -1)], new Uint8Array(4));
    const message = await readCheckpoint(directory).catch((error) => error.message);
    await expectInputError(
      readCheckpoint(directory),
      'checkpoint/invalid-shape',
      '\\u001b[31m\\u000a\\u2028xxx',
    );
    expect(message.length).toBeLessThan(600);
  });

  it.each([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
  ])('locates %s', async (shown, value) => {
    const data = Float32Array.of(1, 2, 3, 4, 5, value);
    const directory = singleShard([float('fc/kernel', 2, 3)], data);
    await expectInputError(
      readCheckpoint(directory),
      'checkpoint/non-finite-weight',
      'model.json',
      `"fc/kernel" holds ${shown} at index [1, 2]`,
    );
  });

  it('locates an infinity that only dequantisation makes', async () => {
    const half = { ...float('h', 2), quantization: { dtype: 'float16' } };
    const directory = singleShard([half], Uint16Array.of(0, 0x7c00));
    await expectInputError(
      readCheckpoint(directory),
      'checkpoint/non-finite-weight',
      '"h" holds Infinity at index [1]',
    );
    const wide = { ...float('u', 2), quantization: { dtype: 'uint8', scale: 1e300, min: 0 } };
    const other = singleShard([wide], Uint8Array.of(0, 1));
    await expectInputError(
      readCheckpoint(other),
      'checkpoint/non-finite-weight',
      '"u" holds Infinity at index [1]',
    );
  });
});

describe('shard paths', () => {
  it.each([
    '/etc/passwd',
    '../weights.bin',
    'sub/../../weights.bin',
    '..',
    'a/..',
    '..\\weights.bin',
    'C:weights.bin',
    'C:\\weights.bin',
    '\\\\server\\share\\w.bin',
    'file:///etc/passwd',
    'https://example.com/w.bin',
    'weights.bin:stream',
    'weights.bin\0.txt',
    'a\nb',
    '',
  ])('refuses %j', async (path) => {
    const directory = directoryOf({
      'model.json': modelJson([{ paths: [path], weights: [float('w', 1)] }]),
      'weights.bin': new Uint8Array(4),
    });
    await expectInputError(readCheckpoint(directory), 'checkpoint/unsafe-path', 'model.json');
  });

  it('refuses links that leave the folder, also through a linked folder', async () => {
    const outside = directoryOf({ 'secret.bin': new Uint8Array(4) });
    for (const [link, target, path] of [
      ['weights.bin', join(outside, 'secret.bin'), 'weights.bin'],
      ['sub', outside, 'sub/secret.bin'],
    ] as const) {
      const directory = directoryOf({
        'model.json': modelJson([{ paths: [path], weights: [float('w', 1)] }]),
      });
      symlinkSync(target, join(directory, link));
      await expectInputError(readCheckpoint(directory), 'checkpoint/unsafe-path', `"${path}"`, 'link');
    }
  });

  it('refuses a link to a folder whose name starts with the name of the model folder', async () => {
    const directory = directoryOf({
      'net/model.json': modelJson([{ paths: ['w.bin'], weights: [float('w', 1)] }]),
      'net-2/w.bin': new Uint8Array(4),
    });
    symlinkSync(join(directory, 'net-2/w.bin'), join(directory, 'net/w.bin'));
    await expectInputError(readCheckpoint(join(directory, 'net')), 'checkpoint/unsafe-path', '"w.bin"');
  });

  it('follows links that stay in the folder, and a link to the folder itself', async () => {
    const directory = directoryOf({
      'model.json': modelJson([{ paths: ['w.bin'], weights: [float('w', 1)] }]),
      'blobs/1': Float32Array.of(7),
    });
    symlinkSync('blobs/1', join(directory, 'w.bin'));
    const link = join(temporaryDirectory(), 'link');
    symlinkSync(directory, link);
    expect((await readCheckpoint(link)).weights[0]!.values[0]).toBe(7);
  });

  it('accepts a name that starts with two dots', async () => {
    const directory = directoryOf({
      'model.json': modelJson([{ paths: ['..w.bin'], weights: [float('w', 1)] }]),
      '..w.bin': Float32Array.of(7),
    });
    expect((await readCheckpoint(directory)).weights[0]!.values[0]).toBe(7);
  });

  it('names a shard that is missing or is a directory', async () => {
    const missing = directoryOf({ 'model.json': modelJson([{ paths: ['w.bin'], weights: [] }]) });
    await expectInputError(readCheckpoint(missing), 'checkpoint/missing-file', join(missing, 'w.bin'));
    const folder = directoryOf({
      'model.json': modelJson([{ paths: ['w.bin'], weights: [] }]),
      'w.bin/x': new Uint8Array(1),
    });
    await expectInputError(readCheckpoint(folder), 'checkpoint/not-a-file', 'w.bin');
    const loop = directoryOf({ 'model.json': modelJson([{ paths: ['w.bin'], weights: [] }]) });
    symlinkSync('w.bin', join(loop, 'w.bin'));
    await expectInputError(readCheckpoint(loop), 'checkpoint/unreadable-file', 'w.bin', 'ELOOP');
  });

  // The superuser may read everything.
  it.skipIf(process.getuid?.() === 0)('names a shard without read permission', async () => {
    const directory = singleShard([float('w', 1)], new Uint8Array(4));
    chmodSync(join(directory, 'weights.bin'), 0);
    await expectInputError(
      readCheckpoint(directory),
      'checkpoint/unreadable-file',
      'weights.bin',
      'permission',
    );
  });
});

describe('what is no LayersModel', () => {
  it('names a path that does not exist and a directory without model.json', async () => {
    await expectInputError(
      readCheckpoint('/no/such/model.json'),
      'checkpoint/missing-file',
      '/no/such/model.json',
    );
    const empty = temporaryDirectory();
    await expectInputError(readCheckpoint(empty), 'checkpoint/missing-file', empty, 'model.json');
  });

  it.each<[string, string | Uint8Array, string]>([
    [
      'model.h5',
      Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a),
      'tensorflowjs_converter --input_format=keras',
    ],
    ['model.json', Uint8Array.of(0x89, 0x48, 0x44, 0x46), 'HDF5'],
    ['model.keras', Uint8Array.of(0x50, 0x4b, 3, 4), '.keras'],
    ['model.pt', Uint8Array.of(0x50, 0x4b, 3, 4), 'torch.onnx.export'],
    ['model.pth', Uint8Array.of(0x80, 2), 'PyTorch'],
    ['weights.bin', Uint8Array.of(0xde, 0xad), 'unknown format'],
    ['empty', '', 'empty'],
    ['saved_model.pb', Uint8Array.of(1), 'unknown format'],
    ['a.json', JSON.stringify({ format: 'graph-model', modelTopology: { node: [] } }), 'GraphModel'],
    ['b.json', JSON.stringify({ modelTopology: { node: [] }, weightsManifest: [] }), 'GraphModel'],
    ['c.json', '{"name": "package"}', 'modelTopology'],
    ['d.json', '[1, 2]', 'JSON object'],
    ['e.json', JSON.stringify({ format: 'other', modelTopology: {} }), '"other"'],
    ['f.json', JSON.stringify({ modelTopology: 'x' }), 'modelTopology'],
  ])('says what to do about %s', async (name, content, part) => {
    const directory = directoryOf({ [name]: typeof content === 'string' ? Buffer.from(content) : content });
    await expectInputError(
      readCheckpoint(join(directory, name)),
      'checkpoint/unsupported-format',
      name,
      part,
    );
  });

  it('recognises the directory of a SavedModel', async () => {
    const directory = directoryOf({ 'saved_model.pb': Uint8Array.of(1) });
    await expectInputError(
      readCheckpoint(directory),
      'checkpoint/unsupported-format',
      directory,
      'SavedModel',
    );
  });

  it.each<[string, unknown, string]>([
    ['no weightsManifest', undefined, 'weightsManifest is missing'],
    ['weightsManifest: null', null, 'weightsManifest is "null"'],
    ['groups that are no objects', [3], 'weightsManifest[0] is "3"'],
    ['paths that are no strings', [{ paths: [1], weights: [] }], 'weightsManifest[0].paths[0]'],
    [
      'a weight without a name',
      [{ paths: [], weights: [{ shape: [] }] }],
      'weightsManifest[0].weights[0].name',
    ],
  ])('refuses %s', async (_name, manifest, part) => {
    const directory = directoryOf({ 'model.json': modelJson(manifest) });
    await expectInputError(readCheckpoint(directory), 'checkpoint/invalid-manifest', 'model.json', part);
  });

  it('refuses metadata that is no object', async () => {
    const directory = directoryOf({ 'model.json': modelJson([], { userDefinedMetadata: 'x' }) });
    await expectInputError(readCheckpoint(directory), 'checkpoint/invalid-manifest', 'userDefinedMetadata');
  });

  it('says where invalid JSON stops', async () => {
    const directory = directoryOf({ 'model.json': '{"format": "layers-model",\n "modelTopology": }' });
    await expectInputError(
      readCheckpoint(directory),
      'checkpoint/invalid-json',
      'model.json',
      'line 2, column 19',
    );
    writeFileSync(join(directory, 'model.json'), '');
    await expectInputError(
      readCheckpoint(directory),
      'checkpoint/invalid-json',
      'unexpected end at line 1, column 1',
    );
  });
});

describe('published checkpoints', () => {
  const folder = (name: string) => fileURLToPath(new URL(`../../../shared/models/${name}`, import.meta.url));
  const present = existsSync(folder('mlpnet')) && existsSync(folder('resnet20'));
  if (!present)
    console.warn('skipped: published checkpoints are not at ../shared/models beside the repository');

  it.skipIf(!present)('reads MLPNet', async () => {
    const { weights } = await readCheckpoint(folder('mlpnet'));
    expect(weights.map(({ name, shape }) => [name, ...shape])).toEqual([
      ['fc1/kernel', 784, 40],
      ['fc2/kernel', 40, 20],
      ['fc3/kernel', 20, 10],
    ]);
    expect(weights.reduce((sum, { values }) => sum + values.length, 0)).toBe(32_360);
  });

  it.skipIf(!present)('reads ResNet-20', async () => {
    const { weights } = await readCheckpoint(join(folder('resnet20'), 'model.json'));
    const count = (pattern: RegExp) =>
      weights.filter(({ name }) => pattern.test(name)).reduce((sum, { values }) => sum + values.length, 0);
    expect(count(/kernel$/)).toBe(268_336);
    expect(count(/./)).toBe(1_084_392 / 4);
  });
});
