import { describe, expect, it } from 'vitest';
import { measureWithLimit, theoryCurve } from '../../src/analysis/theory-curve.js';
import { gaussianWidthLimit } from '../../src/geometry/gaussian-width.js';
import { sharpLimit } from '../../src/geometry/sharp-limit.js';
import { randomStream } from '../../src/random.js';
import { clippedMeasure } from '../../src/spectrum/spectral-measure.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';

const DIMENSION = 3000;
const random = randomStream(11, 'theory curve');
const eigenvalues = Array.from(
  { length: DIMENSION },
  (_, i) => Math.exp(-3 + 2 * random.normal()) * (i % 7 === 0 ? -0.1 : 1),
);
const measure = measureFromEigenvalues(eigenvalues);
/** Uniformly distributed magnitudes: R^2 is a cubic. */
const radiusSquared = (p: number): number => 40 * p ** 3;
const EPSILON = 0.2;

function exactCurve(of = measure) {
  const gaussianWidth = gaussianWidthLimit(of, radiusSquared, EPSILON);
  const sharp = sharpLimit(of, radiusSquared, EPSILON);
  const curve = theoryCurve({
    rules: [of],
    radiusSquared,
    epsilon: EPSILON,
    dimension: DIMENSION,
    gaussianWidth,
    sharp,
  });
  return { gaussianWidth, sharp, curve };
}

describe('theoryCurve', () => {
  const { gaussianWidth, sharp, curve } = exactCurve();

  it('crosses the diagonal at the Gaussian-width and at the sharp limit', () => {
    expect(gaussianWidth).toBeGreaterThan(0.5);
    expect(sharp).toBeLessThan(1);
    for (const row of curve) {
      if (row.pruned < gaussianWidth - 1e-6) expect(row.squaredGaussianWidth).toBeGreaterThan(row.pruned);
      if (row.pruned > gaussianWidth + 1e-6) expect(row.squaredGaussianWidth).toBeLessThan(row.pruned);
      if (row.pruned < sharp - 1e-6) expect(row.statisticalDimension).toBeGreaterThan(row.pruned);
      if (row.pruned > sharp + 1e-6) expect(row.statisticalDimension).toBeLessThan(row.pruned);
    }
    const at = (pruned: number) => curve.find((row) => row.pruned === pruned)!;
    expect(at(gaussianWidth).squaredGaussianWidth).toBeCloseTo(gaussianWidth, 8);
    expect(at(sharp).statisticalDimension).toBeCloseTo(sharp, 7);
  });

  it('of a ball is in closed form: s = 1 / (1 + c R^2 / 2 eps), and a circular cone with sin a = r / R0', () => {
    const ball = measureFromEigenvalues([2]);
    for (const row of exactCurve(ball).curve) {
      const squared = radiusSquared(row.pruned);
      expect(row.radius).toBeCloseTo(Math.sqrt(squared), 12);
      expect(row.squaredGaussianWidth).toBeCloseTo(1 / (1 + squared / EPSILON), 12);
      const semiAxisSquared = EPSILON; // 2 eps / lambda
      const cone = row.pruned === 0 ? 1 : Math.min(1, (semiAxisSquared * row.pruned) / squared);
      expect(row.statisticalDimension).toBeCloseTo(cone, 9);
    }
  });

  it('is in hundredths, finer towards 1 as far as there are weights, and ascends', () => {
    const pruned = curve.map((row) => row.pruned);
    expect(pruned).toEqual([...pruned].sort((a, b) => a - b));
    for (const fraction of [0, 0.5, 0.99, 0.995, 0.999, 0.9995, 1]) expect(pruned).toContain(fraction);
    expect(pruned.filter((fraction) => fraction < 1 && fraction > 0.9999)).toEqual([]);
  });

  it('clipped, the same crossings are those of the clipped spectrum', () => {
    const clipped = exactCurve(clippedMeasure(measure));
    expect(clipped.gaussianWidth).toBeGreaterThan(gaussianWidth);
    const row = clipped.curve.find(({ pruned }) => pruned === clipped.gaussianWidth)!;
    expect(row.squaredGaussianWidth).toBeCloseTo(clipped.gaussianWidth, 8);
  });
});

describe('measureWithLimit', () => {
  const limit = (of: typeof measure): number => gaussianWidthLimit(of, radiusSquared, EPSILON);
  const scaled = (factor: number) => measureFromEigenvalues(eigenvalues.map((value) => factor * value));

  it('mixes the two rules that enclose the limit most closely', () => {
    const rules = [100, 1.5, 0.7, 0.01].map(scaled);
    const mixture = measureWithLimit(rules, limit, limit(measure));
    expect(limit(mixture)).toBeCloseTo(limit(measure), 8);
    expect(new Set(mixture.nodes)).toEqual(new Set([...rules[1].nodes, ...rules[2].nodes]));
  });

  it('is the rule that has it, or the nearest where none enclose it', () => {
    const rules = [scaled(3), measure, scaled(2)];
    expect(measureWithLimit(rules, limit, limit(measure))).toBe(measure);
    expect(measureWithLimit(rules, limit, limit(measure) + 0.01)).toBe(measure);
    expect(measureWithLimit(rules, limit, limit(scaled(3)) - 0.01)).toBe(rules[0]);
  });
});
