import { describe, expect, test } from 'vitest';
import * as text from '../../src/report/text.js';

describe('prunedAndKept', () => {
  test.each([
    [0.917, 'pruned 91.7 % (kept 8.3 %, 12x fewer weights)'],
    [0.5, 'pruned 50.0 % (kept 50.0 %, 2.0x fewer weights)'],
    [0, 'pruned 0.0 % (kept 100.0 %)'],
    [0.999, 'pruned 99.90 % (kept 0.10 %, 1000x fewer weights)'],
    [0.99955, 'pruned 99.955 % (kept 0.045 %, 2222x fewer weights)'],
    [1, 'pruned 100.0 % (kept 0.0 %)'],
  ])('%s', (pruned, expected) => {
    expect(text.prunedAndKept(pruned)).toBe(expected);
  });
});

test.each([
  [0.913, 0.921, '91.3 to 92.1 %', '91.3 % and 92.1 %'],
  [0.998, 0.9995, '99.800 to 99.950 %', '99.800 % and 99.950 %'],
  [0.99977, 1, '99.977 to 100.000 %', '99.977 % and 100.000 %'],
  [0, 1, '0.0 to 100.0 %', '0.0 % and 100.0 %'],
])('range and between of %s, %s', (low, high, range, between) => {
  expect(text.range(low, high)).toBe(range);
  expect(text.between(low, high)).toBe(between);
});

test.each([
  [0.5, '0.5 points'],
  [1, '1 point'],
  [0.123, '0.12 points'],
])('plainPoints(%s)', (value, expected) => {
  expect(text.plainPoints(value)).toBe(expected);
});

test.each([
  [1.66, '+1.7'],
  [-20.04, '-20.0'],
  [-0.01, '0.0'],
])('signed(%s)', (value, expected) => {
  expect(text.signed(value)).toBe(expected);
});

test.each([
  [0, '0'],
  [0.0614, '0.06140'],
  [-0.106, '-0.1060'],
  [1.2342e-7, '1.234e-7'],
  [2_500_000, '2.500e+6'],
])('quantity(%s)', (value, expected) => {
  expect(text.quantity(value)).toBe(expected);
});

test('printable text cannot move the cursor', () => {
  expect(text.printable('a\u001b[2Jb\nc\u202ed')).toBe('a\\u001b[2Jb\\u000ac\\u202ed');
  expect(text.printable('größe 模型')).toBe('größe 模型');
});
