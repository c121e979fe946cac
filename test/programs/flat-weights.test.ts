import { describe, expect, it } from 'vitest';
import type { ExecutorTensor, ExecutorTensors } from '../../src/compute/executor.js';
import { batchMean } from '../../src/programs/flat-weights.js';

const asTensor = (values: number[]): ExecutorTensor => Float32Array.from(values) as unknown as ExecutorTensor;
const executor = { values: (tensor: ExecutorTensor) => tensor as unknown as Float32Array };
const prunable = [
  { name: 'a', shape: [2], offset: 0, size: 2 },
  { name: 'b', shape: [1, 1], offset: 2, size: 1 },
];
const network = { dimension: 3, prunable } as never;

function meanOf(examples: number, batchSize: number, sums: number[][]): Float64Array {
  const mean = batchMean({ executor, examples, batchSize }, network);
  for (const [first, second, third] of sums) {
    const outputs: ExecutorTensors = { g0: asTensor([first, second]), g1: asTensor([third]) };
    mean.add(outputs);
  }
  return mean.values;
}

describe('the mean over batches', () => {
  it('of one batch is its sum over the examples', () => {
    expect([...meanOf(4, 4, [[1, -2, 3]])]).toEqual([0.25, -0.5, 0.75]);
  });

  it('of several, the last smaller, is the sum of all over the examples', () => {
    // (1 + 10 + 100) / 5 is rounded as a product with 1 / 5.
    const sums = [
      [1, 2, -1],
      [10, -20, -2],
      [100, 200, 3],
    ];
    expect([...meanOf(5, 2, sums)]).toEqual([111 * (1 / 5), 182 * (1 / 5), 0]);
  });

  it('is summed in float64', () => {
    expect(
      meanOf(2, 1, [
        [2 ** 24, 0, 0],
        [1, 0, 0],
      ])[0],
    ).toBe((2 ** 24 + 1) / 2);
  });
});
