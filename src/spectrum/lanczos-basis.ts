import { createSimdKernels, KERNEL_BYTES, PAGE_BYTES, type SimdKernels } from './simd-kernels.js';

/**
 * The Lanczos vectors kept so far. Two targets are handled together, so that
 * the basis streams through memory once for both.
 */
export interface LanczosBasis {
  /** Appends a vector. */
  push(vector: Float64Array): void;
  /** V'x and V'y. */
  project(x: Float64Array, y: Float64Array): { x: Float64Array; y: Float64Array };
  /** x -= V a and y -= V b. */
  subtract(x: Float64Array, a: Float64Array, y: Float64Array, b: Float64Array): void;
}

/** Entries of a vector that are worked on at a time: two targets and four vectors of them stay in cache. */
const TILE = 2048;
/** Vectors that one call of a kernel takes. */
const GROUP = 4;
/** A memory starts with space for this many vectors, and grows by as many. */
const GROWTH = 16;
/** What one memory may hold; a larger basis takes several. */
const CHUNK_BYTES = 2 ** 30;
/** Scratch at the start of a memory: tiles of both targets, partial sums, coefficients. */
const X = 0;
const Y = 4 * TILE;
const SUMS = 8 * TILE;
const COEFFICIENTS = SUMS + 128;
/** The vectors follow. */
const VECTORS = PAGE_BYTES;

/** A basis of vectors of the given length: float32 in SIMD loops where there are any, float64 in plain ones. */
export function createLanczosBasis(length: number, precision: 'float64' | 'float32'): LanczosBasis {
  return (precision === 'float32' ? simdBasis(length) : null) ?? plainBasis(precision);
}

/** A basis in plain arrays. */
export function plainBasis(precision: 'float64' | 'float32'): LanczosBasis {
  const vectors: (Float64Array | Float32Array)[] = [];
  return {
    push: (vector) => {
      vectors.push(precision === 'float32' ? Float32Array.from(vector) : vector.slice());
    },
    project: (x, y) => ({ x: inner(vectors, x), y: inner(vectors, y) }),
    subtract: (x, a, y, b) => {
      subtractCombination(vectors, x, a);
      subtractCombination(vectors, y, b);
    },
  };
}

/** V'target; four basis vectors at a time, so that the target is read a quarter as often. */
function inner(basis: readonly (Float64Array | Float32Array)[], target: Float64Array): Float64Array {
  const coefficients = new Float64Array(basis.length);
  let j = 0;
  for (; j + 3 < basis.length; j += 4) {
    const [v0, v1, v2, v3] = [basis[j], basis[j + 1], basis[j + 2], basis[j + 3]];
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0; i < target.length; i++) {
      const t = target[i];
      a += v0[i] * t;
      b += v1[i] * t;
      c += v2[i] * t;
      d += v3[i] * t;
    }
    coefficients.set([a, b, c, d], j);
  }
  for (; j < basis.length; j++) {
    const v = basis[j];
    let a = 0;
    for (let i = 0; i < target.length; i++) {
      a += v[i] * target[i];
    }
    coefficients[j] = a;
  }
  return coefficients;
}

/** target -= V coefficients */
function subtractCombination(
  basis: readonly (Float64Array | Float32Array)[],
  target: Float64Array,
  coefficients: Float64Array,
): void {
  let j = 0;
  for (; j + 3 < basis.length; j += 4) {
    const [v0, v1, v2, v3] = [basis[j], basis[j + 1], basis[j + 2], basis[j + 3]];
    const [a, b, c, d] = coefficients.subarray(j, j + 4);
    for (let i = 0; i < target.length; i++) {
      target[i] -= a * v0[i] + b * v1[i] + (c * v2[i] + d * v3[i]);
    }
  }
  for (; j < basis.length; j++) {
    const v = basis[j];
    const a = coefficients[j];
    for (let i = 0; i < target.length; i++) {
      target[i] -= a * v[i];
    }
  }
}

interface Chunk {
  readonly kernels: SimdKernels;
  /** Of all vectors, the number of its first. */
  readonly first: number;
  capacity: number;
  /** Views of its memory, renewed when it grows. */
  floats: Float32Array;
}

