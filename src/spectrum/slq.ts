/**
 * Stochastic Lanczos quadrature: the spectral measure of an operator from a
 * few random probes (Golub & Meurant; Ubaru, Chen & Saad 2017; Ghorbani,
 * Krishnan & Xiao 2019 for networks).
 */
import type { LinearOperator } from '../curvature/linear-operator.js';
import { randomStream } from '../random.js';
import { type LanczosCoefficients, LanczosRun, type Reorthogonalization } from './lanczos.js';
import type { LanczosVectorsFactory } from './lanczos-vectors.js';
import { leadingEigenvalues, type RitzEigenvalue } from './ritz.js';
import { mixMeasures, type SpectralMeasure } from './spectral-measure.js';
import { tridiagonalEigen } from './tridiagonal.js';
import {
  antiGaussOrExact,
  averagedOrExact,
  BOUND_WEIGHT,
  type FunctionalEstimate,
  FunctionalEstimator,
  gaussOrExact,
  radauOrExact,
  type SpectralFunctional,
} from './uncertainty.js';

export interface SpectrumOptions {
  /** Seed of the probes: probe i is drawn from the stream named `probe i`. */
  seed: number;
  /** Random probes, advanced in lockstep. Default 2: the fewest that show how much probes differ. */
  probes?: number;
  /** Steps before the first check. Default 30. */
  minimumSteps?: number;
  /** The budget of steps. Default 300. */
  maximumSteps?: number;
  /** Steps between checks. Default 10. */
  checkEvery?: number;
  /** Default `full`. */
  reorthogonalization?: Reorthogonalization;
  /** Keeps the Lanczos vectors; see `LanczosOptions`. */
  createVectors?: LanczosVectorsFactory;
  /** The quantity that has to settle, e.g. a pruning limit. */
  functional: SpectralFunctional;
  /** Half-width of its uncertainty at which to stop, in its own unit. */
  tolerance: number;
  /** How many leading eigenvalues to list. Default 20. */
  leading?: number;
  /** Called after every step with the number of steps done. */
  onStep?: (steps: number) => void;
}

/** An estimate of a trace. */
export interface TraceEstimate {
  readonly value: number;
  /** One standard error. */
  readonly standardError: number;
}

/** What is known of an operator's spectrum. Plain data. */
export interface SpectrumEstimate {
  readonly dimension: number;
  readonly probes: number;
  /** Steps of the longest run. */
  readonly steps: number;
  /** Whether the uncertainty of the functional reached the tolerance. */
  readonly settled: boolean;
  /** Whether every run found an invariant subspace: no quadrature error is left. */
  readonly exhausted: boolean;
  readonly reorthogonalization: Reorthogonalization;
  /** The functional that decided when to stop. */
  readonly estimate: FunctionalEstimate;
  /** Coefficients of each probe; input of `estimateUncertainty` for other functionals. */
  readonly runs: readonly { readonly alpha: readonly number[]; readonly beta: readonly number[] }[];
  /** Rules mixed over the probes, at the last step. */
  readonly gauss: SpectralMeasure;
  readonly antiGauss: SpectralMeasure;
  readonly averaged: SpectralMeasure;
  readonly zeroRadau: SpectralMeasure;
  /** The Gauss rule of each probe. */
  readonly ritz: readonly { readonly values: readonly number[]; readonly weights: readonly number[] }[];
  readonly trace: TraceEstimate;
  /** Largest Ritz value over all probes: a lower bound of the largest eigenvalue. */
  readonly lambdaMax: number;
  /** Smallest Ritz value over all probes: an upper bound of the smallest eigenvalue. */
  readonly lambdaMin: number;
  /** Eigenvalues of largest magnitude from probe 0, with residual bounds, ghost copies merged. */
  readonly leading: readonly RitzEigenvalue[];
}

/**
 * Estimates the spectral measure of an operator, adding Lanczos steps until a
 * functional of it is known to a tolerance.
 *
 * Stops when the half-width of the functional's uncertainty is within the
 * tolerance at two successive checks (one could be luck), when all runs are
 * exhausted, or when the budget of steps is spent. The products of a step are
 * asked for together, so that they may share a pass over the data.
 */
export async function estimateSpectrum(
  operator: LinearOperator,
  options: SpectrumOptions,
): Promise<SpectrumEstimate> {
  const probes = options.probes ?? 2;
  const maximumSteps = options.maximumSteps ?? 300;
  const minimumSteps = Math.min(options.minimumSteps ?? 30, maximumSteps);
  const checkEvery = options.checkEvery ?? 10;
  const reorthogonalization = options.reorthogonalization ?? 'full';
  requirePositiveInteger('probes', probes);
  requirePositiveInteger('maximumSteps', maximumSteps);
  requirePositiveInteger('minimumSteps', minimumSteps);
  requirePositiveInteger('checkEvery', checkEvery);
  requirePositiveInteger('dim', operator.dim);

  const runs = Array.from(
    { length: probes },
    (_, index) =>
      new LanczosRun(operator, rademacherProbe(operator.dim, options.seed, index), {
        reorthogonalization,
        createVectors: options.createVectors,
      }),
  );
  const estimator = new FunctionalEstimator(options.functional, {
    runs,
    dimension: operator.dim,
    reorthogonalization,
  });
  let estimate: FunctionalEstimate | null = null;
  let withinBefore = false;
  let settled = false;
  let steps = 0;
  while (!settled) {
    await Promise.all(runs.map((run) => run.step()));
    steps++;
    options.onStep?.(steps);
    const exhausted = runs.every((run) => run.exhausted);
    const last = exhausted || steps >= maximumSteps;
    const due = steps >= minimumSteps && (steps - minimumSteps) % checkEvery === 0;
    if (due || last) {
      estimate = estimator.at(steps);
      const within = estimate.halfWidth <= options.tolerance;
      settled = within && (withinBefore || exhausted);
      withinBefore = within;
    }
    if (last) {
      break;
    }
  }
  return summarize(operator.dim, runs, steps, settled, reorthogonalization, estimate!, options.leading ?? 20);
}

