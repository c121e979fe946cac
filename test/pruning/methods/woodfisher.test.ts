import { inverse, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { type GradientMatrix, gradientMatrix } from '../../../src/pruning/methods/gradient-matrix.js';
import { bestKeptWeights, inverseFisher } from '../../../src/pruning/methods/inverse-fisher.js';
import { plainProducts as products } from '../../../src/pruning/methods/matrix-products.js';
import { woodFisherPruning } from '../../../src/pruning/methods/woodfisher.js';
import { leastSquares } from './support.js';

const DAMPING = 1e-2;
const D = 9;

function gradientsOf(rows: number): GradientMatrix {
  return { rows, columns: D, values: Float32Array.from({ length: rows * D }, (_, i) => Math.sin(1 + i * i)) };
}

function dense({ rows, columns, values }: GradientMatrix): Matrix {
  const g = Matrix.from1DArray(rows, columns, values);
  return g
    .transpose()
    .mmul(g)
    .mul(1 / rows)
    .add(Matrix.eye(columns).mul(DAMPING));
}

const weights = Float32Array.from({ length: D }, (_, i) => Math.cos(3 * i) + 0.1);

describe.each([1, 4, 5, 20])('with %i gradients', (rows) => {
  const gradients = gradientsOf(rows);
  const fisher = dense(gradients);
  const direct = inverse(fisher);

  it("Woodbury's inverse is the direct one", async () => {
    const { apply, diagonal } = await inverseFisher(gradients, DAMPING, products);
    const vector = Float64Array.from(weights);
    const expected = direct.mmul(Matrix.columnVector(vector)).to1DArray();
    apply(vector).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 8);
    });
    (await diagonal()).forEach((value, i) => {
      expect(value).toBeCloseTo(direct.get(i, i), 8);
    });
  });

  it('scores and update are those of OBS, added up', async () => {
    const scores = [...weights].map((weight, i) => weight ** 2 / direct.get(i, i));
    const order = [...scores.keys()].sort((a, b) => scores[a] - scores[b]);
    const pruned = order.slice(0, 4);
    const expected = [...weights];
    for (const q of pruned) {
      for (let i = 0; i < D; i++) {
        expected[i] -= (direct.get(i, q) * weights[q]) / direct.get(q, q);
      }
    }
    const found = await woodFisherPruning(gradients, weights, 4, { damping: DAMPING, block: D, products });
    expected.forEach((value, i) => {
      expect(found.mask[i]).toBe(pruned.includes(i) ? 0 : 1);
      expect(found.weights[i]).toBeCloseTo(pruned.includes(i) ? 0 : value, 5);
    });
  });

  it('blocks are matrices of their own', async () => {
    const found = await woodFisherPruning(gradients, weights, 0, { damping: DAMPING, block: 4, products });
    expect(found.weights).toEqual(weights);
    const blocks = await woodFisherPruning(gradients, weights, 3, { damping: DAMPING, block: 1, products });
    const scores = [...weights].map((weight, i) => weight ** 2 * fisher.get(i, i));
    const order = [...scores.keys()].sort((a, b) => scores[a] - scores[b]);
    expect([...blocks.mask.keys()].filter((i) => blocks.mask[i] === 0)).toEqual(
      order.slice(0, 3).sort((a, b) => a - b),
    );
    // A block of one weight has no others to move.
    order.slice(3).forEach((i) => {
      expect(blocks.weights[i]).toBe(weights[i]);
    });
  });

  it('the best kept weights are the joint OBS update, by the inverse', async () => {
    const mask = Uint8Array.of(1, 0, 1, 1, 0, 0, 1, 1, 0);
    const pruned = [1, 4, 5, 8];
    const multipliers = inverse(direct.selection(pruned, pruned)).mmul(
      Matrix.columnVector(pruned.map((q) => weights[q])),
    );
    const all = [...Array(D).keys()];
    const step = direct.selection(all, pruned).mmul(multipliers);
    const found = await bestKeptWeights({ gradients, weights, ridge: DAMPING, linear: null }, mask, products);
    all.forEach((i) => {
      expect(found[i]).toBeCloseTo(mask[i] === 0 ? 0 : weights[i] - step.get(i, 0), 5);
    });
  });
});

it('refuses gradients that take too much, before they are computed', async () => {
  const { oracle } = leastSquares([[1]], [0], [1]);
  await expect(
    gradientMatrix(oracle, new Float32Array(2 ** 20), { batchSize: 1, count: 1000 }),
  ).rejects.toMatchObject({ code: 'prune/memory' });
});
