import { layers, sequential } from '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openPruningOracle } from '../../../src/analysis/pruning-oracle.js';
import { resourceScope } from '../../../src/analysis/resources.js';
import { prepareBackend } from '../../../src/compute/backend.js';
import { pruneSmallest, rankByMagnitude } from '../../../src/pruning/magnitude.js';
import { apportion, pruneLowest } from '../../../src/pruning/methods/mask.js';
import { plainProducts } from '../../../src/pruning/methods/matrix-products.js';
import { pruningMethods } from '../../../src/pruning/methods/registry.js';
import { smartRatioCounts } from '../../../src/pruning/methods/smart-ratio.js';
import { fixedCheckpoint, problemOf } from '../../analysis/support.js';
import { leastSquares } from './support.js';

const rows = [
  [1, 2, 0, -1],
  [0, 1, 3, 1],
  [2, 0, 1, 1],
];
const problem = leastSquares(rows, [0, 0, 0], [1, -0.5, 0.25, 2], [2, 2]);

async function maskOf(name: keyof typeof pruningMethods, prunedWeights: number, seed = 0): Promise<number[]> {
  return [...(await pruningMethods[name](problem, { prunedWeights, seed })).mask];
}

describe('masks', () => {
  it('magnitude is the pruning of the curve, to the bit', async () => {
    const weights = Float32Array.from({ length: 997 }, (_, i) => Math.sin(i * i));
    const large = { ...problem, weights };
    const found = await pruningMethods.magnitude(large, { prunedWeights: 700, seed: 0 });
    expect(found.weights).toEqual(pruneSmallest(weights, rankByMagnitude(weights), 700));
    expect([...found.mask].every((kept, i) => (kept === 0) === (found.weights[i] === 0))).toBe(true);
  });

  it('layer-magnitude prunes every layer alike', async () => {
    expect(await maskOf('layer-magnitude', 2)).toEqual([1, 0, 0, 1]);
    expect(apportion([3, 3, 4], 5)).toEqual([2, 1, 2]);
  });

  it('random is one draw of a seed, of the right size', async () => {
    const masks = await Promise.all([0, 0, 1, 2, 3].map((seed) => maskOf('random', 2, seed)));
    expect(masks[0]).toEqual(masks[1]);
    expect(new Set(masks.map(String)).size).toBeGreaterThan(1);
    expect(masks.every((mask) => mask.filter((kept) => kept === 0).length === 2)).toBe(true);
  });

  // r = X w = (-2, 2.25, 4.25), by hand; gradients r_i x_i.
  it('saliency scores w^2 times the mean squared gradient', async () => {
    // 3 F = (4 + 72.25, 16 + 5.0625, 45.5625 + 18.0625, 4 + 5.0625 + 18.0625) = (76.25, 21.0625, 63.625, 27.125);
    // times w^2: (76.25, 5.266, 3.977, 108.5).
    expect(await maskOf('saliency', 1)).toEqual([1, 1, 0, 1]);
    expect(await maskOf('saliency', 2)).toEqual([1, 0, 0, 1]);
    expect(await maskOf('saliency', 3)).toEqual([0, 0, 0, 1]);
  });

  it('snip scores |w g|', async () => {
    // 3 g = (-2 + 8.5, -4 + 2.25, 6.75 + 4.25, 2 + 2.25 + 4.25) = (6.5, -1.75, 11, 8.5); times w: (6.5, .875, 2.75, 17).
    expect(await maskOf('snip', 1)).toEqual([1, 0, 1, 1]);
    expect(await maskOf('snip', 2)).toEqual([1, 0, 0, 1]);
    expect(await maskOf('snip', 3)).toEqual([0, 0, 0, 1]);
  });

  it('the lowest scores go first, of equal ones those of the lowest index', () => {
    expect([...pruneLowest(Float64Array.of(3, 1, 1, Number.NaN), 2)]).toEqual([1, 0, 1, 0]);
  });

  it('any numbers are pruned as if they were sorted', () => {
    const score = fc.oneof(
      fc.double(),
      fc.constantFrom(0, -0, -1, 1, 1 + 2 ** -52, Number.MIN_VALUE, -Infinity, Infinity, Number.NaN),
      fc.integer({ min: -3, max: 3 }),
    );
    fc.assert(
      fc.property(fc.array(score, { minLength: 1, maxLength: 40 }), fc.nat(), (scores, any) => {
        const count = any % (scores.length + 1);
        const order = [...scores.keys()].sort((a, b) => {
          const [left, right] = [a, b].map((i) => (Number.isNaN(scores[i]) ? -Infinity : scores[i]));
          return left === right ? a - b : left < right ? -1 : 1;
        });
        const expected = scores.map(() => 1);
        for (const place of order.slice(0, count)) {
          expected[place] = 0;
        }
        expect([...pruneLowest(Float64Array.from(scores), count)]).toEqual(expected);
      }),
    );
  });
});

