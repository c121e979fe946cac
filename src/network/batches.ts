import { type Tensor, type Tensor2D, tensor, tensor2d } from '@tensorflow/tfjs-core';

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

/** One batch on the backend. */
export interface Batch {
  inputs: Tensor;
  targets: Tensor2D;
  size: number;
}

/** A fixed sequence of batches that can be walked any number of times. */
export interface Batches {
  readonly examples: number;
  readonly batchSize: number;
  /** Runs `visit` on every batch in order; the batch's tensors are valid during the visit only. */
  forEach(visit: (batch: Batch) => void | Promise<void>): Promise<void>;
  /** Frees the tensors that are kept. */
  dispose(): void;
}

/**
 * Cuts a source into batches, the last one possibly smaller.
 *
 * @param outputs width of the targets
 * @param keepBytes batches are kept on the backend between walks as long as
 *   they fit into this many bytes; the rest is uploaded anew at every walk
 */
export function createBatches(
  source: ExampleSource,
  outputs: number,
  options: { batchSize: number; keepBytes: number },
): Batches {
  const { batchSize } = options;
  const kept = new Map<number, Batch>();
  let keptBytes = 0;
  const upload = (start: number): Batch => {
    const end = Math.min(source.count, start + batchSize);
    return {
      inputs: tensor(source.inputs(start, end), [end - start, ...source.shape], 'float32'),
      targets: tensor2d(source.targets(start, end), [end - start, outputs], 'float32'),
      size: end - start,
    };
  };
  const release = (batch: Batch): void => {
    batch.inputs.dispose();
    batch.targets.dispose();
  };
  return {
    examples: source.count,
    batchSize,
    forEach: async (visit) => {
      for (let start = 0; start < source.count; start += batchSize) {
        const known = kept.get(start);
        const batch = known ?? upload(start);
        if (known === undefined) {
          const bytes = 4 * (batch.inputs.size + batch.targets.size);
          if (keptBytes + bytes <= options.keepBytes) {
            keptBytes += bytes;
            kept.set(start, batch);
          }
        }
        try {
          await visit(batch);
        } finally {
          if (!kept.has(start)) {
            release(batch);
          }
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    dispose: () => {
      for (const batch of kept.values()) {
        release(batch);
      }
      kept.clear();
    },
  };
}
