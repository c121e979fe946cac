import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import type { StoredSplit, StreamedSplit } from '../../../src/dataset/dataset.js';
import { openDataset, readDataset } from '../../../src/dataset/registry.js';
import { isStreamed } from '../../../src/dataset/stored.js';
import { directoryWith, expectInputError, fileWith } from '../support.js';
import { png } from './pictures.js';

const hasSharp = await import('sharp').then(
  () => true,
  () => false,
);
if (!hasSharp) {
  console.warn('streamed images are not tested: the optional package sharp is not installed');
}

/** 2 x 1 pixels, whose first byte is given. */
const colour = (first: number): Uint8Array => png(2, 1, 2, [first, 2, 3, 4, 5, 6]);
const grey = (first: number): Uint8Array => png(2, 1, 0, [first, 9]);

const pictures = (of: (first: number) => Uint8Array): Record<string, Uint8Array> => ({
  'train/a/1.png': of(10),
  'train/a/2.png': of(20),
  'train/b/1.png': of(30),
  'test/a/1.png': of(40),
  'test/b/1.png': of(50),
});

function streamedOf(split: StoredSplit | null): StreamedSplit {
  if (split === null || !isStreamed(split)) {
    throw new Error('the split is not streamed');
  }
  return split;
}

describe.skipIf(!hasSharp)('images beyond the memory limit', () => {
  it.each([
    ['colour', colour],
    ['grey', grey],
  ])('are read in any order as they would be in memory: %s', async (_, of) => {
    const directory = directoryWith(pictures(of));
    const whole = await readDataset(directory);
    // Five images of six bytes.
    const { train, test, warnings, format } = await openDataset(directory, { memoryBytes: 29 });
    expect([format, warnings]).toEqual([
      'images',
      [
        expect.stringMatching(
          /5 images of 2 x 1 pixels take 1 MiB, and 4 fit into the memory limit.*streamed/,
        ),
      ],
    ]);
    for (const [part, expected] of [
      [train, whole.train!],
      [test, whole.test!],
    ] as const) {
      const { count, shape, layout, byteImages, labels, read } = streamedOf(part);
      const { values: _, ...form } = expected;
      expect({ count, shape, layout, byteImages, labels }).toEqual(form);
      expect(await read(Int32Array.from({ length: count }, (__, index) => index))).toEqual(expected);
    }
    const picked = await streamedOf(train).read(Int32Array.of(2, 0, 2));
    const bytes = whole.train!.values.length / 3;
    expect([...picked.values].filter((__, index) => index % bytes === 0)).toEqual([30, 10, 30]);
    expect([picked.count, [...picked.labels.values]]).toEqual([3, [1, 0, 1]]);
  });

  it('are in memory where they fit, and without a limit', async () => {
    const directory = directoryWith(pictures(colour));
    const whole = await readDataset(directory);
    expect(await openDataset(directory, { memoryBytes: 30 })).toEqual(whole);
    expect(await openDataset(directory)).toEqual(whole);
  });

  it('are streamed from a zip, too', async () => {
    const { train } = await openDataset(fileWith('set.zip', zipSync(pictures(colour))), { memoryBytes: 1 });
    expect([...(await streamedOf(train).read(Int32Array.of(1))).values]).toEqual([20, 4, 2, 5, 3, 6]);
  });

  it.each([
    ['damaged', colour(20).slice(0, 48), 'dataset/corrupt-image'],
    ['of another size', png(1, 1, 2, [1, 2, 3]), 'dataset/image-size'],
    ['no image', new Uint8Array(9), 'dataset/image-format'],
  ])('are refused at once where one is %s', async (_, content, code) => {
    const directory = directoryWith({ ...pictures(colour), 'train/a/2.png': content });
    await expectInputError(() => openDataset(directory, { memoryBytes: 29 }), code, 'train/a/2.png');
  });

  it.each([
    ['disappears', null, 'dataset/missing', /was there and is gone/],
    ['breaks', grey(20).slice(0, 50), 'dataset/corrupt-image', /damaged image/],
    ['changes its size', png(1, 1, 0, [1]), 'dataset/image-size', /1 x 1 pixels/],
    ['changes its colours', colour(1), 'dataset/changed', /was grey/],
  ])('are named where one %s later', async (_, content, code, words) => {
    const directory = directoryWith(pictures(grey));
    const { train } = await openDataset(directory, { memoryBytes: 29 });
    const path = join(directory, 'train/a/2.png');
    if (content === null) {
      rmSync(path);
    } else {
      writeFileSync(path, content);
    }
    const { read } = streamedOf(train);
    await expectInputError(() => read(Int32Array.of(0, 1)), code, 'train/a/2.png', words);
    expect((await read(Int32Array.of(0, 2))).count).toBe(2);
  });
});
