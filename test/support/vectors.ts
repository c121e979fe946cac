import { expect } from 'vitest';
import { randomStream } from '../../src/random.js';

export function dot(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) {
    sum += left[i] * right[i];
  }
  return sum;
}

export function norm(vector: ArrayLike<number>): number {
  return Math.sqrt(dot(vector, vector));
}

export function normalVector(length: number, seed: number, name = 'vector'): Float64Array {
  const random = randomStream(seed, name);
  return Float64Array.from({ length }, () => random.normal());
}

/** || actual - expected || / || expected ||; absolute where the expected vector is 0. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const difference = Float64Array.from(expected, (value, i) => actual[i] - value);
  return norm(difference) / (norm(expected) || 1);
}

/** The entries that differ most, one a line. */
function worstEntries(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  nameOf: (i: number) => string,
): string {
  const entries = Array.from(expected, (value, i) => ({ i, value, distance: Math.abs(actual[i] - value) }));
  return entries
    .sort((a, b) => (b.distance || Number.POSITIVE_INFINITY) - (a.distance || Number.POSITIVE_INFINITY))
    .slice(0, 8)
    .map(({ i, value }) => `  ${nameOf(i)}: got ${actual[i]}, expected ${value}`)
    .join('\n');
}

/** Asserts that two vectors agree relative to the norm of the expected one; prints the entries that differ most. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  options: { label?: string; nameOf?: (index: number) => string } = {},
): void {
  const { label = 'vector', nameOf = (index) => `[${index}]` } = options;
  expect(actual.length, `${label}: length`).toBe(expected.length);
  const error = relativeError(actual, expected);
  if (!(error <= tolerance)) {
    throw new Error(
      `${label}: relative error ${error.toExponential(2)} is above ${tolerance}; entries that differ most:\n${worstEntries(actual, expected, nameOf)}`,
    );
  }
}
