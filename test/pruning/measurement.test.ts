import { layers, sequential } from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { type Batches, createBatches } from '../../src/network/batches.js';
import { createNetwork } from '../../src/network/create-network.js';
import { evaluate } from '../../src/network/evaluation.js';
import type { LossName } from '../../src/network/loss.js';
import type { Network } from '../../src/network/network.js';
import { type MagnitudeRanking, pruneSmallest, rankByMagnitude } from '../../src/pruning/magnitude.js';
import {
  createPruningMeter,
  measuredAccuracyLimit,
  measuredLossLimit,
  type PruningMeter,
  type WeightsEvaluator,
} from '../../src/pruning/measurement.js';
import { checkpointOf, randomExamples } from '../support/models.js';

let network: Network;
let ranking: MagnitudeRanking;
let train: Batches;
let test: Batches;
/** Loss and accuracy with the n smallest weights pruned, n = 0..D, each measured directly. */
const losses: number[] = [];
const accuracies: number[] = [];

beforeAll(async () => {
  await prepareBackend('cpu');
  const model = sequential({
    layers: [
      layers.dense({ units: 5, inputShape: [4], activation: 'tanh', kernelInitializer: 'heNormal' }),
      layers.dense({ units: 3, activation: 'softmax' }),
    ],
  });
  const checkpoint = await checkpointOf(model);
  model.dispose();
  // Fixed values: what the initialisers give differs from run to run.
  for (const [k, weight] of checkpoint.weights.entries()) {
    weight.values = Float32Array.from(weight.values, (_, i) => 2 * Math.sin(1 + 3 * i + 7 * k));
  }
  network = await createNetwork(checkpoint);
  ranking = rankByMagnitude(network.weights);
  const source = (count: number, seed: number) =>
    randomExamples({ count, shape: [4], outputs: 3, targets: 'one-hot', seed });
  train = createBatches(source(20, 1), 3, { batchSize: 8, keepBytes: 1e6 });
  test = createBatches(source(40, 2), 3, { batchSize: 16, keepBytes: 1e6 });
  for (let n = 0; n <= network.dimension; n++) {
    const pruned = pruneSmallest(network.weights, ranking, n);
    losses.push((await evaluate(network, 'cross-entropy', train, pruned)).meanLoss);
    accuracies.push((await evaluate(network, 'cross-entropy', test, pruned)).accuracy!);
  }
});

afterAll(() => {
  train.dispose();
  test.dispose();
  network.dispose();
});

function evaluator(batches: Batches, loss: LossName, onMeasured: () => void = () => {}): WeightsEvaluator {
  return (weights) => {
    onMeasured();
    return evaluate(network, loss, batches, weights);
  };
}

function meterWith(onMeasured?: () => void): PruningMeter {
  return createPruningMeter({
    weights: network.weights,
    ranking,
    train: evaluator(train, 'cross-entropy', onMeasured),
    test: evaluator(test, 'cross-entropy', onMeasured),
  });
}

/** Every n / D. */
function everyFraction(): number[] {
  return Array.from({ length: network.dimension + 1 }, (_, n) => n / network.dimension);
}

describe('createPruningMeter', () => {
  it('measures what a direct evaluation does', async () => {
    const meter = meterWith();
    for (const [n, fraction] of everyFraction().entries()) {
      expect(await meter.loss(fraction)).toBe(losses[n]);
      expect(await meter.accuracy(fraction)).toBe(accuracies[n]);
    }
  });

  it('measures no count of weights twice', async () => {
    let measured = 0;
    const meter = meterWith(() => {
      measured++;
    });
    const fraction = 10 / network.dimension;
    await Promise.all([meter.loss(fraction), meter.loss(fraction), meter.loss(fraction + 1e-4)]);
    expect(measured).toBe(1);
    await meter.accuracy(fraction);
    await meter.accuracy(fraction);
    expect(measured).toBe(2);
    await meter.loss(11 / network.dimension);
    expect(measured).toBe(3);
  });

  it('has no accuracy without test examples or for regression', async () => {
    const setting = { weights: network.weights, ranking, train: evaluator(train, 'mse') };
    const untested = createPruningMeter({ ...setting, test: null });
    const regression = createPruningMeter({ ...setting, test: evaluator(test, 'mse') });
    expect([await untested.accuracy(0.5), await regression.accuracy(0.5)]).toEqual([null, null]);
  });
});

describe('measured limits', () => {
  const tolerances = [0, 0.01, 0.1, 0.3, 1];

  it('the largest of all fractions, scanned', async () => {
    const search = { grid: everyFraction(), resolution: 1 }; // nothing is left to bisect
    for (const tolerance of tolerances) {
      const { fraction } = await measuredLossLimit(meterWith(), losses[0] + tolerance, search);
      const largest = losses.findLastIndex((loss) => loss <= losses[0] + tolerance);
      expect(fraction).toBe(largest / network.dimension);
      const byAccuracy = await measuredAccuracyLimit(meterWith(), accuracies[0] - tolerance, search);
      const last = accuracies.findLastIndex((accuracy) => accuracy >= accuracies[0] - tolerance);
      expect(byAccuracy.fraction).toBe(last / network.dimension);
    }
  });

  it('by bisection: a boundary of the measured curve, to the resolution', async () => {
    const search = { grid: [0, 0.5, 0.9], resolution: 1e-3 };
    for (const tolerance of tolerances) {
      const { fraction } = await measuredLossLimit(meterWith(), losses[0] + tolerance, search);
      const inside = (n: number) => losses[n] <= losses[0] + tolerance;
      const n = Math.floor(fraction! * network.dimension + 1e-6);
      const next = Math.floor((fraction! + search.resolution) * network.dimension + 1e-6);
      expect(inside(n)).toBe(true);
      if (fraction! < 0.9) {
        expect([...Array(next - n + 1).keys()].some((i) => !inside(n + i))).toBe(true);
      }
    }
  });

  it('none where even the dense network misses', async () => {
    const search = { grid: [0, 0.5], resolution: 1e-3 };
    expect((await measuredLossLimit(meterWith(), -1, search)).fraction).toBeNull();
    expect((await measuredAccuracyLimit(meterWith(), 1.5, search)).fraction).toBeNull();
  });

  it('a loss that overflows is outside', async () => {
    const meter = { loss: async (p: number) => (p > 0.4 ? Number.NaN : 0), accuracy: async () => null };
    const { fraction } = await measuredLossLimit(meter, 1, { grid: [0, 0.25, 0.5], resolution: 0.25 });
    expect(fraction).toBe(0.25);
  });
});
