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
import { type Deflation, deflated, deflationOf } from './deflation.js';
import type { LanczosCoefficients, Reorthogonalization } from './lanczos.js';
import { type ProbeRun, probeStandardError } from './probe-error.js';
import { averagedOrExact, gaussOrExact, headOf, isExact, radauOrExact } from './run-rules.js';
import { mixMeasures, type SpectralFunctional, type SpectralMeasure } from './spectral-measure.js';

/** Probability with which a stated interval holds the true value. */
export const INTERVAL_LEVEL = 0.95;

/** Half-width of an interval of that level in standard errors, for a normal distribution. */
const NORMAL_HALF_WIDTH = 1.96;

/** Part of the steps at which the inner sequence begins to average. */
const INNER_START = 0.7;

/**
 * Part of the steps at which the fit of theta begins. Without
 * reorthogonalisation, where a ghost copy in the making holds the sequences up
 * for some steps, a longer stretch is steadier.
 */
const FIT_START: Record<Reorthogonalization, number> = { full: 0.5, none: 0.35 };

/**
 * Half-width of the quadrature's 95 % interval as a share of the gap between
 * the outer and the inner sequence, by what negative eigenvalues count as:
 * where they count as 0 the kink is one-sided, and theta differs more from one
 * spectrum to another. Wider without reorthogonalisation. From the table above.
 */
const GAP_SHARE: Record<Reorthogonalization, Record<NegativeEigenvalues, number>> = {
  full: { abs: 0.18, clip: 0.3 },
  none: { abs: 0.4, clip: 0.5 },
};

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
const THETA_LAG: Record<Reorthogonalization, number> = { full: 0.75, none: 0.8 };

/** On a spectrum flat around 0 the inner sequence, too, comes from above, and theta is 1.6. */
const THETA_MOST = 2;

/** Fewest steps for which the sequences are compared at all. */
const LEAST_STEPS = 8;

/**
 * Below this many steps the fit of theta is of too few points: the error of
 * the limit was up to half of the gap, or as much as it had moved since 0.7 of
 * the steps, on the networks of the table.
 */
const STEADY_STEPS = 40;
const UNSTEADY = { gapShare: 0.5, since: 0.7 };

/** The part of the tolerance that one probe's random error may take at most. */
const PROBE_SHARE = 1 / 2;

/**
 * How many probes to begin with: one where that is sure to be enough, else
 * two, the fewest that show how much probes differ.
 *
 * A Gaussian-width limit p solves `p = s(p)` with s, falling in p, the spectral
 * average of a function f within [0, 1]. One probe finds s with variance
 * `2 Var(f(lambda)) / D <= 1 / (2 D)` (Avron & Toledo 2011), and p moves by no
 * more than s does.
 *
 * @param dimension D
 * @param tolerance half-width asked of the limit's 95 % interval, as a fraction
 */
export function sufficientProbes(dimension: number, tolerance: number): 1 | 2 {
  return NORMAL_HALF_WIDTH / Math.sqrt(2 * dimension) <= PROBE_SHARE * tolerance ? 1 : 2;
}

/** What negative eigenvalues count as in a functional: their magnitude, or 0. */
export type NegativeEigenvalues = 'abs' | 'clip';

/** Lanczos runs over one operator, one a probe. */
export interface ProbeRuns {
  /** May grow while an estimator is in use. */
  readonly runs: readonly ProbeRun[];
  /** Dimension of the operator. */
  readonly dimension: number;
  readonly reorthogonalization: Reorthogonalization;
  /** Whether no eigenvalue is negative: quadrature errors are then bounded. */
  readonly positiveSemidefinite: boolean;
  readonly negativeEigenvalues: NegativeEigenvalues;
}

