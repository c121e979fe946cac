import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  interactionMatrix,
  keptShares,
  type LayerSetting,
  layerNorm,
  measureLayers,
  sensitivitiesOf,
} from '../../src/analysis/layers.js';
import { increasePredictor } from '../../src/analysis/slice.js';
import { prepareBackend } from '../../src/compute/backend.js';
import type { LinearOperator } from '../../src/curvature/linear-operator.js';
import { curvatureOperator, lossGradient } from '../../src/curvature/products.js';
import type { CurvatureKind } from '../../src/programs/curvature-products.js';
import { silentProgress } from '../../src/progress.js';
import { pruningDisplacement, rankByMagnitude } from '../../src/pruning/magnitude.js';
import { batchesOf, evaluatorOf, fixedCheckpoint, problemOf, smallModel } from './support.js';

beforeAll(() => prepareBackend('cpu'));

function dot(left: ArrayLike<number>, right: ArrayLike<number>): number {
  return Array.from(left).reduce((sum, entry, i) => sum + entry * right[i], 0);
}

function matrixOperator(rows: readonly ArrayLike<number>[]): LinearOperator & { products: number } {
  return {
    dim: rows.length,
    products: 0,
    async apply(vector) {
      this.products++;
      return Float64Array.from(rows, (row) => dot(row, vector));
    },
  };
}

/** A displacement with everything outside of a layer set to 0. */
function partOf(d: Float64Array, { offset, size }: { offset: number; size: number }): Float64Array {
  return d.map((entry, i) => (i >= offset && i < offset + size ? entry : 0));
}

/** A small network, and the setting of its layers at a pruned fraction. */
async function networkCase(kind: CurvatureKind, prunedFraction: number) {
  const problem = await problemOf(await fixedCheckpoint(smallModel()), { count: 20, shape: [4] });
  const { network, loss } = problem;
  const lossProblem = { network, loss, batches: batchesOf(problem, 8) };
  const { gradient } = await lossGradient(lossProblem, network.weights);
  const operator = curvatureOperator(lossProblem, kind);
  const ranking = rankByMagnitude(network.weights);
  const setting: LayerSetting = {
    curvature: operator,
    layers: network.prunable,
    weights: network.weights,
    ranking,
    gradient,
    predict: increasePredictor(operator, gradient, network.weights, ranking),
    slice: { prunedFraction },
    spectrumProducts: 8,
  };
  const count = Math.floor(prunedFraction * network.dimension + 1e-6);
  const d = Float64Array.from(pruningDisplacement(network.weights, ranking, count));
  return { problem, network, gradient, setting, d };
}

/** The matrix of an operator, written out. */
async function rowsOf(operator: LinearOperator): Promise<Float64Array[]> {
  const rows: Float64Array[] = [];
  for (let i = 0; i < operator.dim; i++) {
    const unit = new Float64Array(operator.dim);
    unit[i] = 1;
    rows.push(await operator.apply(unit));
  }
  return rows;
}

describe('the sensitivities of a matrix that is written out', () => {
  const rows = [
    [2, 1, 0, 3],
    [1, 4, -1, 0],
    [0, -1, 3, 1],
    [3, 0, 1, 5],
  ];
  const layers = [
    { offset: 0, size: 2 },
    { offset: 2, size: 2 },
  ];
  const d = Float64Array.of(1, -1, 2, 0);

  // H d_1 = (1, -3, 1, 3), H d_2 = (0, -2, 6, 2), by hand.
  it('are those of the arithmetic by hand', async () => {
    const matrix = await interactionMatrix(matrixOperator(rows), d, layers);
    expect(matrix.map((row) => [...row])).toEqual([
      [4, 2],
      [2, 12],
    ]);
    // g = (0.5, 1, -1, 2): g'd_1 = -0.5, g'd_2 = -2, and g'd + 1/2 d'Hd = -2.5 + 10
    expect(sensitivitiesOf([-0.5, -2], matrix, 7.5)).toEqual({
      layers: [
        { increaseAlone: 1.5, increaseWithinWhole: 2.5, share: 1 / 3 },
        { increaseAlone: 4, increaseWithinWhole: 5, share: 2 / 3 },
      ],
      strongestPair: { first: 0, second: 1, increase: 2, share: 2 / 7.5 },
    });
  });

  it('take no product for a layer that loses nothing, and none for none', async () => {
    const operator = matrixOperator(rows);
    const matrix = await interactionMatrix(operator, Float64Array.of(0, 0, 2, 0), layers);
    expect(operator.products).toBe(1);
    expect(matrix.map((row) => [...row])).toEqual([
      [0, 0],
      [0, 12],
    ]);
    expect(sensitivitiesOf([0, 0], matrix, 6).strongestPair).toBeNull();
  });

  it('have the pair with the largest magnitude, negative ones too', () => {
    const matrix = [
      [9, 1, -3],
      [1, 9, 2],
      [-3, 2, 9],
    ].map((row) => Float64Array.from(row));
    expect(sensitivitiesOf([0, 0, 0], matrix, 13.5).strongestPair).toEqual({
      first: 0,
      second: 2,
      increase: -3,
      share: -3 / 13.5,
    });
  });
});

