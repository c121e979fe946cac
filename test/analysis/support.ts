import { type LayersModel, layers, sequential } from '@tensorflow/tfjs-layers';
import { onTestFinished } from 'vitest';
import type { ExampleEvaluator } from '../../src/analysis/computation.js';
import type { Problem } from '../../src/analysis/problem.js';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { type AnalyzeConfig, analyzeDefaults } from '../../src/config.js';
import { createNetwork } from '../../src/network/create-network.js';
import type { LossName } from '../../src/network/loss.js';
import { type Batches, createBatches } from '../../src/programs/batches.js';
import { evaluate } from '../../src/programs/evaluation.js';
import { checkpointOf, randomExamples } from '../support/models.js';

/** The default configuration of an analysis, changed in places. */
export function configWith(changes: Partial<AnalyzeConfig> = {}): AnalyzeConfig {
  return { ...analyzeDefaults, model: 'model.json', weights: null, data: 'data', ...changes };
}

/** A checkpoint of a model with weights that are the same in every run; disposes of the model. */
export async function fixedCheckpoint(model: LayersModel, scale = 1): Promise<LayersCheckpoint> {
  const checkpoint = await checkpointOf(model);
  model.dispose();
  for (const [k, weight] of checkpoint.weights.entries()) {
    const size = scale / Math.sqrt(weight.shape[0]);
    weight.values = Float32Array.from(weight.values, (_, i) => size * Math.sin(1 + 3 * i + 7 * k));
  }
  return checkpoint;
}

/** An MLP with tanh, smooth everywhere. */
export function smallModel(inputs = 4, hidden = 6, outputs = 3): LayersModel {
  return sequential({
    layers: [
      layers.dense({ name: 'first', units: hidden, inputShape: [inputs], activation: 'tanh' }),
      layers.dense({ name: 'second', units: outputs }),
    ],
  });
}

/** A problem made in memory: a model on random examples. */
export async function problemOf(
  checkpoint: LayersCheckpoint,
  options: { count: number; shape: number[]; loss?: LossName },
): Promise<Problem> {
  const engine = { ...(await prepareBackend('cpu')), onnx: null };
  const network = await createNetwork(checkpoint);
  onTestFinished(() => network.dispose());
  const { count, shape, loss = 'cross-entropy' } = options;
  const targets = loss === 'cross-entropy' ? 'one-hot' : loss === 'mse' ? 'real' : 'binary';
  const train = randomExamples({ count, shape, outputs: network.outputs, targets, seed: 5 });
  return {
    engine,
    dataset: { path: 'data', format: 'npz', train: null, test: null, warnings: [] },
    network,
    imageOrder: null,
    loss,
    lossNotes: [],
    train,
    epsilonTrain: train,
    trainingAvailable: count,
    test: null,
    testAvailable: 0,
  };
}

/** All training examples of a problem as batches, freed after the test. */
export function batchesOf(problem: Problem, batchSize = 1000): Batches {
  const batches = createBatches(problem.train, problem.network.outputs, { batchSize, keepBytes: 1e9 });
  onTestFinished(() => batches.dispose());
  return batches;
}

/** Evaluates a problem's training examples in batches. */
export function evaluatorOf(problem: Problem, batchSize?: number): ExampleEvaluator {
  const batches = batchesOf(problem, batchSize);
  const { network, loss } = problem;
  return {
    examples: batches.examples,
    at: (weights, onExamples) => evaluate(network, loss, batches, weights, onExamples),
  };
}
