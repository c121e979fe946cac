import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { batchSizeWithin, measureProductCost, type ProductCost } from '../../src/curvature/product-cost.js';
import { CURVATURES } from '../../src/programs/curvature-products.js';
import { mlpCase, smallConvNet } from '../support/network-cases.js';
import { withProblem } from '../support/problems.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

describe('the cost of a product', () => {
  it('of an MLP counts the passes over its matrices', async () => {
    const mlp = mlpCase('tanh');
    await withProblem(mlp, { seed: 1, examples: 8 }, async ({ network, loss, source }) => {
      const { operationsPerExample } = measureProductCost(network, loss, 'hessian', source);
      // A forward pass takes 2 operations a weight, a backward pass up to twice that, and
      // differentiating both once more up to twice their sum: 6 to 18 a weight.
      const perWeight = operationsPerExample / network.dimension;
      expect(perWeight).toBeGreaterThan(6);
      expect(perWeight).toBeLessThanOrEqual(18);
    });
  });

  it.each(CURVATURES)('of a convolutional network is a positive number (%s)', async (kind) => {
    await withProblem(smallConvNet, { seed: 1, examples: 8 }, async ({ network, loss, source }) => {
      const cost = measureProductCost(network, loss, kind, source);
      // One forward pass of the convolution alone: 6 x 5 positions, 3 x 3 taps, 2 to 3 channels.
      expect(cost.operationsPerExample).toBeGreaterThan(2 * 30 * 9 * 2 * 3);
      expect(cost.bytesPerExample).toBeGreaterThan(4 * 60);
      expect(cost.fixedBytes).toBeGreaterThanOrEqual(0);
    });
  });

  it('grows linearly: it foretells the memory of a larger batch', async () => {
    const peakOf = async (examples: number): Promise<number> =>
      withProblem(smallConvNet, { seed: 1, examples: examples }, async ({ network, loss, source }) => {
        // With fewer than six examples the cost is that of one batch, all of it counted per example.
        const { bytesPerExample, fixedBytes } = measureProductCost(network, loss, 'hessian', source);
        return fixedBytes + examples * bytesPerExample;
      });
    const small = await peakOf(2);
    const large = await peakOf(6);
    const larger = await peakOf(12);
    expect(large).toBeGreaterThan(small);
    expect(larger - large).toBeGreaterThan(0.9 * 6 * ((large - small) / 4));
    expect(larger - large).toBeLessThan(1.1 * 6 * ((large - small) / 4));
  });

  it('is the same whatever the number of examples there are', async () => {
    const costs: ProductCost[] = [];
    for (const examples of [6, 9, 20]) {
      await withProblem(mlpCase('relu'), { seed: 1, examples }, async ({ network, loss, source }) => {
        costs.push(measureProductCost(network, loss, 'ggn', source));
      });
    }
    expect(costs[1]).toEqual(costs[0]);
    expect(costs[2]).toEqual(costs[0]);
  });

  it('is known for a single example', async () => {
    await withProblem(mlpCase('relu'), { seed: 1, examples: 1 }, async ({ network, loss, source }) => {
      const cost = measureProductCost(network, loss, 'hessian', source);
      expect(cost.fixedBytes).toBe(0);
      expect(cost.bytesPerExample).toBeGreaterThan(0);
      expect(cost.operationsPerExample).toBeGreaterThan(0);
    });
  });

  it('leaves no tensors', async () => {
    await withProblem(smallConvNet, { seed: 1, examples: 8 }, async ({ network, loss, source }) => {
      const before = tf.memory().numTensors;
      measureProductCost(network, loss, 'hessian', source);
      expect(tf.memory().numTensors).toBe(before);
    });
  });
});

describe('the batch size within a memory limit', () => {
  const cost: ProductCost = { fixedBytes: 1000, bytesPerExample: 100, operationsPerExample: 1 };

  it.each([
    { examples: 100, limit: 1e9, maximum: 1000, expected: 100 },
    { examples: 100, limit: 1e9, maximum: 64, expected: 50 },
    { examples: 100, limit: 5000, maximum: 64, expected: 34 },
    { examples: 100, limit: 0, maximum: 64, expected: 1 },
    { examples: 1, limit: 1e9, maximum: 64, expected: 1 },
  ])(
    '$expected of $examples examples in $limit bytes, at most $maximum',
    ({ examples, limit, maximum, expected }) => {
      expect(batchSizeWithin(cost, examples, limit, maximum)).toBe(expected);
    },
  );

  it('fits, is at most the maximum, and cuts the examples as evenly and as seldom as possible', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 0, max: 1e7 }),
        fc.integer({ min: 1, max: 4096 }),
        (examples, limit, maximum) => {
          const size = batchSizeWithin(cost, examples, limit, maximum);
          const allowed = Math.max(
            1,
            Math.min(Math.floor((limit - cost.fixedBytes) / cost.bytesPerExample), maximum, examples),
          );
          const batches = Math.ceil(examples / size);
          expect(size).toBeGreaterThanOrEqual(1);
          expect(size).toBeLessThanOrEqual(allowed);
          expect(batches).toBe(Math.ceil(examples / allowed));
          const last = examples - (batches - 1) * size;
          expect(size - last).toBeLessThan(batches);
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });
});
