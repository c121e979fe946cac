import { InputError } from '../errors.js';
import { innerProducts, type LanczosVector, subtractCombination } from './vector-loops.js';

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
   * The coefficients V'x [k] and their combination V V'x.
   *
   * @param rows the k rows, one after the other, each as long as x
   */
  project(
    rows: Float32Array,
    x: Float32Array,
  ): Promise<{ coefficients: Float32Array; combination: Float32Array }>;
}

/** Vectors lie in blocks of about this size, so that they take little more memory than they need. */
const BLOCK_BYTES = 2 ** 26;
/** A projection onto fewer rows than this is not faster, and nobody needs more. */
const BLOCK_VECTORS = { least: 4, most: 512 };

/**
 * Float32 vectors whose projections something faster than plain loops
 * computes. Overlaps of a unit vector are found to float32 rounding, 1e-7.
 *
 * @param length of a vector
 * @param blockVectors how many vectors are projected onto at a time
 */
export function projectedVectors(
  length: number,
  projection: RowProjection,
  blockVectors = Math.min(
    BLOCK_VECTORS.most,
    Math.max(BLOCK_VECTORS.least, Math.floor(BLOCK_BYTES / (4 * length))),
  ),
): LanczosVectors {
  const stride = projection.paddedLength(length);
  const blocks: Float32Array[] = [];
  let newest: Float32Array = new Float32Array(0);
  let added = 0;
  const vector = (index: number): Float32Array => {
    const start = (index % blockVectors) * stride;
    return blocks[Math.floor(index / blockVectors)].subarray(start, start + length);
  };
  return {
    vector,
    add: () => {
      const inBlock = added % blockVectors;
      if (inBlock === 0) {
        blocks.push(allocate(blockVectors * stride, added));
      }
      newest = blocks[blocks.length - 1].subarray(inBlock * stride, (inBlock + 1) * stride);
      added++;
      return newest.subarray(0, length);
    },
    orthogonalize: async (count) => {
      const overlaps = new Float64Array(count);
      for (let first = 0; first < count; first += blockVectors) {
        const rows = Math.min(blockVectors, count - first);
        const block = blocks[first / blockVectors].subarray(0, rows * stride);
        const { coefficients, combination } = await projection.project(block, newest);
        overlaps.set(coefficients, first);
        for (let i = 0; i < length; i++) {
          newest[i] -= combination[i];
        }
      }
      return overlaps;
    },
    combination: (coefficients) =>
      combined(
        length,
        Array.from(coefficients, (_, j) => vector(j)),
        coefficients,
      ),
  };
}

function combined(
  length: number,
  vectors: readonly LanczosVector[],
  coefficients: Float64Array,
): Float64Array {
  const sum = new Float64Array(length);
  subtractCombination(
    vectors,
    sum,
    coefficients.map((coefficient) => -coefficient),
  );
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
