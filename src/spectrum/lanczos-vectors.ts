import { InputError } from '../errors.js';
import { innerProducts, type LanczosVector, LOOP_VECTORS, subtractCombination } from './vector-loops.js';

/** The vectors of a Lanczos run, oldest first: the columns of V. */
export interface LanczosVectors {
  /** Space for one more vector, to be written to. Its content is not defined. */
  add(): LanczosVector;
  /**
   * Subtracts from the newest vector x its projections onto the oldest
   * vectors: x -= V V'x.
   *
   * @param count how many of the oldest
   * @returns the overlaps V'x before
   */
  orthogonalize(count: number): Promise<Float64Array>;
  /**
   * The combination V c of the oldest vectors, or null where they are not kept.
   *
   * @param coefficients c, one for each of the oldest vectors
   * @returns a new array
   */
  combination(coefficients: Float64Array): Float64Array | null;
  /** The vector that was added after so many others; it must be among those that are kept. */
  vector(index: number): LanczosVector;
}

/**
 * Makes room for vectors of the given length.
 *
 * @param keep `recent`: only the newest three are needed, and there is no
 *   orthogonalisation
 */
export type LanczosVectorsFactory = (length: number, keep: 'all' | 'recent') => LanczosVectors;

/** Computes projections onto the rows of a matrix V'. */
export interface RowProjection {
  /** Length at which rows and vectors of a length are stored, filled up with zeros. */
  paddedLength(length: number): number;
  /**
   * The coefficients V'x [k], and x - V V'x.
   *
   * @param rows the k rows, one after the other, each as long as x
   */
  project(
    rows: Float32Array,
    x: Float32Array,
  ): Promise<{ coefficients: Float32Array; remainder: Float32Array }>;
}

/** Vectors lie in blocks of about this size, so that they take little more memory than they need. */
const BLOCK_BYTES = 2 ** 26;
/** A projection onto fewer rows than this is not faster, and nobody needs more. */
const BLOCK_VECTORS = { least: 4, most: 512 };

/** How many vectors of a length are projected onto at a time. */
export function vectorsInBlock(length: number): number {
  return Math.min(BLOCK_VECTORS.most, Math.max(BLOCK_VECTORS.least, Math.floor(BLOCK_BYTES / (4 * length))));
}

/** Float32 rows of one length, written one after the other. */
export interface VectorRows {
  /** Space for one more row, zeros where nothing is written. It stays until two more are added. */
  add(): Float32Array;
  /** A row that was added; its content stays. */
  row(index: number): Float32Array;
  /**
   * Some of the rows before the newest, one after the other; valid until it is called again.
   *
   * @param first a multiple of the rows of a block
   * @param count at most those of a block
   */
  block(first: number, count: number): Float32Array;
}

/** Rows in memory, in blocks. */
export function memoryRows(stride: number, blockRows: number): VectorRows {
  const blocks: Float32Array[] = [];
  let added = 0;
  const row = (index: number): Float32Array => {
    const start = (index % blockRows) * stride;
    return blocks[Math.floor(index / blockRows)].subarray(start, start + stride);
  };
  return {
    row,
    add: () => {
      if (added % blockRows === 0) {
        blocks.push(allocate(blockRows * stride, added));
      }
      return row(added++);
    },
    block: (first, count) => blocks[first / blockRows].subarray(0, count * stride),
  };
}

/**
 * Float32 vectors whose projections something faster than plain loops
 * computes. Overlaps of a unit vector are found to float32 rounding, 1e-7.
 *
 * @param length of a vector
 * @param blockVectors how many vectors are projected onto at a time; it decides last digits
 * @param createRows keeps them, wherever: no digit depends on that
 */
export function projectedVectors(
  length: number,
  projection: RowProjection,
  blockVectors = vectorsInBlock(length),
  createRows: (stride: number, blockRows: number) => VectorRows = memoryRows,
): LanczosVectors {
  const rows = createRows(projection.paddedLength(length), blockVectors);
  let newest: Float32Array = new Float32Array(0);
  const vector = (index: number): Float32Array => rows.row(index).subarray(0, length);
  return {
    vector,
    add: () => {
      newest = rows.add();
      return newest.subarray(0, length);
    },
    orthogonalize: async (count) => {
      const overlaps = new Float64Array(count);
      let x = newest;
      for (let first = 0; first < count; first += blockVectors) {
        const block = rows.block(first, Math.min(blockVectors, count - first));
        const { coefficients, remainder } = await projection.project(block, x);
        overlaps.set(coefficients, first);
        x = remainder;
      }
      newest.set(x);
      return overlaps;
    },
    combination: (coefficients) => {
      const sum = new Float64Array(length);
      // As many at a time as the loop takes together.
      for (let first = 0; first < coefficients.length; first += LOOP_VECTORS) {
        const some = coefficients.subarray(first, first + LOOP_VECTORS);
        addCombination(
          sum,
          Array.from(some, (_, j) => vector(first + j)),
          some,
        );
      }
      return sum;
    },
  };
}

function addCombination(
  sum: Float64Array,
  vectors: readonly LanczosVector[],
  coefficients: Float64Array,
): void {
  subtractCombination(
    vectors,
    sum,
    coefficients.map((coefficient) => -coefficient),
  );
}

function combined(
  length: number,
  vectors: readonly LanczosVector[],
  coefficients: Float64Array,
): Float64Array {
  const sum = new Float64Array(length);
  addCombination(sum, vectors, coefficients);
  return sum;
}

function allocate(length: number, count: number): Float32Array {
  try {
    return new Float32Array(length);
  } catch (cause) {
    throw new InputError(
      'usage/memory',
      `there is no memory for more than ${count} Lanczos vectors; use --reorthogonalization none, or fewer --steps or --probes`,
      { cause },
    );
  }
}

function vectorOf(precision: 'float64' | 'float32', length: number): LanczosVector {
  return precision === 'float32' ? new Float32Array(length) : new Float64Array(length);
}

/** Vectors that are orthogonalised in plain loops. */
export function plainVectors(length: number, precision: 'float64' | 'float32'): LanczosVectors {
  const vectors: LanczosVector[] = [];
  return {
    add: () => {
      const vector = vectorOf(precision, length);
      vectors.push(vector);
      return vector;
    },
    orthogonalize: async (count) => {
      const oldest = vectors.slice(0, count);
      const newest = vectors[vectors.length - 1];
      const overlaps = innerProducts(oldest, newest);
      subtractCombination(oldest, newest, overlaps);
      return overlaps;
    },
    combination: (coefficients) => combined(length, vectors.slice(0, coefficients.length), coefficients),
    vector: (index) => vectors[index],
  };
}

/** The newest three vectors only. */
export function recentVectors(length: number, precision: 'float64' | 'float32'): LanczosVectors {
  const recent = Array.from({ length: 3 }, () => vectorOf(precision, length));
  let added = 0;
  return {
    add: () => recent[added++ % recent.length],
    orthogonalize: () => {
      throw new Error('recentVectors: older vectors are not kept');
    },
    combination: () => null,
    vector: (index) => recent[index % recent.length],
  };
}

/** Vectors in float64, in plain loops. */
export const vectorsInFloat64: LanczosVectorsFactory = (length, keep) =>
  keep === 'all' ? plainVectors(length, 'float64') : recentVectors(length, 'float64');
