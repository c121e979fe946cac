import type { LinearOperator } from '../curvature/linear-operator.js';
import {
  type FollowedRecord,
  followRecord,
  type KeptRun,
  type LanczosPosition,
  type LanczosRecord,
  positionAt,
} from './lanczos-record.js';
import { type LanczosVectors, type LanczosVectorsFactory, vectorsInFloat64 } from './lanczos-vectors.js';
import { monitorOrthogonality, type OrthogonalityMonitor } from './orthogonality.js';
import { productRounding } from './product-rounding.js';
import {
  differenceNorm,
  dot,
  type LanczosVector,
  largestMagnitude,
  scale,
  subtractAndMeasure,
  subtractAndScale,
} from './vector-loops.js';

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
  /** How the vectors were kept orthogonal: without it, eigenvalues that were found appear again as copies. */
  readonly reorthogonalization: Reorthogonalization;
}

/**
 * `full`: the vectors are kept semi-orthogonal, to the square root of the
 * products' rounding errors, by orthogonalising two successive ones against all
 * earlier ones whenever it is due. The coefficients are then as accurate as
 * with vectors orthogonal to the last place (Simon 1984).
 * `none`: the three-term recurrence alone; only the newest vectors are kept. Converged
 * eigenvalues then reappear as ghost copies, but spectral averages stay as
 * accurate (Chen, Trogdon & Ubaru 2022, "Randomized matrix-free quadrature").
 */
export type Reorthogonalization = 'full' | 'none';

export interface LanczosOptions {
  /** Default `full`. */
  reorthogonalization?: Reorthogonalization;
  /** Keeps the vectors. Default: in float64, and plain loops. */
  createVectors?: LanczosVectorsFactory;
  /**
   * The same run as it was carried out before, of the same operator, start vector and options: its steps cost no
   * product, and those beyond come out to the same bits. Null: there is none, the default.
   */
  record?: LanczosRecord | null;
}

/**
 * A residual below this share of the operator's scale is rounding noise
 * whatever the operator's own precision: the Krylov space is invariant. A few
 * hundred units in the last place, because a step sums products over the whole
 * basis.
 */
const BREAKDOWN_TOLERANCE = 1e-13;

/**
 * A residual above this share of the scale is no rounding of any operator that
 * is used here; below, the rounding of its products is measured.
 */
const SUSPICIOUS_RESIDUAL = 1e-3;

/**
 * A residual below this multiple of the measured rounding of a product is
 * noise. Over every rank of the operators in the tests, residuals that should
 * be zero are 0.2 to 8 times the measured rounding, half of them below 2.
 */
const NOISE_FACTOR = 8;

/** Rounding is measured anew for residuals below this multiple of what was measured last: it differs between vectors. */
const MEASURE_AGAIN_BELOW = 10 * NOISE_FACTOR;

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

/** Symmetric Lanczos (Golub & Van Loan, section 10.1), one step a call, so that a run can be continued. */
export class LanczosRun implements LanczosCoefficients, KeptRun {
  readonly alpha: number[] = [];
  readonly beta: number[] = [];
  /** True once the Krylov space is invariant: the quadrature of this run is exact. */
  exhausted = false;

