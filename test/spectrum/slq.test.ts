import { describe, expect, it } from 'vitest';
import { estimateSpectrum } from '../../src/spectrum/slq.js';
import { type SpectralMeasure, spectralAverage } from '../../src/spectrum/spectral-measure.js';
import { FunctionalEstimator } from '../../src/spectrum/uncertainty.js';
import { absoluteMeasure } from '../support/spectral-measures.js';
import { diagonalOperator, rotatedOperator } from './operators.js';

const resolvent =
  (mu: number) =>
  (measure: SpectralMeasure): number =>
    spectralAverage(absoluteMeasure(measure), (x) => 1 / (1 + mu * x));

/** One functional, by the name `value`. */
const only = (value: (measure: SpectralMeasure) => number) =>
  ({ functionals: { value }, decisive: 'value' }) as const;

const uniform = Float64Array.from({ length: 1024 }, (_, i) => (i + 0.5) / 1024);

describe('estimateSpectrum', () => {
  it('finds the closed form of a uniform spectrum: s(mu) = log(1 + mu) / mu', async () => {
    const mu = 40;
    const result = await estimateSpectrum(rotatedOperator(uniform, 3), {
      seed: 5,
      probes: 4,
      minimumSteps: 30,
      ...only(resolvent(mu)),
      tolerance: 0.01,
    });
    expect(result.estimates.value.settled).toBe(true);
    expect(result.steps).toBe(40); // 30 and 40: two checks in a row
    const { low, high } = result.estimates.value;
    expect(low).toBeLessThan(Math.log(1 + mu) / mu);
    expect(high).toBeGreaterThan(Math.log(1 + mu) / mu);
    expect(result.lambdaMax).toBeLessThanOrEqual(1);
    expect(result.lambdaMax).toBeGreaterThan(0.99);
    expect(result.lambdaMin).toBeGreaterThan(0);
  });

  it('finds the closed form of a semicircle: int_0^1 of 1 / (1 + mu |x|)', async () => {
    // Quantiles of the semicircle law on [-1, 1], by bisection of its distribution function.
    const quantile = (q: number): number => {
      let low = -1;
      let high = 1;
      for (let i = 0; i < 60; i++) {
        const x = (low + high) / 2;
        const below = 0.5 + (x * Math.sqrt(1 - x * x) + Math.asin(x)) / Math.PI;
        if (below < q) low = x;
        else high = x;
      }
      return low;
    };
    const eigenvalues = Float64Array.from({ length: 2048 }, (_, i) => quantile((i + 0.5) / 2048));
    const mu = 20;
    const points = 200000;
    let exact = 0;
    for (let i = 0; i < points; i++) {
      const x = (i + 0.5) / points;
      exact += ((4 / Math.PI) * Math.sqrt(1 - x * x)) / (1 + mu * x) / points;
    }
    const result = await estimateSpectrum(diagonalOperator(eigenvalues), {
      seed: 1,
      probes: 1,
      addProbes: false,
      ...only(resolvent(mu)),
      tolerance: 0,
      maximumSteps: 80,
    });
    expect(result.estimates.value.value).toBeCloseTo(exact, 3);
    expect(result.estimates.value.outer).toBeGreaterThan(exact);
  });

  it('reports every weight, sums of 1, and moments that agree over the rules', async () => {
    const result = await estimateSpectrum(rotatedOperator(uniform, 1), {
      seed: 1,
      probes: 3,
      ...only(resolvent(5)),
      tolerance: 1e-3,
      maximumSteps: 20,
    });
    expect(result.ritz).toHaveLength(3);
    expect(result.runs).toHaveLength(3);
    for (const { values, weights } of result.ritz) {
      expect(values).toHaveLength(20);
      expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 13);
    }
    const firstMoment = result.runs.reduce((sum, { alpha }) => sum + alpha[0] / 3, 0);
    expect(result.rules).toHaveLength(4);
    for (const rule of result.rules) {
      expect(rule.weights.every((weight) => weight >= 0)).toBe(true);
      expect(rule.weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 13);
      expect(spectralAverage(rule, (x) => x)).toBeCloseTo(firstMoment, 11);
    }
  });

  it('needs no more steps than the dimension, and is then exact', async () => {
    const result = await estimateSpectrum(diagonalOperator([-3, -1, 0, 2, 5]), {
      seed: 1,
      ...only(resolvent(2)),
      tolerance: 1e-9,
      leading: 2,
    });
    expect(result).toMatchObject({ steps: 5, exhausted: true, dimension: 5, probes: 2 });
    expect(result.estimates.value.value).toBeCloseTo((1 / 7 + 1 / 3 + 1 + 1 / 5 + 1 / 11) / 5, 12);
    expect(result.estimates.value.quadratureHalfWidth).toBe(0);
    expect(result.trace.value).toBeCloseTo(3, 12);
    expect(result.lambdaMin).toBeCloseTo(-3, 12);
    expect(result.leading.map(({ value }) => Math.round(value * 1e9) / 1e9)).toEqual([5, -3]);
  });

  it('says when the budget was not enough, with the bracket', async () => {
    const eigenvalues = Float64Array.from({ length: 4096 }, (_, i) => Math.cos(i) ** 9 * 10);
    const products: number[][] = [];
    const result = await estimateSpectrum(rotatedOperator(eigenvalues, 1), {
      seed: 1,
      ...only(resolvent(1000)),
      tolerance: 1e-6,
      minimumSteps: 10,
      maximumSteps: 25,
      onProducts: (done, budget) => products.push([done, budget]),
    });
    expect(result).toMatchObject({ exhausted: false, steps: 25, products: 50 });
    expect(result.estimates.value).toMatchObject({ settled: false, missing: 'steps' });
    expect(result.estimates.value.low).toBeLessThan(result.estimates.value.high);
    expect(products).toEqual(Array.from({ length: 25 }, (_, i) => [2 * (i + 1), 50]));
  });

  it('is the same for the same seed and differs for another', async () => {
    const estimate = (seed: number) =>
      estimateSpectrum(rotatedOperator(uniform, 1), {
        seed,
        ...only(resolvent(9)),
        tolerance: 1e-3,
        maximumSteps: 30,
      });
    const first = await estimate(1);
    expect(JSON.stringify(await estimate(1))).toBe(JSON.stringify(first));
    expect((await estimate(2)).estimates.value.value).not.toBe(first.estimates.value.value);
  });

  it.each(['full', 'none'] as const)(
    'leaves coefficients that any functional can be found from, at fewer steps too (%s)',
    async (reorthogonalization) => {
      const result = await estimateSpectrum(rotatedOperator(uniform, 1), {
        seed: 1,
        ...only(resolvent(9)),
        tolerance: 0,
        addProbes: false,
        maximumSteps: 40,
        reorthogonalization,
      });
      const { runs, dimension } = result;
      const problem = {
        runs,
        dimension,
        positiveSemidefinite: false,
        negativeEigenvalues: 'abs' as const,
      };
      const again = new FunctionalEstimator(resolvent(9), problem).at(40);
      const { settled: _, missing: __, ...estimate } = result.estimates.value;
      if (reorthogonalization === 'none') {
        expect(again).toEqual(estimate);
      } else {
        // The coefficients alone say less of the probes than the vectors do.
        const { value, outer, inner, quadratureHalfWidth } = estimate;
        expect(again).toMatchObject({ value, outer, inner, quadratureHalfWidth });
      }
      const mean = new FunctionalEstimator((measure) => spectralAverage(measure, (x) => x), problem).at(20);
      expect(mean.value).toBeCloseTo((runs[0].alpha[0] + runs[1].alpha[0]) / 2, 10);
      expect(mean.quadratureHalfWidth).toBeLessThan(1e-10);
      expect(mean.steps).toBe(20);
    },
  );

  it('states errors over probes that are honest: trace and resolvent over 60 seeds', async () => {
    const eigenvalues = Float64Array.from({ length: 512 }, (_, i) => 2 ** (-i / 32));
    const trace = eigenvalues.reduce((sum, value) => sum + value, 0);
    const functional = resolvent(3);
    const exact = eigenvalues.reduce((sum, value) => sum + 1 / (1 + 3 * value), 0) / 512;
    for (const probes of [1, 2, 4]) {
      const scores: number[][] = [[], []];
      for (let seed = 0; seed < 60; seed++) {
        const result = await estimateSpectrum(rotatedOperator(eigenvalues, seed), {
          seed,
          probes,
          ...only(functional),
          tolerance: 0,
          maximumSteps: 25,
        });
        scores[0].push((result.trace.value - trace) / result.trace.standardError);
        const { value, halfWidth } = result.estimates.value;
        scores[1].push((1.96 * (value - exact)) / halfWidth);
      }
      for (const score of scores) {
        // Mean square 1 for perfect standard errors; 60 samples know it to a factor of about 1.4.
        const meanSquare = score.reduce((sum, z) => sum + z * z, 0) / score.length;
        expect(meanSquare).toBeGreaterThan(0.5);
        expect(meanSquare).toBeLessThan(1.6);
        expect(score.filter((z) => Math.abs(z) > 3).length).toBeLessThanOrEqual(2);
      }
    }
  });

  it('knows the trace of a spectrum that a few large eigenvalues dominate much better than one probe', async () => {
    const eigenvalues = Float64Array.from({ length: 2048 }, (_, i) => (i < 12 ? 20 - i : 0.01));
    const trace = eigenvalues.reduce((sum, value) => sum + value, 0);
    const errors: number[] = [];
    for (let seed = 0; seed < 10; seed++) {
      const result = await estimateSpectrum(rotatedOperator(eigenvalues, seed), {
        seed,
        probes: 1,
        ...only(resolvent(3)),
        tolerance: 0,
        maximumSteps: 30,
      });
      // Plain Hutchinson scatters by sqrt(2) ||H||_F, about 71 of 193.
      expect(Math.abs(result.trace.value - trace)).toBeLessThan(4 * result.trace.standardError + 1e-9);
      errors.push(Math.abs(result.trace.value - trace));
    }
    expect(Math.max(...errors)).toBeLessThan(2);
  });

  it('rejects options that make no sense', async () => {
    const options = { seed: 1, ...only(resolvent(1)), tolerance: 1 };
    await expect(estimateSpectrum(diagonalOperator([1]), { ...options, probes: 0 })).rejects.toThrow(
      'probes',
    );
    await expect(estimateSpectrum(diagonalOperator([]), options)).rejects.toThrow('dim');
  });
});
