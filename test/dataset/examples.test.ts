import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Split } from '../../src/dataset/dataset.js';
import { prepareExamples } from '../../src/dataset/examples.js';
import { type InputOrder, planLayout } from '../../src/dataset/layout.js';
import { expectInputError, splitWith } from './support.js';

/** Two images, 2 high, 2 wide, 3 channels: the number at (row, column, channel) is 100 image + 10 pixel + channel. */
const LAST = [
  0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32, 100, 101, 102, 110, 111, 112, 120, 121, 122, 130, 131, 132,
];
const FIRST = [
  0, 10, 20, 30, 1, 11, 21, 31, 2, 12, 22, 32, 100, 110, 120, 130, 101, 111, 121, 131, 102, 112, 122, 132,
];
const lastSplit = splitWith({ count: 2, shape: [2, 2, 3], layout: 'NHWC', values: Float32Array.from(LAST) });
const firstSplit = splitWith({
  count: 2,
  shape: [3, 2, 2],
  layout: 'NCHW',
  values: Float32Array.from(FIRST),
});

const plain = { normalization: null };

describe('the order of the numbers', () => {
  it.each([
    ['channels last to channels last', lastSplit, [2, 2, 3], LAST],
    ['channels last to channels first', lastSplit, [3, 2, 2], FIRST],
    ['channels last to flat', lastSplit, [12], LAST],
    ['channels last to another shape', lastSplit, [4, 3], LAST],
    ['channels first to channels last', firstSplit, [2, 2, 3], LAST],
    ['channels first to channels first', firstSplit, [3, 2, 2], FIRST],
    ['channels first to flat', firstSplit, [12], LAST],
    ['channels first to another shape', firstSplit, [1, 12], LAST],
  ])('%s', (_title, split, inputShape, expected) => {
    const examples = prepareExamples(split, { inputShape, ...plain });
    expect(examples.shape).toEqual(inputShape);
    expect(examples.inputs(0, 2)).toEqual(Float32Array.from(expected));
    expect(examples.inputs(1, 2)).toEqual(Float32Array.from(expected.slice(12)));
  });

  it.each<[InputOrder, string, Split, number[], number[], 'NHWC' | 'NCHW' | null]>([
    ['stored', 'channels last to flat', lastSplit, [12], LAST, 'NHWC'],
    ['stored', 'channels first to flat', firstSplit, [12], FIRST, 'NCHW'],
    ['stored', 'channels first to another shape', firstSplit, [3, 4], FIRST, 'NCHW'],
    ['stored', 'channels first to channels last', firstSplit, [2, 2, 3], LAST, null],
    ['stored', 'channels last to channels first', lastSplit, [3, 2, 2], FIRST, null],
    ['NHWC', 'channels last to flat', lastSplit, [12], LAST, 'NHWC'],
    ['NHWC', 'channels first to flat', firstSplit, [12], LAST, 'NHWC'],
    ['NHWC', 'channels last to channels first', lastSplit, [3, 2, 2], FIRST, null],
    ['NCHW', 'channels last to flat', lastSplit, [12], FIRST, 'NCHW'],
    ['NCHW', 'channels first to flat', firstSplit, [12], FIRST, 'NCHW'],
    ['NCHW', 'channels first to channels last', firstSplit, [2, 2, 3], LAST, null],
  ])('asked as %s: %s', (inputOrder, _title, split, inputShape, expected, chosen) => {
    const examples = prepareExamples(split, { inputShape, inputOrder, ...plain });
    expect(examples.inputs(0, 2)).toEqual(Float32Array.from(expected));
    expect(planLayout(split, inputShape, inputOrder).chosenOrder).toBe(chosen);
  });

  it.each<[InputOrder, number[]]>([
    ['NHWC', [0, 9, 18, 1]],
    ['NCHW', [0, 1, 2, 3]],
    ['stored', [0, 1, 2, 3]],
  ])('is the one asked for where both readings are possible: %s', (inputOrder, expected) => {
    const values = Float32Array.from({ length: 27 }, (_, i) => i);
    const split = splitWith({ count: 1, shape: [3, 3, 3], layout: 'NCHW', values });
    const { inputs } = prepareExamples(split, { inputShape: [3, 3, 3], inputOrder, ...plain });
    expect([...inputs(0, 1).slice(0, 4)]).toEqual(expected);
  });

  it('is no choice for data without channels', () => {
    const values = new Float32Array(12);
    const others: Split[] = [
      splitWith({ count: 1, shape: [12], layout: 'flat', values }),
      splitWith({ count: 1, shape: [3, 4], values }),
      splitWith({ count: 1, shape: [3, 4, 1], values }),
      splitWith({ count: 1, shape: [1, 3, 4], layout: 'NCHW', values }),
    ];
    for (const split of others) {
      expect(planLayout(split, [12], 'NCHW').chosenOrder).toBeNull();
    }
  });

  it('comes back after channels first and channels last again', () => {
    const side = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(side, side, side, fc.integer({ min: 1, max: 3 }), (height, width, channels, count) => {
        // Cubes have the same shape both ways, so they stay channels last.
        fc.pre(height !== channels || width !== channels);
        const values = Float32Array.from({ length: count * height * width * channels }, (_, i) => i);
        const last = splitWith({ count, shape: [height, width, channels], layout: 'NHWC', values });
        const first = prepareExamples(last, { inputShape: [channels, height, width], ...plain }).inputs(
          0,
          count,
        );
        const stored = splitWith({ count, shape: [channels, height, width], layout: 'NCHW', values: first });
        const back = prepareExamples(stored, { inputShape: [height, width, channels], ...plain }).inputs(
          0,
          count,
        );
        expect(back).toEqual(values);
      }),
    );
  });
});

