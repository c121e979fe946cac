import { rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import type { StoredSplit, StreamedSplit } from '../../src/dataset/dataset.js';
import { openDataset, readDataset } from '../../src/dataset/registry.js';
import { isStreamed } from '../../src/dataset/stored.js';
import { directoryWith, expectInputError, fileWith, idx, npy, npz } from './support.js';

/** CIFAR records of the label bytes, whose image bytes differ from record to record. */
const records = (...labels: number[][]): Uint8Array =>
  Uint8Array.from(
    labels.flatMap((bytes, record) => [
      ...bytes,
      ...Array.from({ length: 3072 }, (_, at) => (at * (record + 3)) % 251),
    ]),
  );

const IDX = {
  'train-images-idx3-ubyte': idx([3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  'train-labels-idx1-ubyte': idx([3], [2, 0, 1]),
  't10k-images-idx3-ubyte': idx([1, 2, 2], [21, 22, 23, 24]),
  't10k-labels-idx1-ubyte': idx([1], [3]),
};
const CIFAR_10 = {
  'data_batch_1.bin': records([1], [2], [3]),
  'data_batch_2.bin': records([4], [5]),
  'test_batch.bin': records([6], [7]),
};
const CIFAR_100 = { 'train.bin': records([19, 99], [1, 2]), 'test.bin': records([0, 98]) };

function streamedOf(split: StoredSplit | null): StreamedSplit {
  if (split === null || !isStreamed(split)) {
    throw new Error('the split is not streamed');
  }
  return split;
}

const everyIndex = (count: number): Int32Array => Int32Array.from({ length: count }, (_, index) => index);

describe('files of records beyond the memory limit', () => {
  it.each([
    ['IDX', IDX, 4, 2 * (4 + 12) + 16],
    ['CIFAR-10', CIFAR_10, 7, 7 * 3072],
    ['CIFAR-100', CIFAR_100, 3, 3 * 3072],
  ])('are read in any order as they would be in memory: %s', async (_, files, count, bytes) => {
    const directory = directoryWith(files);
    const whole = await readDataset(directory);
    expect(await openDataset(directory, { memoryBytes: bytes })).toEqual(whole);
    const opened = await openDataset(directory, { memoryBytes: bytes - 1 });
    expect(opened).toMatchObject({ format: whole.format, path: directory });
    expect(opened.warnings).toEqual([
      ...whole.warnings,
      expect.stringMatching(new RegExp(`${count} examples take 1 MiB.*streamed`)),
    ]);
    for (const part of ['train', 'test'] as const) {
      const expected = whole[part]!;
      const { values, ...form } = expected;
      const { read, memoryBytes, ...found } = streamedOf(opened[part]);
      expect([found, memoryBytes]).toEqual([form, bytes - 1]);
      expect(await read(everyIndex(expected.count))).toEqual(expected);
      const [last, width] = [expected.count - 1, values.length / expected.count];
      const picked = await read(Int32Array.of(last, 0, last));
      expect(picked.values).toEqual(
        Uint8Array.from([
          ...values.subarray(last * width),
          ...values.subarray(0, width),
          ...values.subarray(last * width),
        ]),
      );
      expect([...picked.labels.values]).toEqual([last, 0, last].map((at) => form.labels.values[at]));
    }
  });

  it.each([
    ['is cut', (path: string) => truncateSync(path, 4000), 'dataset/changed'],
    ['disappears', (path: string) => rmSync(path), 'dataset/missing'],
  ])('are named where one %s later', async (_, change, code) => {
    const directory = directoryWith(CIFAR_10);
    const { train } = await openDataset(directory, { memoryBytes: 5000 });
    change(join(directory, 'data_batch_1.bin'));
    await expectInputError(() => streamedOf(train).read(Int32Array.of(1, 4)), code, /data_batch_1\.bin: /);
    expect([...(await streamedOf(train).read(Int32Array.of(4, 3))).labels.values]).toEqual([5, 4]);
  });

  it('are refused at once with a label that is out of range, or a length that does not fit', async () => {
    const labels = directoryWith({ 'data_batch_1.bin': records([1], [10]) });
    await expectInputError(
      () => openDataset(labels, { memoryBytes: 1 }),
      'dataset/label-range',
      /record 1 has label 10/,
    );
    const short = directoryWith({
      ...IDX,
      'train-images-idx3-ubyte': IDX['train-images-idx3-ubyte'].slice(0, 20),
    });
    await expectInputError(
      () => openDataset(short, { memoryBytes: 1 }),
      'dataset/idx-length',
      /20 bytes, but its header \(shape 3 x 2 x 2\) needs 28/,
    );
  });

  it('are in memory with a warning where they are gzipped, in an archive, or of another format', async () => {
    const zipped = Object.entries(IDX).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)]);
    for (const path of [
      directoryWith(Object.fromEntries(zipped)),
      fileWith('cifar.zip', zipSync(CIFAR_100)),
      fileWith(
        'set.npz',
        npz({
          x_train: npy('|u1', [2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6)),
          y_train: npy('|u1', [2], Uint8Array.of(0, 1)),
        }),
      ),
    ]) {
      const { warnings: __, ...whole } = await readDataset(path);
      const { warnings, ...opened } = await openDataset(path, { memoryBytes: 1 });
      expect(opened).toEqual(whole);
      expect(warnings.at(-1)).toMatch(/data of 1 MiB is in memory, beyond the memory limit/);
    }
  });
});
