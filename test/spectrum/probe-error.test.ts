import { describe, expect, it } from 'vitest';
import { gaussianWidthLimit } from '../../src/geometry/gaussian-width.js';
import { type Deflation, deflated, deflationOf } from '../../src/spectrum/deflation.js';
import { LanczosRun, type Reorthogonalization } from '../../src/spectrum/lanczos.js';
import { BOUND_WEIGHT, type ProbeRun, probeStandardError } from '../../src/spectrum/probe-error.js';
import { gaussRule } from '../../src/spectrum/quadrature.js';
import {
  mixMeasures,
  type SpectralFunctional,
  type SpectralMeasure,
  spectralAverage,
} from '../../src/spectrum/spectral-measure.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';
import { denseOperator, explicitMatrix, orthogonalRows, partlyLocalRows, signVector } from './operators.js';

const DIMENSION = 32;
const STEPS = DIMENSION;

const eigenvalues = Float64Array.from({ length: DIMENSION }, (_, i) => 4 * Math.cos(3 * i) ** 3 + 0.01 * i);

const f = (value: number): number => 1 / (1 + 2 * Math.abs(value));
const average: SpectralFunctional = (measure) => spectralAverage(measure, f);

const notDeflated: Deflation = {
  eigenvalues: [],
  weights: [],
  restScale: 1,
  sameWithin: 0,
};

/** Runs of `probes` probes over an explicit matrix. */
async function runsOver(
  eigenvectors: readonly Float64Array[],
  seed: number,
  probes: number,
  { reorthogonalization = 'full' as Reorthogonalization, steps = STEPS } = {},
): Promise<LanczosRun[]> {
  const operator = denseOperator(explicitMatrix(eigenvalues, eigenvectors));
  const runs: LanczosRun[] = [];
  for (let probe = 0; probe < probes; probe++) {
    const start = signVector(DIMENSION, seed, `probe ${probe}`);
    const run = new LanczosRun(operator, start, { reorthogonalization });
    for (let step = 0; step < steps; step++) {
      await run.step();
    }
    runs.push(run);
  }
  return runs;
}

/** The mean over runs of their Gauss rules, nothing deflated. */
const mixtureOf =
  (runs: readonly ProbeRun[]) =>
  (chosen: readonly number[]): SpectralMeasure =>
    mixMeasures(chosen.map((index) => gaussRule(runs[index])));

function standardErrorOf(functional: SpectralFunctional, runs: readonly ProbeRun[], steps = STEPS): number {
  const deflations = runs.map(() => notDeflated);
  return probeStandardError(functional, runs, mixtureOf(runs), deflations, steps, DIMENSION);
}

