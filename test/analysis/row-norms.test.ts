import { beforeAll, describe, expect, it } from 'vitest';
import { measureRowNorms, quantileWeights, rowNormsReport } from '../../src/analysis/row-norms.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { curvatureOperator } from '../../src/curvature/products.js';
import { silentProgress } from '../../src/progress.js';
import { rankByMagnitude } from '../../src/pruning/magnitude.js';
import { batchesOf, fixedCheckpoint, problemOf, smallModel } from './support.js';

beforeAll(() => prepareBackend('cpu'));

describe('quantileWeights', () => {
  it('are those of the n-th smallest magnitude, n = max(1, ceil(p D))', () => {
    const weights = Float32Array.of(0.5, -0.1, 0.3, 0.2, -0.4);
    // p = 0, 1/4, 1/2, 3/4: n = 1, 2, 3, 4.
    expect([...quantileWeights(weights, rankByMagnitude(weights), 4)]).toEqual([1, 3, 2, 4]);
  });

  it('are the first of equal magnitudes', () => {
    const weights = Float32Array.of(0.2, 0, -0.2, 0, 0.2, 0);
    // p = 0, 1/3, 2/3: n = 1, 2, 4.
    expect([...quantileWeights(weights, rankByMagnitude(weights), 3)]).toEqual([1, 1, 0]);
  });
});

describe('norms of rows', () => {
  it('of a given matrix are the sums of magnitudes', async () => {
    const matrix = [
      [2, -1, 0],
      [-1, 3, 0.5],
      [0, 0.5, -4],
    ];
    let products = 0;
    const operator = {
      dim: 3,
      apply: async (vector: ArrayLike<number>) => {
        products++;
        return Float64Array.from(matrix, (row) => row.reduce((sum, entry, j) => sum + entry * vector[j]!, 0));
      },
    };
    const weights = Float32Array.of(0.1, 0.3, 0.2);
    const rows = await measureRowNorms(operator, weights, rankByMagnitude(weights), 6, silentProgress);
    // n = 1, 1, 1, 2, 2, 3: weights 0, 0, 0, 2, 2, 1.
    expect(rows).toEqual([
      { index: 0, norm: 3 },
      { index: 0, norm: 3 },
      { index: 0, norm: 3 },
      { index: 2, norm: 4.5 },
      { index: 2, norm: 4.5 },
      { index: 1, norm: 4.5 },
    ]);
    expect(products).toBe(3);
  });

  it('of a network are those of its Hessian, formed column by column', async () => {
    const problem = await problemOf(await fixedCheckpoint(smallModel(3, 4, 2)), { count: 6, shape: [3] });
    const { network, loss } = problem;
    const operator = curvatureOperator({ network, loss, batches: batchesOf(problem) }, 'hessian');
    try {
      const columns: Float64Array[] = [];
      for (let j = 0; j < network.dimension; j++) {
        columns.push(
          await operator.apply(Float64Array.from({ length: network.dimension }, (_, i) => +(i === j))),
        );
      }
      const ranking = rankByMagnitude(network.weights);
      const rows = await measureRowNorms(
        operator,
        network.weights,
        ranking,
        network.dimension,
        silentProgress,
      );
      expect(new Set(rows.map(({ index }) => index)).size).toBeGreaterThan(network.dimension / 2);
      for (const { index, norm } of rows) {
        const expected = columns.reduce((sum, column) => sum + Math.abs(column[index]), 0);
        expect(Math.abs(norm - expected)).toBeLessThan(1e-5 * (1 + expected));
      }
    } finally {
      operator.dispose();
    }
  });
});

describe('the report of rows', () => {
  const network = {
    prunable: [
      { name: 'a', checkpointName: 'a', shape: [2], offset: 0, size: 2 },
      { name: 'b', checkpointName: 'b', shape: [2], offset: 2, size: 2 },
    ],
    weights: Float32Array.of(0.1, -0.2, 0.3, -0.4),
  };
  const reportOf = (norms: number[]) =>
    rowNormsReport(
      network,
      norms.map((norm, index) => ({ index, norm })),
    );

  it('names weights and counts dead rows by both rules', () => {
    const { rows, mean, dead, products } = reportOf([0, 1e-5, 2e-3, 4]);
    expect(rows[3]).toEqual({
      pruned: 0.75,
      weight: 'b',
      index: 1,
      magnitude: expect.closeTo(0.4, 6),
      norm: 4,
    });
    expect(products).toBe(4);
    expect(mean).toBeCloseTo(1.0005025, 12);
    // Below 1.0005e-3; below 1e-7 x 50,000 / 391 = 1.2788e-5.
    expect(dead.scaleFree).toEqual({ threshold: mean / 1000, share: 0.5 });
    expect(dead.paper.threshold).toBeCloseTo(1.2788e-5, 9);
    expect(dead.paper.share).toBe(0.5);
  });

  it('has nothing but dead rows where all are 0', () => {
    expect(reportOf([0, 0, 0, 0]).dead).toMatchObject({ scaleFree: { share: 1 }, paper: { share: 1 } });
  });

  it('has the same scale-free share whatever the scale of the loss', () => {
    for (const scale of [1e-12, 1, 1e9]) {
      expect(reportOf([0, 1e-5, 2e-3, 4].map((norm) => norm * scale)).dead.scaleFree.share).toBe(0.5);
    }
  });
});
