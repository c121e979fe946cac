import { beforeAll, describe, expect, it } from 'vitest';
import { increasePredictor, predictSlice } from '../../src/analysis/slice.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { type CurvatureOperator, curvatureOperator, lossGradient } from '../../src/curvature/products.js';
import { silentProgress } from '../../src/progress.js';
import { pruningDisplacement, rankByMagnitude } from '../../src/pruning/magnitude.js';
import { randomStream } from '../../src/random.js';
import { batchesOf, fixedCheckpoint, problemOf, smallModel } from './support.js';

beforeAll(() => prepareBackend('cpu'));

function dot(left: Float64Array, right: ArrayLike<number>): number {
  return left.reduce((sum, entry, i) => sum + entry * right[i], 0);
}

/** d' H d for a matrix written out. */
function quadraticForm(rows: readonly Float64Array[], d: Float64Array): number {
  return rows.reduce((sum, row, i) => sum + d[i] * dot(row, d), 0);
}

/** A symmetric matrix as an operator that counts its products. */
function matrixOperator(rows: Float64Array[]): CurvatureOperator & { products: number } {
  return {
    kind: 'hessian',
    dim: rows.length,
    products: 0,
    async apply(vector) {
      this.products++;
      return Float64Array.from(rows, (row) => dot(row, vector));
    },
    dispose: () => {},
  };
}

/** A quadratic loss with a positive definite matrix, and everything a prediction of it needs. */
function quadraticProblem(dimension: number, gradientSize: number) {
  const random = randomStream(11, 'quadratic');
  const factor = Array.from({ length: dimension }, () =>
    Float64Array.from({ length: dimension }, () => random.normal() / Math.sqrt(dimension)),
  );
  const rows = factor.map((row) => Float64Array.from(factor, (other) => dot(row, other)));
  const operator = matrixOperator(rows);
  const gradient = Float64Array.from({ length: dimension }, () => gradientSize * random.normal());
  const weights = Float32Array.from({ length: dimension }, () => random.normal());
  return { rows, operator, gradient, weights, ranking: rankByMagnitude(weights) };
}

describe('increasePredictor', () => {
  it("is g' d + 1/2 d' H d with the matrix written out", async () => {
    const problem = await problemOf(await fixedCheckpoint(smallModel()), { count: 20, shape: [4] });
    const { network, loss } = problem;
    const lossProblem = { network, loss, batches: batchesOf(problem, 8) };
    const { gradient } = await lossGradient(lossProblem, network.weights);
    const operator = curvatureOperator(lossProblem, 'hessian');
    const rows: Float64Array[] = [];
    for (let i = 0; i < network.dimension; i++) {
      const unit = new Float64Array(network.dimension);
      unit[i] = 1;
      rows.push(await operator.apply(unit));
    }
    const ranking = rankByMagnitude(network.weights);
    const predict = increasePredictor(operator, gradient, network.weights, ranking);
    for (let n = 0; n <= network.dimension; n++) {
      const d = Float64Array.from(pruningDisplacement(network.weights, ranking, n));
      const { gradientTerm, curvatureTerm } = await predict(n / network.dimension);
      expect(gradientTerm).toBeCloseTo(dot(gradient, d), 12);
      expect(curvatureTerm).toBeCloseTo(quadraticForm(rows, d) / 2, 5);
    }
    operator.dispose();
  });

  it('takes one product a count, none twice and none for nothing', async () => {
    const { operator, gradient, weights, ranking } = quadraticProblem(20, 0.1);
    let told = 0;
    const predict = increasePredictor(operator, gradient, weights, ranking, () => {
      told++;
    });
    expect(await predict(0)).toEqual({ gradientTerm: 0, curvatureTerm: 0 });
    expect(await predict(0.049)).toEqual({ gradientTerm: 0, curvatureTerm: 0 });
    expect(operator.products).toBe(0);
    await Promise.all([predict(0.5), predict(0.5), predict(0.51)]);
    await predict(0.5);
    expect([operator.products, told]).toEqual([1, 1]);
    await predict(0.55);
    expect([operator.products, told]).toEqual([2, 2]);
  });
});

describe('predictSlice', () => {
  const dimension = 60;

  it.each([0, 0.01, 0.2])('is the brute-force limit of a quadratic loss, gradient %f', async (size) => {
    const { rows, operator, gradient, weights, ranking } = quadraticProblem(dimension, size);
    const predict = increasePredictor(operator, gradient, weights, ranking);
    const increases = Array.from({ length: dimension + 1 }, (_, n) => {
      const d = Float64Array.from(pruningDisplacement(weights, ranking, n));
      return dot(gradient, d) + quadraticForm(rows, d) / 2;
    });
    for (const epsilon of [1e-4, 0.01, 0.1, 1, 100]) {
      const firstFailure = increases.findIndex((increase) => increase > epsilon);
      const slice = await predictSlice(predict, epsilon, 1, silentProgress);
      // The last thousandth before the fraction at which so many weights are pruned.
      const exact = firstFailure < 0 ? 1 : (Math.ceil((1000 * firstFailure) / dimension - 1e-9) - 1) / 1000;
      expect(slice.prunedFraction).toBe(exact);
      expect(slice.capped).toBe(firstFailure < 0);
    }
    expect(operator.products).toBeLessThanOrEqual(dimension);
  });

  it('says how much of the increase is the gradient, and what it tried', async () => {
    const { operator, gradient, weights, ranking } = quadraticProblem(dimension, 0.3);
    const predict = increasePredictor(operator, gradient, weights, ranking);
    const { gradientTerm, curvatureTerm } = await predict(0.5);
    const slice = await predictSlice(predict, 1e6, 0.5, silentProgress);
    expect(slice.gradientShare).toBe(Math.abs(gradientTerm) / (Math.abs(gradientTerm) + curvatureTerm));
    expect(slice).toMatchObject({ prunedFraction: 0.5, capped: true });
    expect(slice.tried.at(-1)).toEqual({ fraction: 0.5, measure: { gradientTerm, curvatureTerm } });
    const nothing = await predictSlice(predict, 1e-30, 1, silentProgress);
    expect(nothing).toMatchObject({
      prunedFraction: 0.016,
      firstFailureFraction: 0.017,
      gradientShare: null,
    });
  });

  it('takes no product where all that is pruned is zero already', async () => {
    const { operator, gradient, weights, ranking } = quadraticProblem(dimension, 0.1);
    for (const index of ranking.order.subarray(0, 30)) {
      weights[index] = 0;
    }
    const predict = increasePredictor(operator, gradient, weights, ranking);
    await Promise.all([0.1, 0.3, 0.5].map(predict));
    expect(operator.products).toBe(0);
    await predict(31 / dimension);
    expect(operator.products).toBe(1);
  });
});
