/**
 * Stochastic Lanczos quadrature: the spectral measure of an operator from a
 * few random probes (Golub & Meurant; Ubaru, Chen & Saad 2017; Ghorbani,
 * Krishnan & Xiao 2019 for networks).
 */
import type { LinearOperator } from '../curvature/linear-operator.js';
import { randomStream } from '../random.js';
import { deflated, deflationOf } from './deflation.js';
import { type LanczosCoefficients, LanczosRun, type Reorthogonalization } from './lanczos.js';
import type { LanczosKeeper } from './lanczos-record.js';
import type { LanczosVectorsFactory } from './lanczos-vectors.js';
import { leadingEigenvalues, type RitzEigenvalue } from './ritz.js';
import { antiGaussOrExact, averagedOrExact, gaussOrExact, radauOrExact } from './run-rules.js';
import { type SettledEstimate, SettlementWatch } from './settlement.js';
import {
  mixMeasures,
  type NegativeEigenvalues,
  type SpectralFunctional,
  type SpectralMeasure,
} from './spectral-measure.js';
import { estimateNegativeShare, estimateTrace, type SumEstimate } from './trace.js';
import { tridiagonalEigen } from './tridiagonal.js';
import { type FunctionalEstimate, FunctionalEstimator } from './uncertainty.js';

export interface SpectrumOptions<Name extends string> {
  /** Seed of the probes: probe i is drawn from the stream named `probe i`. */
  seed: number;
  /** Random probes at the start, advanced in lockstep. Default 2: the fewest that show how much probes differ. */
  probes?: number;
  /** Whether more probes are taken where they, and not steps, are what is missing. Default true. */
  addProbes?: boolean;
  /**
   * Steps before the first check. Default 40, below which the quadrature of an
   * indefinite operator is not steady (`uncertainty.ts`); 20 for a positive
   * semi-definite one.
   */
  minimumSteps?: number;
  /** Most steps of a probe. Default 300. */
  maximumSteps?: number;
  /** The budget of products. Default `probes * maximumSteps`. */
  maximumProducts?: number;
  /** Steps between checks. Default 10. */
  checkEvery?: number;
  /** Default `full`. */
  reorthogonalization?: Reorthogonalization;
  /** Keeps the Lanczos vectors; see `LanczosOptions`. */
  createVectors?: LanczosVectorsFactory;
  /** Keeps the runs, and has those that were kept before: their steps cost no product. */
  keeper?: LanczosKeeper;
  /** What negative eigenvalues count as in the functionals. Default `abs`. */
  negativeEigenvalues?: NegativeEigenvalues;
  /** Quantities to estimate, e.g. pruning limits. */
  functionals: Record<Name, SpectralFunctional>;
  /** The one that has to settle. */
  decisive: NoInfer<Name>;
  /** Half-width of a 95 % interval at which a functional is settled, in its own unit. */
  tolerance: number;
  /** How many leading eigenvalues to list. Default 20. */
  leading?: number;
  /**
   * Called after every step of the probes with the products done, their budget, and how many it will be in all by the
   * trend of the decisive interval; null where that cannot be told, or is no less than the budget.
   */
  onProducts?: (done: number, budget: number, expected: number | null) => void;
}

/** What is known of an operator's spectrum. Plain data. */
export interface SpectrumEstimate<Name extends string = string> {
  readonly dimension: number;
  readonly probes: number;
  /** Steps of the longest run. */
  readonly steps: number;
  /** Products with the operator: one a step of every probe. */
  readonly products: number;
  /** Whether every run found an invariant subspace: no quadrature error is left. */
  readonly exhausted: boolean;
  readonly reorthogonalization: Reorthogonalization;
  readonly estimates: Readonly<Record<Name, SettledEstimate>>;
  /** Coefficients of each probe. */
  readonly runs: readonly (LanczosCoefficients & { alpha: readonly number[]; beta: readonly number[] })[];
  /**
   * Quadrature rules of different errors, mixed over the probes, with the
   * eigenvalues that were found at weight 1/D: for sums of smooth functions.
   */
  readonly rules: readonly SpectralMeasure[];
  /** The Gauss rule of each probe. */
  readonly ritz: readonly { readonly values: readonly number[]; readonly weights: readonly number[] }[];
  readonly trace: SumEstimate;
  /** Share of sum |lambda| that negative eigenvalues hold. */
  readonly negativeShare: SumEstimate;
  /** Largest Ritz value over all probes: a lower bound of the largest eigenvalue. */
  readonly lambdaMax: number;
  /** Smallest Ritz value over all probes: an upper bound of the smallest eigenvalue. */
  readonly lambdaMin: number;
  /** Eigenvalues of largest magnitude from probe 0, with residual bounds, ghost copies merged. */
  readonly leading: readonly RitzEigenvalue[];
}

