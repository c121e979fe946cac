/** Where the examples of a loss come from, a range at a time. */
export interface ExampleSource {
  readonly count: number;
  /** Shape of one input, without the batch axis. */
  readonly shape: readonly number[];
  /** Inputs of examples [start, end): length (end - start) * product(shape). */
  inputs(start: number, end: number): Float32Array;
  /** Targets of examples [start, end): length (end - start) * outputs. */
  targets(start: number, end: number): Float32Array;
}

/** Examples [start, end) of a source, numbered from 0. */
export function examplesBetween(source: ExampleSource, start: number, end: number): ExampleSource {
  return {
    count: end - start,
    shape: source.shape,
    inputs: (from, to) => source.inputs(start + from, start + to),
    targets: (from, to) => source.targets(start + from, start + to),
  };
}

/**
 * A source that prepares its inputs once, when they are first asked for, where all of them take at most so many bytes; a
 * larger one as it is. Its inputs are not to be changed.
 */
export function preparedOnce(source: ExampleSource, mostBytes: number): ExampleSource {
  const size = source.shape.reduce((product, extent) => product * extent, 1);
  if (source.count * size * Float32Array.BYTES_PER_ELEMENT > mostBytes) {
    return source;
  }
  let inputs: Float32Array | null = null;
  return {
    ...source,
    inputs: (start, end) => {
      inputs ??= source.inputs(0, source.count);
      return inputs.subarray(start * size, end * size);
    },
  };
}

/** The examples of a source at the given places, in that order. */
export function examplesAt(source: ExampleSource, places: readonly number[]): ExampleSource {
  const joined = (
    read: (start: number, end: number) => Float32Array,
    start: number,
    end: number,
  ): Float32Array => {
    const parts = places.slice(start, end).map((place) => read(place, place + 1));
    const result = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
      result.set(part, at);
      at += part.length;
    }
    return result;
  };
  return {
    count: places.length,
    shape: source.shape,
    inputs: (start, end) => joined(source.inputs, start, end),
    targets: (start, end) => joined(source.targets, start, end),
  };
}
