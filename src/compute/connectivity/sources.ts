import type { Lifetimes } from './lifetimes.js';
import { mapLifetimes, NEVER } from './lifetimes.js';

/**
 * Where each element of a tensor comes from: flat positions in another one, in
 * row-major order; -1 for an element that comes from nowhere (padding).
 */
export type Sources = Int32Array;

/** Distance in a flat tensor between neighbours along each axis. */
export function strides(shape: readonly number[]): number[] {
  const result = Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    result[axis] = result[axis + 1] * shape[axis + 1];
  }
  return result;
}

/**
 * Sources of a tensor whose axes are arranged each by itself.
 *
 * @param axes for each axis, what each of its positions adds to the flat
 *   position in the source; -1 for a position that comes from nowhere
 */
export function sourcesByAxis(axes: readonly (readonly number[])[]): Sources {
  let sources = Int32Array.of(0);
  for (const positions of axes) {
    const next = new Int32Array(sources.length * positions.length);
    let at = 0;
    for (const base of sources) {
      for (const offset of positions) {
        next[at++] = base < 0 || offset < 0 ? -1 : base + offset;
      }
    }
    sources = next;
  }
  return sources;
}

/** Positions 0, 1, .. along an axis, each mapped and multiplied by the stride; negative ones stay -1. */
export function axisOffsets(
  extent: number,
  stride: number,
  position: (index: number) => number = (index) => index,
): number[] {
  return Array.from({ length: extent }, (_, index) => {
    const at = position(index);
    return at < 0 ? -1 : at * stride;
  });
}

/** Sources of a tensor that is broadcast to a shape. */
export function broadcastSources(from: readonly number[], to: readonly number[]): Sources {
  const missing = to.length - from.length;
  const step = strides(from);
  return sourcesByAxis(
    to.map((extent, axis) => {
      const repeats = axis < missing || from[axis - missing] === 1;
      return axisOffsets(extent, repeats ? 0 : step[axis - missing]);
    }),
  );
}

/** Sources of a tensor whose axes are permuted: axis a of the result is axis `perm[a]`. */
export function permutedSources(from: readonly number[], perm: readonly number[]): Sources {
  const step = strides(from);
  return sourcesByAxis(perm.map((axis) => axisOffsets(from[axis], step[axis])));
}

/** The elements at their sources; {@link NEVER} where there is none. */
export function taken(counts: Int32Array, sources: Sources): Int32Array {
  return sources.map((source) => (source < 0 ? NEVER : counts[source]));
}

/** Both counts at their sources. */
export function moved(lifetimes: Lifetimes, sources: Sources): Lifetimes {
  return mapLifetimes(lifetimes, (counts) => taken(counts, sources));
}

/** Lifetimes broadcast from one shape to another. */
export function broadcast(lifetimes: Lifetimes, from: readonly number[], to: readonly number[]): Lifetimes {
  const same = from.length === to.length && from.every((extent, axis) => extent === to[axis]);
  return same ? lifetimes : moved(lifetimes, broadcastSources(from, to));
}
