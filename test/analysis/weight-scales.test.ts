import { describe, expect, it } from 'vitest';
import { weightScales } from '../../src/analysis/weight-scales.js';
import { gaussianWidthLimit } from '../../src/geometry/gaussian-width.js';
import { sharpLimit } from '../../src/geometry/sharp-limit.js';
import { randomStream } from '../../src/random.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';

const random = randomStream(5, 'scales');
const eigenvalues = Array.from({ length: 500 }, () => Math.exp(-2 + 2 * random.normal()));
/** Uniformly distributed magnitudes: R^2 is a cubic. */
const radiusSquared = (p: number): number => 40 * p ** 3;
const epsilon = 0.2;

function settingOf(values: readonly number[]) {
  const measure = measureFromEigenvalues(values);
  return {
    rules: [measure],
    radiusSquared,
    epsilon,
    dimension: 3000,
    gaussianWidth: gaussianWidthLimit(measure, radiusSquared, epsilon),
    sharp: sharpLimit(measure, radiusSquared, epsilon),
  };
}

describe('weightScales', () => {
  const setting = settingOf(eigenvalues);
  const scales = weightScales(setting, [1, 2, 5], 1);

  it('gives the limits themselves for a factor of 1', () => {
    expect(scales[0].gaussianWidth).toEqual({
      pruned: setting.gaussianWidth,
      capped: false,
      crossing: setting.gaussianWidth,
    });
    expect(scales[0].sharp.crossing).toBe(setting.sharp);
  });

  it('is what c^2 times the spectrum gives at the same distances', () => {
    for (const { factor, gaussianWidth, sharp, curve } of scales) {
      const other = settingOf(eigenvalues.map((value) => factor ** 2 * value));
      expect(gaussianWidth.pruned).toBeCloseTo(other.gaussianWidth, 8);
      expect(sharp.pruned).toBeCloseTo(other.sharp, 8);
      for (const { pruned, radius } of curve) {
        expect(radius).toBeCloseTo(factor * Math.sqrt(radiusSquared(pruned)), 10);
      }
    }
  });

  it('of a ball is in closed form: p (1 + c^2 R^2(p) lambda / 2 eps) = 1', () => {
    for (const { factor, gaussianWidth } of weightScales(settingOf([2]), [0.5, 3], 1)) {
      const { pruned } = gaussianWidth;
      expect(pruned * (1 + (factor ** 2 * radiusSquared(pruned)) / epsilon)).toBeCloseTo(1, 8);
    }
  });

  it('falls as weights grow', () => {
    const limits = weightScales(setting, [0.5, 1, 1.5, 2, 4, 8, 16], 1);
    limits.slice(1).forEach(({ gaussianWidth, sharp }, index) => {
      expect(gaussianWidth.pruned).toBeLessThan(limits[index].gaussianWidth.pruned);
      expect(sharp.pruned).toBeLessThanOrEqual(limits[index].sharp.pruned);
    });
  });

  it('is cut to the connected limit, which does not move', () => {
    const [half, large] = weightScales(setting, [0.01, 50], 0.7);
    expect(half.gaussianWidth).toMatchObject({ pruned: 0.7, capped: true });
    expect(half.gaussianWidth.crossing).toBeGreaterThan(0.7);
    expect(large.gaussianWidth.capped).toBe(false);
  });
});