/** A functional's value with its 95 % interval. Plain data. */
export interface FunctionalEstimate {
  /** Best estimate. */
  readonly value: number;
  /** Lower end of the 95 % interval. */
  readonly low: number;
  /** Upper end of the 95 % interval. */
  readonly high: number;
  /** Half the width of the interval. */
  readonly halfWidth: number;
  /** Half-width because the number of Lanczos steps is finite. */
  readonly quadratureHalfWidth: number;
  /** Half-width because the number of probes is finite. */
  readonly probeHalfWidth: number;
  /** The functional of the Gauss-Radau rule with a node at 0. */
  readonly outer: number;
  /** For a positive semi-definite operator the Gauss rule's, else the mean over the averaged rules of the last 30 % of the steps. */
  readonly inner: number;
  /** Lanczos steps used. */
  readonly steps: number;
}

type Rule = (run: LanczosCoefficients, steps: number) => SpectralMeasure;

/** Evaluates one functional on the runs at any step count, remembering the rules it computed. */
export class FunctionalEstimator {
  readonly #functional: SpectralFunctional;
  readonly #problem: ProbeRuns;
  readonly #rules = new Map<LanczosCoefficients, Map<string, SpectralMeasure>>();

  constructor(functional: SpectralFunctional, problem: ProbeRuns) {
    if (problem.runs.length === 0) {
      throw new RangeError('FunctionalEstimator: expected at least one Lanczos run, got none');
    }
    this.#functional = functional;
    this.#problem = problem;
  }

  /** The estimate from the first `steps` steps of every run (all of a run that is shorter because it is exhausted). */
  at(steps: number): FunctionalEstimate {
    const { runs, dimension, positiveSemidefinite } = this.#problem;
    const used = Math.min(steps, Math.max(...runs.map((run) => run.alpha.length)));
    const deflations = runs.map((run) => deflationOf(headOf(run, used), dimension));
    const standardError = probeStandardError(
      this.#functional,
      runs,
      (chosen) => this.#measure(radauOrExact, used, deflations, chosen),
      deflations,
      used,
      dimension,
    );
    const probeHalfWidth = NORMAL_HALF_WIDTH * standardError;
    const { value, quadratureHalfWidth, outer, inner } = positiveSemidefinite
      ? this.#bracket(used, deflations)
      : this.#extrapolation(used, deflations);
    // A bracket is no deviation of a random size: it adds up.
    const halfWidth = positiveSemidefinite
      ? quadratureHalfWidth + probeHalfWidth
      : Math.hypot(quadratureHalfWidth, probeHalfWidth);
    return {
      value,
      low: value - halfWidth,
      high: value + halfWidth,
      halfWidth,
      quadratureHalfWidth,
      probeHalfWidth,
      outer,
      inner,
      steps: used,
    };
  }

