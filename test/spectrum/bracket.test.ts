import { describe, expect, it } from 'vitest';
import type { LinearOperator } from '../../src/curvature/linear-operator.js';
import { gaussianWidthLimit } from '../../src/geometry/gaussian-width.js';
import { deflated, deflationOf } from '../../src/spectrum/deflation.js';
import { LanczosRun } from '../../src/spectrum/lanczos.js';
import { gaussRule } from '../../src/spectrum/quadrature.js';
import { gaussOrExact, headOf, radauOrExact } from '../../src/spectrum/run-rules.js';
import { estimateSpectrum } from '../../src/spectrum/slq.js';
import { type SpectralMeasure, spectralAverage } from '../../src/spectrum/spectral-measure.js';
import { FunctionalEstimator } from '../../src/spectrum/uncertainty.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';
import { denseOperator, explicitMatrix, orthogonalRows, rotatedOperator, signVector } from './operators.js';

const DIMENSION = 80;
const ROUNDING = 1e-10;

/** Positive semi-definite, a third of it zero, over four decades. */
const eigenvalues = Float64Array.from({ length: DIMENSION }, (_, i) =>
  i % 3 === 0 ? 0 : 10 ** (1 - i / 20),
);
const eigenvectors = orthogonalRows(DIMENSION, 3);
const operator: LinearOperator = {
  ...denseOperator(explicitMatrix(eigenvalues, eigenvectors)),
  positiveSemidefinite: true,
};

const functionals: [string, (measure: SpectralMeasure) => number][] = [
  ['s(1)', (measure) => spectralAverage(measure, (x) => 1 / (1 + x))],
  ['s(1000)', (measure) => spectralAverage(measure, (x) => 1 / (1 + 1000 * x))],
  ['a Gaussian-width limit', (measure) => gaussianWidthLimit(measure, (p) => 3 * p ** 2, 0.05)],
];

async function runOf(seed: number, steps: number): Promise<LanczosRun> {
  const run = new LanczosRun(operator, signVector(DIMENSION, seed));
  for (let step = 0; step < steps; step++) {
    await run.step();
  }
  return run;
}

/** The measure that a probe sees, from the eigenvectors. */
function seenBy(seed: number): SpectralMeasure {
  const start = signVector(DIMENSION, seed);
  const weights = Float64Array.from(
    eigenvectors,
    (vector) => vector.reduce((sum, entry, i) => sum + entry * start[i], 0) ** 2,
  );
  return { nodes: eigenvalues, weights };
}

describe.each(functionals)('of a positive semi-definite operator, %s', (_, functional) => {
  it('Gauss and Gauss-Radau at 0 enclose what each probe sees, ever more closely', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const exact = functional(seenBy(seed));
      const run = await runOf(seed, 50);
      let [lower, upper] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      for (let steps = 1; steps <= 50; steps++) {
        const inner = functional(gaussOrExact(run, steps));
        const outer = functional(radauOrExact(run, steps));
        const place = `seed ${seed}, ${steps} steps`;
        expect(inner, place).toBeGreaterThanOrEqual(lower - ROUNDING);
        expect(outer, place).toBeLessThanOrEqual(upper + ROUNDING);
        expect(inner, place).toBeLessThanOrEqual(exact + ROUNDING);
        expect(outer, place).toBeGreaterThanOrEqual(exact - ROUNDING);
        [lower, upper] = [inner, outer];
      }
      expect(upper - lower).toBeLessThan(1e-3);
    }
  });

  it('the interval is that bracket, about what a probe sees beside the eigenvalues that it has found', async () => {
    for (let seed = 0; seed < 5; seed++) {
      const runs = [await runOf(seed, 50)];
      const problem = {
        runs,
        dimension: DIMENSION,
        reorthogonalization: 'full',
        positiveSemidefinite: true,
        negativeEigenvalues: 'abs',
      } as const;
      const estimator = new FunctionalEstimator(functional, problem);
      let width = Number.POSITIVE_INFINITY;
      for (let steps = 5; steps <= 50; steps += 5) {
        const { value, low, high, inner, outer, halfWidth, quadratureHalfWidth, probeHalfWidth } =
          estimator.at(steps);
        const deflation = deflationOf(headOf(runs[0], steps), DIMENSION);
        const exact = functional(deflated(seenBy(seed), deflation, DIMENSION));
        const place = `seed ${seed}, ${steps} steps`;
        expect(inner, place).toBeLessThanOrEqual(exact + ROUNDING);
        expect(outer, place).toBeGreaterThanOrEqual(exact - ROUNDING);
        expect(quadratureHalfWidth).toBeCloseTo((outer - inner) / 2, 12);
        expect(value).toBeCloseTo((outer + inner) / 2, 12);
        // A theorem is no standard deviation: its part and that of the probes add up.
        expect(halfWidth).toBeCloseTo(quadratureHalfWidth + probeHalfWidth, 12);
        expect([low, high]).toEqual([value - halfWidth, value + halfWidth]);
        expect(quadratureHalfWidth, place).toBeLessThanOrEqual(width + ROUNDING);
        width = quadratureHalfWidth;
      }
    }
  });
});

it('the zero of a positive semi-definite operator is known at one check', async () => {
  const spectrum = Float64Array.from({ length: 1024 }, (_, i) => (i < 500 ? 0 : 10 ** (-i / 300)));
  const limit = (measure: SpectralMeasure): number => gaussianWidthLimit(measure, (p) => 5 * p ** 2, 0.05);
  const truth = limit(measureFromEigenvalues(spectrum));
  let held = 0;
  for (let seed = 0; seed < 100; seed++) {
    const { estimates, steps } = await estimateSpectrum(
      { ...rotatedOperator(spectrum, seed), positiveSemidefinite: true },
      { seed, functionals: { limit }, decisive: 'limit', tolerance: 0.05, minimumSteps: 30 },
    );
    expect(steps).toBe(30);
    expect(estimates.limit.settled).toBe(true);
    held += estimates.limit.low <= truth && truth <= estimates.limit.high ? 1 : 0;
  }
  // 95 of 100 are expected, give or take 2.2.
  expect(held).toBeGreaterThanOrEqual(89);
});

it('a whole spectrum found leaves no interval', async () => {
  const { estimates } = await estimateSpectrum(operator, {
    ...{ seed: 1, decisive: 'limit', tolerance: 1e-6 },
    functionals: { limit: functionals[2][1] },
  });
  expect(estimates.limit.settled).toBe(true);
  const run = await runOf(1, DIMENSION);
  expect(run.exhausted).toBe(true);
  expect(gaussRule(run).nodes.length).toBeLessThan(DIMENSION);
  expect(estimates.limit.value).toBeCloseTo(functionals[2][1](measureFromEigenvalues(eigenvalues)), 6);
});
