import { memory, tensor1d, tensor2d, variable } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { createMomentumOptimizer } from '../../src/training/sgd.js';

beforeAll(async () => {
  await prepareBackend('cpu');
});

describe('createMomentumOptimizer', () => {
  it('gives the sequence computed by hand, the rate acting on the velocity', () => {
    const before = memory().numTensors;
    const start = tensor1d([1, -2]);
    const weight = { name: 'bias', variable: variable(start), prunable: false };
    const optimizer = createMomentumOptimizer([weight], { momentum: 0.5, l1: 1, l2: 1 });
    const reached: number[][] = [];
    for (const [gradient, rate] of [
      [[1, 2], 0.1],
      [[3, -2], 0.1],
      [[0, 0], 0.2],
    ] as const) {
      optimizer.step([tensor1d([...gradient])], rate);
      reached.push([...weight.variable.dataSync()]);
    }
    // v: (1, 2), (3.5, -1), (1.75, -0.5); not penalised, as it is not prunable.
    const expected = [
      [0.9, -2.2],
      [0.55, -2.1],
      [0.2, -2],
    ];
    reached.flat().forEach((value, index) => {
      expect(value).toBeCloseTo(expected.flat()[index], 6);
    });
    optimizer.dispose();
    weight.variable.dispose();
    start.dispose();
    expect(memory().numTensors).toBe(before);
  });

  it('adds l1 sign(w) and l2 w to the gradient of a prunable weight, nothing at w = 0', () => {
    const start = tensor2d([[0.5, -0.25, 0]]);
    const weight = { name: 'kernel', variable: variable(start), prunable: true };
    const optimizer = createMomentumOptimizer([weight], { momentum: 0, l1: 0.1, l2: 0.4 });
    optimizer.step([tensor2d([[1, 1, 0]])], 0.5);
    const expected = [0.5 - 0.5 * (1 + 0.1 + 0.2), -0.25 - 0.5 * (1 - 0.1 - 0.1), 0];
    weight.variable.dataSync().forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index], 6);
    });
    optimizer.dispose();
    weight.variable.dispose();
    start.dispose();
  });
});
