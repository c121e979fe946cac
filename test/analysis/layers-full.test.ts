import { describe, expect, it } from 'vitest';
import type { ExampleEvaluator } from '../../src/analysis/computation.js';
import { gridModel, layerCounts } from '../../src/analysis/layer-grid.js';
import { allocatedTotals, limitAlone, measureFullLayers } from '../../src/analysis/layers-full.js';
import type { Evaluation } from '../../src/network/evaluation.js';
import { silentProgress } from '../../src/progress.js';
import { countsByLayer, layerOrders, pruneLayers } from '../../src/pruning/layer-removal.js';
import { rankByMagnitude } from '../../src/pruning/magnitude.js';

/** L(w) = g'd + 1/2 d'Hd at d = w - w*, H = diag(h) + c c': a loss that is its quadratic model. */
function quadraticLoss(layerSizes: readonly number[], curvatures: readonly number[]) {
  const layers = layerSizes.map((size, l) => ({
    size,
    offset: layerSizes.slice(0, l).reduce((sum, before) => sum + before, 0),
  }));
  const dimension = layerSizes.reduce((sum, size) => sum + size, 0);
  const weights = Float32Array.from({ length: dimension }, (_, i) => 0.2 + Math.abs(Math.sin(1 + 3 * i)));
  const gradient = Float64Array.from(weights, (_, i) => 0.02 * Math.cos(i));
  const coupling = Float64Array.from(weights, (_, i) => 0.1 * Math.sin(2 * i));
  const layerOf = (i: number): number => layers.findIndex(({ offset, size }) => i < offset + size);
  const diagonal = Float64Array.from(weights, (_, i) => curvatures[layerOf(i)]!);
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
    Array.from(a).reduce((sum, entry, i) => sum + entry * b[i]!, 0);
  const apply = async (v: Float32Array | Float64Array): Promise<Float64Array> => {
    const along = dot(coupling, v);
    return Float64Array.from(v, (entry, i) => diagonal[i]! * entry + coupling[i]! * along);
  };
  const increase = (at: ArrayLike<number>): number => {
    const d = Float64Array.from(weights, (weight, i) => at[i]! - weight);
    return (
      dot(gradient, d) +
      dot(
        d,
        Float64Array.from(d, (e, i) => diagonal[i]! * e),
      ) /
        2 +
      dot(coupling, d) ** 2 / 2
    );
  };
  const train: Pick<ExampleEvaluator, 'at'> = {
    at: async (at) => ({ meanLoss: 1 + increase(at), accuracy: 0.5 }) as Evaluation,
  };
  return { layers, weights, gradient, operator: { dim: dimension, apply }, train, increase };
}

