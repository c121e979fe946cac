import { describe, expect, it } from 'vitest';
import type { LanczosCoefficients } from '../../src/spectrum/lanczos.js';
import { antiGaussRule, averagedRule, gaussRule, zeroRadauRule } from '../../src/spectrum/quadrature.js';
import { type SpectralMeasure, spectralAverage } from '../../src/spectrum/spectral-measure.js';

/** Jacobi coefficients of the uniform measure on [-1, 1] (Legendre), shifted to [-1 + shift, 1 + shift]. */
function legendre(steps: number, shift = 0): LanczosCoefficients {
  return {
    reorthogonalization: 'full',
    alpha: new Float64Array(steps).fill(shift),
    beta: Float64Array.from({ length: steps }, (_, i) => (i + 1) / Math.sqrt(4 * (i + 1) ** 2 - 1)),
  };
}

const power = (degree: number) => (x: number) => x ** degree;
const moment = (measure: SpectralMeasure, degree: number): number => spectralAverage(measure, power(degree));

/** The degree-n Legendre polynomial, for errors that are not swamped by rounding. */
function legendreP(n: number): (x: number) => number {
  return (x) => {
    let previous = 1;
    let current = x;
    if (n === 0) {
      return 1;
    }
    for (let k = 1; k < n; k++) {
      [previous, current] = [current, ((2 * k + 1) * x * current - k * previous) / (k + 1)];
    }
    return current;
  };
}

describe('quadrature rules on the uniform measure of [-1, 1]', () => {
  it('Gauss is exact to degree 2m - 1 and not beyond', () => {
    for (const m of [1, 2, 5, 12]) {
      const rule = gaussRule(legendre(m));
      for (let degree = 0; degree < 2 * m; degree++) {
        expect(moment(rule, degree)).toBeCloseTo(degree % 2 === 0 ? 1 / (degree + 1) : 0, 13);
      }
      expect(Math.abs(moment(rule, 2 * m) - 1 / (2 * m + 1))).toBeGreaterThan(1e-8);
    }
  });

  it('knows the three-point Gauss-Legendre rule', () => {
    const { nodes, weights } = gaussRule(legendre(3));
    [-Math.sqrt(0.6), 0, Math.sqrt(0.6)].forEach((node, i) => {
      expect(nodes[i]).toBeCloseTo(node, 14);
    });
    [5 / 18, 8 / 18, 5 / 18].forEach((weight, i) => {
      expect(weights[i]).toBeCloseTo(weight, 14);
    });
  });

  it('anti-Gauss has exactly the opposite error of the smaller Gauss rule up to degree 2m - 1', () => {
    for (const m of [2, 3, 7, 10]) {
      const gauss = gaussRule(legendre(m), m - 1);
      const anti = antiGaussRule(legendre(m));
      let largest = 0;
      for (let degree = 1; degree <= 2 * m - 1; degree++) {
        // The integral of P_degree is 0, so its value under a rule is the error.
        const error = spectralAverage(gauss, legendreP(degree));
        expect(spectralAverage(anti, legendreP(degree))).toBeCloseTo(-error, 13);
        expect(spectralAverage(averagedRule(legendre(m)), legendreP(degree))).toBeCloseTo(0, 13);
        largest = Math.max(largest, Math.abs(error));
      }
      expect(largest).toBeGreaterThan(0.01);
    }
  });

  it('Gauss-Radau has a node at 0, is exact to degree 2m, and weights sum to 1', () => {
    for (const m of [1, 2, 5, 12]) {
      const shifted = legendre(m, 0.3);
      const rule = zeroRadauRule(shifted);
      expect(Math.min(...rule.nodes.map(Math.abs))).toBeLessThan(1e-14);
      for (let degree = 0; degree <= 2 * m; degree++) {
        const exact = (1.3 ** (degree + 1) - (-0.7) ** (degree + 1)) / (2 * (degree + 1));
        expect(moment(rule, degree)).toBeCloseTo(exact, 12);
      }
      expect(rule.weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 14);
    }
  });

  it('Gauss-Radau falls back to Gauss where 0 is a node already', () => {
    const gauss = gaussRule(legendre(5));
    expect(zeroRadauRule(legendre(5)).nodes).toEqual(gauss.nodes);
  });

  it('Gauss and Gauss-Radau enclose a resolvent average of a positive measure, closing in', () => {
    const f = (x: number): number => 1 / (1 + 50 * x);
    const exact = Math.log((1 + 50 * 2.01) / (1 + 50 * 0.01)) / 100; // uniform on [0.01, 2.01]
    let width = Number.POSITIVE_INFINITY;
    for (const m of [2, 4, 8, 16]) {
      const run = legendre(m, 1.01);
      const below = spectralAverage(gaussRule(run), f);
      const above = spectralAverage(zeroRadauRule(run), f);
      expect(below).toBeLessThan(exact);
      expect(above).toBeGreaterThan(exact);
      expect(above - below).toBeLessThan(width);
      width = above - below;
    }
  });

  it('rejects step counts that the run does not have', () => {
    expect(() => gaussRule(legendre(3), 4)).toThrow('between 1 and 3');
    expect(() => antiGaussRule(legendre(3), 1)).toThrow('between 2 and 3');
  });
});
