/**
 * The value of a functional of the spectrum (a pruning limit, say) with an
 * honest uncertainty, from the coefficients of a few Lanczos runs.
 *
 * The integrand `1/(1 + mu |lambda|)` has a kink at 0, where a network's
 * spectrum is concentrated. The plain Gauss rule therefore oscillates with the
 * number of steps, by ten points of a pruning limit, and the Gauss/anti-Gauss
 * average still by a few, with a mean below the truth. Two sequences that the
 * same coefficients give for free enclose the truth:
 *
 * - `outer(m)`: the Gauss-Radau rule with a node at 0. It does not oscillate
 *   and falls to the truth from above ({@link zeroRadauRule}).
 * - `inner(m)`: the mean of the functional over the averaged rules of the last
 *   30 % of the steps. Averaging over step counts averages over where the
 *   nodes lie relative to the kink, which smears the spectrum at the scale the
 *   steps resolve: it rises to the truth from below.
 *
 * Both errors shrink together, so the truth lies near a fixed share `theta` of
 * the way from outer to inner. The share is found from the runs themselves, by
 * asking that the estimate at m and at 0.7 m steps agree:
 *
 *     theta = (outer(0.7 m) - outer(m)) / (gap(0.7 m) - gap(m)),   gap = outer - inner
 *     value = outer(m) - theta gap(m)
 *
 * A small theta is reduced by up to 15 %, because outer converges ever faster
 * and the share of the last steps is larger than that of what is left. The
 * uncertainty is {@link GAP_SHARE} of the gap, or how far the estimate moved
 * over the last 15 % of the steps where that is more.
 *
 * Derived here, and calibrated on spectra known exactly. Mean absolute error
 * of the Gaussian-width limit in points over the 12 problems of
 * `test/spectrum/coverage.test.ts` (dimension 4096, 90 % or fewer of the
 * eigenvalues within 1e-5 of zero, a log-normal tail to 10), and how often the
 * stated uncertainty covered the truth:
 *
 *     steps                      40     60     80    100    130
 *     averaged Gauss rule      6.12   3.56   2.70   1.50   1.00
 *     this estimate            0.55   0.28   0.20   0.15   0.06
 *     stated half-width        1.61   0.76   0.51   0.35   0.20
 *     truth covered           12/12  12/12  12/12  12/12  12/12
 *
 * What no rule sees is a cluster of both signs much narrower than the steps
 * resolve: it counts as one point at its mean. In 60 such problems the most
 * that this made was 0.13 points.
 */
import type { LanczosCoefficients, Reorthogonalization } from './lanczos.js';
import { antiGaussRule, gaussRule, zeroRadauRule } from './quadrature.js';
import { mixMeasures, type SpectralMeasure } from './spectral-measure.js';

/** A quantity computed from a spectral measure. */
export type SpectralFunctional = (measure: SpectralMeasure) => number;

/** Part of the steps the inner sequence averages over starts here; also the earlier step count that theta compares with. */
const WINDOW_START = 0.7;

/**
 * Half-width of the quadrature uncertainty as a share of the gap between the
 * outer and the inner sequence. Wider without reorthogonalisation, where a
 * ghost copy in the making holds the sequences up for some steps.
 */
const GAP_SHARE: Record<Reorthogonalization, number> = { full: 0.15, none: 0.2 };

/**
 * Shares of the steps since which the estimate has not moved by more than its
 * uncertainty. While the gap is wide, theta is not yet known: the limit of
 * ResNet20 passed through 98, 17 and 12 points on its way to 40, its gap of 60
 * points almost the same.
 */
const DRIFT_SINCE = [0.85, 0.9, 0.95] as const;

/**
 * Correction of a small theta for the acceleration of the outer sequence; none
 * is due at 1, where the spectrum is flat around 0 and both sequences converge
 * like 1/m^2.
 */
const THETA_LAG = 0.85;

/** On a spectrum flat around 0 the inner sequence, too, comes from above, and theta is 1.6. */
const THETA_MOST = 2;

/**
 * Weight of the bound on the variance over probes, in degrees of freedom. With
 * 1 the stated errors are too small too often at 4 probes (mean square score
 * 1.75 over 60 seeds), with 4 they are right.
 */
export const BOUND_WEIGHT = 4;

/** Groups of nodes for which the influence on the functional is found; bounds its cost. */
const INFLUENCE_GROUPS = 64;

/** Share of mass moved to find an influence: large against rounding, small against the curvature of a limit. */
const INFLUENCE_STEP = 1e-3;

/** Fewest steps for which the sequences are compared at all. */
const LEAST_STEPS = 8;

/** The part of the tolerance that one probe's random error may take at most. */
const PROBE_SHARE = 1 / 2;