/** The part of the tolerance that the probes may take where more of them are added. */
const PROBE_TARGET = 0.7;

/**
 * Probes may cost this part of the budget, at the steps done so far; more of
 * it is better spent on steps, which find more of the spectrum and so leave
 * less to chance. 552 weights, tolerance 0.5 points, 600 products, 8 seeds: of
 * the Hessian all settle with 2 probes in 340 to 400 products (5 with the whole
 * budget for probes, up to 4 of them), of the Gauss-Newton matrix in 140 to 250
 * (350 to 600).
 */
const PROBE_BUDGET = 0.5;

/**
 * Estimates the spectral measure of an operator, adding Lanczos steps, and
 * probes where they are what is missing, until a functional of it is known to
 * a tolerance.
 *
 * A functional is settled when its interval is within the tolerance at two
 * successive checks (one could be luck) at least `checkEvery / 2` steps apart,
 * or at one where it is a theorem's (`positiveSemidefinite` operators), never
 * before the first; or when all runs are exhausted. It ends when the decisive
 * one is settled or the budget is spent. The products of a step are asked for
 * together, so that they may share a pass over the data.
 */
export async function estimateSpectrum<Name extends string>(
  operator: LinearOperator,
  options: SpectrumOptions<Name>,
): Promise<SpectrumEstimate<Name>> {
  const initialProbes = options.probes ?? 2;
  const maximumSteps = options.maximumSteps ?? 300;
  const checkEvery = options.checkEvery ?? 10;
  const budget = options.maximumProducts ?? initialProbes * maximumSteps;
  const reorthogonalization = options.reorthogonalization ?? 'full';
  const positiveSemidefinite = operator.positiveSemidefinite ?? false;
  const minimumSteps = options.minimumSteps ?? (positiveSemidefinite ? 20 : 40);
  requirePositiveInteger('probes', initialProbes);
  requirePositiveInteger('maximumSteps', maximumSteps);
  requirePositiveInteger('minimumSteps', minimumSteps);
  requirePositiveInteger('checkEvery', checkEvery);
  requirePositiveInteger('dim', operator.dim);

  const { keeper, createVectors } = options;
  const newRun = async (index: number): Promise<LanczosRun> =>
    new LanczosRun(operator, rademacherProbe(operator.dim, options.seed, index), {
      reorthogonalization,
      createVectors,
      record: (await keeper?.load(index)) ?? null,
    });
  const newRuns = (first: number, count: number): Promise<LanczosRun[]> =>
    Promise.all(Array.from({ length: count }, (_, index) => newRun(first + index)));
  const runs = await newRuns(0, initialProbes);
  const problem = {
    runs,
    dimension: operator.dim,
    positiveSemidefinite,
    negativeEigenvalues: options.negativeEigenvalues ?? 'abs',
  };
  const names = Object.keys(options.functionals) as Name[];
  const watches = names.map((name) => ({
    name,
    watch: new SettlementWatch(
      new FunctionalEstimator(options.functionals[name], problem),
      options.tolerance,
      { checksNeeded: positiveSemidefinite ? 1 : 2, stepsApart: checkEvery / 2 },
    ),
  }));
  const decisive = watches.find(({ name }) => name === options.decisive)!.watch;
  const products = (): number => runs.reduce((sum, run) => sum + run.steps, 0);
  const expectedProducts = (): number | null => {
    const expected = decisive.expectedSteps(checkEvery);
    return expected === null || expected >= maximumSteps || expected * runs.length >= budget
      ? null
      : Math.max(expected * runs.length, products());
  };
  const report = (): void => options.onProducts?.(products(), budget, expectedProducts());
  let steps = 0;
  const isLast = (): boolean =>
    runs.every((run) => run.exhausted) || steps >= maximumSteps || (steps + 1) * runs.length > budget;
  // A run kept orthogonal ends after as many steps as there are dimensions at most, and leaves next to nothing to chance.
  const endsWithin = reorthogonalization === 'full' && operator.dim <= maximumSteps;
  // Where there are no steps left, probes may take what is left of the budget.
  const worthOnProbes = (): number => {
    const stepsAreLeft = steps < maximumSteps && !runs.every((run) => run.exhausted);
    const toEnd = endsWithin ? runs.length * operator.dim : Number.POSITIVE_INFINITY;
    return stepsAreLeft ? Math.min(budget * PROBE_BUDGET, toEnd) : Number.POSITIVE_INFINITY;
  };
  const check = async (counts: boolean): Promise<void> => {
    if (runs.length > 1) {
      // What several probes tell of each other takes their vectors.
      await Promise.all(runs.map((run) => run.takeVectors()));
    }
    const exhausted = runs.every((run) => run.exhausted);
    for (const { watch } of watches) {
      watch.check(steps, counts, exhausted);
    }
  };
  for (;;) {
    await Promise.all(runs.map((run) => run.step()));
    steps++;
    report();
    await keeper?.save(runs, false);
    const exhausted = runs.every((run) => run.exhausted);
    const due = steps >= minimumSteps && (steps - minimumSteps) % checkEvery === 0;
    if (!due && !isLast()) {
      continue;
    }
    // Fewer steps than the first check takes say too little to settle anything.
    const counts = exhausted || steps >= minimumSteps;
    await check(counts);
    if (decisive.settled) {
      break;
    }
    const added =
      options.addProbes === false
        ? 0
        : probesToAdd(decisive.estimate, runs.length, options.tolerance, budget, worthOnProbes());
    if (added > 0) {
      const late = await newRuns(runs.length, added);
      await catchUp(late, steps, async () => {
        report();
        await keeper?.save([...runs, ...late], false);
      });
      runs.push(...late);
      await check(counts);
      if (decisive.settled) {
        break;
      }
    }
    // More probes take more of the budget for a step.
    if (isLast()) {
      break;
    }
  }
  await keeper?.save(runs, true);
  const estimates = Object.fromEntries(watches.map(({ name, watch }) => [name, watch.result()]));
  return {
    ...summarize(operator.dim, runs, steps, reorthogonalization, options.leading ?? 20),
    products: products(),
    estimates: estimates as Record<Name, SettledEstimate>,
  };
}