/** A vector of independent signs, scaled to unit norm. */
function rademacherProbe(dim: number, seed: number, index: number): Float64Array {
  const random = randomStream(seed, `probe ${index}`);
  const probe = new Float64Array(dim);
  const entry = 1 / Math.sqrt(dim);
  for (let i = 0; i < dim; i++) {
    probe[i] = random.sign() * entry;
  }
  return probe;
}

function summarize(
  dimension: number,
  runs: readonly LanczosRun[],
  steps: number,
  settled: boolean,
  reorthogonalization: Reorthogonalization,
  estimate: FunctionalEstimate,
  leading: number,
): SpectrumEstimate {
  const eigen = runs.map((run) => tridiagonalEigen(run.alpha, run.beta));
  const mixed = (rule: (run: LanczosCoefficients, steps: number) => SpectralMeasure): SpectralMeasure =>
    mixMeasures(runs.map((run) => rule(run, steps)));
  return {
    dimension,
    probes: runs.length,
    steps: Math.max(...runs.map((run) => run.steps)),
    settled,
    exhausted: runs.every((run) => run.exhausted),
    reorthogonalization,
    estimate,
    runs: runs.map((run) => ({ alpha: [...run.alpha], beta: [...run.beta] })),
    gauss: mixed(gaussOrExact),
    antiGauss: mixed(antiGaussOrExact),
    averaged: mixed(averagedOrExact),
    zeroRadau: mixed(radauOrExact),
    ritz: eigen.map(({ values, first }) => ({
      values: Array.from(values),
      weights: Array.from(first, (component) => component * component),
    })),
    trace: estimateTrace(dimension, runs),
    lambdaMax: Math.max(...eigen.map(({ values }) => values[values.length - 1])),
    lambdaMin: Math.min(...eigen.map(({ values }) => values[0])),
    leading: leadingEigenvalues(runs[0], leading),
  };
}

/** Leading eigenvalues of a run whose random weight is replaced by its expectation in the trace. */
const DEFLATED_EIGENVALUES = 50;

/**
 * Above this, `D` times the weight of a Ritz value is not that of one simple
 * eigenvalue (chi-squared with one degree of freedom, exceeded once in 10^4):
 * it stands for several, and is left alone.
 */
const SIMPLE_EIGENVALUE_WEIGHT = 15;

/**
 * The trace from the Lanczos runs, by Hutchinson's estimate with the leading
 * eigenvalues deflated.
 *
 * `D v' H v = D alpha_0` (Hutchinson 1990) weighs eigenvalue j by
 * `D (q_j' v)^2`, which is 1 in expectation and scatters by as much. For the
 * eigenvalues that the run has found, that weight is known and is replaced by
 * 1; only the rest of the spectrum is left to chance. It is the deflation of
 * Hutch++ (Meyer, Musco, Musco & Woodruff 2021) at no further product.
 *
 * The variance of one probe is at most `2 ||H_rest||_F^2`, estimated by the
 * run's own second moment `D (alpha_0^2 + beta_0^2)` less the deflated part.
 * The standard error combines that bound, weighted as in `uncertainty.ts`,
 * with the scatter over probes.
 */
export function estimateTrace(dimension: number, runs: readonly LanczosCoefficients[]): TraceEstimate {
  const count = runs.length;
  const traces: number[] = [];
  let bound = 0;
  for (const run of runs) {
    let trace = dimension * run.alpha[0];
    let squares = dimension * (run.alpha[0] ** 2 + (run.beta[0] ?? 0) ** 2);
    for (const { value, weight } of leadingEigenvalues(run, DEFLATED_EIGENVALUES)) {
      if (dimension * weight <= SIMPLE_EIGENVALUE_WEIGHT) {
        trace += value * (1 - dimension * weight);
        squares -= dimension * weight * value ** 2;
      }
    }
    traces.push(trace);
    bound += (2 * Math.max(0, squares)) / count;
  }
  const value = traces.reduce((sum, trace) => sum + trace, 0) / count;
  const scatter = traces.reduce((sum, trace) => sum + (trace - value) ** 2, 0);
  const variance = (BOUND_WEIGHT * bound + scatter) / (BOUND_WEIGHT + count - 1);
  return { value, standardError: Math.sqrt(variance / count) };
}

function requirePositiveInteger(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`estimateSpectrum: expected ${name} to be a positive integer, got ${value}`);
  }
}
