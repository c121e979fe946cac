import { describe, expect, it } from 'vitest';
import { clippedMeasure, mixMeasures, spectralAverage } from '../../src/spectrum/spectral-measure.js';
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