describe('grey images', () => {
  const values = Uint8Array.from({ length: 6 }, (_, i) => i * 51);
  it.each([[[2, 3]], [[2, 3, 1]], [[1, 2, 3]], [[6]], [[3, 2, 1]]])('fit an input of %j', (inputShape) => {
    for (const shape of [
      [2, 3],
      [2, 3, 1],
    ]) {
      const examples = prepareExamples(splitWith({ count: 1, shape, values }), { inputShape, ...plain });
      expect(examples.inputs(0, 1)).toEqual(Float32Array.of(0, 0.2, 0.4, 0.6, 0.8, 1));
    }
  });
});

describe('dynamic input dimensions', () => {
  it.each([
    [lastSplit, [null, null, 3], [2, 2, 3]],
    [lastSplit, [3, null, null], [3, 2, 2]],
    [firstSplit, [null, null, null], [2, 2, 3]],
    [splitWith({ count: 1, shape: [2, 3], values: new Uint8Array(6) }), [null, null], [2, 3]],
    [splitWith({ count: 1, shape: [2, 3], values: new Uint8Array(6) }), [null, null, 1], [2, 3, 1]],
    [splitWith({ count: 1, shape: [6], layout: 'flat', values: new Float32Array(6) }), [null], [6]],
  ])('are filled from the data: case %#', (split, inputShape, expected) => {
    expect(prepareExamples(split, { inputShape, ...plain }).shape).toEqual(expected);
  });
});

it('dynamic input dimensions that fit both ways are filled in the order asked for', () => {
  const shapeIn = (inputOrder: InputOrder) =>
    prepareExamples(firstSplit, { inputShape: [null, null, null], inputOrder, ...plain }).shape;
  expect(shapeIn('stored')).toEqual([3, 2, 2]);
  expect(shapeIn('NCHW')).toEqual([3, 2, 2]);
  expect(shapeIn('NHWC')).toEqual([2, 2, 3]);
});

describe('normalisation', () => {
  it('of bytes is (x / 255 - mean) / std', () => {
    const split = splitWith({ count: 1, shape: [1, 2], values: Uint8Array.of(0, 255) });
    const { inputs } = prepareExamples(split, {
      inputShape: [2],
      normalization: { mean: [0.1307], std: [0.3081] },
    });
    // -0.1307 / 0.3081 and 0.8693 / 0.3081
    expect([...inputs(0, 1)].map((value) => value.toFixed(6))).toEqual(['-0.424213', '2.821486']);
  });

  it.each([
    ['channels last', lastSplit, [2, 2, 3]],
    ['channels first', firstSplit, [2, 2, 3]],
    ['channels first, flattened', firstSplit, [12]],
  ])('is by the channel of the data: %s', (_title, split, inputShape) => {
    const normalization = { mean: [0, 1, 2], std: [1, 2, 5] };
    const { inputs } = prepareExamples(split, { inputShape, normalization });
    expect([...inputs(0, 1)]).toEqual([0, 0, 0, 10, 5, 2, 20, 10, 4, 30, 15, 6]);
  });

  it('of flat data is by feature', () => {
    const split = splitWith({ count: 2, shape: [2], layout: 'flat', values: Float32Array.of(1, 2, 3, 4) });
    const { inputs } = prepareExamples(split, {
      inputShape: [2],
      normalization: { mean: [1, 2], std: [2, 4] },
    });
    expect([...inputs(0, 2)]).toEqual([0, 0, 1, 0.5]);
  });

  it.each([
    [
      'more means than channels',
      'dataset/normalize-channels',
      { mean: [0, 0], std: [1] },
      /2 numbers as mean.*3 channel/,
    ],
    [
      'more stds than channels',
      'dataset/normalize-channels',
      { mean: [0], std: [1, 1, 1, 1] },
      /4 numbers as std/,
    ],
    ['no mean', 'dataset/normalize-channels', { mean: [], std: [1] }, /0 numbers as mean/],
    ['a std of zero', 'dataset/normalize-value', { mean: [0], std: [0] }, /0 as std/],
    ['a mean that is NaN', 'dataset/normalize-value', { mean: [Number.NaN], std: [1] }, /NaN as mean/],
  ])('is refused with %s', async (_title, code, normalization, words) => {
    const options = { inputShape: [2, 2, 3], normalization };
    await expectInputError(() => prepareExamples(lastSplit, options), code, words, '--normalize');
  });
});

