import { describe, expect, it } from 'vitest';
import type { Labels } from '../../src/dataset/dataset.js';
import { classLabels } from '../../src/dataset/labels.js';
import { expectInputError } from './support.js';

const classes = (...values: number[]): Labels => ({
  kind: 'classes',
  values: Int32Array.from(values),
  classCount: Math.max(...values) + 1,
});
const targets = (width: number, ...values: number[]): Labels => ({
  kind: 'targets',
  values: Float32Array.from(values),
  width,
});

describe('classLabels', () => {
  it.each<[string, Labels, number, number[]]>([
    ['classes', classes(0, 2, 1), 3, [0, 2, 1]],
    ['fewer classes than the model has', classes(0, 2), 10, [0, 2]],
    ['one-hot rows', targets(3, 0, 0, 1, 1, 0, 0), 3, [2, 0]],
    ['class numbers as floats', targets(1, 1, 0), 2, [1, 0]],
  ])('takes %s', (_title, labels, classCount, expected) => {
    expect(classLabels(labels, classCount)).toEqual(Int32Array.from(expected));
  });

  it.each<[string, string, Labels, number, RegExp]>([
    ['a class too large', 'dataset/label-range', classes(0, 3), 3, /example 1 has label 3.*0 to 2/],
    ['a negative number', 'dataset/label-range', targets(1, -1, 1), 2, /label -1/],
    ['a fraction', 'dataset/label-range', targets(1, 0.5), 2, /label 0.5/],
    ['rows of another width', 'dataset/label-width', targets(2, 0, 1), 3, /rows of 2/],
    ['a soft row', 'dataset/not-one-hot', targets(2, 0, 1, 0.5, 0.5), 2, /example 1/],
    ['two ones', 'dataset/not-one-hot', targets(2, 1, 1), 2, /example 0/],
    ['no one', 'dataset/not-one-hot', targets(2, 0, 0), 2, /example 0/],
  ])('refuses %s', async (_title, code, labels, classCount, words) => {
    await expectInputError(() => classLabels(labels, classCount), code, words);
  });
});
