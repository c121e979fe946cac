import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { tfjsExecutor } from '../../src/compute/tfjs-executor.js';
import { type ExampleSource, examplesAt } from '../../src/network/example-source.js';
import { createBatches } from '../../src/programs/batches.js';

beforeAll(async () => {
  await prepareBackend('cpu');
});

/** Example i has inputs [i, i] and target [10 i]; counts how often it is read. */
function countingSource(count: number): ExampleSource & { reads: number } {
  const source = {
    count,
    shape: [2],
    reads: 0,
    inputs: (start: number, end: number) => {
      source.reads++;
      return Float32Array.from({ length: 2 * (end - start) }, (_, i) => start + Math.floor(i / 2));
    },
    targets: (start: number, end: number) =>
      Float32Array.from({ length: end - start }, (_, i) => 10 * (start + i)),
  };
  return source;
}

describe('examplesAt', () => {
  it('reads the examples at the places, in their order', () => {
    const chosen = examplesAt(countingSource(9), [5, 0, 7]);
    expect([chosen.count, chosen.shape]).toEqual([3, [2]]);
    expect([...chosen.inputs(0, 3)]).toEqual([5, 5, 0, 0, 7, 7]);
    expect([...chosen.inputs(1, 2)]).toEqual([0, 0]);
    expect([...chosen.targets(1, 3)]).toEqual([0, 70]);
    expect([...chosen.inputs(2, 2)]).toEqual([]);
  });
});

describe('batches', () => {
  it('cover the examples in order, the last one being smaller', async () => {
    const batches = createBatches(countingSource(7), 1, { batchSize: 3, keepBytes: 0 });
    const seen: { size: number; inputs: number[]; targets: number[]; shape: number[] }[] = [];
    await batches.forEach(({ size, x, y }) => {
      seen.push({
        size,
        inputs: [...tfjsExecutor.values(x)],
        targets: [...tfjsExecutor.values(y)],
        shape: (x as unknown as tf.Tensor).shape,
      });
    });
    expect(batches.examples).toBe(7);
    expect(seen.map(({ size }) => size)).toEqual([3, 3, 1]);
    expect(seen.flatMap(({ targets }) => targets)).toEqual([0, 10, 20, 30, 40, 50, 60]);
    expect(seen[2]).toEqual({ size: 1, inputs: [6, 6], targets: [60], shape: [1, 2] });
  });

  it('are kept as far as the memory allows and read anew beyond it', async () => {
    const bytesOfBatch = 4 * (3 * 2 + 3);
    for (const [keepBytes, readsAfterTwoWalks, kept] of [
      [0, 6, 0],
      [bytesOfBatch, 5, 2],
      [1e6, 3, 6],
    ]) {
      const before = tf.memory().numTensors;
      const source = countingSource(9);
      const batches = createBatches(source, 1, { batchSize: 3, keepBytes });
      await batches.forEach(() => {});
      await batches.forEach(() => {});
      expect(source.reads).toBe(readsAfterTwoWalks);
      expect(tf.memory().numTensors - before).toBe(kept);
      batches.dispose();
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  it('are released when a visit throws, and can be walked again', async () => {
    const before = tf.memory().numTensors;
    const batches = createBatches(countingSource(5), 1, { batchSize: 2, keepBytes: 0 });
    const walk = batches.forEach(() => {
      throw new Error('stop');
    });
    await expect(walk).rejects.toThrow('stop');
    expect(tf.memory().numTensors).toBe(before);
    let examples = 0;
    await batches.forEach(({ size }) => {
      examples += size;
    });
    expect(examples).toBe(5);
  });

  it('can be filled again after being disposed of', async () => {
    const before = tf.memory().numTensors;
    const source = countingSource(4);
    const batches = createBatches(source, 1, { batchSize: 2, keepBytes: 1e6 });
    await batches.forEach(() => {});
    batches.dispose();
    await batches.forEach(() => {});
    await batches.forEach(() => {});
    expect(source.reads).toBe(4);
    batches.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