/** Steps of probes that come later, in lockstep. */
async function catchUp(
  runs: readonly LanczosRun[],
  steps: number,
  onStep: () => Promise<void>,
): Promise<void> {
  for (let step = 0; step < steps && !runs.every((run) => run.exhausted); step++) {
    await Promise.all(runs.map((run) => run.step()));
    await onStep();
  }
}

/**
 * How many probes would bring the random error down to its part of the
 * tolerance. None as long as the quadrature error is larger than that: more
 * steps are needed anyway. With as many probes as matched it, 12 seeds of that
 * network spent 600 products at 40 to 50 steps and were not settled.
 *
 * @param worth products that all probes may cost, at the steps done so far
 */
function probesToAdd(
  estimate: FunctionalEstimate,
  probes: number,
  tolerance: number,
  budget: number,
  worth: number,
): number {
  const { probeHalfWidth, quadratureHalfWidth, steps } = estimate;
  const target = PROBE_TARGET * tolerance;
  if (!(probeHalfWidth > target) || quadratureHalfWidth > target) {
    return 0;
  }
  const wanted = Math.ceil(probes * (probeHalfWidth / target) ** 2);
  if (wanted * steps >= worth) {
    return 0;
  }
  return Math.max(0, Math.min(wanted, Math.floor(budget / steps)) - probes);
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
  reorthogonalization: Reorthogonalization,
  leading: number,
): Omit<SpectrumEstimate, 'estimates' | 'products'> {
  const eigen = runs.map((run) => tridiagonalEigen(run.alpha, run.beta));
  const deflations = runs.map((run) => deflationOf(run, dimension));
  const mixed = (rule: (run: LanczosCoefficients, steps: number) => SpectralMeasure): SpectralMeasure =>
    mixMeasures(runs.map((run, index) => deflated(rule(run, steps), deflations[index], dimension)));
  return {
    dimension,
    probes: runs.length,
    steps: Math.max(...runs.map((run) => run.steps)),
    exhausted: runs.every((run) => run.exhausted),
    reorthogonalization,
    runs: runs.map((run) => ({ alpha: [...run.alpha], beta: [...run.beta], reorthogonalization })),
    rules: [gaussOrExact, antiGaussOrExact, averagedOrExact, radauOrExact].map(mixed),
    ritz: eigen.map(({ values, first }) => ({
      values: Array.from(values),
      weights: Array.from(first, (component) => component * component),
    })),
    trace: estimateTrace(dimension, runs),
    negativeShare: estimateNegativeShare(dimension, runs),
    lambdaMax: Math.max(...eigen.map(({ values }) => values[values.length - 1])),
    lambdaMin: Math.min(...eigen.map(({ values }) => values[0])),
    leading: leadingEigenvalues(runs[0], leading),
  };
}

function requirePositiveInteger(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`estimateSpectrum: expected ${name} to be a positive integer, got ${value}`);
  }
}