  /**
   * For a positive semi-definite operator `1/(1 + mu lambda)` is a Stieltjes
   * function: the Gauss rule bounds every probe's average of it from below and
   * the Gauss-Radau rule with a node at 0 from above, tighter with every step
   * (Golub & Meurant, chapter 6; Zimmerling, Druskin & Simoncini 2025), and
   * the limits rise with it.
   */
  #bracket(steps: number, deflations: readonly Deflation[]): QuadratureEstimate {
    const inner = this.#average(gaussOrExact, steps, deflations);
    const outer = this.#average(radauOrExact, steps, deflations);
    return { value: (inner + outer) / 2, quadratureHalfWidth: Math.abs(outer - inner) / 2, outer, inner };
  }

  #extrapolation(steps: number, deflations: readonly Deflation[]): QuadratureEstimate {
    const { runs, reorthogonalization, negativeEigenvalues } = this.#problem;
    const outerAt = remembered((k: number) => this.#average(radauOrExact, k, deflations));
    const averagedAt = remembered((k: number) => this.#average(averagedOrExact, k, deflations));
    const exact = (k: number): boolean => runs.every((run) => isExact(run, k));
    const innerAt = remembered((k: number) => innerOf(averagedAt, k));
    const valueAt = (k: number): number => {
      const outer = outerAt(k);
      if (exact(k)) {
        return outer;
      }
      const gap = outer - innerAt(k);
      return outer - gap * (k < LEAST_STEPS ? 0.5 : theta(outerAt, innerAt, k, reorthogonalization));
    };
    const outer = outerAt(steps);
    const inner = innerAt(steps);
    const value = valueAt(steps);
    if (exact(steps)) {
      return { value, quadratureHalfWidth: 0, outer, inner };
    }
    if (steps < LEAST_STEPS) {
      return { value, quadratureHalfWidth: Math.abs(outer - inner) / 2, outer, inner };
    }
    const steady = steps >= STEADY_STEPS;
    const gapShare = steady ? GAP_SHARE[reorthogonalization][negativeEigenvalues] : UNSTEADY.gapShare;
    const moved = [...DRIFT_SINCE, ...(steady ? [] : [UNSTEADY.since])].map((share) =>
      Math.abs(value - valueAt(Math.round(share * steps))),
    );
    const quadratureHalfWidth = Math.max(gapShare * Math.abs(outer - inner), ...moved);
    return { value, quadratureHalfWidth, outer, inner };
  }

  #average(rule: Rule, steps: number, deflations: readonly Deflation[]): number {
    const all = this.#problem.runs.map((_, index) => index);
    return this.#functional(this.#measure(rule, steps, deflations, all));
  }

  /** A rule of some of the runs, deflated and mixed. */
  #measure(
    rule: Rule,
    steps: number,
    deflations: readonly Deflation[],
    chosen: readonly number[],
  ): SpectralMeasure {
    const { runs, dimension } = this.#problem;
    return mixMeasures(
      chosen.map((index) => deflated(this.#ruleOf(runs[index], rule, steps), deflations[index], dimension)),
    );
  }

  #ruleOf(run: LanczosCoefficients, rule: Rule, steps: number): SpectralMeasure {
    const known = this.#rules.get(run) ?? new Map<string, SpectralMeasure>();
    this.#rules.set(run, known);
    const key = `${rule.name} ${steps}`;
    const measure = known.get(key) ?? rule(run, steps);
    known.set(key, measure);
    return measure;
  }
}

interface QuadratureEstimate {
  value: number;
  quadratureHalfWidth: number;
  outer: number;
  inner: number;
}

/** The mean over the averaged rules of the last 30 % of the steps. */
function innerOf(averagedAt: (steps: number) => number, steps: number): number {
  let sum = 0;
  let count = 0;
  for (let k = Math.max(1, Math.floor(INNER_START * steps)); k <= steps; k++) {
    sum += averagedAt(k);
    count++;
  }
  return sum / count;
}

/**
 * The share of the way from outer to inner at which the limit is expected: the
 * slope of outer over the gap in the last part of the steps, by least squares,
 * corrected for its lag.
 */
function theta(
  outerAt: (steps: number) => number,
  innerAt: (steps: number) => number,
  steps: number,
  reorthogonalization: Reorthogonalization,
): number {
  const first = Math.max(1, Math.floor(FIT_START[reorthogonalization] * steps));
  const points = Array.from({ length: steps - first + 1 }, (_, i) => {
    const outer = outerAt(first + i);
    return { outer, gap: outer - innerAt(first + i) };
  });
  const meanGap = points.reduce((sum, { gap }) => sum + gap, 0) / points.length;
  let squares = 0;
  let products = 0;
  for (const { outer, gap } of points) {
    squares += (gap - meanGap) ** 2;
    products += (gap - meanGap) * outer;
  }
  const slope = products / squares;
  if (!Number.isFinite(slope)) {
    return 0.5;
  }
  const bounded = Math.min(Math.max(slope, 0), THETA_MOST);
  const lag = THETA_LAG[reorthogonalization];
  return bounded * (lag + (1 - lag) * Math.min(bounded, 1) ** 2);
}

function remembered(compute: (key: number) => number): (key: number) => number {
  const known = new Map<number, number>();
  return (key) => {
    const value = known.get(key) ?? compute(key);
    known.set(key, value);
    return value;
  };
}
