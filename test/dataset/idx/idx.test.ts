import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readIdx } from '../../../src/dataset/idx/array.js';
import { readDataset } from '../../../src/dataset/registry.js';
import { diskFile } from '../../../src/dataset/source/file.js';
import { directoryWith, expectInputError, fileWith, idx } from '../support.js';

const IMAGES = idx([2, 2, 3], [0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255]);
const LABELS = idx([2], [1, 4]);
const OTHER_LABELS = idx([2], [0, 6]);

describe('a directory of IDX files', () => {
  it.each([
    ['as published', (name: string) => name],
    ['with dots', (name: string) => name.replace('-idx', '.idx')],
    ['with a prefix', (name: string) => `emnist-digits-${name}`],
  ])('is read with names %s', async (_title, rename) => {
    const directory = directoryWith({
      [rename('train-images-idx3-ubyte')]: IMAGES,
      [rename('train-labels-idx1-ubyte')]: LABELS,
      [rename('t10k-images-idx3-ubyte.gz')]: gzipSync(IMAGES),
      [rename('t10k-labels-idx1-ubyte.gz')]: gzipSync(OTHER_LABELS),
    });
    const { format, path, train, test, warnings } = await readDataset(directory);
    expect({ format, path, warnings }).toEqual({ format: 'idx', path: directory, warnings: [] });
    expect(train).toMatchObject({ count: 2, shape: [2, 3], layout: 'NHWC', byteImages: true });
    expect([...(train?.values ?? [])]).toEqual([...IMAGES.subarray(16)]);
    expect([...(test?.values ?? [])]).toEqual([...IMAGES.subarray(16)]);
    expect(train?.labels).toEqual({ kind: 'classes', values: Int32Array.of(1, 4), classCount: 7 });
    expect(test?.labels).toEqual({ kind: 'classes', values: Int32Array.of(0, 6), classCount: 7 });
  });

  it('may hold only one of the pairs', async () => {
    const train = await readDataset(
      directoryWith({ 'train-images-idx3-ubyte': IMAGES, 'train-labels-idx1-ubyte': LABELS }),
    );
    expect([train.train?.count, train.test]).toEqual([2, null]);
    const test = await readDataset(
      directoryWith({ 't10k-images-idx3-ubyte': IMAGES, 't10k-labels-idx1-ubyte': LABELS }),
    );
    expect([test.train, test.test?.count]).toEqual([null, 2]);
  });

  it('is recognised by content where the names do not say IDX', async () => {
    const directory = directoryWith({
      'train_images.dat': IMAGES,
      'train_labels.dat': LABELS,
      'notes.txt': 'hello',
    });
    expect((await readDataset(directory)).format).toBe('idx');
  });

  it('prefers an unpacked file over its own .gz', async () => {
    const directory = directoryWith({
      'train-images-idx3-ubyte': IMAGES,
      'train-images-idx3-ubyte.gz': gzipSync(IMAGES),
      'train-labels-idx1-ubyte': LABELS,
    });
    expect((await readDataset(directory)).train?.count).toBe(2);
  });

  it.each<[string, string, Record<string, Uint8Array>, RegExp]>([
    ['images without labels', 'dataset/idx-missing', { 'train-images-idx3-ubyte': IMAGES }, /train labels/],
    ['labels without images', 'dataset/idx-missing', { 't10k-labels-idx1-ubyte': LABELS }, /test images/],
    [
      'another number of labels',
      'dataset/count',
      { 'train-images-idx3-ubyte': IMAGES, 'train-labels-idx1-ubyte': idx([3], [0, 1, 2]) },
      /3 labels.*2 images/,
    ],
    [
      'no examples',
      'dataset/empty',
      { 'train-images-idx3-ubyte': idx([0, 28, 28], []), 'train-labels-idx1-ubyte': idx([0], []) },
      /no examples/,
    ],
    [
      'labels in the place of images',
      'dataset/idx-rank',
      { 'train-images-idx3-ubyte': LABELS, 'train-labels-idx1-ubyte': LABELS },
      /rank 1/,
    ],
    [
      'images in the place of labels',
      'dataset/idx-rank',
      { 'train-images-idx3-ubyte': IMAGES, 'train-labels-idx1-ubyte': IMAGES },
      /rank 3/,
    ],
    [
      'two sets',
      'dataset/idx-ambiguous',
      { 'a-train-images-idx3-ubyte': IMAGES, 'b-train-images-idx3-ubyte': IMAGES },
      /several files/,
    ],
    ['names that say nothing', 'dataset/idx-names', { 'a.dat': IMAGES, 'b.dat': LABELS }, /a\.dat, b\.dat/],
    [
      'test images of another size',
      'dataset/shape',
      {
        'train-images-idx3-ubyte': IMAGES,
        'train-labels-idx1-ubyte': LABELS,
        't10k-images-idx3-ubyte': idx([1, 1, 1], [0]),
        't10k-labels-idx1-ubyte': idx([1], [0]),
      },
      /1 x 1.*2 x 3/,
    ],
  ])('is refused with %s', async (_title, code, files, words) => {
    const directory = directoryWith(files);
    await expectInputError(() => readDataset(directory), code, words);
  });
});

