import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import type { Split } from '../../../src/dataset/dataset.js';
import { readDataset } from '../../../src/dataset/registry.js';
import { directoryWith, expectInputError, fileWith, idx, npy, npz, tar } from '../support.js';

/** CIFAR-10 records: a label, then the bytes label, label + 1, ... modulo 256. */
function records(...labels: number[]): Uint8Array {
  return Uint8Array.from({ length: 3073 * labels.length }, (_, at) => {
    const label = labels[Math.floor(at / 3073)];
    return at % 3073 === 0 ? label : (label + (at % 3073) - 1) % 256;
  });
}

const CIFAR = {
  'cifar-10-batches-bin/batches.meta.txt': new TextEncoder().encode('airplane\nautomobile\n'),
  'cifar-10-batches-bin/data_batch_1.bin': records(3, 7),
  'cifar-10-batches-bin/test_batch.bin': records(9),
};

const MNIST = {
  'train-images-idx3-ubyte': idx([2, 1, 3], [1, 2, 3, 4, 5, 6]),
  'train-labels-idx1-ubyte': idx([2], [1, 0]),
  't10k-images-idx3-ubyte': idx([1, 1, 3], [7, 8, 9]),
  't10k-labels-idx1-ubyte': idx([1], [2]),
};

const below = (folder: string, files: Record<string, Uint8Array>): Record<string, Uint8Array> =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [`${folder}/${name}`, content]));

const gzipped = (files: Record<string, Uint8Array>): Record<string, Uint8Array> =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [`${name}.gz`, gzipSync(content)]));

function values(split: Split | null): number[] {
  return [...(split?.values ?? [])];
}

async function expectMnist(path: string): Promise<void> {
  const { format, train, test } = await readDataset(path);
  expect(format).toBe('idx');
  expect([values(train), values(test)]).toEqual([
    [1, 2, 3, 4, 5, 6],
    [7, 8, 9],
  ]);
  expect([train?.labels.values, test?.labels.values]).toEqual([Int32Array.of(1, 0), Int32Array.of(2)]);
}

async function expectCifar(path: string): Promise<void> {
  const dataset = await readDataset(path);
  expect([dataset.format, dataset.path]).toEqual(['cifar-10', path]);
  expect(dataset.train?.labels.values).toEqual(Int32Array.of(3, 7));
  expect(dataset.test?.labels.values).toEqual(Int32Array.of(9));
  expect(values(dataset.train).slice(3072, 3075)).toEqual([7, 8, 9]);
  expect(values(dataset.test).slice(-2)).toEqual([(9 + 3070) % 256, (9 + 3071) % 256]);
}

