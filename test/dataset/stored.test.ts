import { describe, expect, it } from 'vitest';
import type { Split, StreamedSplit } from '../../src/dataset/dataset.js';
import { prepareExamples } from '../../src/dataset/examples.js';
import { gatherLabels } from '../../src/dataset/labels.js';
import { batchBytes, batchesAhead, prepareStored, ranges, readAhead } from '../../src/dataset/stored.js';

const split: Split = {
  count: 7,
  shape: [2, 3],
  layout: 'NHWC',
  values: Uint8Array.from({ length: 42 }, (_, index) => index),
  byteImages: true,
  labels: { kind: 'classes', values: Int32Array.of(0, 1, 2, 0, 1, 2, 0), classCount: 3 },
};

/** The same, read when it is needed. */
function streamedSplit(memoryBytes: number): StreamedSplit {
  const { values, ...rest } = split;
  const read = async (order: Int32Array): Promise<Split> => ({
    ...rest,
    count: order.length,
    values: Uint8Array.from([...order].flatMap((at) => [...values.subarray(6 * at, 6 * at + 6)])),
    labels: gatherLabels(rest.labels, order),
  });
  return { ...rest, memoryBytes, read };
}

describe('reading ahead', () => {
  it.each([0, 1, 3, 10])('gives all values in order, with up to %i more under way', async (ahead) => {
    let begun = 0;
    let used = 0;
    const most: number[] = [];
    const values: number[] = [];
    const reads = readAhead([5, 6, 7, 8, 9], ahead, async (item) => {
      begun++;
      most.push(begun - used);
      await new Promise((resolve) => setTimeout(resolve, item === 5 ? 5 : 0));
      return 10 * item;
    });
    for await (const value of reads) {
      values.push(value);
      used++;
    }
    expect(values).toEqual([50, 60, 70, 80, 90]);
    expect(Math.max(...most)).toBe(Math.min(5, ahead + 1));
  });

  it('fails in the turn of what fails, not before', async () => {
    const values: number[] = [];
    const run = async (): Promise<void> => {
      const reads = readAhead([1, 2, 3, 4], 3, async (item) => {
        if (item === 3) {
          throw new Error('third');
        }
        return item;
      });
      for await (const value of reads) {
        values.push(value);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    await expect(run()).rejects.toThrow('third');
    expect(values).toEqual([1, 2]);
  });

  it('goes as far as memory allows: six copies of the batch in use, and three more batches', () => {
    // Two examples of 6 bytes.
    expect(batchBytes(streamedSplit(1), 2)).toBe(72);
    expect(batchBytes(split, 2)).toBe(0);
    expect([71, 72, 83, 84, 96, 108, 10_000].map((bytes) => batchesAhead(streamedSplit(bytes), 2))).toEqual([
      0, 0, 0, 1, 2, 3, 3,
    ]);
    expect(batchesAhead(split, 2)).toBe(0);
  });

  it('cuts an order into ranges', () => {
    expect([...ranges(Int32Array.of(4, 3, 2, 1, 0), 2)].map((range) => [...range])).toEqual([
      [4, 3],
      [2, 1],
      [0],
    ]);
    expect([...ranges(new Int32Array(0), 2)]).toEqual([]);
  });
});

describe('examples for a model, wherever they are,', () => {
  it.each([undefined, Int32Array.of(6, 2, 2, 0, 5)])('are those of memory: order %o', async (order) => {
    const options = {
      inputShape: [3, 2],
      normalization: { mean: [0.1], std: [0.3] },
      ...(order && { order }),
    };
    const expected = prepareExamples(split, options);
    for (const stored of [split, streamedSplit(100)]) {
      const { count, shape, labels, batches } = prepareStored(stored, options);
      expect([count, shape, labels]).toEqual([expected.count, expected.shape, expected.labels]);
      let next = 0;
      for await (const { start, size, inputs } of batches(2)) {
        expect(start).toBe(next);
        expect(inputs).toEqual(expected.inputs(start, start + size));
        next += size;
      }
      expect(next).toBe(expected.count);
    }
  });

  it('are refused by their form before any is read', () => {
    expect(() => prepareStored(streamedSplit(1), { inputShape: [5], normalization: null })).toThrow(
      'one example has shape [2, 3]',
    );
  });
});
