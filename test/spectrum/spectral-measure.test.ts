import { describe, expect, it } from 'vitest';
import { clippedMeasure, mixMeasures, spectralAverage } from '../../src/spectrum/spectral-measure.js';
import { spectralDensity } from '../support/spectral-density.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';

const measure = measureFromEigenvalues([-1, 0, 1, 4]);

describe('spectral measures', () => {
  it('average', () => {
    expect(spectralAverage(measure, (x) => x)).toBe(1);
    expect(spectralAverage(measure, () => 1)).toBe(1);
  });

  it('mix with equal or given shares, keeping the total 1', () => {
    const other = measureFromEigenvalues([10]);
    expect(spectralAverage(mixMeasures([measure, other]), (x) => x)).toBe(5.5);
    expect(spectralAverage(mixMeasures([measure, other], [0.75, 0.25]), (x) => x)).toBe(3.25);
    expect(spectralAverage(mixMeasures([measure, other]), () => 1)).toBe(1);
    expect(() => mixMeasures([])).toThrow('at least one');
    expect(() => mixMeasures([measure], [0.5, 0.5])).toThrow('expected 1 coefficients');
  });

  it('clip negative eigenvalues', () => {
    expect(Array.from(clippedMeasure(measure).nodes)).toEqual([0, 0, 1, 4]);
  });
});

describe('spectralDensity', () => {
  it('integrates to 1 and peaks at the nodes', () => {
    const { grid, density } = spectralDensity(measure, { sigma: 0.05, points: 2001 });
    const step = grid[1] - grid[0];
    expect(density.reduce((sum, value) => sum + value * step, 0)).toBeCloseTo(1, 2);
    const peak = grid[density.indexOf(Math.max(...density))];
    expect([-1, 0, 1, 4].some((node) => Math.abs(node - peak) < step)).toBe(true);
  });

  it('draws a single atom', () => {
    const { density } = spectralDensity(measureFromEigenvalues([0]));
    expect(density.every(Number.isFinite)).toBe(true);
  });

  it('rejects a width of zero', () => {
    expect(() => spectralDensity(measure, { sigma: 0 })).toThrow('sigma > 0');
  });
});
