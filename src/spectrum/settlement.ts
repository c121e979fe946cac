/** When an estimate of a functional counts as settled, and what is missing where it does not. */
import type { FunctionalEstimate, FunctionalEstimator } from './uncertainty.js';

/** A functional as the spectrum says it. Plain data. */
export interface SettledEstimate extends FunctionalEstimate {
  /** Whether its interval is within the tolerance, and not by luck. */
  readonly settled: boolean;
  /** What would settle it where it is not: what narrows the interval most, or steps to another check. */
  readonly missing: 'steps' | 'probes' | null;
}

/** What a check found. */
export interface Check {
  readonly steps: number;
  /** Of the interval. */
  readonly halfWidth: number;
}

/**
 * The step at which an interval will be within the tolerance, if it goes on to narrow by the same factor a step as
 * between the last checks; it narrows about geometrically. Null where it does not narrow.
 *
 * @param checks in order
 */
export function expectedStepsTo(tolerance: number, checks: readonly Check[]): number | null {
  const last = checks.at(-1);
  const first = checks.at(-TREND_CHECKS) ?? checks[0];
  if (last === undefined || first === undefined) {
    return null;
  }
  if (last.halfWidth <= tolerance) {
    return last.steps;
  }
  const rate = Math.log(first.halfWidth / last.halfWidth) / (last.steps - first.steps);
  return rate > 0 ? last.steps + Math.log(last.halfWidth / tolerance) / rate : null;
}

/** Checks that a trend is read from: two may be luck. */
const TREND_CHECKS = 3;

/** Follows one functional over the checks. */
export class SettlementWatch {
  readonly #estimator: FunctionalEstimator;
  readonly #tolerance: number;
  readonly #checksNeeded: number;
  readonly #stepsApart: number;
  #estimate: FunctionalEstimate | null = null;
  #checksWithin = 0;
  #lastSteps = 0;
  #within = false;
  #checks: Check[] = [];
  settled = false;

  /** @param options.stepsApart checks that are fewer steps apart, as the last may be of the one before, are one check */
  constructor(
    estimator: FunctionalEstimator,
    tolerance: number,
    options: { checksNeeded: number; stepsApart: number },
  ) {
    this.#estimator = estimator;
    this.#tolerance = tolerance;
    this.#checksNeeded = options.checksNeeded;
    this.#stepsApart = options.stepsApart;
  }

  get estimate(): FunctionalEstimate {
    return this.#estimate!;
  }

  /** @param counts whether the check may settle anything */
  check(steps: number, counts: boolean, exhausted: boolean): void {
    this.#estimate = this.#estimator.at(steps);
    this.#within = this.#estimate.halfWidth <= this.#tolerance;
    this.#checks.push({ steps, halfWidth: this.#estimate.halfWidth });
    const again = steps - this.#lastSteps < this.#stepsApart;
    const before = again ? Math.max(0, this.#checksWithin - 1) : this.#checksWithin;
    this.#checksWithin = this.#within && counts ? before + 1 : 0;
    this.#lastSteps = steps;
    this.settled = this.#checksWithin >= this.#checksNeeded || (this.#within && exhausted);
  }

  /**
   * About the step at which it will be settled, by how its interval has narrowed so far; null where that cannot be told.
   *
   * @param checkEvery steps between checks
   */
  expectedSteps(checkEvery: number): number | null {
    const within = expectedStepsTo(this.#tolerance, this.#checks);
    if (within === null || this.settled) {
      return this.settled ? this.#lastSteps : null;
    }
    const left = Math.max(0, Math.ceil((within - this.#lastSteps) / checkEvery));
    const confirming = this.#checksNeeded - Math.max(this.#checksWithin, left > 0 ? 1 : 0);
    return this.#lastSteps + checkEvery * Math.max(1, left + confirming);
  }

  result(): SettledEstimate {
    const { probeHalfWidth, quadratureHalfWidth } = this.estimate;
    // Within the tolerance, what is missing is another check.
    const missing = !this.#within && probeHalfWidth > quadratureHalfWidth ? 'probes' : 'steps';
    return { ...this.estimate, settled: this.settled, missing: this.settled ? null : missing };
  }
}
