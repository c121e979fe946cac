/**
 * The value of a functional of the spectrum (a pruning limit, say) with its
 * 95 % interval, from a few Lanczos runs.
 *
 * Two things are not known: how far the quadrature of each run is from its
 * probe's own value, and how far the probes are from the spectrum. The first is
 * a bracket by a theorem for positive semi-definite operators, and found by
 * extrapolation for others (`extrapolation.ts`); the second is a standard error
 * (`probe-error.ts`). Eigenvalues that were found are left to neither
 * (`deflation.ts`).
 *
 * How often the intervals hold the exact limit (`npm run bench -- --coverage`):
 * three synthetic spectra of 2,048 eigenvalues and six trained networks of 472
 * to 1,280 weights whose matrix is formed (MLPs and convolutional ones, plain
 * and l1-trained, 500 to 5,000 examples), 20 seeds each; the `mnist-lomp` fixture
 * and MLPNet against long runs, 12 seeds each. Half-width and root mean square
 * error in points; the tolerance is 1 point, and `--probes 1` ends at 120 steps:
 *
 *     options                       runs    held  half-width  rms error  ratio  settled  products
 *     default                        204  96.1 %        0.90       0.47   1.91     80 %       298
 *     --tolerance 0.1                204  97.1 %        0.54       0.37   1.46     35 %       578
 *     --probes 1                     204  98.0 %        1.55       0.69   2.25     12 %       113
 *     --curvature ggn                204  98.0 %        0.87       0.41   2.10     80 %       205
 *     --negative clip                204  98.5 %        0.96       0.46   2.10     79 %       384
 *     --bound sharp                  204  95.6 %        0.85       0.49   1.76     80 %       348
 *     --reorthogonalization none     204  98.5 %        1.27       0.55   2.30     34 %       524
 */
import { type Deflation, deflated, deflationOf } from './deflation.js';
import { extrapolate, type QuadratureEstimate } from './extrapolation.js';
import type { LanczosCoefficients } from './lanczos.js';
import { type ProbeRun, probeStandardError } from './probe-error.js';
import { averagedOrExact, gaussOrExact, headOf, isExact, radauOrExact } from './run-rules.js';
import {
  mixMeasures,
  type NegativeEigenvalues,
  type SpectralFunctional,
  type SpectralMeasure,
} from './spectral-measure.js';

/** Probability with which a stated interval holds the true value. */
export const INTERVAL_LEVEL = 0.95;

/** Half-width of an interval of that level in standard errors, for a normal distribution. */
const NORMAL_HALF_WIDTH = 1.96;

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

/** Lanczos runs over one operator, one a probe. */
export interface ProbeRuns {
  /** May grow while an estimator is in use. */
  readonly runs: readonly ProbeRun[];
  /** Dimension of the operator. */
  readonly dimension: number;
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
    const { runs, dimension, positiveSemidefinite, negativeEigenvalues } = this.#problem;
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
      : extrapolate(
          {
            outerAt: (k) => this.#average(radauOrExact, k, deflations),
            averagedAt: (k) => this.#average(averagedOrExact, k, deflations),
            isExactAt: (k) => runs.every((run) => isExact(run, k)),
          },
          used,
          { reorthogonalization: runs[0].reorthogonalization, negativeEigenvalues },
        );
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