describe('an archive as downloaded', () => {
  it.each<[string, string, Uint8Array]>([
    ['tar.gz', 'cifar-10-binary.tar.gz', gzipSync(tar({ 'cifar-10-batches-bin/': '', ...CIFAR }))],
    ['tar of another name', 'cifar', tar(CIFAR)],
    ['zip', 'cifar.zip', zipSync(CIFAR)],
  ])("is read: CIFAR's, as %s", async (_title, name, bytes) => {
    const path = fileWith(name, bytes);
    await expectCifar(path);
    await expectCifar(join(path, '..'));
  });

  it("is read with what macOS adds: files of '._'", async () => {
    const files = {
      'c/._data_batch_1.bin': 'x',
      'c/data_batch_1.bin': records(3, 7),
      'c/test_batch.bin': records(9),
    };
    await expectCifar(fileWith('c.tgz', gzipSync(tar(files))));
  });

  it.each<[string, Record<string, Uint8Array>]>([
    ['IDX files', MNIST],
    ['gzipped IDX files', gzipped(MNIST)],
    ['IDX files in a folder', below('gzip', gzipped(MNIST))],
  ])('is read: a zip with %s', async (_title, files) => {
    await expectMnist(fileWith('mnist.zip', zipSync(files)));
    await expectMnist(fileWith('mnist.zip', zipSync(files, { level: 0 })));
  });

  it('is read: a zip with one CSV file beside other things', async () => {
    const text = (value: string): Uint8Array => new TextEncoder().encode(value);
    const zip = zipSync({ 'wine.csv': text('a;b;y\n1;2;0\n3;4;1\n'), 'wine.names': text('Citation: ...') });
    const { format, train } = await readDataset(fileWith('wine.zip', zip));
    expect([format, values(train)]).toEqual(['csv', [1, 2, 3, 4]]);
  });

  it('is read: an npz in a zip', async () => {
    const archive = npz({
      x_train: npy('|u1', [1, 2], Uint8Array.of(5, 6)),
      y_train: npy('|u1', [1], Uint8Array.of(0)),
    });
    const { format, train } = await readDataset(fileWith('a.zip', zipSync({ 'data.npz': archive })));
    expect([format, values(train)]).toEqual(['npz', [5, 6]]);
  });

  const pickle = Uint8Array.of(0x80, 2, 0x7d, 0x71);
  it.each<[string, string, string, Uint8Array, RegExp]>([
    [
      "CIFAR's python version",
      'cifar-10-python.tar.gz',
      'dataset/format',
      gzipSync(tar({ 'cifar-10-batches-py/data_batch_1': pickle })),
      /data_batch_1: belongs to CIFAR's python version.*cifar-10-binary\.tar\.gz/,
    ],
    [
      'UTF-16 within',
      'a.zip',
      'dataset/format',
      zipSync({ 'a.csv': Buffer.from('\ufeffa,y\n1,0\n', 'utf16le') }),
      /a\.zip\/a\.csv: is UTF-16 text/,
    ],
    [
      'several sets',
      'a.zip',
      'dataset/ambiguous',
      zipSync({ ...below('a', MNIST), ...below('b', MNIST) }),
      /a\.zip\/a.*a\.zip\/b/,
    ],
    ['nothing to read', 'a.zip', 'dataset/format', zipSync({ 'x/readme': Uint8Array.of(65) }), /holds x\//],
    ['a name that climbs', 'a.tar', 'dataset/format', tar({ '../../a.csv': 'a,y\n1,0\n' }), /no data/],
    ['an entry cut short', 'a.tar', 'dataset/corrupt-tar', tar(CIFAR).subarray(0, 5000), /Truncated/],
    ['a wrong checksum', 'a.tar', 'dataset/corrupt-tar', tar(CIFAR).fill(65, 100, 103), /checksum/],
    [
      'a size below 0',
      'a.tar',
      'dataset/corrupt-tar',
      tar({ 'a.csv': 'a,y' }, { 'a.csv': -512 }),
      /checksum/,
    ],
    [
      'a size that is not there',
      'a.tar',
      'dataset/archive-too-large',
      tar({ a: 'b' }, { a: 2 ** 32 }),
      /unpack it/,
    ],
    [
      'gzip cut short',
      'a.tgz',
      'dataset/corrupt-gzip',
      gzipSync(tar(CIFAR)).subarray(0, -50),
      /damaged gzip/,
    ],
  ])('is refused with %s', async (_title, name, code, bytes, words) => {
    const path = fileWith(name, bytes);
    await expectInputError(() => readDataset(path), code, words, path);
    await expectInputError(() => readDataset(join(path, '..')), code, words);
  });
});

describe("torchvision's root folder", () => {
  it.each([
    ['MNIST', { ...below('MNIST/raw', gzipped(MNIST)), ...below('MNIST/raw', MNIST) }],
    ['FashionMNIST', below('FashionMNIST/raw', MNIST)],
    ['KMNIST', below('KMNIST/raw', MNIST)],
  ])('of %s is read', async (_title, files) => {
    await expectMnist(directoryWith(files));
  });

  it('of CIFAR-10 is read', async () => {
    await expectCifar(directoryWith(CIFAR));
  });

  it('of EMNIST is read from one file of a set', async () => {
    const emnist = (set: string, add: number): Record<string, Uint8Array> => ({
      [`emnist-${set}-train-images-idx3-ubyte`]: idx(
        [2, 1, 3],
        [1, 2, 3, 4, 5, 6].map((v) => v + add),
      ),
      [`emnist-${set}-train-labels-idx1-ubyte`]: idx([2], [1, 0]),
      [`emnist-${set}-test-images-idx3-ubyte`]: idx(
        [1, 1, 3],
        [7, 8, 9].map((v) => v + add),
      ),
      [`emnist-${set}-test-labels-idx1-ubyte`]: idx([1], [2]),
    });
    const root = directoryWith(below('EMNIST/raw', { ...emnist('letters', 0), ...emnist('digits', 10) }));
    await expectMnist(join(root, 'EMNIST/raw/emnist-letters-test-images-idx3-ubyte'));
    const { train } = await readDataset(join(root, 'EMNIST/raw/emnist-digits-train-labels-idx1-ubyte'));
    expect(values(train)[0]).toBe(11);
    await expectInputError(
      () => readDataset(root),
      'dataset/idx-ambiguous',
      /emnist-digits.*emnist-letters.*give one/,
    );
  });

  it('of several sets is refused', async () => {
    const root = directoryWith({ ...below('MNIST/raw', MNIST), ...below('KMNIST/raw', MNIST) });
    await expectInputError(() => readDataset(root), 'dataset/ambiguous', /KMNIST.raw.*MNIST.raw.*give one/);
  });
});
