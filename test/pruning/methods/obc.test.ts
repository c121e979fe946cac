import { layers, sequential } from '@tensorflow/tfjs-layers';
import { inverse, Matrix, solve } from 'ml-matrix';
import { beforeAll, describe, expect, it } from 'vitest';
import { openPruningOracle } from '../../../src/analysis/pruning-oracle.js';
import { resourceScope } from '../../../src/analysis/resources.js';
import { prepareBackend } from '../../../src/compute/backend.js';
import { plainProducts } from '../../../src/pruning/methods/matrix-products.js';
import { obc } from '../../../src/pruning/methods/obc.js';
import {
  layerCurvature,
  mergeTraces,
  pruneRow,
  pruneRows,
} from '../../../src/pruning/methods/optimal-brain-surgeon.js';
import { pruningMethods } from '../../../src/pruning/methods/registry.js';
import { fixedCheckpoint, problemOf, smallModel } from '../../analysis/support.js';
import { leastSquares } from './support.js';

const D = 7;
const inputs = new Matrix(
  Array.from({ length: 40 }, (_, i) =>
    Array.from({ length: D }, (_, j) => Math.sin((i + 1) * (j + 2) * 1.7) + 0.7 * Math.sin(3.1 * i)),
  ),
);
const hessian = inputs
  .transpose()
  .mmul(inputs)
  .mul(2 / 40);
const gram = Float64Array.from(hessian.to1DArray());
const row = Float64Array.from({ length: D }, (_, j) => Math.cos(2 * j) + 0.2);

/** 1/2 (w - w0)' H (w - w0). */
function increase(at: ArrayLike<number>, from: Float64Array, matrix = hessian): number {
  const step = Matrix.columnVector(Array.from(from, (weight, i) => at[i] - weight));
  return step.transpose().mmul(matrix).mmul(step).get(0, 0) / 2;
}

/** The minimiser of that with the pruned weights 0. */
function best(pruned: readonly number[], from: Float64Array): number[] {
  const kept = [...from.keys()].filter((i) => !pruned.includes(i));
  const result = new Array<number>(from.length).fill(0);
  if (kept.length > 0) {
    const right = hessian.mmul(Matrix.columnVector(from)).selection(kept, [0]);
    const solved = solve(hessian.selection(kept, kept), right);
    kept.forEach((i, j) => {
      result[i] = solved.get(j, 0);
    });
  }
  return result;
}

describe('a row', () => {
  const { inverse: inverted, damping } = layerCurvature(gram, D);

  it('has the inverse of its matrix', () => {
    expect(damping).toBe(0);
    inverse(hessian)
      .to1DArray()
      .forEach((value, i) => {
        expect(inverted[i]).toBeCloseTo(value, 9);
      });
  });

  it.each([1, 2, 3, 4, 5, 6, 7])('ends at the least squares of what is kept, %i pruned', (count) => {
    const found = pruneRow(inverted, row, count);
    best([...found.order], row).forEach((value, i) => {
      expect(found.weights[i]).toBeCloseTo(value, 9);
    });
    const sum = found.increments.reduce((total, value) => total + value, 0);
    expect(sum).toBeCloseTo(increase(found.weights, row), 9);
  });

  it('prunes the weight whose loss costs least, every time', () => {
    const { order } = pruneRow(inverted, row, D);
    order.forEach((pruned, step) => {
      const before = [...order.subarray(0, step)];
      const left = [...row.keys()].filter((i) => !before.includes(i));
      const costs = left.map((q) => increase(best([...before, q], row), row));
      expect(left[costs.indexOf(Math.min(...costs))]).toBe(pruned);
    });
  });
});

it('rows give up weights by the smallest next increment, of equal ones the first', () => {
  const traces = [
    [1, 2, 9],
    [3, 0],
    [1, 4],
  ].map((trace) => Float64Array.from(trace));
  const taken = (count: number): number[] => [...mergeTraces(traces, count)];
  expect(taken(0)).toEqual([0, 0, 0]);
  expect(taken(1)).toEqual([1, 0, 0]);
  expect(taken(2)).toEqual([1, 0, 1]);
  expect(taken(3)).toEqual([2, 0, 1]);
  // 3 comes first, then the 0 behind it.
  expect(taken(5)).toEqual([2, 2, 1]);
  expect(taken(7)).toEqual([3, 2, 2]);
});

it('dead inputs lose their weights first, and others are as without them', () => {
  const wide = new Float64Array((D + 1) ** 2);
  for (let i = 0; i < D; i++) {
    wide.set(gram.subarray(i * D, (i + 1) * D), i * (D + 1));
  }
  const curvature = layerCurvature(wide, D + 1);
  expect([...curvature.dead]).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
  const [found] = pruneRows(curvature, [Float64Array.of(...row, 100)], 3);
  const narrow = pruneRow(layerCurvature(gram, D).inverse, row, 2);
  expect([...found.order]).toEqual([D, ...narrow.order]);
  narrow.weights.forEach((value, i) => {
    expect(found.weights[i]).toBeCloseTo(value, 9);
  });
});

