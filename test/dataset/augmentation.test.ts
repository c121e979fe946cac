import { describe, expect, it } from 'vitest';
import { augmentExamples } from '../../src/dataset/augmentation.js';
import type { Split } from '../../src/dataset/dataset.js';
import type { RandomStream } from '../../src/random.js';

/** A stream of given integers. */
function drawn(...numbers: number[]): RandomStream {
  return { integer: () => numbers.shift() as number } as unknown as RandomStream;
}

const split = (layout: 'NHWC' | 'NCHW', shape: number[]): Split => ({
  count: 1,
  shape,
  layout,
  values: Uint8Array.of(1, 2, 3, 4, 5, 6),
  byteImages: true,
  labels: { kind: 'classes', values: Int32Array.of(1), classCount: 2 },
});

describe('augmentExamples', () => {
  it('moves the image by the drawn pixels, and fills up with zeros', () => {
    // Padding 1 draws from 0, 1, 2: 2 is one pixel down the padded image, 0 one to the left.
    const moved = augmentExamples(
      split('NHWC', [2, 3]),
      Int32Array.of(0, 0),
      { cropPadding: 1, flip: false },
      drawn(2, 0, 1, 1, 1, 1),
    );
    expect([...moved.values]).toEqual([0, 4, 5, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
    expect([...moved.labels.values]).toEqual([1, 1]);
  });

  it.each([
    ['NHWC', [1, 3, 2], [5, 6, 3, 4, 1, 2]],
    ['NCHW', [2, 1, 3], [3, 2, 1, 6, 5, 4]],
  ] as const)('mirrors left to right: %s', (layout, shape, expected) => {
    const options = { cropPadding: 0, flip: true };
    const mirrored = augmentExamples(split(layout, [...shape]), Int32Array.of(0), options, drawn(0, 0, 1));
    expect([...mirrored.values]).toEqual(expected);
  });

  it('refuses what is no image', () => {
    const flat = { ...split('NHWC', [6]), layout: 'flat' as const };
    expect(() =>
      augmentExamples(flat, Int32Array.of(0), { cropPadding: 1, flip: true }, drawn(0, 0, 0)),
    ).toThrow(/takes images/);
  });
});