/** A float32 basis that SIMD loops work on; null where the engine has none. Sums are carried over tiles in float64. */
function simdBasis(length: number): LanczosBasis | null {
  // The loops take a few SIMD vectors at a time; what is added stays 0.
  const padded = (Math.ceil((4 * length) / KERNEL_BYTES) * KERNEL_BYTES) / 4;
  const stride = 4 * padded;
  const chunkVectors = Math.max(GROUP, Math.floor(CHUNK_BYTES / stride / GROUP) * GROUP);
  const bytesFor = (vectors: number): number => VECTORS + vectors * stride;
  const chunks: Chunk[] = [];
  let count = 0;
  const addChunk = (): boolean => {
    const capacity = Math.min(GROWTH, chunkVectors);
    const kernels = createSimdKernels(bytesFor(capacity), bytesFor(chunkVectors));
    if (kernels !== null) {
      chunks.push({ kernels, first: count, capacity, floats: new Float32Array(kernels.memory.buffer) });
    }
    return kernels !== null;
  };
  const makeRoom = (): Chunk => {
    const last = chunks[chunks.length - 1];
    const used = count - last.first;
    if (used < last.capacity) {
      return last;
    }
    if (used >= chunkVectors) {
      if (!addChunk()) {
        throw new Error(
          `the Lanczos basis of ${count} vectors cannot grow: out of memory; try --reorthogonalization none`,
        );
      }
      return chunks[chunks.length - 1];
    }
    const { memory } = last.kernels;
    last.capacity = Math.min(last.capacity + GROWTH, chunkVectors);
    memory.grow(Math.ceil((bytesFor(last.capacity) - memory.buffer.byteLength) / PAGE_BYTES));
    last.floats = new Float32Array(memory.buffer);
    return last;
  };
  if (4 * GROUP * padded > 2 ** 32 - 2 * PAGE_BYTES || !addChunk()) {
    return null;
  }
  /** Calls back for every tile of every chunk and, in it, every group of vectors. */
  const forTiles = (
    open: (chunk: Chunk, start: number, end: number) => void,
    group: (chunk: Chunk, vectors: number, first: number, bytes: number) => void,
    close: (chunk: Chunk, start: number, end: number) => void,
  ): void => {
    for (const chunk of chunks) {
      const used = Math.min(count - chunk.first, chunkVectors);
      for (let start = 0; start < padded && used > 0; start += TILE) {
        const end = Math.min(start + TILE, length);
        const bytes = 4 * (Math.min(start + TILE, padded) - start);
        open(chunk, start, end);
        for (let j = 0; j < used; j += GROUP) {
          group(chunk, VECTORS + j * stride + 4 * start, chunk.first + j, bytes);
        }
        close(chunk, start, end);
      }
    }
  };
  return {
    push: (vector) => {
      const { floats, first } = makeRoom();
      floats.set(vector, (VECTORS + (count - first) * stride) / 4);
      count++;
    },
    project: (x, y) => {
      const a = new Float64Array(count);
      const b = new Float64Array(count);
      forTiles(
        ({ floats }, start, end) => {
          loadTile(floats, X / 4, x, start, end);
          loadTile(floats, Y / 4, y, start, end);
        },
        ({ kernels, floats }, vectors, first, bytes) => {
          kernels.project(vectors, stride, X, Y, bytes, SUMS);
          const members = Math.min(GROUP, count - first);
          for (let k = 0, at = SUMS / 4; k < members; k++, at += 8) {
            a[first + k] += floats[at] + floats[at + 1] + (floats[at + 2] + floats[at + 3]);
            b[first + k] += floats[at + 4] + floats[at + 5] + (floats[at + 6] + floats[at + 7]);
          }
        },
        () => {},
      );
      return { x: a, y: b };
    },
    subtract: (x, a, y, b) => {
      forTiles(
        ({ floats }) => {
          floats.fill(0, X / 4, X / 4 + 2 * TILE);
        },
        ({ kernels, floats }, vectors, first, bytes) => {
          for (let k = 0, at = COEFFICIENTS / 4; k < GROUP; k++, at += 2) {
            floats[at] = first + k < count ? a[first + k] : 0;
            floats[at + 1] = first + k < count ? b[first + k] : 0;
          }
          kernels.combine(vectors, stride, X, Y, bytes, COEFFICIENTS);
        },
        ({ floats }, start, end) => {
          for (let i = start, at = X / 4; i < end; i++, at++) {
            x[i] -= floats[at];
          }
          for (let i = start, at = Y / 4; i < end; i++, at++) {
            y[i] -= floats[at];
          }
        },
      );
    },
  };
}

/** Copies entries of a vector to a tile, zeros behind them up to what the loops take at a time. */
function loadTile(floats: Float32Array, at: number, vector: Float64Array, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    floats[at + i - start] = vector[i];
  }
  for (let i = at + end - start; (4 * i) % KERNEL_BYTES !== 0; i++) {
    floats[i] = 0;
  }
}
