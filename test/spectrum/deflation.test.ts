import { describe, expect, it } from 'vitest';
import type { LinearOperator } from '../../src/curvature/linear-operator.js';
import { deflated, deflationOf, restOf } from '../../src/spectrum/deflation.js';
import { LanczosRun, type Reorthogonalization } from '../../src/spectrum/lanczos.js';
import { antiGaussRule, averagedRule, gaussRule, zeroRadauRule } from '../../src/spectrum/quadrature.js';
import { type SpectralMeasure, spectralAverage } from '../../src/spectrum/spectral-measure.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';
import { denseOperator, explicitMatrix, orthogonalRows, rotatedOperator, signVector } from './operators.js';

async function lanczos(
  operator: LinearOperator,
  seed: number,
  steps: number,
  reorthogonalization: Reorthogonalization = 'full',
): Promise<LanczosRun> {
  const run = new LanczosRun(operator, signVector(operator.dim, seed), { reorthogonalization });
  for (let step = 0; step < steps; step++) {
    await run.step();
  }
  return run;
}

/** An operator that is written out, so of any dimension, with eigenvectors in general position. */
function explicitOperator(eigenvalues: readonly number[], seed: number): LinearOperator {
  return denseOperator(explicitMatrix(eigenvalues, orthogonalRows(eigenvalues.length, seed)));
}

const total = ({ weights }: SpectralMeasure): number => weights.reduce((sum, weight) => sum + weight, 0);

const rootMeanSquare = (errors: readonly number[]): number =>
  Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);

/** Share of a measure within 1e-6 of a value. */
const massAt = ({ nodes, weights }: SpectralMeasure, value: number): number =>
  nodes.reduce((sum, node, i) => sum + (Math.abs(node - value) < 1e-6 ? weights[i] : 0), 0);

/** Six far out on the right, two on the left, and a bulk around 0. */
const DIMENSION = 1024;
const LEADING = [40, 31, 22, 15, 11, 8, -3, -5];
const spectrum = Float64Array.from({ length: DIMENSION }, (_, i) => LEADING[i] ?? 0.5 * Math.cos(i) ** 5);

describe('the deflation of a run', () => {
  it.each<Reorthogonalization>(['full', 'none'])(
    'has the eigenvalues at both ends that stand apart, each once, and leaves the bulk (%s)',
    async (reorthogonalization) => {
      // Enough steps for many ghost copies without reorthogonalisation.
      const run = await lanczos(rotatedOperator(spectrum, 1), 1, 120, reorthogonalization);
      const { eigenvalues, weights, restScale } = deflationOf(run, DIMENSION);
      const outside = eigenvalues.filter((value) => Math.abs(value) > 0.6).sort((a, b) => b - a);
      expect(outside).toHaveLength(LEADING.length);
      outside.forEach((value, i) => {
        expect(value).toBeCloseTo(LEADING[i], 9);
      });
      // All weight is accounted for: what is left is scaled to its share of the spectrum.
      const found = weights.reduce((sum, weight) => sum + weight, 0);
      expect(restScale * (1 - found)).toBeCloseTo(1 - eigenvalues.length / DIMENSION, 12);
    },
  );

  it('counts two eigenvalues next to each other as two', async () => {
    // Closer than ghost copies are told by, as happens among the hundreds of small eigenvalues of a network.
    const near = [40, 31, 3, 3 + 2e-5, 2, 1];
    const spread = Float64Array.from({ length: 64 }, (_, i) => near[i] ?? 1e-9 * i);
    const run = await lanczos(rotatedOperator(spread, 5), 5, 12);
    const found = deflationOf(run, 64).eigenvalues.filter((value) => value > 0.5);
    expect(found.sort((a, b) => b - a).map((value) => value.toFixed(6))).toEqual(
      [40, 31, 3 + 2e-5, 3, 2, 1].map((value) => value.toFixed(6)),
    );
  });

  it('has nothing in it before anything is found', async () => {
    const run = await lanczos(rotatedOperator(spectrum, 1), 1, 2);
    expect(deflationOf(run, DIMENSION)).toMatchObject({ eigenvalues: [], weights: [], restScale: 1 });
    const rule = gaussRule(run);
    expect(deflated(rule, deflationOf(run, DIMENSION), DIMENSION)).toBe(rule);
  });
});

