import { describe, expect, it } from 'vitest';
import { reachableIncrease } from '../../src/geometry/sharp-limit.js';
import {
  ellipsoidConeStatisticalDimension,
  transitionWindow,
} from '../../src/geometry/statistical-dimension.js';
import { randomStream } from '../../src/random.js';
import {
  circularConeStatisticalDimension,
  monteCarloStatisticalDimension,
  orthantStatisticalDimension,
  subspaceStatisticalDimension,
} from '../support/cone-dimensions.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';

const dot = (x: Float64Array, y: Float64Array): number => x.reduce((sum, value, i) => sum + value * y[i], 0);

describe('statistical dimensions in closed form, against Monte Carlo', () => {
  const dimension = 60;

  it('a subspace has its dimension', () => {
    const { value, standardError } = monteCarloStatisticalDimension(
      dimension,
      (g) => g.map((component, i) => (i < 17 ? component : 0)),
      2000,
      randomStream(1, 'subspace'),
    );
    expect(Math.abs(value - subspaceStatisticalDimension(17))).toBeLessThan(3 * standardError);
    expect(standardError).toBeCloseTo(Math.sqrt((2 * 17) / 2000), 2);
  });

  it('the orthant has D/2', () => {
    const { value, standardError } = monteCarloStatisticalDimension(
      dimension,
      (g) => g.map((component) => Math.max(component, 0)),
      2000,
      randomStream(2, 'orthant'),
    );
    expect(Math.abs(value - orthantStatisticalDimension(dimension))).toBeLessThan(3 * standardError);
  });

  it.each([20, 45, 80])('the circular cone of %i degrees has D sin^2 a + cos 2a', (degrees) => {
    const angle = (degrees * Math.PI) / 180;
    const { value, standardError } = monteCarloStatisticalDimension(
      dimension,
      (g) => {
        const rest = Math.sqrt(dot(g, g) - g[0] * g[0]);
        if (rest <= g[0] * Math.tan(angle)) return g;
        const along = g[0] * Math.cos(angle) + rest * Math.sin(angle); // onto the nearest ray of the surface
        return Float64Array.of(Math.max(0, along));
      },
      4000,
      randomStream(degrees, 'circular'),
    );
    expect(Math.abs(value - circularConeStatisticalDimension(dimension, angle))).toBeLessThan(
      3 * standardError + 2 / dimension,
    );
  });

  it('needs two samples', () => {
    expect(() => monteCarloStatisticalDimension(2, (g) => g, 1, randomStream(1, 'x'))).toThrow('2 samples');
  });
});

/**
 * Projection onto the cone spanned by {w : 1/2 w' H w <= eps} as seen from the
 * point x outside of it, with H diagonal.
 *
 * u is in the cone when u' Q u >= 0 and h' u <= 0 with h = H x and
 * Q = h h'/4 - c H/2, c = 1/2 x' H x - eps. On its surface the projection u of
 * g satisfies (I - nu Q) u = g for some nu >= 0, solved by Sherman-Morrison.
 */
function ellipsoidConeProjection(
  eigenvalues: Float64Array,
  x: Float64Array,
  epsilon: number,
): (g: Float64Array) => Float64Array {
  const h = eigenvalues.map((value, i) => value * x[i]);
  const c = dot(h, x) / 2 - epsilon;
  const quadratic = (u: Float64Array): number =>
    dot(h, u) ** 2 / 4 - (c / 2) * u.reduce((sum, value, i) => sum + eigenvalues[i] * value * value, 0);
  const solve = (nu: number, g: Float64Array): Float64Array => {
    const inverse = eigenvalues.map((value) => 1 / (1 + (nu * c * value) / 2));
    const scaledH = h.map((value, i) => value * inverse[i]);
    const factor = ((nu / 4) * dot(scaledH, g)) / (1 - (nu / 4) * dot(scaledH, h));
    return g.map((value, i) => value * inverse[i] + factor * scaledH[i]);
  };
  const singular = (nu: number): number =>
    1 -
    (nu / 4) * h.reduce((sum, value, i) => sum + (value * value) / (1 + (nu * c * eigenvalues[i]) / 2), 0);
  const bisect = (low: number, high: number, isLow: (nu: number) => boolean): number => {
    let [a, b] = [low, high];
    for (let i = 0; i < 200 && b - a > 1e-14 * b; i++) {
      const middle = a > 0 && b / a > 4 ? Math.sqrt(a * b) : (a + b) / 2;
      if (isLow(middle)) a = middle;
      else b = middle;
    }
    return (a + b) / 2;
  };
  let farNu = 1;
  while (singular(farNu) > 0) farNu *= 2;
  const criticalNu = bisect(0, farNu, (nu) => singular(nu) > 0);
  return (g) => {
    if (quadratic(g) >= 0 && dot(h, g) <= 0) return g;
    // Below the critical nu the solution is on the nappe nearer to g; beyond it, on the other.
    const inside = (nu: number): boolean => quadratic(solve(nu, g)) >= 0;
    const valid = (u: Float64Array): boolean => dot(h, u) <= 0;
    const near = solve(criticalNu * (1 - 1e-9), g);
    if (valid(near)) {
      const u =
        quadratic(g) < 0
          ? solve(
              bisect(0, criticalNu, (nu) => !inside(nu)),
              g,
            )
          : near;
      return valid(u) ? u : new Float64Array(g.length);
    }
    let high = 2 * criticalNu;
    while (inside(high)) {
      high *= 2;
      if (high > 1e12 * criticalNu) return new Float64Array(g.length); // in the polar cone
    }
    const u = solve(bisect(criticalNu * (1 + 1e-12), high, inside), g);
    return valid(u) ? u : new Float64Array(g.length);
  };
}

