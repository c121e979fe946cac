import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExecutorTensor, ExecutorTensors } from '../../src/compute/executor.js';
import { flatSum } from '../../src/programs/flat-weights.js';

const asTensor = (values: number[]): ExecutorTensor => Float32Array.from(values) as unknown as ExecutorTensor;
const executor = { values: (tensor: ExecutorTensor) => tensor as unknown as Float32Array };
const prunable = [
  { name: 'a', shape: [2], offset: 0, size: 2 },
  { name: 'b', shape: [1, 1], offset: 2, size: 1 },
];
const network = { dimension: 3, prunable } as never;

function meanOf(examples: number, sums: number[][]): Float64Array {
  const mean = flatSum(executor, network, 1 / examples);
  for (const [first, second, third] of sums) {
    const outputs: ExecutorTensors = { g0: asTensor([first, second]), g1: asTensor([third]) };
    mean.add(outputs);
  }
  return mean.values;
}

describe('the mean over batches', () => {
  it('of one batch is its sum over the examples', () => {
    expect([...meanOf(4, [[1, -2, 3]])]).toEqual([0.25, -0.5, 0.75]);
  });

  it('of several is the sum of all over the examples', () => {
    const sums = [
      [1, 2, -1],
      [10, -20, -2],
      [100, 200, 3],
    ];
    expect([...meanOf(8, sums)]).toEqual([111 / 8, 182 / 8, 0]);
  });

  it('is the same for weights of any sizes', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 11 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 3 }), (given, batches) => {
        const ends = given.map((_, index) => given.slice(0, index + 1).reduce((sum, size) => sum + size, 0));
        const weights = given.map((size, index) => ({ shape: [size], size, offset: ends[index] - size }));
        const dimension = ends[ends.length - 1];
        const of = { dimension, prunable: weights } as never;
        const mean = flatSum(executor, of, 1 / 3);
        const flat = Array.from({ length: batches }, (_, batch) =>
          Array.from({ length: dimension }, (_, i) => Math.fround(Math.sin(1 + i + 100 * batch))),
        );
        for (const values of flat) {
          const parts = weights.map(({ offset, size }) => asTensor(values.slice(offset, offset + size)));
          mean.add(Object.fromEntries(parts.map((part, index) => [`g${index}`, part])));
        }
        const sums = Array.from({ length: dimension }, (_, i) =>
          flat.reduce((sum, values) => sum + values[i] * (1 / 3), 0),
        );
        expect([...mean.values]).toEqual(sums);
      }),
    );
  });

  it('is summed in float64', () => {
    expect(
      meanOf(2, [
        [2 ** 24, 0, 0],
        [1, 0, 0],
      ])[0],
    ).toBe((2 ** 24 + 1) / 2);
  });
});
