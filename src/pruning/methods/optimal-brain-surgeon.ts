/** Greedy optimal brain surgery of the rows of a dense layer, in float64. */
import { choleskyInPlace, choleskySolve } from './cholesky.js';

/** A pivot below this share of its diagonal is rounding: the matrix is singular. */
const SINGULAR = 1e-12;

/** What greedy pruning does to one row. */
export interface PrunedRow {
  /** Columns in the order in which they were pruned. */
  order: Uint32Array;
  /** By how much each raised 1/2 (w - w0)' H (w - w0): w_q^2 / (2 [H^-1]_qq). */
  increments: Float64Array;
  /** The row after that, 0 where it is pruned. */
  weights: Float64Array;
}

/** The matrix that a layer is pruned with. */
export interface LayerCurvature {
  /** H^-1, columns x columns. */
  inverse: Float64Array;
  /** 1 for columns whose input is always 0: their weights do nothing. */
  dead: Uint8Array;
  /** What was added to the diagonal, 0 or 1. */
  damping: number;
}

/** The inverse of a symmetric positive definite matrix; null where it is singular. */
function inverseOf(matrix: Float64Array, size: number): Float64Array | null {
  const factor = matrix.slice();
  choleskyInPlace(factor, size);
  for (let i = 0; i < size; i++) {
    if (!(factor[i * size + i] ** 2 > SINGULAR * matrix[i * size + i])) {
      return null;
    }
  }
  const inverse = new Float64Array(size * size);
  const unit = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    unit.fill(0);
    unit[i] = 1;
    inverse.set(choleskySolve(factor, size, unit), i * size);
  }
  return inverse;
}

/**
 * Inverts a layer's H = 2 X'X / n. Columns of dead inputs get H_qq = 1; a singular H gets 1 on its diagonal (both of
 * the authors' code, trueobs.py).
 *
 * @param gram H, columns x columns, row-major
 */
export function layerCurvature(gram: Float64Array, columns: number): LayerCurvature {
  const matrix = gram.slice();
  const dead = new Uint8Array(columns);
  for (let q = 0; q < columns; q++) {
    if (matrix[q * columns + q] === 0) {
      dead[q] = 1;
      matrix[q * columns + q] = 1;
    }
  }
  const plain = inverseOf(matrix, columns);
  if (plain !== null) {
    return { inverse: plain, dead, damping: 0 };
  }
  for (let q = 0; q < columns; q++) {
    matrix[q * columns + q] += 1;
  }
  const damped = inverseOf(matrix, columns);
  return { inverse: damped ?? new Float64Array(columns * columns).fill(Number.NaN), dead, damping: 1 };
}

/**
 * ExactOBS (Frantar & Alistarh, NeurIPS 2022) of one row: repeats q = argmin w_q^2 / [H^-1]_qq,
 * w -= H^-1_:q w_q / [H^-1]_qq, H^-1 -= H^-1_:q H^-1_q: / [H^-1]_qq. Rows and columns of pruned weights are left out of H^-1
 * as they are 0, and so is what lies below its diagonal: `count` = columns takes columns^3 / 6 multiplications.
 *
 * @param inverse H^-1; not changed
 * @param row length columns
 * @param count how many to prune
 */
export function pruneRow(inverse: Float64Array, row: Float64Array, count: number): PrunedRow {
  const columns = row.length;
  const rest = inverse.slice();
  const weights = row.slice();
  const order = new Uint32Array(count);
  const increments = new Float64Array(count);
  let left = Uint32Array.from(row.keys());
  /** The column of H^-1 that belongs to the pruned weight, at what is left. */
  const column = new Float64Array(columns);
  for (let step = 0; step < count; step++) {
    let pruned = left[0];
    let least = Number.POSITIVE_INFINITY;
    for (const q of left) {
      const score = weights[q] ** 2 / rest[q * columns + q];
      if (score < least) {
        [pruned, least] = [q, score];
      }
    }
    const pivot = rest[pruned * columns + pruned];
    order[step] = pruned;
    increments[step] = weights[pruned] ** 2 / pivot / 2;
    left = left.filter((q) => q !== pruned);
    const force = weights[pruned] / pivot;
    weights[pruned] = 0;
    for (let a = 0; a < left.length; a++) {
      const i = left[a];
      column[a] = i < pruned ? rest[i * columns + pruned] : rest[pruned * columns + i];
      weights[i] -= column[a] * force;
    }
    for (let a = 0; a < left.length; a++) {
      const at = left[a] * columns;
      const scale = column[a] / pivot;
      // By index: an iterator over the places takes several times as long.
      for (let b = a; scale !== 0 && b < left.length; b++) {
        rest[at + left[b]] -= scale * column[b];
      }
    }
  }
  return { order, increments, weights };
}

/**
 * How many weights each row gives up: again and again the row whose next increment is the smallest; of equal ones, the
 * first row.
 *
 * @param increments of each row, in the order of its pruning
 */
export function mergeTraces(increments: readonly Float64Array[], count: number): Uint32Array {
  const taken = new Uint32Array(increments.length);
  // A binary heap of rows by their next increments.
  const next = (row: number): number =>
    taken[row] < increments[row].length ? increments[row][taken[row]] : Number.POSITIVE_INFINITY;
  const before = (a: number, b: number): boolean => {
    const [left, right] = [next(a), next(b)];
    return left < right || (left === right && a < b);
  };
  const heap = [...increments.keys()];
  const sink = (start: number): void => {
    let place = start;
    for (;;) {
      const first = 2 * place + 1;
      const child = first + 1 < heap.length && before(heap[first + 1], heap[first]) ? first + 1 : first;
      if (child >= heap.length || !before(heap[child], heap[place])) {
        return;
      }
      [heap[place], heap[child]] = [heap[child], heap[place]];
      place = child;
    }
  };
  for (let place = heap.length - 1; place >= 0; place--) {
    sink(place);
  }
  for (let n = 0; n < count; n++) {
    taken[heap[0]]++;
    sink(0);
  }
  return taken;
}

/**
 * Prunes a layer of rows that share H: the rows' traces, merged by the smallest increments, say how far each is pruned.
 *
 * @param rows of the weight, one for each output
 * @param count how many of all their weights to prune
 */
export function pruneRows(
  { inverse, dead }: LayerCurvature,
  rows: readonly Float64Array[],
  count: number,
): PrunedRow[] {
  const alive = rows.map((row) => row.map((weight, q) => (dead[q] === 1 ? 0 : weight)));
  const traces = alive.map((row) => pruneRow(inverse, row, row.length).increments);
  const counts = mergeTraces(traces, count);
  return alive.map((row, i) => pruneRow(inverse, row, counts[i]));
}