describe('a quadratic loss', () => {
  const loss = quadraticLoss([30, 20, 10], [0.2, 2, 6]);
  const { layers, weights, gradient, operator, increase } = loss;
  const ranking = rankByMagnitude(weights);
  const orders = layerOrders(layers, ranking);

  it('is what its grid model says, alone and for two removals together', async () => {
    const counts = layerCounts(layers, ranking, [30]);
    const model = await gridModel(operator, gradient, weights, orders, counts, () => {});
    const at = (removed: number[]): number => increase(pruneLayers(weights, orders, removed));
    for (const [g, count] of counts[0]!.entries()) {
      expect(model.predictedAlone[0]![g]).toBeCloseTo(at([count, 0, 0]), 9);
      for (const [h, other] of counts[2]!.entries()) {
        const together = at([count, 0, other]) - at([count, 0, 0]) - at([0, 0, other]);
        expect(model.together(0, g, 2, h)).toBeCloseTo(together, 9);
        expect(model.together(2, h, 0, g)).toBeCloseTo(together, 9);
      }
    }
  });

  const setting = {
    ...{ layers, weights, gradient, ranking, curvature: operator, train: loss.train, test: null },
    denseLoss: 1,
    denseTestLoss: null,
    epsilon: 0.5,
    sliceFraction: 0.4,
    maximumFraction: 1,
  };

  it('has limits alone that every count confirms', async () => {
    const { alone } = await measureFullLayers(setting, silentProgress);
    for (const [layer, limit] of alone.entries()) {
      const counts = Array.from({ length: layers[layer]!.size + 1 }, (_, count) => count);
      const within = (count: number): boolean =>
        increase(
          pruneLayers(
            weights,
            orders,
            layers.map((_, l) => (l === layer ? count : 0)),
          ),
        ) <= setting.epsilon;
      const exact = counts.findIndex((count) => !within(count)) - 1;
      if (limit.measured.capped) {
        expect(within(limit.measured.prunedWeights)).toBe(true);
      } else {
        expect(limit.measured.prunedWeights).toBe(exact);
      }
      // The loss is its model.
      expect(limit.predicted).toEqual(limit.measured);
    }
    expect(alone.filter(({ predicted }) => !predicted.capped).length).toBeGreaterThan(1);
  });

  it('is allocated near the best there is, and better than by global magnitude', async () => {
    const { totals } = await measureFullLayers(setting, silentProgress);
    expect(totals.map(({ prunedWeights }) => prunedWeights)).toEqual([24, 36, 42]);
    for (const { prunedWeights, allocation, globalMagnitude } of totals) {
      const removed = allocation.prunedWeights.reduce((sum, count) => sum + count, 0);
      expect(removed).toBe(prunedWeights);
      expect(globalMagnitude.prunedWeights).toEqual(countsByLayer(layers, ranking, prunedWeights));
      // Every way to remove as many, layer by layer by magnitude.
      let best = Infinity;
      for (let a = 0; a <= 30; a++) {
        for (let b = 0; b <= 20; b++) {
          const c = prunedWeights - a - b;
          if (c >= 0 && c <= 10) {
            best = Math.min(best, increase(pruneLayers(weights, orders, [a, b, c])));
          }
        }
      }
      for (const removal of [allocation, globalMagnitude]) {
        expect(removal.lossIncrease).toBeCloseTo(removal.predictedIncrease, 6);
        expect(removal.lossIncrease).toBeGreaterThanOrEqual(best - 1e-9);
      }
      expect(allocation.lossIncrease).toBeLessThan(globalMagnitude.lossIncrease);
      // The grid costs a part of what there is to win.
      const won = globalMagnitude.lossIncrease - allocation.lossIncrease;
      expect(won).toBeGreaterThan(0.8 * (globalMagnitude.lossIncrease - best));
    }
  });

  it('says how many products and evaluations it took', async () => {
    let products = 0;
    let evaluations = 0;
    const found = await measureFullLayers(
      {
        ...setting,
        curvature: {
          ...operator,
          apply: (v) => {
            products++;
            return operator.apply(v);
          },
        },
        train: {
          at: (w) => {
            evaluations++;
            return loss.train.at(w);
          },
        },
      },
      silentProgress,
    );
    expect(found).toMatchObject({ products, evaluations });
    // 15 choices of each layer, 4 looks at each limit or fewer, two removals of each total.
    expect(products).toBeLessThanOrEqual(3 * (15 + 5) + 6);
  });
});

describe('layerCounts', () => {
  it('holds what global magnitude pruning removes, ascends, and leaves something', () => {
    const { layers, weights } = quadraticLoss([300, 50, 8], [1, 1, 1]);
    const ranking = rankByMagnitude(weights);
    const totals = [100, 200, 330];
    const counts = layerCounts(layers, ranking, totals);
    for (const [layer, choices] of counts.entries()) {
      expect(choices[0]).toBe(0);
      expect(choices.every((count, g) => g === 0 || count > choices[g - 1]!)).toBe(true);
      expect(choices.length).toBeLessThanOrEqual(16);
      for (const total of totals) {
        expect(choices).toContain(countsByLayer(layers, ranking, total)[layer]);
      }
    }
  });

  it('has fewer choices where there are many layers', () => {
    const { layers, weights } = quadraticLoss(Array(40).fill(20), Array(40).fill(1));
    const counts = layerCounts(layers, rankByMagnitude(weights), [300]);
    expect(Math.max(...counts.map(({ length }) => length))).toBeLessThanOrEqual(9);
  });
});

describe('allocatedTotals', () => {
  it('keep all, two thirds and half of what is kept at the slice limit, within the connected one', () => {
    expect(allocatedTotals(0.4, 1, 1000)).toEqual([400, 600, 700]);
    expect(allocatedTotals(0.4, 0.65, 1000)).toEqual([400, 600, 650]);
    expect(allocatedTotals(1, 1, 1000)).toEqual([]);
    expect(allocatedTotals(0, 1, 1000)).toEqual([333, 500]);
  });
});

describe('limitAlone', () => {
  it('ends at the first failure, also where more passes again, and takes what is no number for one', async () => {
    const curve = (count: number): number => (count >= 50 && count < 60 ? 2 : count >= 80 ? Number.NaN : 0);
    const counts = [0, 30, 55, 70, 90];
    const found = await limitAlone(counts, counts.map(curve), 100, 1, async (count) => curve(count));
    expect(found).toEqual({ prunedWeights: 49, capped: false });
    const beyond = [0, 30, 70, 90];
    const last = await limitAlone(beyond, beyond.map(curve), 100, 1, async (count) => curve(count));
    expect(last).toEqual({ prunedWeights: 79, capped: false });
  });
});
