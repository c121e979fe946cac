import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { randomStream } from '../../src/random.js';
import { plainVectors, projectedVectors, recentVectors } from '../../src/spectrum/lanczos-vectors.js';
import type { LanczosVector } from '../../src/spectrum/vector-loops.js';
import { definedProjection } from './row-projection.js';

function randomVector(length: number, name: string): Float64Array {
  const random = randomStream(1, name);
  return Float64Array.from({ length }, () => random.normal() / Math.sqrt(length));
}

/** Orthonormal vectors, by Gram and Schmidt. */
function orthonormal(length: number, count: number): Float64Array[] {
  const vectors: Float64Array[] = [];
  for (let k = 0; k < count; k++) {
    let vector = randomVector(length, `vector ${k}`);
    for (let pass = 0; pass < 2; pass++) {
      for (const other of vectors) {
        const overlap = inner(vector, other);
        vector = vector.map((entry, i) => entry - overlap * other[i]);
      }
    }
    const norm = Math.sqrt(inner(vector, vector));
    vectors.push(vector.map((entry) => entry / norm));
  }
  return vectors;
}

function inner(x: LanczosVector, y: LanczosVector): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    sum += x[i] * y[i];
  }
  return sum;
}

describe.each([
  ['in plain loops, float64', (length: number) => plainVectors(length, 'float64'), 1e-14],
  ['in plain loops, float32', (length: number) => plainVectors(length, 'float32'), 1e-6],
  ['by projections, one block', (length: number) => projectedVectors(length, definedProjection), 1e-6],
  ['by projections, blocks of 4', (length: number) => projectedVectors(length, definedProjection, 4), 1e-6],
] as const)('Lanczos vectors %s', (_, create, tolerance) => {
  it.each([18, 37, 1000])('find overlaps and take them away, length %i', async (length) => {
    const vectors = orthonormal(length, 18);
    const stored = create(length);
    for (const vector of vectors) {
      stored.add().set(vector);
    }
    for (const count of [0, 1, 4, 5, 17]) {
      const x = stored.add();
      x.set(randomVector(length, 'x'));
      const expected = vectors.slice(0, count).map((vector) => inner(vector, x));
      const overlaps = await stored.orthogonalize(count);
      expect(overlaps).toHaveLength(count);
      overlaps.forEach((overlap, k) => {
        expect(Math.abs(overlap - expected[k])).toBeLessThan(tolerance);
        expect(Math.abs(inner(vectors[k], x))).toBeLessThan(tolerance);
      });
      expect(Math.abs(inner(vectors[count], x))).toBeGreaterThan(tolerance);
    }
  });
});

describe.each([
  ['in plain loops, float64', (length: number) => plainVectors(length, 'float64'), 1e-14],
  ['in plain loops, float32', (length: number) => plainVectors(length, 'float32'), 1e-6],
  ['by projections, one block', (length: number) => projectedVectors(length, definedProjection), 1e-6],
  ['by projections, blocks of 4', (length: number) => projectedVectors(length, definedProjection, 4), 1e-6],
] as const)('a combination of Lanczos vectors %s', (_, create, tolerance) => {
  it.each([7, 37, 1000])('of the oldest, length %i', (length) => {
    const vectors = Array.from({ length: 11 }, (_, k) => randomVector(length, `vector ${k}`));
    const stored = create(length);
    for (const vector of vectors) {
      stored.add().set(vector);
    }
    for (const count of [1, 3, 4, 5, 8, 11]) {
      const coefficients = Float64Array.from({ length: count }, (_, k) => Math.cos(k) / (k + 1));
      const combination = stored.combination(coefficients)!;
      expect(combination).toHaveLength(length);
      combination.forEach((entry, i) => {
        const expected = coefficients.reduce((sum, coefficient, k) => sum + coefficient * vectors[k][i], 0);
        expect(Math.abs(entry - expected)).toBeLessThan(tolerance);
      });
    }
    expect(stored.combination(new Float64Array(0))).toEqual(new Float64Array(length));
  });
});

describe('Lanczos vectors that memory does not hold', () => {
  it('say so, and what to do', () => {
    const vectors = projectedVectors(8, definedProjection, 2 ** 50);
    expect(() => vectors.add()).toThrow(InputError);
    expect(() => vectors.add()).toThrow(/more than 0 Lanczos vectors; use --reorthogonalization none/);
  });
});

describe('recent Lanczos vectors', () => {
  it('are three, used again in turn', () => {
    const vectors = recentVectors(2, 'float32');
    const added = Array.from({ length: 5 }, () => vectors.add());
    expect(new Set(added.slice(0, 3)).size).toBe(3);
    expect(added[3]).toBe(added[0]);
    expect(added[4]).toBe(added[1]);
    expect(vectors.combination(Float64Array.of(1))).toBeNull();
  });
});
