import type { AnalyzeConfig } from '../config.js';
import {
  type CurvatureOperator,
  curvatureOperator,
  type LossGradient,
  lossGradient,
} from '../curvature/products.js';
import { createBatches, type ExampleSource } from '../network/batches.js';
import { type Evaluation, evaluate } from '../network/evaluation.js';
import { type LanczosVectorsFactory, plainVectors, recentVectors } from '../spectrum/lanczos-vectors.js';
import type { WorkSizes } from './budget.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';

/** Evaluates the network on a fixed set of examples. */
export interface ExampleEvaluator {
  readonly examples: number;
  at(weights: Float32Array | Float64Array, onExamples?: (done: number) => void): Promise<Evaluation>;
}

/** Everything an analysis computes with the network, whatever computes it. */
export interface Computation {
  /** Examples of curvature and measured loss. */
  train: ExampleEvaluator;
  /** Examples of the batch-std rule; `train` where it has the same, null where eps is given otherwise. */
  epsilonTrain: ExampleEvaluator | null;
  test: ExampleEvaluator | null;
  /** Mean loss over `train` and its gradient. */
  lossGradient(weights: Float32Array | Float64Array): Promise<LossGradient>;
  /** Curvature of the mean loss over `train` at the trained weights. */
  curvature: CurvatureOperator;
  /** Keeps the vectors of a Lanczos run over it. */
  createVectors: LanczosVectorsFactory;
}

/**
 * Computes with the current tfjs backend, operation by operation.
 *
 * @param sizes how the work is cut
 */
export function eagerComputation(
  problem: Problem,
  kind: AnalyzeConfig['curvature'],
  sizes: Pick<WorkSizes, 'productBatch' | 'evaluationBatch' | 'keepBytes'>,
  scope: ResourceScope,
): Computation {
  const { network, loss } = problem;
  const evaluator = (source: ExampleSource, batchSize: number, keepBytes: number): ExampleEvaluator => {
    const batches = scope.own(createBatches(source, network.outputs, { batchSize, keepBytes }));
    return {
      examples: source.count,
      at: (weights, onExamples) => evaluate(network, loss, batches, weights, onExamples),
    };
  };
  const { keepBytes, evaluationBatch } = sizes;
  const batches = scope.own(
    createBatches(problem.train, network.outputs, { batchSize: sizes.productBatch, keepBytes }),
  );
  const lossProblem = { network, loss, batches };
  const train: ExampleEvaluator = {
    examples: problem.train.count,
    at: (weights, onExamples) => evaluate(network, loss, batches, weights, onExamples),
  };
  const { epsilonTrain } = problem;
  return {
    train,
    epsilonTrain:
      epsilonTrain === problem.train ? train : epsilonTrain && evaluator(epsilonTrain, evaluationBatch, 0),
    test: problem.test && evaluator(problem.test, evaluationBatch, keepBytes),
    lossGradient: (weights) => lossGradient(lossProblem, weights),
    curvature: scope.own(curvatureOperator(lossProblem, kind)),
    createVectors: (length, keep) =>
      keep === 'all' ? plainVectors(length, 'float32') : recentVectors(length, 'float32'),
  };
}