/**
 * How many probes to take: one where that is sure to be enough, else two, the
 * fewest that show how much probes differ.
 *
 * A Gaussian-width limit p solves `p = s(p)` with s, falling in p, the spectral
 * average of a function f within [0, 1]. One probe finds s with variance
 * `2 Var(f(lambda)) / D <= 1 / (2 D)` (Avron & Toledo 2011), and p moves by no
 * more than s does.
 *
 * @param dimension D
 * @param tolerance half-width asked of the limit, as a fraction
 */
export function sufficientProbes(dimension: number, tolerance: number): 1 | 2 {
  return 1 / Math.sqrt(2 * dimension) <= PROBE_SHARE * tolerance ? 1 : 2;
}

/** Lanczos runs over one operator, one a probe. */
export interface ProbeRuns {
  /** May grow while an estimator is in use. */
  readonly runs: readonly LanczosCoefficients[];
  /** Dimension of the operator. */
  readonly dimension: number;
  readonly reorthogonalization: Reorthogonalization;
}

/** A functional's value with its uncertainty. Plain data. */
export interface FunctionalEstimate {
  /** Best estimate. */
  readonly value: number;
  /** `value` minus the combined half-width. */
  readonly low: number;
  /** `value` plus the combined half-width. */
  readonly high: number;
  /** `sqrt(quadratureHalfWidth^2 + probeStandardError^2)`. */
  readonly halfWidth: number;
  /** Uncertainty because the number of Lanczos steps is finite. */
  readonly quadratureHalfWidth: number;
  /** Uncertainty because the number of probes is finite: one standard error, known with one probe too. */
  readonly probeStandardError: number;
  /** The functional of the Gauss-Radau rule with a node at 0. */
  readonly outer: number;
  /** The mean of the functional over the averaged rules of the last 30 % of the steps. */
  readonly inner: number;
  /** Lanczos steps used. */
  readonly steps: number;
}

/** Evaluates one functional on the runs at any step count, remembering what it computed. */
export class FunctionalEstimator {
  readonly #functional: SpectralFunctional;
  readonly #runs: readonly LanczosCoefficients[];
  readonly #dimension: number;
  readonly #gapShare: number;
  readonly #averaged = new Map<number, number>();
  readonly #outer = new Map<number, number>();

  constructor(functional: SpectralFunctional, probeRuns: ProbeRuns) {
    if (probeRuns.runs.length === 0) {
      throw new RangeError('FunctionalEstimator: expected at least one Lanczos run, got none');
    }
    this.#functional = functional;
    this.#runs = probeRuns.runs;
    this.#dimension = probeRuns.dimension;
    this.#gapShare = GAP_SHARE[probeRuns.reorthogonalization];
  }

  /** The estimate from the first `steps` steps of every run (all of a run that is shorter because it is exhausted). */
  at(steps: number): FunctionalEstimate {
    const used = Math.min(steps, Math.max(...this.#runs.map((run) => run.alpha.length)));
    const outer = this.#outerAt(used);
    const inner = this.#innerAt(used);
    const value = this.#valueAt(used);
    let quadratureHalfWidth: number;
    if (this.#runs.every((run) => isExact(run, used))) {
      quadratureHalfWidth = 0;
    } else if (used < LEAST_STEPS) {
      quadratureHalfWidth = Math.abs(outer - inner) / 2;
    } else {
      const moved = DRIFT_SINCE.map((share) => Math.abs(value - this.#valueAt(Math.round(share * used))));
      quadratureHalfWidth = Math.max(this.#gapShare * Math.abs(outer - inner), ...moved);
    }
    const probeStandardError = this.#probeStandardError(used);
    const halfWidth = Math.hypot(quadratureHalfWidth, probeStandardError);
    return {
      value,
      low: value - halfWidth,
      high: value + halfWidth,
      halfWidth,
      quadratureHalfWidth,
      probeStandardError,
      outer,
      inner,
      steps: used,
    };
  }

  /** The best estimate, from the first `steps` steps of every run. */
  #valueAt(steps: number): number {
    const outer = this.#outerAt(steps);
    if (this.#runs.every((run) => isExact(run, steps))) {
      return outer;
    }
    const gap = outer - this.#innerAt(steps);
    return steps < LEAST_STEPS ? outer - gap / 2 : outer - this.#theta(steps, outer, gap) * gap;
  }

  #theta(steps: number, outer: number, gap: number): number {
    const earlier = Math.round(WINDOW_START * steps);
    const earlierOuter = this.#outerAt(earlier);
    const earlierGap = earlierOuter - this.#innerAt(earlier);
    const share = (earlierOuter - outer) / (earlierGap - gap);
    if (!Number.isFinite(share)) {
      return 0.5;
    }
    const bounded = Math.min(Math.max(share, 0), THETA_MOST);
    return bounded * (THETA_LAG + (1 - THETA_LAG) * Math.min(bounded, 1) ** 2);
  }

  #outerAt(steps: number): number {
    return remember(this.#outer, steps, () =>
      this.#functional(mixMeasures(this.#runs.map((run) => radauOrExact(run, steps)))),
    );
  }

  #innerAt(steps: number): number {
    let sum = 0;
    let count = 0;
    for (let k = Math.max(1, Math.floor(WINDOW_START * steps)); k <= steps; k++) {
      sum += remember(this.#averaged, k, () =>
        this.#functional(mixMeasures(this.#runs.map((run) => averagedOrExact(run, k)))),
      );
      count++;
    }
    return sum / count;
  }

  /**
   * Standard error over probes, two ways, on the outer rule (the one that does
   * not oscillate, so that the probes alone make the difference):
   *
   * - Jackknife (Efron & Stein 1981), which needs no assumption but has only
   *   `probes - 1` degrees of freedom: with two probes it is as often far too
   *   small as it is useful.
   * - The variance of `v' f(H) v` for a Rademacher probe of unit norm,
   *   `2 (||f||_F^2 - sum_i f_ii^2) / D^2 <= 2 Var(f(lambda)) / D` (Avron &
   *   Toledo 2011), with f the influence function of the functional. An upper
   *   bound, close for generic eigenvectors.
   *
   * The bound is given the weight of four degrees of freedom.
   */
  #probeStandardError(steps: number): number {
    const count = this.#runs.length;
    const rules = this.#runs.map((run) => radauOrExact(run, steps));
    const bound = this.#influenceVariance(rules, this.#outerAt(steps)) * (2 / (this.#dimension * count));
    if (count === 1) {
      return Math.sqrt(bound);
    }
    const values = rules.map((_, left) => this.#functional(mixMeasures(rules.filter((_, i) => i !== left))));
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const jackknife = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) * ((count - 1) / count);
    return Math.sqrt((BOUND_WEIGHT * bound + (count - 1) * jackknife) / (BOUND_WEIGHT + count - 1));
  }