  readonly reorthogonalization: Reorthogonalization;
  readonly #operator: LinearOperator;
  /** Null once it is followed to its end. */
  #record: FollowedRecord | null;
  #monitor: OrthogonalityMonitor | null;
  readonly #vectors: LanczosVectors;
  #current: LanczosVector;
  /** 1, but for rounding. */
  #currentSquaredNorm: number;
  #previous: LanczosVector | null = null;
  #scale = 0;
  /** Norm of the rounding errors of a product with a vector of unit norm, as last measured. */
  #rounding: number | null = null;

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
    this.reorthogonalization = options.reorthogonalization ?? 'full';
    const full = this.reorthogonalization === 'full';
    this.#monitor = full ? monitorOrthogonality() : null;
    this.#vectors = (options.createVectors ?? vectorsInFloat64)(operator.dim, full ? 'all' : 'recent');
    this.#record = options.record ? followRecord(options.record, this.#vectors, full) : null;
    this.#current = this.#vectors.add();
    this.#current.set(start);
    this.#currentSquaredNorm = dot(this.#current, this.#current);
  }

  /** Steps done so far. */
  get steps(): number {
    return this.alpha.length;
  }

  /** Adds one pair of coefficients, at the cost of a product where no record has them; does nothing once exhausted. */
  async step(): Promise<void> {
    if (this.exhausted) {
      return;
    }
    const record = this.#record;
    if (record !== null && this.steps < record.steps) {
      const [alpha, beta] = record.coefficients(this.steps);
      this.alpha.push(alpha);
      this.beta.push(beta);
      this.exhausted = record.exhausted && this.steps === record.steps;
      return;
    }
    if (record !== null) {
      await this.#leave(record);
    }
    await this.#advance();
  }

  /**
   * Makes sure that `combination` has the vectors of all steps so far, where they are kept: takes them from the record
   * that the run follows, or does the steps again that it has none of.
   */
  async takeVectors(): Promise<void> {
    const record = this.#record;
    if (record === null || this.#monitor === null) {
      return;
    }
    if (record.newest >= this.steps - 1) {
      await record.load(this.steps - 1);
    } else {
      await this.#leave(record);
    }
  }

  /** Takes the position of the record up, and does the steps from there to the present one again. */
  async #leave(record: FollowedRecord): Promise<void> {
    const { steps } = this;
    this.#record = null;
    this.exhausted = false;
    const known = await record.position();
    this.alpha.length = known?.steps ?? 0;
    this.beta.length = this.alpha.length;
    if (known !== null) {
      this.#current = this.#vectors.vector(known.steps);
      this.#previous = this.#vectors.vector(known.steps - 1);
      this.#currentSquaredNorm = known.squaredNorm;
      this.#scale = known.scale;
      this.#rounding = known.rounding;
      this.#monitor = known.monitor;
    }
    while (this.steps < steps && !this.exhausted) {
      await this.#advance();
    }
  }

  position(): LanczosPosition | null {
    if (this.#record !== null || this.exhausted || this.steps === 0) {
      return null;
    }
    return positionAt(this.steps, this.#currentSquaredNorm, this.#scale, this.#rounding, this.#monitor);
  }

  vector(index: number): LanczosVector {
    return this.#vectors.vector(index);
  }

  async #advance(): Promise<void> {
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
    const beta =
      squares > CANCELLATION * measured.squaredNorm
        ? Math.sqrt(squares)
        : differenceNorm(residual, current, alpha);
    if (!Number.isFinite(alpha) || !Number.isFinite(beta)) {
      throw new Error(
        `LanczosRun: step ${this.steps + 1} gave a value that is not finite; the operator's products overflow or hold NaN`,
      );
    }
    this.alpha.push(alpha);
    this.beta.push(beta);
    this.#scale = Math.max(this.#scale, Math.abs(alpha), beta);
    const complete = this.#monitor !== null && this.steps >= this.#operator.dim;
    const isNoise = (norm: number): Promise<boolean> => this.#isNoise(norm, residual, couplingBefore);
    if (complete || (await isNoise(beta))) {
      this.#finish();
      return;
    }
    const next = this.#vectors.add();
    let squaredNorm = subtractAndScale(next, residual, current, alpha, 1 / beta);
    if (this.#monitor?.advance(this.alpha, this.beta, this.#scale)) {
      squaredNorm = await this.#orthogonalize(this.#vectors, next, squaredNorm, this.#monitor, isNoise);
      if (this.exhausted) {
        return;
      }
    }
    this.#previous = current;
    this.#current = next;
    this.#currentSquaredNorm = squaredNorm;
  }

  /**
   * A combination of the first Lanczos vectors, the start vector being the
   * first; null where the run does not keep them.
   *
   * @param coefficients one for each of the first vectors
   */
  combination(coefficients: Float64Array): Float64Array | null {
    return this.#vectors.combination(coefficients);
  }

  /**
   * Orthogonalises the newest vector (unit norm) against all before the current
   * one and corrects the newest coefficient.
   *
   * @param squaredNorm of the vector, 1 but for rounding
   * @param isNoise whether a residual of that norm is nothing but rounding; the run then ends
   * @returns the same afterwards
   */
  async #orthogonalize(
    vectors: LanczosVectors,
    next: LanczosVector,
    squaredNorm: number,
    monitor: OrthogonalityMonitor,
    isNoise: (norm: number) => Promise<boolean>,
  ): Promise<number> {
    const last = this.steps - 1;
    let squares = squaredNorm;
    let measured = 0;
    for (let pass = 0; pass < 2; pass++) {
      const overlaps = await vectors.orthogonalize(last);
      const removed = largestMagnitude(overlaps);
      measured = Math.max(measured, removed);
      const norm = this.#normAfter(next, squares, overlaps);
      if (await isNoise(this.beta[last] * norm)) {
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
    return Math.sqrt(subtractAndScale(next, next, this.#current, dot(this.#current, next), 1));
  }

  /**
   * Whether a residual of this norm is what rounding leaves of zero. The
   * rounding is that of the operator's products, float32 for a network: far
   * above that of the arithmetic here, and not known beforehand, as terms may
   * cancel in a product. It is measured where it matters, with one more product.
   *
   * @param residual product with the current vector, less the previous vector's part
   */
  async #isNoise(norm: number, residual: Float64Array, couplingBefore: number): Promise<boolean> {
    if (norm <= BREAKDOWN_TOLERANCE * this.#scale) {
      return true;
    }
    if (norm > SUSPICIOUS_RESIDUAL * this.#scale) {
      return false;
    }
    if (this.#rounding === null || norm <= MEASURE_AGAIN_BELOW * this.#rounding) {
      const current = this.#current;
      const previous = this.#previous ?? current;
      this.#rounding = await productRounding(this.#operator, current, previous, couplingBefore, residual);
    }
    return norm <= NOISE_FACTOR * this.#rounding;
  }

  #finish(): void {
    this.beta[this.steps - 1] = 0;
    this.exhausted = true;
  }
}
