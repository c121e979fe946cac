import { InputError } from '../errors.js';
import type { LanczosBasis } from './lanczos-basis.js';
import { createSimdKernels, KERNEL_BYTES, PAGE_BYTES, type SimdKernels } from './simd-kernels.js';

const FLOAT_BYTES = 4;
const KERNEL_FLOATS = KERNEL_BYTES / FLOAT_BYTES;
/** Vectors that one call of a kernel takes. */
const GROUP = 4;
/**
 * Entries of a vector that are worked on at a time: two targets and four
 * vectors of them stay in cache. Not a power of two, whose multiples share the
 * places of a cache.
 */
const LONGEST_TILE = 2048 - KERNEL_FLOATS;
/** Vectors whose tiles lie together, so that a pass reads memory in order: twice as fast as from a vector each. */
const LARGEST_PANEL = 16;
/** What one memory may hold; a larger basis takes several. */
const CHUNK_BYTES = 2 ** 30;
const LARGEST_MEMORY_BYTES = 2 ** 32 - PAGE_BYTES;
/** Scratch at the start of a memory, in floats: tiles of both targets, partial sums, coefficients. */
const X = 0;
const Y = LONGEST_TILE;
const SUMS = 2 * LONGEST_TILE;
const COEFFICIENTS = SUMS + 8 * GROUP;
/** The panels follow. */
const PANELS = PAGE_BYTES / FLOAT_BYTES;

/** Where the vectors lie: panels of vectors, in each tile after tile, in each vector after vector. In floats. */
interface Layout {
  tile: number;
  tiles: number;
  /** Vectors of a panel. */
  panelVectors: number;
  panelFloats: number;
  /** Panels in one memory at most. */
  chunkPanels: number;
}

/** Null: not even the smallest panel fits into a memory. */
function layoutFor(length: number): Layout | null {
  const padded = Math.ceil(length / KERNEL_FLOATS) * KERNEL_FLOATS;
  const tile = Math.min(LONGEST_TILE, padded);
  const tiles = Math.ceil(padded / tile);
  const groupFloats = GROUP * tile * tiles;
  if (FLOAT_BYTES * (PANELS + groupFloats) > LARGEST_MEMORY_BYTES) {
    return null;
  }
  const chunkFloats = CHUNK_BYTES / FLOAT_BYTES;
  const groups = Math.min(LARGEST_PANEL / GROUP, Math.max(1, Math.floor(chunkFloats / groupFloats)));
  const panelFloats = groups * groupFloats;
  const chunkPanels = Math.max(1, Math.floor(chunkFloats / panelFloats));
  return { tile, tiles, panelVectors: groups * GROUP, panelFloats, chunkPanels };
}

/** A memory with some of the panels. */
interface Chunk {
  readonly kernels: SimdKernels;
  panels: number;
  /** A view of its memory, renewed when it grows. */
  floats: Float32Array;
}

/**
 * A float32 basis that SIMD loops work on; sums are carried over tiles in
 * float64. Null where the JavaScript engine has no such loops, or no space for
 * vectors of this length.
 */
export function createSimdBasis(length: number): LanczosBasis | null {
  const layout = layoutFor(length);
  if (layout === null) {
    return null;
  }
  const { tile, tiles, panelVectors, panelFloats, chunkPanels } = layout;
  const bytesFor = (panels: number): number => FLOAT_BYTES * (PANELS + panels * panelFloats);
  const chunks: Chunk[] = [];
  let count = 0;

  const addChunk = (): boolean => {
    const kernels = createSimdKernels(bytesFor(1), bytesFor(chunkPanels));
    if (kernels !== null) {
      chunks.push({ kernels, panels: 1, floats: new Float32Array(kernels.memory.buffer) });
    }
    return kernels !== null;
  };
  const addPanel = (): boolean => {
    const last = chunks[chunks.length - 1];
    if (last.panels === chunkPanels) {
      return addChunk();
    }
    const { memory } = last.kernels;
    const missing = bytesFor(last.panels + 1) - memory.buffer.byteLength;
    try {
      memory.grow(Math.ceil(missing / PAGE_BYTES));
    } catch {
      return false;
    }
    last.panels++;
    last.floats = new Float32Array(memory.buffer);
    return true;
  };
  if (!addChunk()) {
    return null;
  }

  /** Calls back for every tile of every memory and, in it, every group of vectors. */
  const forTiles = (
    open: (chunk: Chunk, start: number, end: number) => void,
    group: (chunk: Chunk, vectors: number, first: number, bytes: number) => void,
    close: (chunk: Chunk, start: number, end: number) => void,
  ): void => {
    const chunkVectors = chunkPanels * panelVectors;
    for (const [index, chunk] of chunks.entries()) {
      const used = Math.min(count - index * chunkVectors, chunkVectors);
      for (let t = 0; t < tiles && used > 0; t++) {
        const [start, end] = [t * tile, Math.min((t + 1) * tile, length)];
        const bytes = Math.ceil((FLOAT_BYTES * (end - start)) / KERNEL_BYTES) * KERNEL_BYTES;
        open(chunk, start, end);
        for (let j = 0; j < used; j += GROUP) {
          group(chunk, vectorAt(j, t), index * chunkVectors + j, bytes);
        }
        close(chunk, start, end);
      }
    }
  };
  /** Place of tile t of vector j of a memory, in floats. */
  const vectorAt = (j: number, t: number): number => {
    const panel = Math.floor(j / panelVectors);
    return PANELS + panel * panelFloats + (t * panelVectors + (j % panelVectors)) * tile;
  };

  return {
    push: (vector) => {
      const capacity = ((chunks.length - 1) * chunkPanels + chunks[chunks.length - 1].panels) * panelVectors;
      if (count === capacity && !addPanel()) {
        throw new InputError(
          'usage/memory',
          `out of memory for a Lanczos basis of more than ${count} vectors; try --reorthogonalization none or fewer --steps`,
        );
      }
      const { floats } = chunks[chunks.length - 1];
      const inChunk = count % (chunkPanels * panelVectors);
      for (let t = 0; t < tiles; t++) {
        floats.set(vector.subarray(t * tile, (t + 1) * tile), vectorAt(inChunk, t));
      }
      count++;
    },
    project: (x, y) => {
      const a = new Float64Array(count);
      const b = new Float64Array(count);
      forTiles(
        ({ floats }, start, end) => {
          loadTile(floats, X, x, start, end);
          loadTile(floats, Y, y, start, end);
        },
        ({ kernels, floats }, vectors, first, bytes) => {
          kernels.project(4 * vectors, 4 * tile, 4 * X, 4 * Y, bytes, 4 * SUMS);
          const members = Math.min(GROUP, count - first);
          for (let k = 0, at = SUMS; k < members; k++, at += 8) {
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
          floats.fill(0, X, SUMS);
        },
        ({ kernels, floats }, vectors, first, bytes) => {
          for (let k = 0, at = COEFFICIENTS; k < GROUP; k++, at += 2) {
            floats[at] = first + k < count ? a[first + k] : 0;
            floats[at + 1] = first + k < count ? b[first + k] : 0;
          }
          kernels.combine(4 * vectors, 4 * tile, 4 * X, 4 * Y, bytes, 4 * COEFFICIENTS);
        },
        ({ floats }, start, end) => {
          for (let i = start, at = X; i < end; i++, at++) {
            x[i] -= floats[at];
          }
          for (let i = start, at = Y; i < end; i++, at++) {
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
  for (let i = at + end - start; (i - at) % KERNEL_FLOATS !== 0; i++) {
    floats[i] = 0;
  }
}
