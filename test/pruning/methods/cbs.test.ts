import { expect, it } from 'vitest';
import { combinatorialObjective, swapSweeper } from '../../../src/pruning/methods/cbs.js';
import type { GradientMatrix } from '../../../src/pruning/methods/gradient-matrix.js';
import { bestKeptWeights } from '../../../src/pruning/methods/inverse-fisher.js';
import { pruneLowest } from '../../../src/pruning/methods/mask.js';
import { pruningMethods } from '../../../src/pruning/methods/registry.js';
import { leastSquares } from './support.js';

const D = 40;
const ROWS = 25;
const gradients: GradientMatrix = {
  rows: ROWS,
  columns: D,
  values: Float32Array.from({ length: ROWS * D }, (_, i) => Math.sin(1 + i * i) + Math.sin(3 * (i % D))),
};
const weights = Float32Array.from({ length: D }, (_, j) => Math.cos(2 * j * j));

it('the objective is w_P H w_P', () => {
  const mask = new Uint8Array(D).fill(1);
  mask[3] = 0;
  mask[7] = 0;
  let expected = 0;
  for (let row = 0; row < ROWS; row++) {
    const g = (j: number) => gradients.values[row * D + j];
    expected += (weights[3] * g(3) + weights[7] * g(7)) ** 2 / ROWS;
  }
  expect(combinatorialObjective(gradients, weights, mask)).toBeCloseTo(expected, 10);
});

it.each([5, 15, 30])(
  'every sweep lowers the objective and keeps the number of pruned weights, %i',
  (count) => {
    const sweep = swapSweeper(gradients, weights);
    const mask = pruneLowest(Float64Array.from(weights, Math.abs), count);
    const objectives = [combinatorialObjective(gradients, weights, mask)];
    for (let k = 0; k < 50; k++) {
      const swaps = sweep(mask);
      const objective = combinatorialObjective(gradients, weights, mask);
      expect(mask.filter((one) => one === 0).length).toBe(count);
      if (swaps === 0) {
        break;
      }
      // Each swap gains 1e-4 at least.
      expect(objective).toBeLessThan((objectives.at(-1) as number) - 0.99e-4 * swaps);
      objectives.push(objective);
    }
    expect(objectives.length).toBeGreaterThan(1);
  },
);

it('returns a mask no worse in loss than magnitude, and its joint update', async () => {
  const rows = Array.from({ length: ROWS }, (_, i) => [...gradients.values.subarray(i * D, (i + 1) * D)]);
  const targets = rows.map((row, i) => row.reduce((sum, x, j) => sum + x * weights[j], 0) + Math.sin(4 * i));
  const problem = leastSquares(rows, targets, [...weights]);
  const found = await pruningMethods.cbs(problem, { prunedWeights: 12, seed: 0 });
  const lossOf = (mask: Uint8Array) =>
    problem.oracle.loss(
      weights.map((w, i) => w * mask[i]),
      { start: 0, end: ROWS },
    );
  const plain = pruneLowest(Float64Array.from(weights, Math.abs), 12);
  expect(await lossOf(found.mask)).toBeLessThanOrEqual(await lossOf(plain));
  expect(found.mask.filter((one) => one === 0).length).toBe(12);
  expect(found.weights.every((w, i) => found.mask[i] === 1 || w === 0)).toBe(true);
  const other = { gradients, weights, ridge: 1, linear: null };
  expect(found.weights).not.toEqual(await bestKeptWeights(other, found.mask, problem.products));
});
