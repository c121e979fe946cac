import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  continuousRadiusSquared,
  prunedCount,
  pruneSmallest,
  pruningDisplacement,
  radiusSquared,
  rankByMagnitude,
  removedCount,
} from '../../src/pruning/magnitude.js';

const SMALLEST_DENORMAL = 2 ** -149;

/** Ranks the way the definition reads. */
function naiveOrder(weights: Float32Array): number[] {
  return [...weights.keys()].sort((a, b) => Math.abs(weights[a]) - Math.abs(weights[b]) || a - b);
}

/** Finite float32 vectors with many ties, zeros of both signs and denormals. */
const weightVectors = fc
  .array(
    fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(0, -0, 1, -1, SMALLEST_DENORMAL, -SMALLEST_DENORMAL, 2 ** -130, 3.4e38),
    ),
    { maxLength: 60 },
  )
  .map((values) => Float32Array.from(values));

describe('rankByMagnitude', () => {
  it('orders by magnitude, ties by index', () => {
    const weights = Float32Array.of(2, -0, 1, -1, 0, SMALLEST_DENORMAL, -2, 1e-40);
    expect([...rankByMagnitude(weights).order]).toEqual([1, 4, 5, 7, 2, 3, 0, 6]);
  });

  it('is the naive sort', () => {
    fc.assert(
      fc.property(weightVectors, (weights) => {
        expect([...rankByMagnitude(weights).order]).toEqual(naiveOrder(weights));
      }),
    );
  });

  it('sums squares of the smallest weights in float64', () => {
    fc.assert(
      fc.property(weightVectors, (weights) => {
        const { squaredRadii } = rankByMagnitude(weights);
        const naive = [0];
        for (const index of naiveOrder(weights)) {
          naive.push(naive[naive.length - 1] + Math.fround(weights[index]) ** 2);
        }
        expect([...squaredRadii]).toEqual(naive);
      }),
    );
  });

  it('keeps the digits of many small squares beside a large one', () => {
    const weights = new Float32Array(100_001).fill(1e-4);
    weights[0] = 100;
    const { squaredRadii } = rankByMagnitude(weights);
    expect(squaredRadii[100_000]).toBeCloseTo(100_000 * Math.fround(1e-4) ** 2, 12);
    expect(squaredRadii[100_001] - 10_000).toBeCloseTo(1e-3, 9);
  });

  it('reads a part of a larger buffer, and leaves it as it is', () => {
    const buffer = Float32Array.of(9, 3, -1, 2, 0);
    const before = [...buffer];
    expect([...rankByMagnitude(buffer.subarray(1, 4)).order]).toEqual([1, 2, 0]);
    expect([...buffer]).toEqual(before);
  });

  it('takes no weights at all', () => {
    const { order, squaredRadii } = rankByMagnitude(new Float32Array(0));
    expect([order.length, [...squaredRadii]]).toEqual([0, [0]]);
  });
});

describe('prunedCount', () => {
  it.each([
    [0.3, 32360, 9708],
    [0.29, 100, 29],
    [0, 32360, 0],
    [0.98, 32360, 31712],
    [0.999999, 10, 9],
    [1, 10, 10],
    [0.5, 1, 0],
  ])('%f of %i is %i', (fraction, dimension, count) => {
    expect(prunedCount(fraction, dimension)).toBe(count);
  });

  it('takes k / D for k, whatever the rounding', () => {
    for (const dimension of [1, 3, 7, 49, 1000]) {
      for (let k = 0; k <= dimension; k++) {
        expect(prunedCount(k / dimension, dimension)).toBe(k);
      }
    }
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30_000_000 }), fc.nat(), (dimension, any) => {
        const k = any % (dimension + 1);
        expect(prunedCount(k / dimension, dimension)).toBe(k);
      }),
    );
  });

  it('is floor(p D) elsewhere', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 999 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        (k, part) => {
          expect(prunedCount((k + part) / 1000, 1000)).toBe(k);
        },
      ),
    );
  });
});

