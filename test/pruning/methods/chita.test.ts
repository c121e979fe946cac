import { Matrix, solve } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { chitaObjective, chitaPruning } from '../../../src/pruning/methods/chita.js';
import { bestKeptWeights, type FisherModel } from '../../../src/pruning/methods/inverse-fisher.js';
import { plainProducts } from '../../../src/pruning/methods/matrix-products.js';

const D = 8;
const ROWS = 30;
const values = Float32Array.from(
  { length: ROWS * D },
  (_, i) => Math.sin((Math.floor(i / D) + 1) * ((i % D) + 2) * 1.7) + Math.sin(3.1 * Math.floor(i / D)),
);
const weights = Float32Array.from({ length: D }, (_, j) => Math.cos(2 * j) + 0.2);

function subsets(size: number, from = 0): number[][] {
  if (size === 0) {
    return [[]];
  }
  const result: number[][] = [];
  for (let first = from; first < D; first++) {
    result.push(...subsets(size - 1, first + 1).map((rest) => [first, ...rest]));
  }
  return result;
}

describe.each([false, true])('CHITA, first-order term %s', (withLinear) => {
  const problem: FisherModel = {
    gradients: { rows: ROWS, columns: D, values },
    weights,
    ridge: 0.05,
    linear: withLinear ? Float64Array.from({ length: D }, (_, j) => 0.1 * Math.sin(j)) : null,
  };

  it('has the kept weights of least objective, by a direct solve', async () => {
    const { mask, weights: found } = await chitaPruning(problem, 3, plainProducts);
    const kept = [...mask.keys()].filter((i) => mask[i] === 1);
    const x = Matrix.from1DArray(ROWS, D, values);
    const hessian = x
      .transpose()
      .mmul(x)
      .mul(1 / ROWS)
      .add(Matrix.eye(D).mul(0.05));
    const right = hessian.mmul(Matrix.columnVector(weights));
    kept.forEach((i) => {
      right.set(i, 0, right.get(i, 0) - (problem.linear?.[i] ?? 0));
    });
    const expected = solve(hessian.selection(kept, kept), right.selection(kept, [0]));
    kept.forEach((i, j) => {
      expect(found[i]).toBeCloseTo(expected.get(j, 0), 5);
    });
    expect(mask.reduce((sum, one) => sum + one, 0)).toBe(D - 3);
  });

  it.each([1, 2, 4, 6])(
    'is no worse than the mask of magnitudes, and near the best of all, %i pruned',
    async (count) => {
      const objectiveOf = async (pruned: readonly number[]): Promise<number> => {
        const mask = Uint8Array.from({ length: D }, (_, i) => (pruned.includes(i) ? 0 : 1));
        return chitaObjective(problem, await bestKeptWeights(problem, mask, plainProducts));
      };
      const order = [...weights.keys()].sort((a, b) => Math.abs(weights[a]) - Math.abs(weights[b]));
      const { weights: solved } = await chitaPruning(problem, count, plainProducts);
      const found = chitaObjective(problem, solved);
      const alone = weights.map((weight, i) => (order.slice(0, count).includes(i) ? 0 : weight));
      expect(found).toBeLessThan(chitaObjective(problem, alone));
      const least = Math.min(...(await Promise.all(subsets(count).map(objectiveOf))));
      expect(found).toBeGreaterThanOrEqual(least - 1e-6);
    },
  );

  it.each([2, 4, 6])(
    'every step lowers the objective, and so does the solve at the end, %i pruned',
    async (count) => {
      const objectives: number[] = [];
      const { weights: solved } = await chitaPruning(problem, count, plainProducts, null, (iterate) => {
        expect(iterate.filter((value) => value === 0)).toHaveLength(count);
        objectives.push(chitaObjective(problem, iterate));
      });
      expect(objectives.length).toBeGreaterThan(1);
      objectives.slice(1).forEach((objective, i) => {
        // The last may stop where no step lowers it.
        const falls = i < objectives.length - 2 ? objective < objectives[i] : objective <= objectives[i];
        expect([i, falls]).toEqual([i, true]);
      });
      // Rounded to float32.
      expect(chitaObjective(problem, solved)).toBeLessThanOrEqual((objectives.at(-1) as number) + 1e-6);
    },
  );

  it('holds what is pruned already', async () => {
    const held = Uint8Array.of(1, 1, 0, 1, 1, 0, 1, 1);
    const pruned = { ...problem, weights: weights.map((w, i) => w * held[i]) };
    const { mask } = await chitaPruning(pruned, 4, plainProducts, held);
    expect([mask[2], mask[5]]).toEqual([0, 0]);
    expect(mask.filter((one) => one === 0).length).toBe(4);
  });
});