describe('the cone spanned by an ellipsoid', () => {
  const dimension = 300;
  const random = randomStream(3, 'ellipsoid');
  const eigenvalues = Float64Array.from({ length: dimension }, () => Math.exp(-1 + 1.2 * random.normal()));
  const measure = measureFromEigenvalues(eigenvalues);
  const epsilon = 0.5;

  it('the test projection is a projection: feasible, orthogonal to the residual, in the polar cone', () => {
    const x = Float64Array.from({ length: dimension }, () => random.normal());
    const project = ellipsoidConeProjection(eigenvalues, x, epsilon);
    // The cone itself: directions to points of the ellipsoid.
    const directions = Array.from({ length: 50 }, () => {
      const w = Float64Array.from({ length: dimension }, () => random.normal());
      const size = Math.sqrt(
        w.reduce((sum, value, i) => sum + eigenvalues[i] * value * value, 0) / 2 / epsilon,
      );
      return w.map((value, i) => value / size - x[i]);
    });
    for (const direction of directions) {
      expect(project(direction)).toEqual(direction);
    }
    for (let sample = 0; sample < 50; sample++) {
      const g = Float64Array.from({ length: dimension }, () => random.normal());
      const u = project(g);
      const residual = g.map((value, i) => value - u[i]);
      expect(Math.abs(dot(u, residual))).toBeLessThan(1e-6 * dot(g, g));
      for (const direction of directions) {
        expect(dot(residual, direction)).toBeLessThan(
          1e-6 * Math.sqrt(dot(g, g) * dot(direction, direction)),
        );
      }
    }
  });

  it.each([3, 10, 30])('seen from distance %i has the derived statistical dimension', (distance) => {
    let sum = 0;
    let variance = 0;
    const points = 5;
    for (let point = 0; point < points; point++) {
      const x = Float64Array.from({ length: dimension }, () => random.normal());
      const scale = distance / Math.sqrt(dot(x, x));
      const estimate = monteCarloStatisticalDimension(
        dimension,
        ellipsoidConeProjection(
          eigenvalues,
          x.map((value) => value * scale),
          epsilon,
        ),
        40,
        random,
      );
      sum += estimate.value / points;
      variance += estimate.standardError ** 2 / points ** 2;
    }
    const formula = ellipsoidConeStatisticalDimension(measure, distance, epsilon, dimension);
    // Three standard errors, and 1 % of D for the O(1) and the choice of points.
    expect(Math.abs(sum - formula)).toBeLessThan(3 * Math.sqrt(variance) + 0.01 * dimension);
  });

  it('solves its equation, and is D from inside', () => {
    const delta = ellipsoidConeStatisticalDimension(measure, 10, epsilon, dimension);
    const share = delta / dimension;
    // The same transition as a subspace's: R = R0 sqrt(n/D).
    expect(reachableIncrease(measure, share, 100 * share)).toBeCloseTo(epsilon, 8);
    expect(ellipsoidConeStatisticalDimension(measure, 1e-3, epsilon, dimension)).toBe(dimension);
  });

  it('of a ball is a circular cone: sin a = r / R0', () => {
    const ball = measureFromEigenvalues([2]);
    const delta = ellipsoidConeStatisticalDimension(ball, 4, 1, 1000); // r = sqrt(2 eps / lambda) = 1
    expect(delta).toBeCloseTo(1000 / 16, 8);
    expect(Math.abs(delta - circularConeStatisticalDimension(1000, Math.asin(1 / 4)))).toBeLessThan(1.01);
  });
});

describe('transitionWindow', () => {
  it('is sqrt(8 log(4/eta) / D)', () => {
    expect(transitionWindow(10000, 0.05)).toBeCloseTo(Math.sqrt(8 * Math.log(80)) / 100, 14);
    expect(() => transitionWindow(100, 0)).toThrow('eta');
    expect(() => transitionWindow(0)).toThrow('dimension');
  });
});