describe('readIdx', () => {
  it.each<[string, string, Uint8Array, RegExp]>([
    ['cut short', 'dataset/idx-length', IMAGES.subarray(0, -1), /27 bytes.*2 x 2 x 3.*28/],
    ['too long', 'dataset/idx-length', Uint8Array.of(...IMAGES, 0), /29 bytes/],
    ['cut within the header', 'dataset/idx-truncated', IMAGES.subarray(0, 9), /16-byte header/],
    ['empty', 'dataset/idx-magic', new Uint8Array(0), /not an IDX file/],
    [
      'with a wrong magic number',
      'dataset/idx-magic',
      Uint8Array.of(1, ...IMAGES.subarray(1)),
      /01 00 08 03/,
    ],
    ['of floats', 'dataset/idx-type', idx([1], [0, 0, 0, 0], 13), /float32/],
    ['of rank 0', 'dataset/idx-rank', Uint8Array.of(0, 0, 8, 0), /rank 0/],
    ['of rank 200', 'dataset/idx-rank', Uint8Array.of(0, 0, 8, 200, 0, 0, 0, 1), /rank 200/],
    [
      'that announces 2^96 bytes',
      'dataset/idx-too-large',
      idx([2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], []),
      /limit/,
    ],
    ['gzipped and cut short', 'dataset/corrupt-gzip', gzipSync(IMAGES).subarray(0, -9), /damaged gzip/],
    [
      'gzipped with a false checksum',
      'dataset/corrupt-gzip',
      falseChecksum(gzipSync(IMAGES)),
      /damaged gzip/,
    ],
    [
      'of garbage after the gzip signature',
      'dataset/corrupt-gzip',
      Uint8Array.of(0x1f, 0x8b, 8, 255, 1),
      /damaged/,
    ],
    ['gzipped, its header too small', 'dataset/gzip-too-long', gzipSync(bomb()), /more than the 20 bytes/],
    ['gzipped, its header too large', 'dataset/idx-length', gzipSync(idx([9, 9], [1])), /13 bytes/],
  ])('refuses a file %s', async (_title, code, content, words) => {
    const path = fileWith('file', content);
    await expectInputError(() => diskFile(path, 'd').then(readIdx), code, words, path);
  });

  /** Says 2 x 2 x 2 bytes follow... and goes on for 4 MB. */
  function bomb(): Uint8Array {
    const bytes = new Uint8Array(4_000_000);
    bytes.set(idx([2, 2, 1], [1, 2, 3, 4]));
    return bytes;
  }

  function falseChecksum(bytes: Uint8Array): Uint8Array {
    const changed = Uint8Array.from(bytes);
    changed[changed.length - 8] ^= 1;
    return changed;
  }
});
