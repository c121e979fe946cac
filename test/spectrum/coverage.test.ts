import { describe, expect, it } from 'vitest';
import { gaussianWidthLimit } from '../../src/geometry/gaussian-width.js';
import { averagedRule } from '../../src/spectrum/quadrature.js';
import { estimateSpectrum } from '../../src/spectrum/slq.js';
import { measureFromEigenvalues, type SpectralMeasure } from '../../src/spectrum/spectral-measure.js';
import { FunctionalEstimator } from '../../src/spectrum/uncertainty.js';
import { diagonalOperator, syntheticProblem } from './operators.js';

const DIMENSION = 4096;
const STEPS = [40, 60, 80, 100, 130];

/** Limits cannot mean more than a few 1/D. */
const GRAIN = 1 / DIMENSION;

/**
 * Network-like spectra whose limit is known. In the eigenbasis a Rademacher
 * probe weighs every eigenvalue alike, so what is seen is quadrature error
 * only. This is the test behind the table in uncertainty.ts.
 */
describe('the uncertainty of the Gaussian-width limit', () => {
  it('covers the truth, with an error well below that of the averaged Gauss rule', async () => {
    const rows = STEPS.map((steps) => ({ steps, error: 0, averagedError: 0, halfWidth: 0, covered: 0 }));
    const problems = 12;
    for (let seed = 400; seed < 400 + problems; seed++) {
      const { eigenvalues, radiusSquared, epsilon } = syntheticProblem(seed, DIMENSION);
      const functional = (measure: SpectralMeasure): number =>
        gaussianWidthLimit(measure, radiusSquared, epsilon);
      const truth = functional(measureFromEigenvalues(eigenvalues));
      const spectrum = await estimateSpectrum(diagonalOperator(eigenvalues), {
        seed,
        probes: 1,
        functionals: { none: () => 0 },
        decisive: 'none',
        addProbes: false,
        tolerance: -1,
        maximumSteps: STEPS[STEPS.length - 1],
      });
      const estimator = new FunctionalEstimator(functional, {
        runs: spectrum.runs,
        dimension: DIMENSION,
        reorthogonalization: 'full',
        positiveSemidefinite: false,
      });
      for (const row of rows) {
        const { value, quadratureHalfWidth } = estimator.at(row.steps);
        const error = Math.abs(value - truth);
        row.error += (100 * error) / problems;
        row.halfWidth += (100 * quadratureHalfWidth) / problems;
        row.averagedError +=
          (100 * Math.abs(functional(averagedRule(spectrum.runs[0], row.steps)) - truth)) / problems;
        row.covered += error <= quadratureHalfWidth + GRAIN ? 1 : 0;
      }
    }
    if (process.env.PRUNE_LIMIT_PRINT) {
      console.table(rows);
    }
    for (const row of rows) {
      expect(row.error).toBeLessThan(row.averagedError / 3);
      expect(row.covered).toBeGreaterThanOrEqual(row.steps < 80 ? problems - 2 : problems - 1);
    }
    expect(rows[3].error).toBeLessThan(0.3); // points, at 100 steps
  });
});
