import type { LinearOperator } from '../curvature/linear-operator.js';
import {
  type LanczosVector,
  type LanczosVectors,
  type LanczosVectorsFactory,
  plainVectors,
  recentVectors,
} from './lanczos-vectors.js';
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
  /** Keeps the vectors. Default: in float64, and plain loops. */
  createVectors?: LanczosVectorsFactory;
}

/**
 * A residual below this share of the operator's scale is rounding noise: the
 * Krylov space is invariant. A few hundred units in the last place, because a
 * step sums products over the whole basis.
 */
const BREAKDOWN_TOLERANCE = 1e-13;

/**
 * The norm of a residual is the difference of two squares as long as it is not
 * less than this share of them; below, digits would be lost.
 */
const CANCELLATION = 1e-2;

/** Squares of overlaps up to which a vector's norm without them is the square root of 1 less them. */
const LARGEST_PART_REMOVED = 1e-3;

/** A squared norm this close to 1 is left: far below the rounding errors of float32 products. */
const NEGLIGIBLE_NORM_ERROR = 1e-9;

/** Repeat the orthogonalisation when it removed this much of the vector ("twice is enough": Parlett 1980, section 6-9). */
const REPEAT_BELOW = Math.SQRT1_2;

const inFloat64: LanczosVectorsFactory = (length, keep) =>
  keep === 'all' ? plainVectors(length, 'float64') : recentVectors(length, 'float64');

/** Symmetric Lanczos (Golub & Van Loan, section 10.1), one step a call, so that a run can be continued. */
export class LanczosRun implements LanczosCoefficients {
  readonly alpha: number[] = [];
  readonly beta: number[] = [];
  /** True once the Krylov space is invariant: the quadrature of this run is exact. */
  exhausted = false;

  readonly #operator: LinearOperator;
  readonly #monitor: OrthogonalityMonitor | null;
  #vectors: LanczosVectors | null;
  #current: LanczosVector;
  /** 1, but for rounding. */
  #currentSquaredNorm: number;
  #previous: LanczosVector | null = null;
  #scale = 0;

  /** @param start unit norm, length `operator.dim` */
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
    const full = (options.reorthogonalization ?? 'full') === 'full';
    this.#monitor = full ? monitorOrthogonality() : null;
    this.#vectors = (options.createVectors ?? inFloat64)(operator.dim, full ? 'all' : 'recent');
    this.#current = this.#vectors.add();
    this.#current.set(start);
    this.#currentSquaredNorm = dot(this.#current, this.#current);
  }

  /** Steps done so far. */
  get steps(): number {
    return this.alpha.length;
  }

  /** Adds one pair of coefficients, at the cost of one product; does nothing once exhausted. */
  async step(): Promise<void> {
    if (this.#vectors === null) {
      return;
    }
    const current = this.#current;
    const residual = await this.#operator.apply(current);
    if (residual.length !== current.length) {
      throw new RangeError(
        `LanczosRun: the operator of dimension ${current.length} returned ${residual.length}`,
      );
    }
    const couplingBefore = this.#previous === null ? 0 : this.beta[this.steps - 1];
    const measured = subtractAndMeasure(residual, this.#previous ?? current, couplingBefore, current);
    const alpha = measured.inner / this.#currentSquaredNorm;
    const squares = measured.squaredNorm - alpha * measured.inner;
    const cancels = !(squares > CANCELLATION * measured.squaredNorm);
    const beta = cancels ? subtractScaled(residual, current, alpha) : Math.sqrt(squares);
    if (!Number.isFinite(alpha) || !Number.isFinite(beta)) {
      throw new Error(
        `LanczosRun: step ${this.steps + 1} gave a value that is not finite; the operator's products overflow or hold NaN`,
      );
    }
    this.alpha.push(alpha);
    this.beta.push(beta);
    this.#scale = Math.max(this.#scale, Math.abs(alpha), beta);
    const complete = this.#monitor !== null && this.steps >= this.#operator.dim;
    if (complete || this.#isRounding(beta)) {
      this.#finish();
      return;
    }
    const next = this.#vectors.add();
    let squaredNorm = subtractAndScale(next, residual, current, cancels ? 0 : alpha, 1 / beta);
    if (this.#monitor?.advance(this.alpha, this.beta, this.#scale)) {
      squaredNorm = await this.#orthogonalize(this.#vectors, next, squaredNorm, this.#monitor);
    }
    this.#previous = current;
    this.#current = next;
    this.#currentSquaredNorm = squaredNorm;
  }

  /**
   * Orthogonalises the newest vector (unit norm) against all before the current
   * one and corrects the newest coefficient.
   *
   * @param squaredNorm of the vector, 1 but for rounding
   * @returns the same afterwards
   */
  async #orthogonalize(
    vectors: LanczosVectors,
    next: LanczosVector,
    squaredNorm: number,
    monitor: OrthogonalityMonitor,
  ): Promise<number> {
    const last = this.steps - 1;
    let squares = squaredNorm;
    let measured = 0;
    for (let pass = 0; pass < 2; pass++) {
      const overlaps = await vectors.orthogonalize(last);
      const removed = largestMagnitude(overlaps);
      measured = Math.max(measured, removed);
      const norm = this.#normAfter(next, squares, overlaps);
      if (this.#isRounding(this.beta[last] * norm)) {
        this.#finish();
        return 0;
      }
      squares = norm ** 2;
      if (Math.abs(squares - 1) > NEGLIGIBLE_NORM_ERROR) {
        scale(next, 1 / norm);
        this.beta[last] *= norm;
        squares = 1;
      }
      if (norm > REPEAT_BELOW && !monitor.needsSecondPass(removed)) {
        break;
      }
    }
    monitor.reset(measured);
    return squares;
  }

  /** Norm of the newest vector, of about unit norm before these overlaps were taken from it. */
  #normAfter(next: LanczosVector, squaredNormBefore: number, overlaps: Float64Array): number {
    const squares = overlaps.reduce((sum, overlap) => sum + overlap * overlap, 0);
    if (squares < LARGEST_PART_REMOVED) {
      return Math.sqrt(squaredNormBefore - squares);
    }
    // What is left of a vector that lay mostly in the space of the others need not be orthogonal to the current one.
    return subtractScaled(next, this.#current, dot(this.#current, next));
  }

  #isRounding(beta: number): boolean {
    return beta <= BREAKDOWN_TOLERANCE * this.#scale;
  }

  #finish(): void {
    this.beta[this.steps - 1] = 0;
    this.exhausted = true;
    this.#vectors = null;
  }
}

