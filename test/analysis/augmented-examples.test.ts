import { expect, it } from 'vitest';
import { augmentedExamples } from '../../src/analysis/augmented-examples.js';
import type { Split } from '../../src/dataset/dataset.js';
import { prepareExamples, selectExamples } from '../../src/dataset/examples.js';

const COUNT = 40;
const split: Split = {
  count: COUNT,
  shape: [3, 2, 1],
  layout: 'NHWC',
  byteImages: false,
  values: Float32Array.from({ length: COUNT * 6 }, (_, i) => i + 1),
  labels: { kind: 'classes', values: new Int32Array(COUNT), width: 1 } as unknown as Split['labels'],
};
const config = {
  examples: 10,
  sample: 'random' as const,
  seed: 5,
  normalize: { mean: [2], std: [4] },
  layout: null,
};
const checkpoint = { format: 'tfjs-layers' as const };

it('are those that a method sees, each changed as asked for', () => {
  const order = selectExamples(COUNT, { count: 10, sample: 'random', seed: 5 });
  const plain = prepareExamples(split, {
    inputShape: split.shape,
    normalization: config.normalize,
    order,
  }).inputs(0, 10);
  const problem = { train: { shape: split.shape }, dataset: { train: split } } as never;
  const changed = (augment: { cropPadding: number; flip: boolean }) =>
    augmentedExamples(problem, config, checkpoint, augment).inputs(0, 10);
  expect(changed({ cropPadding: 0, flip: false })).toEqual(plain);
  const flipped = changed({ cropPadding: 0, flip: true });
  let mirrored = 0;
  for (let example = 0; example < 10; example++) {
    const of = (values: Float32Array) => [...values.subarray(6 * example, 6 * example + 6)];
    const [a, b, c, d, e, f] = of(plain);
    const isMirrored = of(flipped)[0] !== a;
    expect(of(flipped)).toEqual(isMirrored ? [b, a, d, c, f, e] : [a, b, c, d, e, f]);
    mirrored += Number(isMirrored);
  }
  expect(mirrored).toBeGreaterThan(0);
  expect(mirrored).toBeLessThan(10);
  // Padding is black before it is normalised.
  const cropped = changed({ cropPadding: 2, flip: false });
  expect(cropped).not.toEqual(plain);
  expect(cropped.some((value) => value === -0.5)).toBe(true);
  expect(changed({ cropPadding: 2, flip: false })).toEqual(cropped);
});
