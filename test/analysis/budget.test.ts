import { totalmem } from 'node:os';
import { dispose, profile, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { chooseLanczosSizes, chooseWorkSizes } from '../../src/analysis/budget.js';
import { requireRoom, tensorMemory } from '../../src/analysis/memory.js';
import type { Problem } from '../../src/analysis/problem.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { weightTensors } from '../../src/network/network.js';
import { createBatches } from '../../src/programs/batches.js';
import { batchProducts } from '../../src/programs/curvature-products.js';
import { tensorBatch } from '../support/problems.js';
import { configWith, fixedCheckpoint, problemOf, smallModel } from './support.js';

beforeAll(() => prepareBackend('cpu'));

async function mlpProblem(count: number): Promise<Problem> {
  return problemOf(await fixedCheckpoint(smallModel(20, 30, 5)), { count, shape: [20] });
}

/** Memory that a product over one batch really takes at its highest. */
async function peakBytes({ network, loss, train }: Problem, batchSize: number): Promise<number> {
  const weights = weightTensors(network, network.weights);
  const batches = createBatches({ ...train, count: batchSize }, network.outputs, { batchSize, keepBytes: 0 });
  let peak = 0;
  await batches.forEach(async (batch) => {
    const used = await profile(() =>
      tidy(() => batchProducts.hessian(network, loss, tensorBatch(batch), weights)(...weights)),
    );
    dispose(used.result as Tensor[]);
    peak = used.peakBytes;
  });
  dispose(weights);
  return peak;
}

describe('chooseWorkSizes', () => {
  it.each([3e5, 1e6, 1e7])('a product stays within half of %d bytes', async (memoryLimitBytes) => {
    const problem = await mlpProblem(5000);
    const { productBatch, evaluationBatch, keepBytes } = chooseWorkSizes(
      problem,
      configWith({ memoryLimitBytes }),
    );
    expect(productBatch).toBeLessThan(5000);
    expect(await peakBytes(problem, productBatch)).toBeLessThanOrEqual(1.05 * (memoryLimitBytes / 2));
    expect(evaluationBatch).toBeLessThanOrEqual(1000);
    expect(2 * keepBytes).toBeLessThanOrEqual(memoryLimitBytes / 4);
  });

  it('a convolutional network too', async () => {
    const model = sequential({
      layers: [
        layers.conv2d({
          filters: 4,
          kernelSize: 3,
          inputShape: [8, 8, 2],
          padding: 'same',
          activation: 'relu',
        }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.flatten(),
        layers.dense({ units: 3 }),
      ],
    });
    const problem = await problemOf(await fixedCheckpoint(model), { count: 400, shape: [8, 8, 2] });
    const { productBatch } = chooseWorkSizes(problem, configWith({ memoryLimitBytes: 2e6 }));
    expect(productBatch).toBeGreaterThan(1);
    expect(await peakBytes(problem, productBatch)).toBeLessThanOrEqual(1.05e6);
  });

  it('takes one example at a time where not even one fits', async () => {
    const sizes = chooseWorkSizes(await mlpProblem(50), configWith({ memoryLimitBytes: 1000 }));
    expect([sizes.productBatch, sizes.evaluationBatch]).toEqual([1, 1]);
  });

  it.each([1, 2, 5, 7])('%i examples are one batch', async (count) => {
    const sizes = chooseWorkSizes(await mlpProblem(count), configWith());
    expect(sizes.productBatch).toBe(count);
  });

  it('is the same in every run', async () => {
    const problem = await mlpProblem(300);
    const config = configWith({ memoryLimitBytes: 1e6 });
    expect(chooseWorkSizes(problem, config)).toEqual(await chooseWorkSizes(problem, config));
  });
});

describe('tensorMemory', () => {
  it('is the limit less what the process takes itself, an eighth of a small limit', () => {
    expect(tensorMemory({ memoryLimitBytes: 2 ** 30 })).toBe(2 ** 30 - 2 ** 27);
    expect(tensorMemory({ memoryLimitBytes: 8e6 })).toBe(7e6);
  });

  it('is below half of the machine without a limit', () => {
    expect(tensorMemory({ memoryLimitBytes: null })).toBeLessThan(totalmem() / 2);
  });
});

describe('requireRoom', () => {
  it.each([
    ['7 KiB take a limit of 8 KiB', 7 * 2 ** 10, '8K'],
    ['a byte more is rounded up', 7 * 2 ** 10 + 1, '9K'],
    ['70 MiB', 70 * 2 ** 20, '80M'],
    ['from 1 GiB on the own part is 128 MiB', 3 * 2 ** 30, '3200M'],
    ['and said in the largest unit that fits', 11 * 2 ** 30 - 2 ** 27, '11G'],
  ])('%s', (_, leastBytes, least) => {
    const size = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[least.slice(-1)]!;
    const limit = size * Number.parseInt(least, 10);
    requireRoom({ memoryLimitBytes: limit }, leastBytes);
    requireRoom({ memoryLimitBytes: null }, Number.POSITIVE_INFINITY);
    expect(() => requireRoom({ memoryLimitBytes: limit - size }, leastBytes)).toThrow(
      `give at least --memory-limit ${least}`,
    );
  });
});

describe('the number of probes', () => {
  it('is one for many weights, two for few, or the one asked for', () => {
    const probes = (dimension: number, asked: number | null, tolerancePoints = 0.5) =>
      chooseLanczosSizes(configWith({ probes: asked, tolerancePoints }), dimension, 1e9, 1e12, 1).probes;
    expect([probes(400_000, null), probes(266_200, null)]).toEqual([1, 2]);
    expect(probes(400_000, null, 0.1)).toBe(2);
    expect([probes(266_200, 3), probes(10, 1)]).toEqual([3, 1]);
    // What is known beforehand is about the Gaussian-width limit.
    const sharp = configWith({ probes: null, bound: 'sharp' });
    expect(chooseLanczosSizes(sharp, 1e9, 1e9, 1e12, 1).probes).toBe(2);
  });
});

describe('reorthogonalisation', () => {
  it('where it costs little beside the products, or little altogether', () => {
    const chosen = (dimension: number, productOperations: number, steps = 300) =>
      chooseLanczosSizes(configWith({ probes: 2, steps }), dimension, productOperations, 1e12, 10)
        .reorthogonalization;
    // Vectors of 4 million weights: 3.2e8 operations a step, ten times as slow, against 90 % of the product.
    expect(chosen(4e6, 3.5e9)).toBe('none');
    expect(chosen(4e6, 3.6e9)).toBe('full');
    expect(chosen(4e6, 1, 2)).toBe('full');
    expect(chosen(1e5, 1)).toBe('full');
  });

  it('only where the basis fits beside the tensors of a product', async () => {
    const problem = await mlpProblem(20_000);
    const basisValues = 2 * 300 * problem.network.dimension; // 2 probes of 300 steps
    const seen: string[] = [];
    for (let megabytes = 1; megabytes <= 64; megabytes *= 2) {
      const memoryLimitBytes = megabytes * 1e6;
      const sizes = chooseWorkSizes(problem, configWith({ probes: 2, steps: 300, memoryLimitBytes }));
      const { cost, productBatch, keepBytes, reorthogonalization } = sizes;
      const productBytes = cost.fixedBytes + productBatch * cost.bytesPerExample;
      const left = tensorMemory({ memoryLimitBytes }) - 2 * keepBytes - productBytes;
      expect(reorthogonalization).toBe(4 * basisValues <= left ? 'full' : 'none');
      seen.push(reorthogonalization);
    }
    expect(seen[0]).toBe('none');
    expect(seen.at(-1)).toBe('full');
  });

  it.each(['full', 'none'] as const)('%s where it is asked for', async (reorthogonalization) => {
    for (const count of [10, 5000]) {
      const sizes = chooseWorkSizes(await mlpProblem(count), configWith({ reorthogonalization }));
      expect(sizes.reorthogonalization).toBe(reorthogonalization);
    }
  });
});
