import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptBounds, transition } from '../../src/geometry/bounds.js';
import {
  gaussianWidthLimit,
  resolventAverage,
  squaredGaussianWidth,
} from '../../src/geometry/gaussian-width.js';
import {
  freeCurvature,
  inverseResolvent,
  reachableIncrease,
  sharpLimit,
} from '../../src/geometry/sharp-limit.js';
import { searchSlice } from '../../src/geometry/slice-limit.js';
import { clippedMeasure, spectralAverage } from '../../src/spectrum/spectral-measure.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';

/**
 * What `1/2 d' H d` is for a direction d of squared length R^2 that is
 * independent of the eigenvectors: `R^2 tr(H) / (2 D)`. It shows the paper's
 * two factors, weight magnitude (R) and sharpness (tr H).
 */
function isotropicIncrease(radiusSquared: number, trace: number, dimension: number): number {
  return (radiusSquared * trace) / (2 * dimension);
}

const multipleOfIdentity = (c: number) => measureFromEigenvalues([c]);
const total = 50;
const quadraticRadius = (p: number): number => total * p * p;

/** Solves an increasing scalar equation by bisection: the independent reference below. */
function root(f: (x: number) => number): number {
  let low = 0;
  let high = 1;
  for (let i = 0; i < 100; i++) {
    const x = (low + high) / 2;
    if (f(x) < 0) low = x;
    else high = x;
  }
  return low;
}

describe('the resolvent average', () => {
  it('of the uniform spectrum on [0, 1] is log(1 + mu) / mu', () => {
    const measure = measureFromEigenvalues(Array.from({ length: 20000 }, (_, i) => (i + 0.5) / 20000));
    for (const mu of [0.1, 1, 10, 100]) {
      expect(resolventAverage(measure, mu)).toBeCloseTo(Math.log(1 + mu) / mu, 7);
    }
  });

  it('of the Marchenko-Pastur law is its Stieltjes transform', () => {
    // Ratio 1/4: support [1/4, 9/4]; x = 1 + c + 2 sqrt(c) cos t, density integrated in t.
    const c = 0.25;
    const points = 4000;
    const nodes = new Float64Array(points);
    const weights = new Float64Array(points);
    for (let i = 0; i < points; i++) {
      const t = (Math.PI * (i + 0.5)) / points;
      nodes[i] = 1 + c + 2 * Math.sqrt(c) * Math.cos(t);
      weights[i] = ((2 / Math.PI) * Math.sin(t) ** 2 * (Math.PI / points)) / nodes[i];
    }
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 10);
    for (const mu of [0.3, 2, 30]) {
      // m(z) at z = -1/mu solves c z m^2 - (1 - c - z) m + 1 = 0; s = m / mu.
      const z = -1 / mu;
      const b = 1 - c - z;
      const m = (b - Math.sqrt(b * b - 4 * c * z)) / (2 * c * z);
      expect(resolventAverage({ nodes, weights }, mu)).toBeCloseTo(m / mu, 9);
    }
  });
});

