import { describe, expect, it } from 'vitest';
import { gaussianWidthLimit } from '../../src/geometry/gaussian-width.js';
import { estimateSpectrum } from '../../src/spectrum/slq.js';
import { sufficientProbes } from '../../src/spectrum/uncertainty.js';
import { rotatedOperator } from './operators.js';

describe('sufficientProbes', () => {
  it('is one where the random part of its interval is half the tolerance at most, else two', () => {
    // 1.96 / sqrt(2 D) = 0.25 points for D = 307,328.
    expect([307_327, 307_328].map((dimension) => sufficientProbes(dimension, 0.005))).toEqual([2, 1]);
    expect(sufficientProbes(307_328, 0.0049)).toBe(2);
    expect(sufficientProbes(1, 0.005)).toBe(2);
  });

  it('rests on a bound that the limits of single probes reach and do not exceed, over 200 seeds', async () => {
    const dimension = 256;
    const seeds = 200;
    // f(lambda) is 1 for one half and 0 for the other: the largest variance there is.
    const eigenvalues = Float64Array.from({ length: dimension }, (_, i) => (i % 2 === 0 ? 0 : 1e6));
    const limits: number[] = [];
    for (let seed = 0; seed < seeds; seed++) {
      const { estimates } = await estimateSpectrum(rotatedOperator(eigenvalues, seed), {
        seed,
        probes: 1,
        addProbes: false,
        functionals: { limit: (measure) => gaussianWidthLimit(measure, () => 1, 1e-2) },
        decisive: 'limit',
        tolerance: 0,
        maximumSteps: 4,
      });
      limits.push(estimates.limit.value);
    }
    const mean = limits.reduce((sum, limit) => sum + limit, 0) / seeds;
    const variance = limits.reduce((sum, limit) => sum + (limit - mean) ** 2, 0) / (seeds - 1);
    const ratio = Math.sqrt(variance * 2 * dimension);
    // The standard deviation of 200 values is known to 5 %.
    expect(ratio).toBeGreaterThan(0.85);
    expect(ratio).toBeLessThan(1.15);
  });
});
