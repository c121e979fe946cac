import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rankByMagnitude } from '../../src/pruning/magnitude.js';
import { removedMagnitude, weightHistogram } from '../../src/pruning/weight-histogram.js';

const histogramOf = (weights: Float32Array) => weightHistogram(weights, rankByMagnitude(weights));

describe('weightHistogram', () => {
  it('spans the magnitudes that are not 0, in 80 bins of equal width in log10', () => {
    const { zeros, edges, counts } = histogramOf(Float32Array.of(0, 1e-4, -0, 1e4, -1e-4, 0.0105, 0));
    expect(zeros).toBe(3);
    expect([edges.length, counts.length]).toEqual([81, 80]);
    // 8 decades: a tenth of a decade each; log10 0.0105 = -1.98 lies in [-2, -1.9).
    expect(edges[0]).toBeCloseTo(-4, 6);
    expect(edges[80]).toBeCloseTo(4, 6);
    expect(counts.flatMap((count, bin) => (count === 0 ? [] : [[bin, count]]))).toEqual([
      [0, 2],
      [20, 1],
      [79, 1],
    ]);
  });

  it('of one magnitude is one bin, of zeros none', () => {
    expect(histogramOf(Float32Array.of(0.25, -0.25))).toMatchObject({ zeros: 0, counts: [2] });
    expect(histogramOf(Float32Array.of(0, 0))).toEqual({ zeros: 2, edges: [], counts: [] });
  });

  it('counts every weight once', () => {
    const weight = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(
        fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1 }),
        weight,
        (some, one) => {
          const weights = Float32Array.of(...some, one);
          const { zeros, edges, counts } = histogramOf(weights);
          expect(zeros + counts.reduce((sum, count) => sum + count, 0)).toBe(weights.length);
          expect(edges.every((edge, i) => i === 0 || edge > edges[i - 1]!)).toBe(true);
        },
      ),
    );
  });
});

describe('removedMagnitude', () => {
  const weights = Float32Array.of(0.5, 0, -0.25, 1);
  const ranking = rankByMagnitude(weights);

  it('is that of the largest weight that is removed', () => {
    expect(removedMagnitude(weights, ranking, 0.5)).toBe(0.25);
    expect(removedMagnitude(weights, ranking, 0.75)).toBe(0.5);
  });

  it('is 0 where nothing but zeros are removed', () => {
    expect([0, 0.25].map((pruned) => removedMagnitude(weights, ranking, pruned))).toEqual([0, 0]);
  });
});