describe('limits for H = c I, in closed form', () => {
  it.each([
    [0.01, 0.1],
    [1, 0.1],
    [5, 2],
  ])('c = %f, eps = %f', (c, epsilon) => {
    const measure = multipleOfIdentity(c);
    // s = 1 / (1 + c R^2 / (2 eps)): p (1 + c T p^2 / (2 eps)) = 1.
    const width = root((p) => p * (1 + (c * quadraticRadius(p)) / (2 * epsilon)) - 1);
    expect(gaussianWidthLimit(measure, quadraticRadius, epsilon)).toBeCloseTo(width, 9);
    // On a sphere every direction is the same: the limit is c R^2 / 2 = eps, by the slice too.
    const sharp = Math.min(1, Math.sqrt((2 * epsilon) / (c * total)));
    expect(sharpLimit(measure, quadraticRadius, epsilon)).toBeCloseTo(sharp, 8);
    expect(isotropicIncrease(quadraticRadius(sharp), 100 * c, 100)).toBeCloseTo(
      (c * quadraticRadius(sharp)) / 2,
      12,
    );
  });

  it('with a constant radius: p = 1 / (1 + c R^2 / (2 eps))', () => {
    expect(gaussianWidthLimit(multipleOfIdentity(3), () => 2, 0.5)).toBeCloseTo(1 / 7, 9);
    expect(squaredGaussianWidth(multipleOfIdentity(3), 700, 2, 0.5)).toBeCloseTo(100, 10);
  });

  it('nothing to lose: zero curvature, or zero weights, prune in full', () => {
    for (const limit of [gaussianWidthLimit, sharpLimit]) {
      expect(limit(multipleOfIdentity(0), quadraticRadius, 0.1)).toBe(1);
      expect(limit(multipleOfIdentity(3), () => 0, 0.1)).toBe(1);
    }
  });

  it('a share z of zero eigenvalues is free, whatever the rest', () => {
    const measure = measureFromEigenvalues([0, 0, 0, 1e12]);
    expect(gaussianWidthLimit(measure, quadraticRadius, 1e-6)).toBeCloseTo(0.75, 5);
    expect(sharpLimit(measure, quadraticRadius, 1e-6)).toBeCloseTo(0.75, 5);
    expect(inverseResolvent(measure, 0.75)).toBe(Number.POSITIVE_INFINITY);
    expect(inverseResolvent(measure, 0.5)).toBe(Number.POSITIVE_INFINITY);
    expect(inverseResolvent(measure, 1)).toBe(0);
    expect(reachableIncrease(measure, 0.5, 1)).toBe(0);
  });

  it('takes |lambda|, and lets the caller clip instead', () => {
    const signed = measureFromEigenvalues([-1, 1, 2, -3]);
    const absolute = measureFromEigenvalues([1, 1, 2, 3]);
    for (const limit of [gaussianWidthLimit, sharpLimit]) {
      expect(limit(signed, quadraticRadius, 0.5)).toBe(limit(absolute, quadraticRadius, 0.5));
      expect(limit(clippedMeasure(signed), quadraticRadius, 0.5)).toBeGreaterThan(
        limit(absolute, quadraticRadius, 0.5),
      );
    }
  });

  it('rejects an eps that means nothing', () => {
    for (const epsilon of [0, -1, Number.NaN]) {
      expect(() => gaussianWidthLimit(multipleOfIdentity(1), quadraticRadius, epsilon)).toThrow('epsilon');
      expect(() => sharpLimit(multipleOfIdentity(1), quadraticRadius, epsilon)).toThrow('epsilon');
    }
  });
});

