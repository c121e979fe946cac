import type { LinearOperator } from '../curvature/linear-operator.js';

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
 * `full`: every new vector is orthogonalised against all earlier ones.
 * `none`: the three-term recurrence alone; two vectors are kept. Converged
 * eigenvalues then reappear as ghost copies, but spectral averages stay as
 * accurate (Chen, Trogdon & Ubaru 2022, "Randomized matrix-free quadrature").
 */
export type Reorthogonalization = 'full' | 'none';

export interface LanczosOptions {
  /** Default `full`. */
  reorthogonalization?: Reorthogonalization;
  /**
   * How the basis is stored under `full`. `float32` halves the memory; the
   * basis is then orthogonal to about 1e-7, enough to keep ghosts away.
   * Default `float64`.
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
  readonly #keepBasis: boolean;
  readonly #float32: boolean;
  readonly #basis: (Float64Array | Float32Array)[] = [];
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
    this.#keepBasis = (options.reorthogonalization ?? 'full') === 'full';
    this.#float32 = options.basisPrecision === 'float32';
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
    if (this.#previous !== null) {
      subtractScaled(next, this.#previous, this.beta[this.beta.length - 1]);
    }
    const alpha = dot(current, next);
    subtractScaled(next, current, alpha);
    let beta = Math.sqrt(dot(next, next));
    if (!Number.isFinite(alpha) || !Number.isFinite(beta)) {
      throw new Error(
        `LanczosRun: step ${this.steps + 1} gave a value that is not finite; the operator's products overflow or hold NaN`,
      );
    }
    if (this.#keepBasis) {
      this.#basis.push(this.#float32 ? Float32Array.from(current) : current);
      for (let pass = 0; pass < 2; pass++) {
        const before = beta;
        orthogonalize(next, this.#basis);
        beta = Math.sqrt(dot(next, next));
        if (beta > REPEAT_BELOW * before) {
          break;
        }
      }
    }
    this.alpha.push(alpha);
    this.#scale = Math.max(this.#scale, Math.abs(alpha), beta);
    const complete = this.#keepBasis && this.steps >= this.#operator.dim;
    if (complete || beta <= BREAKDOWN_TOLERANCE * this.#scale) {
      this.beta.push(0);
      this.exhausted = true;
      this.#basis.length = 0;
      return;
    }
    this.beta.push(beta);
    const inverse = 1 / beta;
    for (let i = 0; i < next.length; i++) {
      next[i] *= inverse;
    }
    this.#previous = current;
    this.#current = next;
  }
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

/** target -= factor * vector */
function subtractScaled(target: Float64Array, vector: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) {
    target[i] -= factor * vector[i];
  }
}

/**
 * One pass of classical Gram-Schmidt: target -= V V' target.
 *
 * Four basis vectors are taken at a time, so that the target is read and
 * written a quarter as often; the basis itself streams through memory twice.
 */
function orthogonalize(target: Float64Array, basis: readonly (Float64Array | Float32Array)[]): void {
  const length = target.length;
  const count = basis.length;
  const coefficients = new Float64Array(count + 3);
  let j = 0;
  for (; j + 3 < count; j += 4) {
    const v0 = basis[j];
    const v1 = basis[j + 1];
    const v2 = basis[j + 2];
    const v3 = basis[j + 3];
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0; i < length; i++) {
      const t = target[i];
      a += v0[i] * t;
      b += v1[i] * t;
      c += v2[i] * t;
      d += v3[i] * t;
    }
    coefficients[j] = a;
    coefficients[j + 1] = b;
    coefficients[j + 2] = c;
    coefficients[j + 3] = d;
  }
  for (; j < count; j++) {
    const v = basis[j];
    let a = 0;
    for (let i = 0; i < length; i++) {
      a += v[i] * target[i];
    }
    coefficients[j] = a;
  }
  j = 0;
  for (; j + 3 < count; j += 4) {
    const v0 = basis[j];
    const v1 = basis[j + 1];
    const v2 = basis[j + 2];
    const v3 = basis[j + 3];
    const a = coefficients[j];
    const b = coefficients[j + 1];
    const c = coefficients[j + 2];
    const d = coefficients[j + 3];
    for (let i = 0; i < length; i++) {
      target[i] -= a * v0[i] + b * v1[i] + (c * v2[i] + d * v3[i]);
    }
  }
  for (; j < count; j++) {
    const v = basis[j];
    const a = coefficients[j];
    for (let i = 0; i < length; i++) {
      target[i] -= a * v[i];
    }
  }
}