function largestMagnitude(values: Float64Array): number {
  let largest = 0;
  for (const value of values) {
    largest = Math.max(largest, Math.abs(value));
  }
  return largest;
}

function dot(x: LanczosVector, y: LanczosVector): number {
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

/** target -= factor * vector, and afterwards its inner product with `other` and its squared norm, in one pass over memory. */
function subtractAndMeasure(
  target: Float64Array,
  vector: LanczosVector,
  factor: number,
  other: LanczosVector,
): { inner: number; squaredNorm: number } {
  let inner = 0;
  let inner1 = 0;
  let inner2 = 0;
  let inner3 = 0;
  let squares = 0;
  let squares1 = 0;
  let squares2 = 0;
  let squares3 = 0;
  const { length } = target;
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
    inner += t0 * other[i];
    inner1 += t1 * other[i + 1];
    inner2 += t2 * other[i + 2];
    inner3 += t3 * other[i + 3];
    squares += t0 * t0;
    squares1 += t1 * t1;
    squares2 += t2 * t2;
    squares3 += t3 * t3;
  }
  for (let i = whole; i < length; i++) {
    target[i] -= factor * vector[i];
    inner += target[i] * other[i];
    squares += target[i] * target[i];
  }
  return {
    inner: inner + inner1 + (inner2 + inner3),
    squaredNorm: squares + squares1 + (squares2 + squares3),
  };
}

/** target -= factor * vector, and the norm of target afterwards, in one pass over memory. */
function subtractScaled(target: LanczosVector, vector: LanczosVector, factor: number): number {
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

/** target = (from - factor * vector) * by, and its squared norm as it is stored. */
function subtractAndScale(
  target: LanczosVector,
  from: Float64Array,
  vector: LanczosVector,
  factor: number,
  by: number,
): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const { length } = target;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    target[i] = (from[i] - factor * vector[i]) * by;
    target[i + 1] = (from[i + 1] - factor * vector[i + 1]) * by;
    target[i + 2] = (from[i + 2] - factor * vector[i + 2]) * by;
    target[i + 3] = (from[i + 3] - factor * vector[i + 3]) * by;
    a += target[i] * target[i];
    b += target[i + 1] * target[i + 1];
    c += target[i + 2] * target[i + 2];
    d += target[i + 3] * target[i + 3];
  }
  for (let i = whole; i < length; i++) {
    target[i] = (from[i] - factor * vector[i]) * by;
    a += target[i] * target[i];
  }
  return a + b + (c + d);
}

function scale(vector: LanczosVector, factor: number): void {
  for (let i = 0; i < vector.length; i++) {
    vector[i] *= factor;
  }
}