describe('properties of the limits', () => {
  const problem = fc.record({
    exponents: fc.array(fc.double({ min: -9, max: 3, noNaN: true }), { minLength: 1, maxLength: 12 }),
    zero: fc.boolean(),
    scale: fc.double({ min: 0.01, max: 1000, noNaN: true }),
    power: fc.double({ min: 1, max: 5, noNaN: true }),
    epsilon: fc.double({ min: 1e-4, max: 10, noNaN: true }),
    factor: fc.double({ min: 1.01, max: 25, noNaN: true }),
  });
  const build = ({
    exponents,
    zero,
    scale,
    power,
  }: typeof problem extends fc.Arbitrary<infer T> ? T : never) => ({
    measure: measureFromEigenvalues([...exponents.map((e) => 10 ** e), ...(zero ? [0] : [])]),
    radius: (p: number) => scale * p ** power,
  });
  const slack = 1e-8;

  it('larger weights lower them, a larger eps raises them', () => {
    fc.assert(
      fc.property(problem, (values) => {
        const { measure, radius } = build(values);
        for (const limit of [gaussianWidthLimit, sharpLimit]) {
          const p = limit(measure, radius, values.epsilon);
          expect(p).toBeGreaterThanOrEqual(0);
          expect(p).toBeLessThanOrEqual(1);
          const scaled = limit(measure, (q) => values.factor * radius(q), values.epsilon);
          expect(scaled).toBeLessThanOrEqual(p + slack);
          const tolerant = limit(measure, radius, values.factor * values.epsilon);
          expect(tolerant).toBeGreaterThanOrEqual(p - slack);
          // Only the ratio R^2 / eps counts.
          const same = limit(measure, (q) => values.factor * radius(q), values.factor * values.epsilon);
          expect(same).toBeCloseTo(p, 7);
        }
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it('the Gaussian-width limit is the sharp one with eps times (1 - p)/p: lower above 1/2, higher below', () => {
    fc.assert(
      fc.property(problem, (values) => {
        const { measure, radius } = build(values);
        const width = gaussianWidthLimit(measure, radius, values.epsilon);
        const sharp = sharpLimit(measure, radius, values.epsilon);
        if (width > 0.5) {
          expect(sharp).toBeGreaterThanOrEqual(width - slack);
        } else {
          expect(sharp).toBeLessThanOrEqual(width + slack);
        }
        if (width < 1 - 1e-6 && radius(width) > 0 && reachableIncrease(measure, width, 1) > 1e-12) {
          const expected = (values.epsilon * (1 - width)) / width;
          expect(reachableIncrease(measure, width, radius(width)) / expected).toBeCloseTo(1, 2);
        }
      }),
      { numRuns: 60, seed: 2 },
    );
  });

  it('what is reachable rises with p, from the flattest directions to the isotropic increase', () => {
    fc.assert(
      fc.property(problem, (values) => {
        const { measure } = build(values);
        let before = 0;
        for (let p = 0.05; p < 1; p += 0.05) {
          const increase = reachableIncrease(measure, p, 1);
          expect(increase).toBeGreaterThanOrEqual(before * (1 - 1e-9));
          before = increase;
        }
        const mean = spectralAverage(measure, (x) => x);
        expect(reachableIncrease(measure, 1, 1)).toBeCloseTo(isotropicIncrease(1, mean, 1), 10);
        expect(freeCurvature(measure, 0)).toBeCloseTo(mean, 10);
      }),
      { numRuns: 40, seed: 3 },
    );
  });

  it('s(mu) = p is solved', () => {
    fc.assert(
      fc.property(problem, fc.double({ min: 0.05, max: 0.95, noNaN: true }), (values, p) => {
        const { measure } = build(values);
        const mu = inverseResolvent(measure, p);
        if (mu !== Number.POSITIVE_INFINITY) {
          expect(resolventAverage(measure, mu)).toBeCloseTo(p, 9);
        }
      }),
      { numRuns: 60, seed: 4 },
    );
  });
});

describe('searchSlice', () => {
  it('finds where the predicted increase reaches eps', async () => {
    const { tried, limits } = await searchSlice(
      async (p) => p ** 3,
      (increase) => increase,
      0.1,
    );
    expect(limits[0]).toEqual({
      prunedFraction: 0.464,
      lastPassFraction: 0.464,
      firstFailureFraction: 0.465,
      capped: false,
    });
    expect(tried.length).toBeLessThanOrEqual(22);
  });

  it('tries nothing beyond a cap, and stops where the increase is ten times eps', async () => {
    const cubed = (epsilon: number, cap?: number) =>
      searchSlice(
        async (p) => p ** 3,
        (increase) => increase,
        epsilon,
        cap,
      );
    const capped = await cubed(0.1, 0.3);
    expect(capped.limits[0]).toMatchObject({ prunedFraction: 0.3, capped: true });
    expect(capped.tried.at(-1)!.fraction).toBe(0.3);
    expect((await cubed(0.001)).tried.at(-1)!.fraction).toBe(0.4);
  });

  it('is 0 where not even p = 0 qualifies, as with NaN', async () => {
    const { limits } = await searchSlice(
      async () => Number.NaN,
      (increase) => increase,
      0.1,
    );
    expect(limits[0]).toMatchObject({ prunedFraction: 0, firstFailureFraction: 0 });
  });
});

describe('keptBounds', () => {
  it('puts the limits in terms of what is kept, ends swapped', () => {
    const bounds = keptBounds({ pruned: 0.9, low: 0.88, high: 0.91 }, 0.75);
    const expected = {
      lowerKept: 0.1,
      lowerKeptLow: 0.09,
      lowerKeptHigh: 0.12,
      upperKept: 0.25,
      delta: 0.15,
      deltaLow: 0.13,
      deltaHigh: 0.16,
    };
    for (const [name, value] of Object.entries(expected)) {
      expect(bounds[name as keyof typeof expected], name).toBeCloseTo(value, 12);
    }
  });
});

describe('transition', () => {
  it('is the proven window around the interval of the sharp limit, within [0, 1]', () => {
    const halfWidth = Math.sqrt(8 * Math.log(80)) / Math.sqrt(32360);
    const { low, high, ...rest } = transition({ pruned: 0.9, low: 0.89, high: 0.91 }, 32360);
    expect(rest.halfWidth).toBeCloseTo(halfWidth, 12);
    expect(low).toBeCloseTo(0.89 - halfWidth, 12);
    expect(high).toBeCloseTo(0.91 + halfWidth, 12);
    expect(transition({ pruned: 0.9, low: 0.89, high: 0.91 }, 50)).toMatchObject({
      high: 1,
      low: expect.closeTo(0.89 - Math.sqrt(8 * Math.log(80)) / Math.sqrt(50), 12),
    });
    expect(transition({ pruned: 0.1, low: 0, high: 0.2 }, 10)).toMatchObject({ low: 0, high: 1 });
  });
});
