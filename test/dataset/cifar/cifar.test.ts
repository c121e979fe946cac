import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDataset } from '../../../src/dataset/registry.js';
import { directoryWith, expectInputError } from '../support.js';

/** Records with the label bytes and an image all of whose bytes are `shade`. */
function records(...items: { labels: number[]; shade: number }[]): Uint8Array {
  return Uint8Array.from(items.flatMap(({ labels, shade }) => [...labels, ...new Array(3072).fill(shade)]));
}

describe('a directory of CIFAR-10 files', () => {
  it('is read in the order of the batch numbers', async () => {
    const { format, train, test, warnings } = await readDataset(
      directoryWith({
        'data_batch_10.bin': records({ labels: [9], shade: 10 }),
        'data_batch_2.bin': records({ labels: [3], shade: 2 }, { labels: [4], shade: 3 }),
        'test_batch.bin': records({ labels: [1], shade: 7 }),
        'batches.meta.txt': 'airplane\n',
      }),
    );
    expect(format).toBe('cifar-10');
    expect(train).toMatchObject({ count: 3, shape: [3, 32, 32], layout: 'NCHW', byteImages: true });
    expect(train?.labels).toEqual({ kind: 'classes', values: Int32Array.of(3, 4, 9), classCount: 10 });
    expect([0, 3071, 3072, 6144, 9215].map((index) => train?.values[index])).toEqual([2, 2, 3, 10, 10]);
    expect([test?.count, test?.values[0], test?.labels.values[0]]).toEqual([1, 7, 1]);
    expect(warnings.join()).toMatch(/2 of the 5 training batches/);
  });

  it('may hold only the test batch', async () => {
    const data = await readDataset(directoryWith({ 'test_batch.bin': records({ labels: [1], shade: 7 }) }));
    expect([data.train, data.test?.count, data.warnings]).toEqual([null, 1, []]);
  });

  it.each<[string, string, Uint8Array, RegExp]>([
    [
      'a file cut short',
      'dataset/cifar-length',
      records({ labels: [0], shade: 0 }).subarray(1),
      /3072.*3073/,
    ],
    ['records of CIFAR-100', 'dataset/cifar-length', records({ labels: [0, 0], shade: 0 }), /fits cifar-100/],
    ['an empty file', 'dataset/empty', new Uint8Array(0), /empty/],
    [
      'a label out of range',
      'dataset/label-range',
      records({ labels: [10], shade: 0 }),
      /record 0 has label 10/,
    ],
  ])('is refused with %s', async (_title, code, content, words) => {
    const directory = directoryWith({ 'data_batch_1.bin': content });
    await expectInputError(() => readDataset(directory), code, words, join(directory, 'data_batch_1.bin'));
  });
});

describe('a directory of CIFAR-100 files', () => {
  it('is read with the fine labels', async () => {
    const { format, train, test } = await readDataset(
      directoryWith({
        'train.bin': records({ labels: [19, 99], shade: 1 }),
        'test.bin': records({ labels: [0, 5], shade: 2 }),
      }),
    );
    expect(format).toBe('cifar-100');
    expect(train?.labels).toEqual({ kind: 'classes', values: Int32Array.of(99), classCount: 100 });
    expect([train?.values[0], test?.values[3071], test?.labels.values[0]]).toEqual([1, 2, 5]);
  });

  it.each([
    ['fine', [99, 5], 100],
    ['coarse', [19, 0], 20],
  ] as const)('is read with the %s labels that are asked for', async (labelColumn, classes, classCount) => {
    const directory = directoryWith({
      'train.bin': records({ labels: [19, 99], shade: 1 }),
      'test.bin': records({ labels: [0, 5], shade: 2 }),
    });
    const { train, test } = await readDataset(directory, { labelColumn });
    expect([train, test].map((split) => split?.labels)).toEqual(
      classes.map((label) => ({ kind: 'classes', values: Int32Array.of(label), classCount })),
    );
    expect([train?.values[0], test?.values[3071]]).toEqual([1, 2]);
  });

  it('is refused with labels of another name', async () => {
    const directory = directoryWith({ 'train.bin': records({ labels: [0, 0], shade: 1 }) });
    await expectInputError(
      () => readDataset(directory, { labelColumn: 'super' }),
      'dataset/label-column',
      /no labels "super".*--label-column coarse or --label-column fine/,
      directory,
    );
  });

  it('is refused with a coarse label out of range', async () => {
    const directory = directoryWith({ 'train.bin': records({ labels: [20, 99], shade: 1 }) });
    await expectInputError(() => readDataset(directory), 'dataset/label-range', /label 20.*0 to 19/);
  });
});