  /** Variance over the spectrum of the functional's influence function, by moving a little mass to each group of nodes. */
  #influenceVariance(rules: readonly SpectralMeasure[], value: number): number {
    const mixture = mixMeasures(rules);
    const { nodes, weights } = rules[0];
    const groupSize = Math.ceil(nodes.length / INFLUENCE_GROUPS);
    let mean = 0;
    let squares = 0;
    for (let start = 0; start < nodes.length; start += groupSize) {
      const share = weights.subarray(start, start + groupSize);
      const mass = share.reduce((sum, weight) => sum + weight, 0);
      if (mass === 0) {
        continue;
      }
      const group = {
        nodes: nodes.subarray(start, start + groupSize),
        weights: share.map((weight) => weight / mass),
      };
      const moved = this.#functional(mixMeasures([mixture, group], [1 - INFLUENCE_STEP, INFLUENCE_STEP]));
      const influence = (moved - value) / INFLUENCE_STEP;
      mean += mass * influence;
      squares += mass * influence * influence;
    }
    return Math.max(0, squares - mean * mean);
  }
}

/**
 * The estimate of a functional from finished runs; see {@link FunctionalEstimator}.
 *
 * @param probeRuns a `SpectrumEstimate` is one
 * @param steps how many of the steps to use; all if omitted
 */
export function estimateUncertainty(
  functional: SpectralFunctional,
  probeRuns: ProbeRuns,
  steps = Number.POSITIVE_INFINITY,
): FunctionalEstimate {
  return new FunctionalEstimator(functional, probeRuns).at(steps);
}

/** Whether the Gauss rule of the run at this many steps is the run's exact measure. */
function isExact(run: LanczosCoefficients, steps: number): boolean {
  const length = run.alpha.length;
  return steps >= length && length > 0 && run.beta[length - 1] === 0;
}

/** The Radau rule at 0, or the exact measure of a run that ended before. */
export function radauOrExact(run: LanczosCoefficients, steps: number): SpectralMeasure {
  return isExact(run, steps) ? gaussRule(run) : zeroRadauRule(run, Math.min(steps, run.alpha.length));
}

/** The Gauss rule, of a run that ended before its exact measure. */
export function gaussOrExact(run: LanczosCoefficients, steps: number): SpectralMeasure {
  return gaussRule(run, Math.min(steps, run.alpha.length));
}

/** The anti-Gauss rule, or the exact measure of a run that ended before. */
export function antiGaussOrExact(run: LanczosCoefficients, steps: number): SpectralMeasure {
  const used = Math.min(steps, run.alpha.length);
  return isExact(run, steps) || used < 2 ? gaussRule(run, used) : antiGaussRule(run, used);
}

/** The averaged rule, or the exact measure of a run that ended before. */
export function averagedOrExact(run: LanczosCoefficients, steps: number): SpectralMeasure {
  const used = Math.min(steps, run.alpha.length);
  if (isExact(run, steps) || used < 2) {
    return gaussRule(run, used);
  }
  return mixMeasures([gaussRule(run, used - 1), antiGaussRule(run, used)]);
}

function remember(cache: Map<number, number>, key: number, compute: () => number): number {
  let value = cache.get(key);
  if (value === undefined) {
    value = compute();
    cache.set(key, value);
  }
  return value;
}
