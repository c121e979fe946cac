/** When an estimate of a functional counts as settled, and what is missing where it does not. */
import type { FunctionalEstimate, FunctionalEstimator } from './uncertainty.js';

/** A functional as the spectrum says it. Plain data. */
export interface SettledEstimate extends FunctionalEstimate {
  /** Whether its interval is within the tolerance, and not by luck. */
  readonly settled: boolean;
  /** What would settle it where it is not: what narrows the interval most, or steps to another check. */
  readonly missing: 'steps' | 'probes' | null;
}

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
    const again = steps - this.#lastSteps < this.#stepsApart;
    const before = again ? Math.max(0, this.#checksWithin - 1) : this.#checksWithin;
    this.#checksWithin = this.#within && counts ? before + 1 : 0;
    this.#lastSteps = steps;
    this.settled = this.#checksWithin >= this.#checksNeeded || (this.#within && exhausted);
  }

  result(): SettledEstimate {
    const { probeHalfWidth, quadratureHalfWidth } = this.estimate;
    // Within the tolerance, what is missing is another check.
    const missing = !this.#within && probeHalfWidth > quadratureHalfWidth ? 'probes' : 'steps';
    return { ...this.estimate, settled: this.settled, missing: this.settled ? null : missing };
  }
}