describe.each(['hessian', 'ggn'] as const)('the layers of a network, %s', (kind) => {
  it('are what the matrix, formed column by column, says', async () => {
    const { network, gradient, setting, d } = await networkCase(kind, 0.6);
    const rows = await rowsOf(setting.curvature);
    const quadratic = (left: Float64Array, right: Float64Array): number =>
      dot(
        left,
        Float64Array.from(rows, (row) => dot(row, right)),
      );
    const parts = network.prunable.map((layer) => partOf(d, layer));
    const matrix = await interactionMatrix(setting.curvature, d, network.prunable);
    for (const [l, row] of matrix.entries()) {
      for (const [k, entry] of row.entries()) {
        expect(entry).toBeCloseTo(quadratic(parts[k], parts[l]), 6);
        expect(entry).toBeCloseTo(matrix[k][l], 6);
      }
    }
    const found = await measureLayers(setting, 'auto', silentProgress);
    expect(found?.products).toBe(2);
    for (const [l, { increaseAlone, increaseWithinWhole }] of found!.layers.entries()) {
      const linear = dot(gradient, parts[l]);
      expect(increaseAlone).toBeCloseTo(linear + quadratic(parts[l], parts[l]) / 2, 6);
      expect(increaseWithinWhole).toBeCloseTo(linear + quadratic(d, parts[l]) / 2, 6);
    }
    const pair = found!.strongestPair!;
    expect(pair.increase).toBeCloseTo(quadratic(parts[0], parts[1]), 6);
    // The layers interact: else the two increases would be told apart by nothing.
    expect(Math.abs(pair.increase)).toBeGreaterThan(1e-3);
  });

  it('sum to what is predicted for the whole', async () => {
    for (const fraction of [0.1, 0.5, 0.9, 1]) {
      const { setting } = await networkCase(kind, fraction);
      const found = await measureLayers(setting, 'auto', silentProgress);
      const { gradientTerm, curvatureTerm } = await setting.predict(fraction);
      expect(found!.predictedIncrease).toBe(gradientTerm + curvatureTerm);
      const sum = found!.layers.reduce((total, layer) => total + layer.increaseWithinWhole, 0);
      expect(sum).toBeCloseTo(found!.predictedIncrease, 6);
      expect(found!.layers.reduce((total, layer) => total + layer.share!, 0)).toBeCloseTo(1, 4);
    }
  });
});

describe('measureLayers', () => {
  it('predicts the measured loss increase of removing one layer alone', async () => {
    // The five smallest of 42 weights, |d| = 0.12: what is of third order is below 1 % of the increase there.
    const { problem, network, setting, d } = await networkCase('hessian', 0.12);
    const evaluator = evaluatorOf(problem);
    const { meanLoss: dense } = await evaluator.at(network.weights);
    const found = await measureLayers(setting, 'auto', silentProgress);
    for (const [l, layer] of network.prunable.entries()) {
      const part = partOf(d, layer);
      expect(part.some((entry) => entry !== 0)).toBe(true);
      const { meanLoss } = await evaluator.at(network.weights.map((weight, i) => weight + part[i]));
      const { increaseAlone } = found!.layers[l];
      expect(Math.abs(meanLoss - dense - increaseAlone)).toBeLessThan(0.01 * Math.abs(increaseAlone));
    }
  });

  it('takes no more than a quarter of the products of the spectrum unasked', async () => {
    const { setting } = await networkCase('hessian', 0.6);
    const few = { ...setting, spectrumProducts: 7 };
    expect(await measureLayers(few, 'auto', silentProgress)).toBeNull();
    expect((await measureLayers(few, 'always', silentProgress))?.products).toBe(2);
    expect((await measureLayers({ ...few, spectrumProducts: 8 }, 'auto', silentProgress))?.products).toBe(2);
  });

  it('has nothing to compute at the limit 0', async () => {
    const { setting } = await networkCase('hessian', 0);
    const curvature = matrixOperator([]);
    const found = await measureLayers({ ...setting, curvature }, 'auto', silentProgress);
    expect(curvature.products).toBe(0);
    const nothing = { increaseAlone: 0, increaseWithinWhole: 0, share: null };
    expect(found).toEqual({
      prunedFraction: 0,
      predictedIncrease: 0,
      layers: [nothing, nothing],
      strongestPair: null,
      products: 0,
    });
  });
});

describe('keptShares', () => {
  it('are the shares of the weights above the last pruned magnitude', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(60), { minLength: 1, maxLength: 5 }),
        fc.infiniteStream(fc.integer()),
        (sizes, asked, stream) => {
          const layers = sizes.map((size, l) => ({
            size,
            offset: sizes.slice(0, l).reduce((sum, before) => sum + before, 0),
          }));
          const dimension = sizes.reduce((sum, size) => sum + size, 0);
          // Distinct magnitudes in random order.
          const keys = Array.from({ length: dimension }, () => stream.next().value as number);
          const places = keys.map((_, i) => i).sort((a, b) => keys[a] - keys[b] || a - b);
          const weights = Float32Array.from(places, (place, i) => (1 + place) * (i % 2 === 0 ? 1 : -1));
          const counts = asked.map((count) => Math.min(count, dimension));
          const shares = keptShares(layers, rankByMagnitude(weights), counts);
          counts.forEach((count, index) => {
            layers.forEach(({ offset, size }, l) => {
              const kept = weights.subarray(offset, offset + size).filter((w) => Math.abs(w) > count).length;
              expect(shares[index][l]).toBe(kept / size);
            });
          });
        },
      ),
    );
  });
});

describe('layerNorm', () => {
  it('is that of the layer alone, in float64', () => {
    const weights = Float32Array.of(7, 3, -4, 9);
    expect(layerNorm(weights, { offset: 1, size: 2 })).toBe(5);
    // 1 + 2^-25 is no float32
    expect(layerNorm(Float32Array.of(1, 2 ** -12), { offset: 0, size: 2 })).toBe(Math.sqrt(1 + 2 ** -24));
  });
});
