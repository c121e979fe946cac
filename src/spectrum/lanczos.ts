import type { LinearOperator } from '../curvature/linear-operator.js';
import { createLanczosBasis, type LanczosBasis } from './lanczos-basis.js';
import { monitorOrthogonality, type OrthogonalityMonitor } from './orthogonality.js';

/**
 * What m Lanczos steps leave behind: the Jacobi matrix of the spectral
 * measure seen by the start vector.
 */
export interface LanczosCoefficients {
  /** Diagonal, one entry a step. */
  readonly alpha: ArrayLike<number>;
  /**
   * `beta[j]` couples steps j and j + 1. As long as `alpha`: the last entry is
   * the norm of the residual that the next step would start from (0 when the
   * invariant subspace is complete).
   */
  readonly beta: ArrayLike<number>;
}

/**
 * `full`: the vectors are kept semi-orthogonal, to the square root of the
 * products' rounding errors, by orthogonalising two successive ones against all
 * earlier ones whenever it is due. The coefficients are then as accurate as
 * with vectors orthogonal to the last place (Simon 1984).
 * `none`: the three-term recurrence alone; two vectors are kept. Converged
 * eigenvalues then reappear as ghost copies, but spectral averages stay as
 * accurate (Chen, Trogdon & Ubaru 2022, "Randomized matrix-free quadrature").
 */
export type Reorthogonalization = 'full' | 'none';

export interface LanczosOptions {
  /** Default `full`. */
  reorthogonalization?: Reorthogonalization;
  /**
   * How the basis is stored under `full`. `float32` halves the memory and runs
   * in SIMD loops; rounding errors of 1e-7 keep ghosts away as well. Default
   * `float64`.
   */
  basisPrecision?: 'float64' | 'float32';
}

/**
 * A residual below this share of the operator's scale is rounding noise: the
 * Krylov space is invariant. A few hundred units in the last place, because a
 * step sums products over the whole basis.
 */
const BREAKDOWN_TOLERANCE = 1e-13;

/** Repeat the orthogonalisation when it removed this much of the vector ("twice is enough": Parlett 1980, section 6-9). */
const REPEAT_BELOW = Math.SQRT1_2;

/** Symmetric Lanczos (Golub & Van Loan, section 10.1), one step a call, so that a run can be continued. */
export class LanczosRun implements LanczosCoefficients {
  readonly alpha: number[] = [];
  readonly beta: number[] = [];
  /** True once the Krylov space is invariant: the quadrature of this run is exact. */
  exhausted = false;

  readonly #operator: LinearOperator;
  readonly #monitor: OrthogonalityMonitor = monitorOrthogonality();
  #basis: LanczosBasis | null = null;
  #current: Float64Array;
  #previous: Float64Array | null = null;
  #scale = 0;

  /** @param start unit norm, length `operator.dim`; taken over by the run */
  constructor(operator: LinearOperator, start: Float64Array, options: LanczosOptions = {}) {
    if (start.length !== operator.dim) {
      throw new RangeError(
        `LanczosRun: expected a start vector of length ${operator.dim}, got ${start.length}`,
      );
    }
    const norm = Math.sqrt(dot(start, start));
    if (!(Math.abs(norm - 1) < 1e-6)) {
      throw new RangeError(`LanczosRun: expected a start vector of unit norm, got norm ${norm}`);
    }
    this.#operator = operator;
    if ((options.reorthogonalization ?? 'full') === 'full') {
      this.#basis = createLanczosBasis(operator.dim, options.basisPrecision ?? 'float64');
    }
    this.#current = start;
  }

  /** Steps done so far. */
  get steps(): number {
    return this.alpha.length;
  }