/** `2 sum_{i != j} f_ij^2 / D^2`, with f of the matrix written out. */
function exactVariance(eigenvectors: readonly Float64Array[], values: ArrayLike<number>): number {
  const rows = explicitMatrix(values, eigenvectors);
  let squares = 0;
  rows.forEach((row, i) => {
    row.forEach((entry, j) => {
      squares += i === j ? 0 : entry ** 2;
    });
  });
  return (2 * squares) / DIMENSION ** 2;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const meanSquare = (values: readonly number[]): number => mean(values.map((value) => value * value));

const exact = average(measureFromEigenvalues(eigenvalues));
/** `2 Var(f(lambda)) / D` */
const boundVariance = (2 * mean([...eigenvalues].map((value) => (f(value) - exact) ** 2))) / DIMENSION;

describe.each([
  ['eigenvectors in general position', (seed: number) => orthogonalRows(DIMENSION, seed), 0.7, 1],
  [
    'a third of the eigenvectors shared, the rest local',
    (seed: number) => partlyLocalRows(DIMENSION, 11, seed),
    0,
    0.5,
  ],
] as const)('the standard error of a spectral average, %s', (_, eigenvectorsOf, least, most) => {
  const eigenvectors = eigenvectorsOf(5);
  const truth = exactVariance(eigenvectors, eigenvalues.map(f));

  it('is bounded by 2 Var / D, closely or not', () => {
    expect(truth / boundVariance).toBeGreaterThan(least);
    expect(truth / boundVariance).toBeLessThan(most);
  });

  it.each([2, 3, 8])(
    'has the exact mean square, and that of the errors made, with %i probes',
    async (probes) => {
      const seeds = Math.round(300 / probes);
      const squares: number[] = [];
      const errors: number[] = [];
      for (let seed = 0; seed < seeds; seed++) {
        const runs = await runsOver(eigenvectors, seed, probes);
        squares.push(standardErrorOf(average, runs) ** 2);
        errors.push(average(mixtureOf(runs)(runs.map((_, index) => index))) - exact);
      }
      const ratio = (probes * mean(squares)) / truth;
      // The mean of so many unbiased estimates, by its own scatter.
      const scatter = Math.sqrt(meanSquare(squares.map((square) => square - mean(squares))) / seeds);
      expect(Math.abs(ratio - 1)).toBeLessThan((4 * probes * scatter) / truth + 1e-3);
      expect((probes * scatter) / truth).toBeLessThan(0.1);
      // Errors of 37 to 150 runs know their mean square to 12 to 23 %.
      const made = (probes * meanSquare(errors)) / truth;
      expect(Math.abs(made - 1)).toBeLessThan(4 * Math.sqrt(2 / seeds));
    },
  );
});

describe('the standard error over probes', () => {
  const eigenvectors = partlyLocalRows(DIMENSION, 11, 5);

  it('is zero where eigenvectors are coordinates, though a single probe cannot know it', async () => {
    const local = partlyLocalRows(DIMENSION, 1, 1);
    const runs = await runsOver(local, 1, 2);
    expect(standardErrorOf(average, runs)).toBeLessThan(1e-8);
    expect(standardErrorOf(average, runs.slice(0, 1))).toBeCloseTo(Math.sqrt(boundVariance), 8);
  });

  it('of one probe is the bound 2 Var / D of its own measure', async () => {
    const runs = await runsOver(eigenvectors, 2, 1);
    const measure = gaussRule(runs[0]);
    const centre = average(measure);
    const variance = spectralAverage(measure, (value) => (f(value) - centre) ** 2);
    expect(standardErrorOf(average, runs)).toBeCloseTo(Math.sqrt((2 * variance) / DIMENSION), 8);
  });

  it.each([2, 3])('of %i runs that keep no vectors joins the bound with the jackknife', async (probes) => {
    const runs = await runsOver(eigenvectors, 2, probes, {
      reorthogonalization: 'none',
      steps: 20, // no more nodes than groups of them, for exact influences
    });
    expect(runs[0].combination(Float64Array.of(1))).toBeNull();
    const values = runs.map((run) => average(gaussRule(run)));
    const centre = mean(values);
    const mixed = mixtureOf(runs)(runs.map((_, index) => index));
    const bound = (2 * spectralAverage(mixed, (value) => (f(value) - centre) ** 2)) / DIMENSION / probes;
    // Of a linear functional the jackknife is the sample variance of the mean.
    const jackknife = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (probes - 1) / probes;
    const joined = (BOUND_WEIGHT * bound + (probes - 1) * jackknife) / (BOUND_WEIGHT + probes - 1);
    expect(standardErrorOf(average, runs)).toBeCloseTo(Math.sqrt(joined), 8);
    // The coefficients alone say the same.
    const coefficients = runs.map(({ alpha, beta, reorthogonalization }) => ({
      alpha,
      beta,
      reorthogonalization,
    }));
    expect(standardErrorOf(average, coefficients)).toBe(standardErrorOf(average, runs));
  });

  it('is nearly the same from fewer steps', async () => {
    const runs = await runsOver(eigenvectors, 3, 3);
    expect(standardErrorOf(average, runs, 20) / standardErrorOf(average, runs)).toBeCloseTo(1, 1);
  });

  it('leaves out what is deflated: of a whole spectrum found, it is zero', async () => {
    const runs = await runsOver(eigenvectors, 4, 2);
    const deflations = runs.map((run) => deflationOf(run, DIMENSION));
    expect(deflations.map((deflation) => deflation.eigenvalues.length)).toEqual([DIMENSION, DIMENSION]);
    const measureOf = (chosen: readonly number[]) =>
      mixMeasures(chosen.map((index) => deflated(gaussRule(runs[index]), deflations[index], DIMENSION)));
    expect(probeStandardError(average, runs, measureOf, deflations, STEPS, DIMENSION)).toBe(0);
  });

  it('of what is left has the exact mean square: f centred there, between the projections onto it', async () => {
    // The four largest are taken for known, with the weights that each probe gives them.
    const known = [...eigenvalues.keys()].sort((i, j) => eigenvalues[j] - eigenvalues[i]).slice(0, 4);
    const left = [...eigenvalues.keys()].filter((i) => !known.includes(i));
    const centre = mean(left.map((i) => f(eigenvalues[i])));
    const centred = eigenvalues.map((value, i) => (known.includes(i) ? 0 : f(value) - centre));
    const truth = exactVariance(eigenvectors, centred);
    const squares: number[] = [];
    const seeds = 150;
    for (let seed = 0; seed < seeds; seed++) {
      const runs = await runsOver(eigenvectors, seed, 2);
      const deflations = runs.map((run): Deflation => {
        const { nodes, weights } = gaussRule(run);
        const places = known.map((i) => nodes.findIndex((node) => Math.abs(node - eigenvalues[i]) < 1e-8));
        const taken = places.map((place) => weights[place] ?? 0);
        const rest = 1 - taken.reduce((a, b) => a + b, 0);
        return {
          eigenvalues: known.map((i) => eigenvalues[i]),
          weights: taken,
          restScale: left.length / DIMENSION / rest,
          sameWithin: 1e-8,
        };
      });
      const measureOf = (chosen: readonly number[]) =>
        mixMeasures(chosen.map((index) => deflated(gaussRule(runs[index]), deflations[index], DIMENSION)));
      squares.push(probeStandardError(average, runs, measureOf, deflations, STEPS, DIMENSION) ** 2);
    }
    // To first order in 1/D: scaling the rest to its share, and its centre, are random too.
    expect((2 * mean(squares)) / truth).toBeGreaterThan(0.85);
    expect((2 * mean(squares)) / truth).toBeLessThan(1.25);
  });

  it('of a limit, which is no average, is that of the errors made', async () => {
    const limit: SpectralFunctional = (measure) => gaussianWidthLimit(measure, (p) => p * p, 0.3);
    const truth = limit(measureFromEigenvalues(eigenvalues));
    for (const probes of [2, 4]) {
      const scores: number[] = [];
      for (let seed = 0; seed < 120; seed++) {
        const runs = await runsOver(eigenvectors, seed, probes);
        const value = limit(mixtureOf(runs)(runs.map((_, index) => index)));
        scores.push((value - truth) / standardErrorOf(limit, runs));
      }
      expect(meanSquare(scores)).toBeGreaterThan(0.6);
      expect(meanSquare(scores)).toBeLessThan(1.5);
    }
  });
});
