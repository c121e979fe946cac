/** Byte images that lie in files as records of one size, read when they are needed. */

import type { Split, StreamedSplit } from './dataset.js';
import { gatherLabels } from './labels.js';
import type { ReadRecords } from './source/file.js';

/** Images in a file, one a record. */
export interface ImageRecords {
  readRecords: ReadRecords;
  count: number;
  /** Byte at which the first image begins. */
  first: number;
  /** Bytes from the beginning of an image to that of the next. */
  stride: number;
}

/**
 * A split of images that stay in their files.
 *
 * @param form everything of the split but its values
 * @param files whose images are, one file after another, those of the split
 */
export function streamedRecords(
  form: Omit<Split, 'values'> & { memoryBytes: number },
  files: readonly ImageRecords[],
): StreamedSplit {
  const imageBytes = form.shape.reduce((product, extent) => product * extent, 1);
  const { memoryBytes: _, ...split } = form;
  const read = async (order: Int32Array): Promise<Split> => {
    const values = new Uint8Array(order.length * imageBytes);
    let before = 0;
    for (const { readRecords, count, first, stride } of files) {
      const wanted = [...order.keys()].filter((at) => order[at] >= before && order[at] < before + count);
      const starts = wanted.map((at) => first + (order[at] - before) * stride);
      const images = starts.length > 0 ? await readRecords(starts, imageBytes) : new Uint8Array(0);
      wanted.forEach((at, index) => {
        values.set(images.subarray(index * imageBytes, (index + 1) * imageBytes), at * imageBytes);
      });
      before += count;
    }
    return { ...split, count: order.length, values, labels: gatherLabels(form.labels, order) };
  };
  return { ...form, read };
}

/** Whether images must be streamed and can be: they are beyond the memory limit, and their files lie on disk as they are. */
export function mustStream(
  files: readonly { readRecords: ReadRecords | null }[],
  bytes: number,
  memoryBytes: number,
): boolean {
  return bytes > memoryBytes && files.every(({ readRecords }) => readRecords !== null);
}

/** A note that says so. */
export function streamedNote(path: string, examples: number, bytes: number, memoryBytes: number): string {
  const fit = Math.floor((memoryBytes * examples) / bytes);
  return `${path}: ${examples} examples take ${Math.ceil(bytes / 2 ** 20)} MiB, and ${fit} fit into the memory limit, so they are streamed: read a batch at a time, ahead of each step`;
}