describe('smart-ratio', () => {
  const shaped = (...shapes: number[][]) =>
    shapes.map((shape) => ({ shape, size: shape.reduce((product, extent) => product * extent, 1) }));

  it('follows the rule of linear and convolutional layers', () => {
    // L = 3: c = 12, 6; gamma = (150 - .3 * 100) / (100 * 12 + 200 * 6) = .05: shares .6, .3 and .3.
    expect(smartRatioCounts(shaped([1, 1, 10, 10], [1, 1, 10, 20], [10, 10]), 150)).toEqual([60, 60, 30]);
  });

  it('carries forward what exceeds a layer', () => {
    // gamma = (270 - 30) / 2400 = .1: 1.2 of 100 leaves 20; .6 of 200 and 20.
    expect(smartRatioCounts(shaped([1, 1, 10, 10], [1, 1, 10, 20], [10, 10]), 270)).toEqual([100, 140, 30]);
  });

  it('without convolutions treats all layers but the last so', () => {
    // L = 2: c_1 = 6; .3 * 10 of the last.
    expect(smartRatioCounts(shaped([10, 10], [10, 1]), 23)).toEqual([20, 3]);
  });

  it('refuses what is below .3 of the linear layers', () => {
    expect(() => smartRatioCounts(shaped([1, 1, 10, 10], [10, 10]), 29)).toThrow(
      expect.objectContaining({ code: 'prune/smart-ratio' }),
    );
  });
});

describe('synflow', () => {
  beforeAll(() => prepareBackend('cpu'));

  it('has the gradient of the summed outputs, and of two linear layers the scores |w| times paths', async () => {
    const model = sequential({
      layers: [
        layers.dense({ units: 2, inputShape: [3], useBias: false, activation: 'relu' }),
        layers.dense({ units: 2, useBias: false }),
      ],
    });
    const setting = await problemOf(await fixedCheckpoint(model), { count: 4, shape: [3] });
    await resourceScope(async (scope) => {
      const { oracle } = await openPruningOracle(setting, scope, () => {});
      const weights = setting.network.weights.map(Math.abs);
      const gradient = await oracle.summedOutputGradient(weights);
      // R = sum_ij a_ij (sum_k b_jk): a is [3, 2], b [2, 2].
      const [a, b] = [weights.subarray(0, 6), weights.subarray(6)];
      const leaving = [b[0] + b[1], b[2] + b[3]];
      const entering = [a[0] + a[2] + a[4], a[1] + a[3] + a[5]];
      const expected = [
        ...[0, 1, 0, 1, 0, 1].map((unit) => leaving[unit]),
        ...[0, 0, 1, 1].map((unit) => entering[unit]),
      ];
      expected.forEach((value, i) => {
        expect(gradient[i]).toBeCloseTo(value, 5);
      });
      const target = { prunedWeights: 7, seed: 0 };
      const { network } = setting;
      const whole = { weights: network.weights, layers: network.prunable, oracle, products: plainProducts };
      const { mask } = await pruningMethods.synflow(whole, target);
      // Of three weights left, a path of two is left: no layer collapses.
      expect(mask.subarray(0, 6)).toContain(1);
      expect(mask.subarray(6)).toContain(1);
      expect(mask.reduce((sum, kept) => sum + kept, 0)).toBe(3);
    });
  });
});