describe('prepareExamples', () => {
  it('gives every example of any order what an elementwise formula gives', () => {
    const cases = fc.record({
      count: fc.integer({ min: 1, max: 6 }),
      height: fc.integer({ min: 1, max: 4 }),
      width: fc.integer({ min: 1, max: 4 }),
      layout: fc.constantFrom('NHWC' as const, 'NCHW' as const),
      bytes: fc.boolean(),
      perChannel: fc.boolean(),
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 8 }),
      salt: fc.nat(1000),
    });
    fc.assert(
      fc.property(cases, ({ count, height, width, layout, bytes, perChannel, picks, salt }) => {
        const size = height * width * 3;
        const raw = Array.from({ length: count * size }, (_, i) => (i * 37 + salt) % 256);
        const split = splitWith({
          count,
          shape: layout === 'NHWC' ? [height, width, 3] : [3, height, width],
          layout,
          values: bytes ? Uint8Array.from(raw) : Float32Array.from(raw),
        });
        const normalization = perChannel
          ? { mean: [0.5, 0.25, 0], std: [0.5, 2, 4] }
          : { mean: [0.5], std: [2] };
        const order = Int32Array.from(picks, (pick) => pick % count);
        const examples = prepareExamples(split, { inputShape: [size], normalization, order });
        const inputs = examples.inputs(0, order.length);
        order.forEach((example, position) => {
          expect(examples.labels.values[position]).toBe(split.labels.values[example]);
          for (let i = 0; i < size; i++) {
            const [channel, pixel] = [i % 3, Math.floor(i / 3)];
            const stored = raw[example * size + (layout === 'NHWC' ? i : channel * height * width + pixel)];
            const [mean, std] = [normalization.mean, normalization.std].map(
              (all) => all[perChannel ? channel : 0],
            );
            expect(inputs[position * size + i]).toBe(
              Math.fround(((bytes ? stored / 255 : stored) - mean) / std),
            );
          }
        });
      }),
      { numRuns: 60 },
    );
  });

  it('keeps the rows of targets with their examples', () => {
    const labels = { kind: 'targets' as const, values: Float32Array.of(1, 2, 3, 4), width: 2 };
    const split = splitWith({ count: 2, shape: [1], layout: 'flat', values: Float32Array.of(7, 8), labels });
    const examples = prepareExamples(split, { inputShape: [1], ...plain, order: Int32Array.of(1, 0, 1) });
    expect([...examples.labels.values]).toEqual([3, 4, 1, 2, 3, 4]);
    expect([...examples.inputs(0, 3)]).toEqual([8, 7, 8]);
    expect(examples.inputs(1, 1).length).toBe(0);
  });

  it('does not hand out the memory of the split', () => {
    const inputs = prepareExamples(lastSplit, { inputShape: [12], ...plain }).inputs(0, 1);
    inputs.fill(-1);
    expect(lastSplit.values[0]).toBe(0);
  });

  it.each<[string, (number | null)[], RegExp]>([
    ['another size', [28, 28, 1], /\[2, 2, 3\] \(12 numbers\).*\[28, 28, 1\]/],
    ['dynamic dimensions of another rank', [null, 12], /\[\?, 12\]/],
    ['dynamic dimensions of another size', [null, null, 1], /\[\?, \?, 1\]/],
  ])('refuses an input shape of %s', async (_title, inputShape, words) => {
    await expectInputError(
      () => prepareExamples(lastSplit, { inputShape, ...plain }),
      'dataset/input-shape',
      words,
    );
  });

  it('throws on examples that there are not', () => {
    expect(() => prepareExamples(lastSplit, { inputShape: [12], ...plain, order: Int32Array.of(2) })).toThrow(
      RangeError,
    );
    const examples = prepareExamples(lastSplit, { inputShape: [12], ...plain });
    for (const [start, end] of [
      [0, 3],
      [-1, 1],
      [2, 1],
      [0.5, 1],
    ]) {
      expect(() => examples.inputs(start, end)).toThrow(RangeError);
    }
  });
});
