import { describe, expect, test } from 'vitest';
import * as read from '../../src/cli/values.js';

describe('right values', () => {
  test.each<[string, read.Reader<unknown>, unknown, unknown]>([
    ['one channel', read.normalization, '0.1307/0.3081', { mean: [0.1307], std: [0.3081] }],
    ['channels', read.normalization, '0.4,-.5/1e-1, 2', { mean: [0.4, -0.5], std: [0.1, 2] }],
    ['an object', read.normalization, { mean: [0.5], std: 0.25 }, { mean: [0.5], std: [0.25] }],
    ['a rule', read.epsilon, 'batch-std', { rule: 'batch-std' }],
    ['a number', read.epsilon, 0.05, { rule: 'absolute', value: 0.05 }],
    ['a number as text', read.epsilon, '5e-2', { rule: 'absolute', value: 0.05 }],
    ['a percentage', read.epsilon, '1.5%', { rule: 'percent', value: 1.5 }],
    ['a spaced percentage', read.epsilon, '1 %', { rule: 'percent', value: 1 }],
    ['all', read.countOrAll(1), 'all', 'all'],
    ['a count', read.countOrAll(1), '2048', 2048],
    ['unsorted ratios', read.prunedFractions, '0.9,0.5,0.90,0', [0, 0.5, 0.9]],
    ['ratios of a file', read.prunedFractions, [0.9, 0.5], [0.5, 0.9]],
    ['percentages', read.prunedFractions, '90%, 50 %,0.5', [0.5, 0.9]],
    ['a percentage of weights', read.prunedFraction, '99.5%', 0.995],
    ['points', read.percentagePoints(read.positiveNumber), '0.5', 0.5],
    ['points with a percent sign', read.percentagePoints(read.positiveNumber), '0.5%', 0.5],
    ['one glob', read.globs, 'a,b', ['a,b']],
    ['globs', read.globs, ['a', 'b'], ['a', 'b']],
    ['bytes', read.memorySize, '1024', 1024],
    ['M', read.memorySize, '512M', 512 * 2 ** 20],
    ['GiB', read.memorySize, '1.5 GiB', 1.5 * 2 ** 30],
    ['MB', read.memorySize, '2mb', 2e6],
    ['a number of bytes', read.memorySize, 4096, 4096],
  ])('%s', (_, reader, value, expected) => {
    expect(reader(value)).toEqual(expected);
  });
});

test.each<[string, read.Reader<unknown>, unknown]>([
  ['null', read.epsilon, null],
  ['true', read.wholeNumber(0), true],
  ['an object', read.text, {}],
  ['an unknown key', read.normalization, { mean: [0], std: [1], var: [1] }],
  ['a list in place of an object', read.normalization, [0, 1]],
  ['a list of lists', read.prunedFractions, [[0.5]]],
  ['deep nesting', read.prunedFractions, [JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)]],
  ['an object that is no text', read.memorySize, { toString: 1 }],
  ['a number in place of a glob', read.globs, [1]],
])('refuses %s', (_, reader, value) => {
  expect(() => reader(value)).toThrow(read.ValueError);
});
