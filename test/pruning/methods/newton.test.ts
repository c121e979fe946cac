import { Matrix, solve } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { conjugateGradients } from '../../../src/pruning/methods/conjugate-gradients.js';
import { compensated, keptStep, newton } from '../../../src/pruning/methods/newton.js';
import { cubicStages } from '../../../src/pruning/methods/stages.js';
import { leastSquares } from './support.js';

const D = 8;
const ROWS = Array.from({ length: 400 }, (_, i) =>
  Array.from({ length: D }, (_, j) => Math.sin((i + 1) * (j + 2) * 1.7) + Math.sin(3.1 * i)),
);
const trained = Array.from({ length: D }, (_, j) => Math.cos(2 * j) + 0.2);
const answers = ROWS.map(
  (row, i) => row.reduce((sum, x, j) => sum + x * trained[j], 0) + 0.1 * Math.sin(5 * i),
);
const x = new Matrix(ROWS);
const hessian = x
  .transpose()
  .mmul(x)
  .mul(1 / ROWS.length);

it('conjugate gradients solve what a direct solve does', async () => {
  const damped = Matrix.add(hessian, Matrix.eye(D).mul(0.1));
  const right = Float64Array.from(trained);
  const apply = async (vector: Float64Array) =>
    Float64Array.from(damped.mmul(Matrix.columnVector(vector)).to1DArray());
  const found = await conjugateGradients(apply, right, 30);
  const expected = solve(damped, Matrix.columnVector(right)).to1DArray();
  found.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i], 7);
  });
});

it('stages rise by the cubic rule to the target', () => {
  // s = .9, s_0 = .1, T = 4: .9 - .8 (.75^3, .5^3, .25^3) = .5625, .8, .8875.
  expect(cubicStages(900, 1000, 4, 0.1)).toEqual([562, 800, 887, 900]);
  expect(cubicStages(50, 1000, 2, 0.1)).toEqual([50, 50]);
});

describe('the step of the kept weights', () => {
  const problem = leastSquares(ROWS, answers, trained);
  const mask = Uint8Array.of(1, 0, 1, 1, 0, 1, 0, 1);
  const kept = [0, 2, 3, 5, 7];
  const step = (withGradient: boolean) =>
    keptStep({
      oracle: problem.oracle,
      range: { start: 0, end: ROWS.length },
      weights: problem.weights,
      mask,
      damping: 0,
      iterations: 40,
      withGradient,
    });

  it('with the gradient reaches the least squares of the kept columns', async () => {
    const found = await step(true);
    const sub = x.subMatrixColumn(kept);
    const expected = solve(sub.transpose().mmul(sub), sub.transpose().mmul(Matrix.columnVector(answers)));
    kept.forEach((i, j) => {
      expect(problem.weights[i] + found[i]).toBeCloseTo(expected.get(j, 0), 5);
    });
    expect([found[1], found[4], found[6]]).toEqual([0, 0, 0]);
  });

  it('without it is the joint OBS update -H_SS^-1 H_SP d_P', async () => {
    const found = await step(false);
    const removed = Matrix.columnVector(
      [...problem.weights].map((weight, i) => (mask[i] === 0 ? -weight : 0)),
    );
    const pulled = hessian.mmul(removed).mul(-1).selection(kept, [0]);
    const expected = solve(hessian.selection(kept, kept), pulled);
    kept.forEach((i, j) => {
      expect(found[i]).toBeCloseTo(expected.get(j, 0), 6);
    });
  });

  it.each([newton, compensated])('stages end with a lower loss than pruning alone', async (method) => {
    const range = { start: 0, end: ROWS.length };
    const found = await method(problem, { prunedWeights: 5, seed: 0 });
    const alone = problem.weights.map((weight, i) => weight * found.mask[i]);
    expect(found.mask.filter((one) => one === 0).length).toBe(5);
    expect(await problem.oracle.loss(found.weights, range)).toBeLessThan(
      await problem.oracle.loss(alone, range),
    );
  });
});
