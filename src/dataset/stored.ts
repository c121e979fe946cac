/** Splits that are in memory or streamed, treated alike. */

import type { Labels, Split, StoredSplit, StreamedSplit } from './dataset.js';
import { type Normalization, prepareExamples } from './examples.js';
import { gatherLabels } from './labels.js';
import { type InputOrder, planLayout } from './layout.js';

/** Batches that are read while one is in use: a picture is opened, read and decoded in as many turns. */
const MOST_AHEAD = 3;

/** A batch in use takes as many bytes for each of its own: read as bytes, changed at random, and as float32. */
const COPIES_IN_USE = 6;

/** Indices of all examples. */
export const everyIndex = (count: number): Int32Array =>
  Int32Array.from({ length: count }, (_, index) => index);

/** Whether a split's examples are read when they are needed. */
export function isStreamed(split: StoredSplit): split is StreamedSplit {
  return 'read' in split;
}

/**
 * Some examples of a split in memory.
 *
 * @param order indices of examples
 * @returns a split, and where in it the examples are, in order
 * @throws InputError where an example cannot be read
 */
export async function inMemory(
  split: StoredSplit,
  order: Int32Array,
): Promise<{ split: Split; order: Int32Array }> {
  return isStreamed(split)
    ? { split: await split.read(order), order: everyIndex(order.length) }
    : { split, order };
}

/** Bytes of some examples as they are stored in memory. */
function storedBytes({ shape, byteImages }: StreamedSplit, examples: number): number {
  return shape.reduce((product, size) => product * size, examples * (byteImages ? 1 : 4));
}

/** Bytes that one batch in use takes; 0 for a split that is in memory anyway. */
export function batchBytes(split: StoredSplit, examples: number): number {
  return isStreamed(split) ? COPIES_IN_USE * storedBytes(split, Math.min(examples, split.count)) : 0;
}

/** How many further batches of a split are read while one is in use; none of a split that is in memory. */
export function batchesAhead(split: StoredSplit, examples: number): number {
  if (!isStreamed(split)) {
    return 0;
  }
  const room = split.memoryBytes - batchBytes(split, examples);
  return Math.max(0, Math.min(MOST_AHEAD, Math.floor(room / storedBytes(split, examples))));
}

/**
 * Values in their order, one for each item; of the items behind it, up to `ahead` are read while a value is in use.
 * A value that cannot be read is the error of its own turn, not of an earlier one.
 */
export async function* readAhead<Item, Value>(
  items: Iterable<Item>,
  ahead: number,
  read: (item: Item) => Promise<Value>,
): AsyncGenerator<Value, void, void> {
  const begun: Promise<Value>[] = [];
  for (const item of items) {
    const value = read(item);
    // Its turn may come late or never, and until then nobody else listens.
    value.catch(() => {});
    begun.push(value);
    if (begun.length > ahead) {
      yield begun.shift() as Promise<Value>;
    }
  }
  while (begun.length > 0) {
    yield begun.shift() as Promise<Value>;
  }
}

/** An order in ranges of one size, the last one perhaps smaller. */
export function* ranges(order: Int32Array, size: number): Generator<Int32Array, void, void> {
  for (let start = 0; start < order.length; start += size) {
    yield order.subarray(start, start + size);
  }
}

/** A batch of examples ready for a model. */
export interface PreparedBatch {
  /** Which of the examples asked for is its first. */
  start: number;
  size: number;
  inputs: Float32Array;
}

/** Examples of a split, ready for a model, batch by batch. */
export interface PreparedBatches {
  count: number;
  /** The model's input shape without batch. */
  shape: readonly number[];
  labels: Labels;
  /** Reads them from the first to the last, `size` at a time. */
  batches(size: number): AsyncGenerator<PreparedBatch, void, void>;
}

/**
 * Makes examples ready for a model, as `prepareExamples` does, wherever they are.
 *
 * @param options.order indices of examples in the order wanted; without it all
 * @throws InputError where the shapes do not fit; while batches are read, as `prepareExamples`, and where an example
 *   cannot be read
 */
export function prepareStored(
  split: StoredSplit,
  options: {
    inputShape: readonly (number | null)[];
    normalization: Normalization | null;
    inputOrder?: InputOrder;
    order?: Int32Array;
  },
): PreparedBatches {
  const { order: chosen = everyIndex(split.count), ...form } = options;
  const { shape } = planLayout(split, form.inputShape, form.inputOrder ?? 'NHWC');
  async function* batches(size: number): AsyncGenerator<PreparedBatch, void, void> {
    const reads = readAhead(ranges(chosen, size), batchesAhead(split, size), (order) =>
      inMemory(split, order),
    );
    let start = 0;
    for await (const read of reads) {
      const { count, inputs } = prepareExamples(read.split, { ...form, order: read.order });
      yield { start, size: count, inputs: inputs(0, count) };
      start += count;
    }
  }
  return { count: chosen.length, shape, labels: gatherLabels(split.labels, chosen), batches };
}
