/** Lanczos runs as far as they were carried out before, so that others go on from there to the same bits. */
import type { LanczosVectors } from './lanczos-vectors.js';
import { monitorNumbers, monitorOrthogonality, type OrthogonalityMonitor } from './orthogonality.js';
import type { LanczosVector } from './vector-loops.js';

/** From where steps can be added to a run. */
export interface LanczosPosition {
  /** Steps that were done. */
  readonly steps: number;
  /** What a run knows besides coefficients and vectors, by `positionAt`. */
  readonly numbers: Float64Array;
}

/** A run that was carried out before. */
export interface LanczosRecord {
  /** Of all steps that were done, as in `LanczosCoefficients`. */
  readonly alpha: Float64Array;
  readonly beta: Float64Array;
  readonly exhausted: boolean;
  /** At most as many steps as there are coefficients; null where none was kept: it begins anew where steps are to be added. */
  readonly position: LanczosPosition | null;
  /** The newest vector that was kept, the start vector being 0; not older than that of the position. */
  readonly newest: number;
  /**
   * A vector of the run, in the precision it was used in.
   *
   * @param index from 1 to `newest` where vectors are orthogonalised; else that of the position, or the one before
   */
  vector(index: number): Promise<LanczosVector>;
}

/** What a run hands out to be kept; a `LanczosRun` is one. */
export interface KeptRun {
  readonly alpha: readonly number[];
  readonly beta: readonly number[];
  readonly exhausted: boolean;
  readonly reorthogonalization: 'full' | 'none';
  /** Null before the first step, while the run follows its record, and once it is exhausted. */
  position(): LanczosPosition | null;
  /**
   * One of the vectors of `LanczosRecord.vector`; valid until the next step. The newest is the one with the number of
   * the steps, of an exhausted run the one before.
   */
  vector(index: number): LanczosVector;
}

/** Keeps Lanczos runs. */
export interface LanczosKeeper {
  /** What is known of the run of a probe; null: nothing. */
  load(probe: number): Promise<LanczosRecord | null>;
  /**
   * Told after every step of the probes; awaited before the next. A run that follows its record has fewer steps than
   * that: what is kept of it stays.
   *
   * @param runs by probe
   * @param ended no step follows
   */
  save(runs: readonly KeptRun[], ended: boolean): Promise<void>;
}

/** What a position consists of. */
interface RunPosition {
  steps: number;
  /** Of the newest vector; 1, but for rounding. */
  squaredNorm: number;
  /** Of the operator. */
  scale: number;
  /** Norm of the rounding errors of a product, as last measured. */
  rounding: number | null;
  /** Null where vectors are not orthogonalised. */
  monitor: OrthogonalityMonitor | null;
}

/** Where a run is after so many steps, 1 or more, as numbers alone. */
export function positionAt(
  steps: number,
  squaredNorm: number,
  scale: number,
  rounding: number | null,
  monitor: OrthogonalityMonitor | null,
): LanczosPosition {
  const numbers = Float64Array.of(squaredNorm, scale, rounding ?? Number.NaN, ...(monitor?.numbers() ?? []));
  return { steps, numbers };
}

function readPosition({ steps, numbers }: LanczosPosition, full: boolean): RunPosition {
  if (steps < 1 || numbers.length !== 3 + (full ? monitorNumbers(steps) : 0)) {
    throw new RangeError(`LanczosRun: ${numbers.length} numbers are no position after ${steps} steps`);
  }
  const [squaredNorm, scale, rounding] = numbers;
  return {
    ...{ steps, squaredNorm, scale },
    rounding: Number.isNaN(rounding) ? null : rounding,
    monitor: full ? monitorOrthogonality(numbers.slice(3), steps) : null,
  };
}

/** A record that a run follows step by step. */
export interface FollowedRecord {
  readonly steps: number;
  readonly newest: number;
  readonly exhausted: boolean;
  /** alpha and beta of a step, from 0. */
  coefficients(step: number): [alpha: number, beta: number];
  /** Puts vectors up to one of them among those of the run, whose start vector is there. */
  load(newest: number): Promise<void>;
  /** The position, its vectors loaded; null where there is none. */
  position(): Promise<RunPosition | null>;
}

/**
 * A record with the vectors of the run that follows it.
 *
 * @param full whether vectors are orthogonalised, and all of them kept
 * @throws RangeError when vectors or numbers are wanted that are of no such run
 */
export function followRecord(
  { alpha, beta, exhausted, newest, ...record }: LanczosRecord,
  vectors: LanczosVectors,
  full: boolean,
): FollowedRecord {
  let loaded = 0;
  const load = async (last: number): Promise<void> => {
    while (loaded < last) {
      loaded++;
      const place = vectors.add();
      if (full || loaded >= last - 1) {
        const vector = await record.vector(loaded);
        if (vector.byteLength !== place.byteLength) {
          throw new RangeError(`LanczosRun: a vector of ${vector.byteLength} bytes is none of this run`);
        }
        place.set(vector);
      }
    }
  };
  return {
    ...{ steps: alpha.length, newest, exhausted, load },
    coefficients: (step) => [alpha[step], beta[step]],
    position: async () => {
      if (record.position === null) {
        return null;
      }
      await load(record.position.steps);
      return readPosition(record.position, full);
    },
  };
}
