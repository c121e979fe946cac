import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distributionDistances, kolmogorov } from '../../src/study/weight-distance.js';

const floats = (...values: number[]) => Float32Array.from(values);

describe('distributionDistances', () => {
  it('is half the sum of differences of shares in bins, by hand', () => {
    // Bins of 0.002 from -1 to 1. a: 1/4 each at -1, next to 0, 0.5, 1. b: 1/2 at 1, 1/4 each at 0.5 and next to 0.
    const a = floats(-1, 5e-7, 0.5, 1);
    const b = floats(0.5, 1, 1, 0);
    const { low, high, models, pairs } = distributionDistances([a, b]);
    expect([low, high]).toEqual([-1, 1]);
    expect(models.map(({ nearZero }) => nearZero)).toEqual([0.25, 0.25]);
    expect(models[0].shares).toHaveLength(1000);
    expect([0, 750, 999].map((bin) => models[0].shares[bin])).toEqual([0.25, 0.25, 0.25]);
    // 1/2 (|1/4 - 0| at -1 + |1/4 - 1/2| at 1)
    expect(pairs).toEqual([{ a: 0, b: 1, totalVariation: 0.25, kolmogorov: 0.25 }]);
  });

  it('tells weights next to 0 from those beside, which one bin of equal width would not', () => {
    const zeros = new Float32Array(10);
    const small = new Float32Array(10).fill(1e-5);
    const wide = (values: Float32Array) => Float32Array.from([...values, -1, 1]);
    const [{ totalVariation }] = distributionDistances([wide(zeros), wide(small)]).pairs;
    expect(totalVariation).toBeCloseTo(10 / 12, 12);
  });

  it('takes every pair of three, on bins that all share', () => {
    const { pairs } = distributionDistances([floats(-1, 1), floats(-0.5, 0.5), floats(-1, 1)]);
    expect(pairs.map(({ a, b, totalVariation }) => [a, b, totalVariation])).toEqual([
      [0, 1, 1],
      [0, 2, 0],
      [1, 2, 1],
    ]);
  });

  it('takes networks whose weights are all one number', () => {
    const { pairs } = distributionDistances([floats(2, 2), floats(2)]);
    expect(pairs[0]).toEqual({ a: 0, b: 1, totalVariation: 0, kolmogorov: 0 });
  });
});

describe('kolmogorov', () => {
  it.each([
    // F_a is 1/3, 2/3, 1 at 1, 2, 3; F_b is 1/2 at 2.5 and 1 at 4: the largest difference is 2/3 at 2.
    [[1, 2, 3], [2.5, 4], 2 / 3],
    // Ties: at 1 both have 1/2.
    [[1, 2], [1, 3], 1 / 2],
    [[1, 1, 1], [1], 0],
    [[0], [1], 1],
  ])('%j and %j: %f', (a, b, expected) => {
    expect(kolmogorov(floats(...a), floats(...b))).toBeCloseTo(expected, 12);
    expect(kolmogorov(floats(...b), floats(...a))).toBeCloseTo(expected, 12);
  });

  it('is the largest difference of the counts at any value', () => {
    const sample = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(sample, sample, (a, b) => {
        const share = (values: number[], at: number) =>
          values.filter((value) => value <= at).length / values.length;
        const direct = Math.max(...[...a, ...b].map((at) => Math.abs(share(a, at) - share(b, at))));
        expect(kolmogorov(floats(...a), floats(...b))).toBeCloseTo(direct, 12);
      }),
    );
  });
});