  /** Adds one pair of coefficients, at the cost of one product; does nothing once exhausted. */
  async step(): Promise<void> {
    if (this.exhausted) {
      return;
    }
    const current = this.#current;
    const next = await this.#operator.apply(current);
    if (next.length !== current.length) {
      throw new RangeError(`LanczosRun: the operator of dimension ${current.length} returned ${next.length}`);
    }
    const alpha =
      this.#previous === null
        ? dot(current, next)
        : subtractAndProject(next, this.#previous, this.beta[this.beta.length - 1], current);
    const beta = subtractScaled(next, current, alpha);
    if (!Number.isFinite(alpha) || !Number.isFinite(beta)) {
      throw new Error(
        `LanczosRun: step ${this.steps + 1} gave a value that is not finite; the operator's products overflow or hold NaN`,
      );
    }
    this.alpha.push(alpha);
    this.beta.push(beta);
    this.#scale = Math.max(this.#scale, Math.abs(alpha), beta);
    const complete = this.#basis !== null && this.steps >= this.#operator.dim;
    if (complete || this.#isRounding(beta)) {
      this.#finish();
      return;
    }
    scale(next, 1 / beta);
    if (this.#basis !== null) {
      if (this.#monitor.advance(this.alpha, this.beta, this.#scale)) {
        this.#orthogonalize(this.#basis, next);
        if (this.exhausted) {
          return;
        }
      }
      this.#basis.push(current);
    }
    this.#previous = current;
    this.#current = next;
  }

  /**
   * Orthogonalises the newest vector (unit norm) and the one before against all earlier ones, the newest against
   * the one before too, and corrects the newest coefficient.
   *
   * Both, because the recurrence would bring the overlaps of the one before back in the next step.
   */
  #orthogonalize(basis: LanczosBasis, next: Float64Array): void {
    const current = this.#current;
    const last = this.steps - 1;
    let measured = 0;
    for (let pass = 0; pass < 2; pass++) {
      const overlaps = basis.project(next, current);
      basis.subtract(next, overlaps.x, current, overlaps.y);
      const norm = subtractScaled(next, current, dot(current, next));
      const removed = largestMagnitude(overlaps.x);
      measured = Math.max(measured, removed);
      this.beta[last] *= norm;
      if (this.#isRounding(this.beta[last])) {
        this.#finish();
        return;
      }
      scale(next, 1 / norm);
      if (norm > REPEAT_BELOW && !this.#monitor.needsSecondPass(removed)) {
        break;
      }
    }
    this.#monitor.reset(measured);
  }

  #isRounding(beta: number): boolean {
    return beta <= BREAKDOWN_TOLERANCE * this.#scale;
  }

  #finish(): void {
    this.beta[this.steps - 1] = 0;
    this.exhausted = true;
    this.#basis = null;
  }
}

function largestMagnitude(values: Float64Array): number {
  let largest = 0;
  for (const value of values) {
    largest = Math.max(largest, Math.abs(value));
  }
  return largest;
}

function dot(x: Float64Array, y: Float64Array): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const whole = x.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    a += x[i] * y[i];
    b += x[i + 1] * y[i + 1];
    c += x[i + 2] * y[i + 2];
    d += x[i + 3] * y[i + 3];
  }
  for (let i = whole; i < x.length; i++) {
    a += x[i] * y[i];
  }
  return a + b + (c + d);
}

/** target -= factor * vector, and the inner product of target with `other` afterwards, in one pass over memory. */
function subtractAndProject(
  target: Float64Array,
  vector: Float64Array,
  factor: number,
  other: Float64Array,
): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const length = target.length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const t0 = target[i] - factor * vector[i];
    const t1 = target[i + 1] - factor * vector[i + 1];
    const t2 = target[i + 2] - factor * vector[i + 2];
    const t3 = target[i + 3] - factor * vector[i + 3];
    target[i] = t0;
    target[i + 1] = t1;
    target[i + 2] = t2;
    target[i + 3] = t3;
    a += t0 * other[i];
    b += t1 * other[i + 1];
    c += t2 * other[i + 2];
    d += t3 * other[i + 3];
  }
  for (let i = whole; i < length; i++) {
    target[i] -= factor * vector[i];
    a += target[i] * other[i];
  }
  return a + b + (c + d);
}

/** target -= factor * vector, and the norm of target afterwards, in one pass over memory. */
function subtractScaled(target: Float64Array, vector: Float64Array, factor: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const length = target.length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const t0 = target[i] - factor * vector[i];
    const t1 = target[i + 1] - factor * vector[i + 1];
    const t2 = target[i + 2] - factor * vector[i + 2];
    const t3 = target[i + 3] - factor * vector[i + 3];
    target[i] = t0;
    target[i + 1] = t1;
    target[i + 2] = t2;
    target[i + 3] = t3;
    a += t0 * t0;
    b += t1 * t1;
    c += t2 * t2;
    d += t3 * t3;
  }
  for (let i = whole; i < length; i++) {
    target[i] -= factor * vector[i];
    a += target[i] * target[i];
  }
  return Math.sqrt(a + b + (c + d));
}

function scale(vector: Float64Array, factor: number): void {
  for (let i = 0; i < vector.length; i++) {
    vector[i] *= factor;
  }
}