describe('a deflated measure', () => {
  it.each<Reorthogonalization>(['full', 'none'])(
    'sums to 1, has 1/D at each eigenvalue that was found, and is the rest elsewhere (%s)',
    async (reorthogonalization) => {
      for (const steps of [5, 12, 30, 90]) {
        const run = await lanczos(rotatedOperator(spectrum, 2), 2, steps, reorthogonalization);
        const deflation = deflationOf(run, DIMENSION);
        for (const rule of [gaussRule(run), antiGaussRule(run), averagedRule(run), zeroRadauRule(run)]) {
          expect(total(deflated(rule, deflation, DIMENSION))).toBeCloseTo(1, 12);
        }
        const measure = deflated(gaussRule(run), deflation, DIMENSION);
        for (const value of deflation.eigenvalues) {
          // The rounding of 1/D in sums of order 1.
          expect(Math.abs(DIMENSION * massAt(measure, value) - 1)).toBeLessThan(1e-9);
        }
        const rest = restOf(gaussRule(run), deflation);
        expect(total(rest)).toBeCloseTo(1 - deflation.eigenvalues.length / DIMENSION, 12);
        expect(rest.weights.every((weight) => weight >= 0)).toBe(true);
      }
    },
  );

  const MU = 1e-3;
  const complement = (value: number): number => 1 - 1 / (1 + MU * Math.abs(value));
  it.each<[string, (value: number) => number]>([
    ['the trace', (value) => value],
    ['the trace norm', Math.abs],
    ['1 - s(mu) near s = 1', complement],
    ['the squared Frobenius norm', (value) => value ** 2],
  ])('knows %s, which a few large eigenvalues hold, as well as the rest of it allows', async (name, f) => {
    const exact = spectralAverage(measureFromEigenvalues(spectrum), f);
    const errors: { plain: number[]; deflated: number[] } = { plain: [], deflated: [] };
    for (let seed = 0; seed < 60; seed++) {
      const run = await lanczos(rotatedOperator(spectrum, seed), seed, 40);
      const rule = averagedRule(run);
      errors.plain.push(spectralAverage(rule, f) - exact);
      const measure = deflated(rule, deflationOf(run, DIMENSION), DIMENSION);
      errors.deflated.push(spectralAverage(measure, f) - exact);
    }
    // Of one probe: sqrt(2 Var(f) / D), over the whole spectrum and over what is not deflated (Avron & Toledo 2011).
    const deviation = (values: Float64Array): number => {
      const mean = values.reduce((sum, value) => sum + f(value), 0) / values.length;
      return Math.sqrt(2 * values.reduce((sum, value) => sum + (f(value) - mean) ** 2, 0)) / DIMENSION;
    };
    const [whole, rest] = [deviation(spectrum), deviation(spectrum.subarray(LEADING.length))];
    if (process.env.PRUNE_LIMIT_PRINT) {
      console.info(name, whole / exact, rest / exact, rootMeanSquare(errors.deflated) / exact);
    }
    expect(rest).toBeLessThan(whole / 4);
    // 60 errors know their root mean square to 9 %.
    expect(rootMeanSquare(errors.plain)).toBeGreaterThan(0.7 * whole);
    expect(rootMeanSquare(errors.deflated)).toBeLessThan(1.3 * rest);
  });
});

describe('a run that has found the whole spectrum', () => {
  it('has the exact measure, every eigenvalue at 1/D', async () => {
    const eigenvalues = Array.from({ length: 40 }, (_, i) => 3 * Math.cos(2 * i) - 0.01 * i);
    const run = await lanczos(explicitOperator(eigenvalues, 3), 3, 40);
    expect(run.exhausted).toBe(true);
    const deflation = deflationOf(run, 40);
    expect(deflation.eigenvalues).toHaveLength(40);
    const measure = deflated(gaussRule(run), deflation, 40);
    for (const value of eigenvalues) {
      expect(massAt(measure, value)).toBeCloseTo(1 / 40, 12);
    }
    expect(total(measure)).toBeCloseTo(1, 12);
    expect(restOf(gaussRule(run), deflation).nodes).toHaveLength(0);
  });

  it('gives a null space all the weight that simple eigenvalues leave, over 60 seeds', async () => {
    const eigenvalues = Array.from({ length: 64 }, (_, i) => [9, 7, 5, 4, 3, 2, 1.5, 1, -1, -2][i] ?? 0);
    for (let seed = 0; seed < 60; seed++) {
      const run = await lanczos(explicitOperator(eigenvalues, seed), seed, 20);
      expect(run.exhausted).toBe(true);
      const measure = deflated(gaussRule(run), deflationOf(run, 64), 64);
      expect(massAt(measure, 0)).toBeCloseTo(54 / 64, 9);
      for (const value of eigenvalues.slice(0, 10)) {
        expect(64 * massAt(measure, value), `seed ${seed}: ${value}`).toBeCloseTo(1, 7);
      }
    }
  });

  it('takes no multiple eigenvalue for a simple one: its weight is left to the probe', async () => {
    const values = [-2, 0, 0.5, 7];
    const eigenvalues = Array.from({ length: 256 }, (_, i) => values[i % 4]);
    for (let seed = 0; seed < 20; seed++) {
      const run = await lanczos(rotatedOperator(eigenvalues, seed), seed, 10);
      expect([run.exhausted, run.steps]).toEqual([true, 4]);
      expect(deflationOf(run, 256).eigenvalues).toEqual([]);
    }
  });

  it('leaves the weights of few eigenvalues to the probe where any of them may be the multiple one', async () => {
    // Both are double; nothing in one run tells which of the three found is how many.
    const eigenvalues = [1, 1, 5, 5, 2, 2, 2, 9];
    const errors: number[] = [];
    for (let seed = 0; seed < 200; seed++) {
      const run = await lanczos(explicitOperator(eigenvalues, seed), seed, 10);
      expect([run.exhausted, run.steps]).toEqual([true, 4]);
      const measure = deflated(gaussRule(run), deflationOf(run, 8), 8);
      expect(total(measure)).toBeCloseTo(1, 12);
      errors.push(8 * massAt(measure, 2) - 3);
    }
    // Unbiased: 200 masses of standard deviation below sqrt(6) have a mean known to 0.17.
    expect(Math.abs(errors.reduce((sum, error) => sum + error, 0) / 200)).toBeLessThan(0.5);
  });

  it('without eigenvalues other than zero is a point', async () => {
    const run = await lanczos(explicitOperator([0, 0, 0, 0, 0], 1), 1, 3);
    expect(run.exhausted).toBe(true);
    const measure = deflated(gaussRule(run), deflationOf(run, 5), 5);
    expect([total(measure), massAt(measure, 0)]).toEqual([expect.closeTo(1, 12), expect.closeTo(1, 12)]);
  });
});