it('a singular matrix gets 1 on its diagonal', () => {
  // Two inputs that are always equal: H = [[2, 2], [2, 2]], and H + I = [[3, 2], [2, 3]] has the inverse [3, -2; -2, 3] / 5.
  const { inverse: damped, damping } = layerCurvature(Float64Array.of(2, 2, 2, 2), 2);
  expect(damping).toBe(1);
  [0.6, -0.4, -0.4, 0.6].forEach((value, i) => {
    expect(damped[i]).toBeCloseTo(value, 12);
  });
});

describe('a network', () => {
  beforeAll(() => prepareBackend('cpu'));

  it('is pruned layer by layer, as much as by magnitude, with the inputs that its layers get', async () => {
    const setting = await problemOf(await fixedCheckpoint(smallModel()), { count: 70, shape: [4] });
    const { network, train } = setting;
    await resourceScope(async (scope) => {
      const { oracle, cost } = await openPruningOracle(setting, scope, () => {});
      const { weights, prunable } = network;
      const moments = await oracle.layerInputs(weights, { start: 0, end: 70 });
      const x = Matrix.from1DArray(70, 4, train.inputs(0, 70));
      // Biases of `fixedCheckpoint` are the second weight: sin(1 + 3 i + 7) / sqrt 6.
      const bias = Array.from({ length: 6 }, (_, i) => Math.sin(8 + 3 * i) / Math.sqrt(6));
      const hidden = x.mmul(Matrix.from1DArray(4, 6, weights.subarray(0, 24)));
      const activity = new Matrix(
        hidden.to2DArray().map((values) => values.map((value, j) => Math.tanh(value + bias[j]))),
      );
      [x, activity].forEach((layer, index) => {
        const expected = layer
          .transpose()
          .mmul(layer)
          .mul(2 / 70)
          .to1DArray();
        expect(moments[index]).toMatchObject({ columns: layer.columns, inputAxis: 0 });
        expected.forEach((value, i) => {
          expect(moments[index]?.gram[i]).toBeCloseTo(value, 5);
        });
      });
      expect(cost()).toEqual({ gradients: 70 / 3, distinctExamples: 70 });
      const problem = { weights, layers: prunable, oracle, products: plainProducts };
      const target = { prunedWeights: 20, seed: 0 };
      const [found, magnitude] = [
        await obc(problem, target),
        await pruningMethods.magnitude(problem, target),
      ];
      const keptIn = (mask: Uint8Array) =>
        prunable.map(({ offset, size }) => mask.subarray(offset, offset + size).reduce((a, b) => a + b, 0));
      expect(keptIn(found.mask)).toEqual(keptIn(magnitude.mask));
      expect(found.weights.every((w, i) => found.mask[i] === 1 || w === 0)).toBe(true);
      // Every output of the first layer: the least squares of the inputs that it keeps.
      const matrix = new Matrix(
        moments[0] ? [0, 1, 2, 3].map((i) => [...moments[0]!.gram.subarray(4 * i, 4 * i + 4)]) : [],
      );
      for (let unit = 0; unit < 6; unit++) {
        const places = [0, 1, 2, 3].map((i) => 6 * i + unit);
        const kept = [0, 1, 2, 3].filter((i) => found.mask[places[i]] === 1);
        if (kept.length > 0) {
          const right = matrix.mmul(Matrix.columnVector(places.map((i) => weights[i]))).selection(kept, [0]);
          const solved = solve(matrix.selection(kept, kept), right);
          kept.forEach((i, j) => {
            expect(found.weights[places[i]]).toBeCloseTo(solved.get(j, 0), 6);
          });
        }
      }
    });
  });

  it('with convolutions is refused in one line', async () => {
    const model = sequential({
      layers: [
        layers.conv2d({ name: 'conv', filters: 2, kernelSize: 2, inputShape: [3, 3, 1] }),
        layers.flatten(),
        layers.dense({ units: 2 }),
      ],
    });
    const setting = await problemOf(await fixedCheckpoint(model), { count: 4, shape: [3, 3, 1] });
    await resourceScope(async (scope) => {
      const { oracle } = await openPruningOracle(setting, scope, () => {});
      const { weights, prunable } = setting.network;
      await expect(
        obc({ weights, layers: prunable, oracle, products: plainProducts }, { prunedWeights: 3, seed: 0 }),
      ).rejects.toMatchObject({ code: 'prune/not-dense', message: expect.stringContaining('conv/kernel') });
    });
  });

  it('that takes too long is refused before anything is computed', async () => {
    const { oracle } = leastSquares([[1]], [0], [1]);
    const shape = [3072, 3072];
    const layer = { name: 'wide', checkpointName: 'wide', shape, offset: 0, size: 3072 ** 2 };
    await expect(
      obc(
        { weights: new Float32Array(1), layers: [layer], oracle, products: plainProducts },
        { prunedWeights: 0, seed: 0 },
      ),
    ).rejects.toMatchObject({ code: 'prune/cost' });
  });
});
