import type { Executor } from '../compute/executor.js';
import type { AnalyzeConfig } from '../config.js';
import type { ProductPlan } from '../curvature/product-plan.js';
import {
  type CurvatureOperator,
  type LossGradient,
  lossGradient,
  plannedCurvatureOperator,
} from '../curvature/products.js';
import type { Evaluation } from '../network/evaluation.js';
import type { ExampleSource } from '../network/example-source.js';
import { type Batches, createBatches } from '../programs/batches.js';
import { lossEvaluator } from '../programs/evaluation.js';
import type { LossPrograms } from '../programs/loss-programs.js';
import {
  type LanczosVectorsFactory,
  memoryRows,
  plainVectors,
  projectedVectors,
  recentVectors,
  vectorsInBlock,
} from '../spectrum/lanczos-vectors.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';
import { fileRows } from './vectors-on-disk.js';

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

/** What computes, and how the work is cut. */
export interface ComputationSetting {
  executor: Executor;
  /** Prepared by it. */
  programs: LossPrograms;
  kind: AnalyzeConfig['curvature'];
  /** Examples in a batch of a curvature product. */
  productBatch: number;
  /** Examples in a batch of a forward pass. */
  evaluationBatch: number;
  /** Memory for training batches, and again for test batches, kept between passes. */
  keepBytes: number;
  /** Null: every product runs its whole program. */
  plan: ProductPlan | null;
  /** Where Lanczos vectors are kept that do not fit into memory; null: they do. */
  basisFolder: string | null;
}

/**
 * Keeps Lanczos vectors in the way that is fastest with an executor.
 *
 * @param folder for those that are all kept, where they do not fit into memory; null: they do
 */
export async function vectorsFactory(
  executor: Executor,
  scope: ResourceScope,
  folder: string | null,
): Promise<LanczosVectorsFactory> {
  const rows =
    folder === null
      ? memoryRows
      : (stride: number, blockRows: number) => scope.own(fileRows(folder, stride, blockRows));
  const projector = executor.rowProjector === null ? null : scope.own(await executor.rowProjector());
  return (length, keep) =>
    keep !== 'all'
      ? recentVectors(length, 'float32')
      : projector === null
        ? plainVectors(length, 'float32')
        : projectedVectors(length, projector, vectorsInBlock(length), rows);
}

/**
 * Sets up everything an analysis computes.
 *
 * @throws NotCompilableError when a kernel of the network is none of the executor's
 */
export async function createComputation(
  problem: Problem,
  {
    executor,
    programs,
    kind,
    productBatch,
    evaluationBatch,
    keepBytes,
    plan,
    basisFolder,
  }: ComputationSetting,
  scope: ResourceScope,
): Promise<Computation> {
  const { network, loss } = problem;
  const evaluator = scope.own(lossEvaluator(network, loss, programs.evaluate));
  const batchesOf = (source: ExampleSource, batchSize: number, keptBytes: number): Batches =>
    scope.own(
      createBatches(source, network.outputs, {
        batchSize: Math.min(batchSize, source.count),
        keepBytes: keptBytes,
        executor,
      }),
    );
  const evaluated = (batches: Batches): ExampleEvaluator => ({
    examples: batches.examples,
    at: (weights, onExamples) => evaluator.evaluate(batches, weights, onExamples),
  });
  const batches = batchesOf(problem.train, productBatch, keepBytes);
  const lossProblem = { network, loss, batches };
  const createVectors = await vectorsFactory(executor, scope, basisFolder);
  const train = evaluated(batches);
  const { epsilonTrain, test } = problem;
  return {
    train,
    epsilonTrain:
      epsilonTrain === problem.train
        ? train
        : epsilonTrain && evaluated(batchesOf(epsilonTrain, evaluationBatch, 0)),
    test: test && evaluated(batchesOf(test, evaluationBatch, keepBytes)),
    lossGradient: (weights) => lossGradient(lossProblem, weights, programs.gradient),
    curvature: scope.own(await plannedCurvatureOperator(lossProblem, kind, programs.product, plan)),
    createVectors,
  };
}