describe('continuousRadiusSquared', () => {
  /** What the sums of squares are rounded by, with room for the fraction's own rounding. */
  const ROUNDING = 1e-12;
  const someWeights = weightVectors.filter((weights) => weights.length > 0);

  it('is joined linearly, by hand', () => {
    const ranking = rankByMagnitude(Float32Array.of(3, -1, 2, 0)); // squares 0, 1, 4, 9
    const at = (fraction: number) => continuousRadiusSquared(ranking, fraction);
    expect([0, 0.125, 0.25, 0.375, 0.5, 0.6875, 0.875, 1].map(at)).toEqual([0, 0, 0, 0.5, 1, 4, 9.5, 14]);
  });

  it('is radiusSquared at whole counts', () => {
    fc.assert(
      fc.property(someWeights, (weights) => {
        const ranking = rankByMagnitude(weights);
        for (let count = 0; count <= weights.length; count++) {
          const fraction = count / weights.length;
          const exact = radiusSquared(ranking, fraction);
          // Fraction and count are rounded by 2^-53 each, which the largest square multiplies.
          const slope = weights.length * Math.max(...weights.map(Math.abs)) ** 2;
          const difference = Math.abs(continuousRadiusSquared(ranking, fraction) - exact);
          expect(difference).toBeLessThanOrEqual(2 ** -50 * slope);
        }
      }),
    );
  });

  it('lies between the whole counts around it, and never falls', () => {
    const fraction = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(someWeights, fraction, fraction, (weights, a, b) => {
        const ranking = rankByMagnitude(weights);
        const [low, high] = [Math.min(a, b), Math.max(a, b)].map((p) => continuousRadiusSquared(ranking, p));
        expect(low).toBeLessThanOrEqual(high * (1 + ROUNDING));
        const count = Math.floor(a * weights.length);
        const between = continuousRadiusSquared(ranking, a);
        expect(between).toBeGreaterThanOrEqual(ranking.squaredRadii[count] * (1 - ROUNDING));
        const next = Math.min(count + 1, weights.length);
        expect(between).toBeLessThanOrEqual(ranking.squaredRadii[next] * (1 + ROUNDING));
      }),
    );
  });

  it('goes from 0 to all of the weights, and no further', () => {
    fc.assert(
      fc.property(someWeights, (weights) => {
        const ranking = rankByMagnitude(weights);
        const all = ranking.squaredRadii[weights.length];
        const [before, start, end, after] = [-0.1, 0, 1, 1.1].map((p) => continuousRadiusSquared(ranking, p));
        expect([before, start]).toEqual([0, 0]);
        expect(Math.abs(end - all)).toBeLessThanOrEqual(ROUNDING * all);
        expect(after).toBe(end);
      }),
    );
  });
});

describe('pruneSmallest and pruningDisplacement', () => {
  it('w + d is w pruned, of distance R(p), with the smallest weights zero', () => {
    fc.assert(
      fc.property(weightVectors, fc.double({ min: 0, max: 1, noNaN: true }), (weights, fraction) => {
        const ranking = rankByMagnitude(weights);
        const count = prunedCount(fraction, weights.length);
        const pruned = pruneSmallest(weights, ranking, count);
        const displacement = pruningDisplacement(weights, ranking, count);
        const removed = new Set(naiveOrder(weights).slice(0, count));
        weights.forEach((weight, i) => {
          expect(pruned[i] === weight + displacement[i]).toBe(true);
          expect(Object.is(pruned[i], removed.has(i) ? 0 : weight)).toBe(true);
        });
        const squared = displacement.reduce((sum, entry) => sum + entry * entry, 0);
        const radius = radiusSquared(ranking, fraction);
        expect(Math.abs(squared - radius)).toBeLessThanOrEqual(1e-12 * radius);
      }),
    );
  });

  it('leaves the weights alone', () => {
    const weights = Float32Array.of(1, -2, 3);
    pruneSmallest(weights, rankByMagnitude(weights), 2);
    expect([...weights]).toEqual([1, -2, 3]);
  });
});

describe('removedCount', () => {
  it('is 0 as long as only zeros are pruned', () => {
    const weights = Float32Array.of(0, 3, -0, 1, 0, -2, 0, 4);
    const ranking = rankByMagnitude(weights);
    const counts = [0, 1, 3, 4, 5, 8].map((n) => removedCount(weights, ranking, n / 8));
    expect(counts).toEqual([0, 0, 0, 0, 5, 8]);
  });
});
