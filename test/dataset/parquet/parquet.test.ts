import { describe, expect, it } from 'vitest';
import { readDataset } from '../../../src/dataset/registry.js';
import { directoryWith, expectInputError, fileWith } from '../support.js';
import { parquet } from './files.js';

const hasSharp = await import('sharp').then(
  () => true,
  () => false,
);
if (!hasSharp) {
  console.warn('images in Parquet are not tested: the optional package sharp is not installed');
}

const ROWS = [1, 2.5, 3, 4, 5.5, -6, 7, 8.25, 9];

describe('a Parquet file', () => {
  it.each(['uncompressed', 'snappy', 'zstd', 'gzip'] as const)('of numbers is read: %s', async (name) => {
    const { format, train, test, warnings } = await readDataset(fileWith('d.parquet', parquet(name)));
    expect([format, test, warnings]).toEqual(['parquet', null, []]);
    expect(train).toMatchObject({ count: 3, shape: [3], layout: 'flat', byteImages: false });
    expect(train?.values).toEqual(Float32Array.from(ROWS));
    expect(train?.labels).toEqual({ kind: 'classes', values: Int32Array.of(0, 2, 1), classCount: 3 });
  });

  it('may have another column as label, and words', async () => {
    const { train } = await readDataset(fileWith('d', parquet('snappy')), { labelColumn: 'b' });
    expect(train?.values).toEqual(Float32Array.of(1, 3, 0, 4, -6, 2, 7, 9, 1));
    expect(train?.labels).toMatchObject({ kind: 'targets', values: Float32Array.of(2.5, 5.5, 8.25) });
    const words = await readDataset(fileWith('d', parquet('words')));
    expect(words.train?.labels).toMatchObject({ values: Int32Array.of(0, 1), classCount: 2 });
  });

  it.skipIf(!hasSharp)('of images is read, with a note of what is not', async () => {
    const { train, warnings } = await readDataset(fileWith('d.parquet', parquet('images')));
    expect(train).toMatchObject({ count: 2, shape: [3, 1, 2], layout: 'NCHW', byteImages: true });
    expect([...(train?.values ?? [])]).toEqual([1, 4, 2, 5, 3, 6, 10, 40, 20, 50, 30, 60]);
    expect(train?.labels).toMatchObject({ values: Int32Array.of(1, 0), classCount: 2 });
    expect(warnings).toEqual([expect.stringMatching(/not read, as there are images: "note"/)]);
  });

  const patched = (find: number[], replace: number[]): Uint8Array => {
    const bytes = Buffer.from(parquet('uncompressed'));
    const at = bytes.indexOf(Buffer.from(find));
    expect(at).toBeGreaterThan(0);
    bytes.set(replace, at);
    return bytes;
  };
  it.each<[string, string, Uint8Array, RegExp]>([
    ['text as a feature', 'dataset/not-a-number', parquet('text'), /column "a": holds text/],
    ['lists', 'dataset/not-a-number', parquet('list'), /column "a": holds lists/],
    ['dates', 'dataset/not-a-number', parquet('date'), /column "a": holds dates/],
    [
      'a value that is missing',
      'dataset/not-a-number',
      parquet('missing'),
      /column "b": the value of row 0 is missing/,
    ],
    [
      'paths in the place of images',
      'dataset/image-missing',
      parquet('unembedded'),
      /row 0 holds no bytes.*embed_external_files/,
    ],
    [
      'its end cut off',
      'dataset/corrupt-parquet',
      parquet('snappy').subarray(0, -9),
      /footer is cut off or wrong/,
    ],
    ['nothing but a signature', 'dataset/corrupt-parquet', Buffer.from('PAR1\0\0\0\0'), /footer/],
    [
      'a footer that is damaged',
      'dataset/corrupt-parquet',
      patched([0x6c, 0x61, 0x62, 0x65, 0x6c, 0x25], [255, 255, 255, 255, 255, 255]),
      /damaged/,
    ],
    // The levels of the first column are one run of three; it is made one of 2^30, which V8 does not survive.
    [
      'a run of 2^30 values',
      'dataset/corrupt-parquet',
      patched([2, 0, 0, 0, 6, 1], [2, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 7, 1]),
      /cannot be decoded/,
    ],
  ])('is refused with %s', async (_title, code, bytes, words) => {
    const path = fileWith('d.parquet', bytes);
    await expectInputError(() => readDataset(path), code, words, path);
  });

  it('is refused where its numbers take more than the memory limit', async () => {
    const path = fileWith('d.parquet', parquet('snappy'));
    expect((await readDataset(path, { memoryBytes: 36 })).train?.count).toBe(3);
    await expectInputError(() => readDataset(path, { memoryBytes: 35 }), 'dataset/memory', /--memory-limit/);
  });
});

describe('a folder of Parquet files', () => {
  it("is read as Hugging Face's: sets of several files in a folder below", async () => {
    const { train, test, warnings } = await readDataset(
      directoryWith({
        'data/train-00000-of-00003.parquet': parquet('snappy'),
        'data/train-00001-of-00003.parquet': parquet('zstd'),
        'data/validation-00000-of-00001.parquet': parquet('gzip'),
        'README.md': '# a set',
      }),
    );
    expect(train?.values).toEqual(Float32Array.from([...ROWS, ...ROWS]));
    expect([...(train?.labels.values ?? [])]).toEqual([0, 2, 1, 0, 2, 1]);
    expect(test?.values).toEqual(Float32Array.from(ROWS));
    expect(warnings).toEqual([expect.stringMatching(/2 of the 3 files of this set/)]);
  });

  it('leaves a test set without labels aside', async () => {
    const { train, test, warnings } = await readDataset(
      directoryWith({ 'train.parquet': parquet('snappy'), 'test.parquet': parquet('unlabelled') }),
    );
    expect([train?.labels.kind, test, warnings]).toEqual([
      'classes',
      null,
      [expect.stringMatching(/labels are -1/)],
    ]);
  });

  it('is refused where the files have other columns', async () => {
    const files = { 'train.parquet': parquet('snappy'), 'test.parquet': parquet('narrow') };
    await expectInputError(
      () => readDataset(directoryWith(files)),
      'dataset/parquet-columns',
      /test\.parquet: its columns/,
    );
  });
});
