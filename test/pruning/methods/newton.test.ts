import { Matrix, solve } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { conjugateGradients } from '../../../src/pruning/methods/conjugate-gradients.js';
import type { LossOracle } from '../../../src/pruning/methods/method.js';
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

it('a preconditioner changes the way and not the end', async () => {
  const scales = Float64Array.from({ length: D }, (_, j) => 10 ** -j);
  const stretched = Matrix.mul(hessian, 1);
  scales.forEach((scale, i) => {
    scales.forEach((other, j) => {
      stretched.set(i, j, hessian.get(i, j) / Math.sqrt(scale * other));
    });
  });
  const right = Float64Array.from(trained);
  const apply = async (vector: Float64Array) =>
    Float64Array.from(stretched.mmul(Matrix.columnVector(vector)).to1DArray());
  const expected = solve(stretched, Matrix.columnVector(right)).to1DArray();
  // As many products as there are unknowns: enough for a matrix of condition 1e2, not of 1e8.
  const found = await conjugateGradients(apply, right, D, scales);
  const plain = await conjugateGradients(apply, right, D);
  const error = (values: Float64Array): number =>
    Math.hypot(...expected.map((value, i) => values[i] - value)) / Math.hypot(...expected);
  expect(error(found)).toBeLessThan(1e-6);
  expect(error(plain)).toBeGreaterThan(1e-3);
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
  const step = (oracle: LossOracle, diagonal: Float64Array | null = null) =>
    keptStep({
      oracle,
      range: { start: 0, end: ROWS.length },
      weights: problem.weights,
      mask,
      damping: 0,
      diagonal,
      iterations: 40,
    });

  it.each([null, Float64Array.from(hessian.diagonal())])(
    'reaches the least squares of the kept columns',
    async (diagonal) => {
      const found = await step(problem.oracle, diagonal);
      const sub = x.subMatrixColumn(kept);
      const expected = solve(sub.transpose().mmul(sub), sub.transpose().mmul(Matrix.columnVector(answers)));
      kept.forEach((i, j) => {
        expect(problem.weights[i] + found[i]).toBeCloseTo(expected.get(j, 0), 5);
      });
      expect([found[1], found[4], found[6]]).toEqual([0, 0, 0]);
    },
  );

  it('towards the outputs as they were is the joint OBS update -H_SS^-1 H_SP d_P', async () => {
    const found = await step(await problem.oracle.towards(problem.weights, ROWS.length, 0));
    const removed = Matrix.columnVector(
      [...problem.weights].map((weight, i) => (mask[i] === 0 ? -weight : 0)),
    );
    const pulled = hessian.mmul(removed).mul(-1).selection(kept, [0]);
    const expected = solve(hessian.selection(kept, kept), pulled);
    kept.forEach((i, j) => {
      expect(found[i]).toBeCloseTo(expected.get(j, 0), 6);
    });
  });

  // 400 examples: labels have a share of 400 / 2400.
  it.each([
    ['compensated', compensated, 0],
    ['newton', newton, 1 / 6],
  ] as const)('stages of %s end at the least squares of what is kept', async (_, method, labelShare) => {
    const { mask: found, weights } = await method(problem, { prunedWeights: 3, seed: 0 });
    const left = [...found.keys()].filter((i) => found[i] === 1);
    const outputs = x.mmul(Matrix.columnVector([...problem.weights]));
    const targets = Matrix.add(
      Matrix.mul(outputs, 1 - labelShare),
      Matrix.mul(Matrix.columnVector(answers), labelShare),
    );
    const sub = x.subMatrixColumn(left);
    const expected = solve(sub.transpose().mmul(sub), sub.transpose().mmul(targets));
    // Damping is 1e-2 / 2^19 at the last of the stages.
    expect(left.length).toBe(5);
    left.forEach((i, j) => {
      expect(weights[i]).toBeCloseTo(expected.get(j, 0), 4);
    });
  });
});
