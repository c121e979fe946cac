import { layers, sequential } from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { createNetwork } from '../../src/network/create-network.js';
import type { LossName } from '../../src/network/loss.js';
import type { Network } from '../../src/network/network.js';
import { type Batches, createBatches } from '../../src/programs/batches.js';
import { evaluate } from '../../src/programs/evaluation.js';
import { type MagnitudeRanking, pruneSmallest, rankByMagnitude } from '../../src/pruning/magnitude.js';
import {
  createPruningMeter,
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

async function meterWith(onMeasured?: () => void): Promise<PruningMeter> {
  return createPruningMeter({
    weights: network.weights,
    ranking,
    train: evaluator(train, 'cross-entropy', onMeasured),
    test: evaluator(test, 'cross-entropy', onMeasured),
    dense: {
      train: await evaluate(network, 'cross-entropy', train, network.weights),
      test: await evaluate(network, 'cross-entropy', test, network.weights),
    },
  });
}

describe('createPruningMeter', () => {
  it('measures what a direct evaluation does', async () => {
    const meter = await meterWith();
    for (let n = 0; n <= network.dimension; n++) {
      expect((await meter.train(n / network.dimension)).meanLoss).toBe(losses[n]);
      const measure = (await meter.test(n / network.dimension))!;
      expect(measure.accuracy).toBe(accuracies[n]);
      expect([...measure.correct].reduce((sum, right) => sum + right, 0) / 40).toBe(accuracies[n]);
    }
  });

  it('measures no count of weights twice, and none of zeros', async () => {
    let measured = 0;
    const meter = await meterWith(() => {
      measured++;
    });
    await meter.train(0);
    await meter.test(1 / network.dimension - 1e-5);
    expect(measured).toBe(0);
    const fraction = 10 / network.dimension;
    await Promise.all([meter.train(fraction), meter.train(fraction), meter.train(fraction + 1e-4)]);
    expect(measured).toBe(1);
    await meter.test(fraction);
    await meter.test(fraction);
    expect(measured).toBe(2);
    await meter.train(11 / network.dimension);
    expect(measured).toBe(3);
  });

  it('has no accuracy without test examples or for regression', async () => {
    const dense = await evaluate(network, 'mse', test, network.weights);
    const setting = { weights: network.weights, ranking, train: evaluator(train, 'mse') };
    const untested = createPruningMeter({ ...setting, test: null, dense: { train: dense, test: null } });
    const regression = createPruningMeter({
      ...setting,
      test: evaluator(test, 'mse'),
      dense: { train: dense, test: dense },
    });
    expect([await untested.test(0.5), await regression.test(0.5)]).toEqual([null, null]);
  });
});
