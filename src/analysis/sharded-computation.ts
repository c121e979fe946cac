import type { AnalyzeConfig } from '../config.js';
import { plannedProductSums } from '../curvature/products.js';
import { type ExampleSet, inTurns, localShardSums, type ShardSums } from '../curvature/shard-sums.js';
import { sharedPass } from '../curvature/shared-pass.js';
import { summarizeEvaluation } from '../network/evaluation.js';
import type { ExampleSource } from '../network/example-source.js';
import { type Batches, createBatches } from '../programs/batches.js';
import { lossEvaluator } from '../programs/evaluation.js';
import { scaled } from '../programs/flat-weights.js';
import type { LanczosVectorsFactory } from '../spectrum/lanczos-vectors.js';
import type { Computation, ComputationSetting, ExampleEvaluator } from './computation.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';

/** The sets of examples of a problem that are evaluated, each once. */
export function exampleSets({
  train,
  epsilonTrain,
  test,
}: Pick<Problem, 'train' | 'epsilonTrain' | 'test'>): Record<ExampleSet, ExampleSource | null> {
  return { train, epsilonTrain: epsilonTrain === train ? null : epsilonTrain, test };
}

/**
 * What computes sums over shards of a problem in this process.
 *
 * @throws NotCompilableError when a kernel of the network is none of the executor's
 */
export async function openShardSums(
  problem: Problem,
  {
    executor,
    programs,
    productBatch,
    evaluationBatch,
    keepBytes,
    plan,
  }: Omit<ComputationSetting, 'kind' | 'basisFolder'>,
  shards: number,
  scope: ResourceScope,
): Promise<ShardSums> {
  const { network, loss } = problem;
  const cut = (source: ExampleSource, batchSize: number, keptBytes: number): Batches =>
    inTurns(
      scope.own(
        createBatches(source, network.outputs, { batchSize, keepBytes: keptBytes, executor, shards }),
      ),
    );
  const { train, epsilonTrain, test } = exampleSets(problem);
  const batches = cut(train!, productBatch, keepBytes);
  const lossProblem = { network, loss, batches };
  return localShardSums({
    problem: lossProblem,
    sets: {
      train: batches,
      epsilonTrain: epsilonTrain && cut(epsilonTrain, evaluationBatch, 0),
      test: test && cut(test, evaluationBatch, keepBytes),
    },
    evaluator: scope.own(lossEvaluator(network, loss, programs.evaluate)),
    gradientProgram: programs.gradient,
    products: scope.own(await plannedProductSums(lossProblem, programs.product, plan)),
  });
}

/**
 * An analysis' computation made of sums over shards, whoever computes these.
 *
 * @param createVectors keeps the Lanczos vectors, which are not cut
 */
export function shardedComputation(
  problem: Problem,
  sums: ShardSums,
  kind: AnalyzeConfig['curvature'],
  createVectors: LanczosVectorsFactory,
): Computation {
  const { network, loss } = problem;
  const all = { start: 0, end: sums.shards };
  const evaluated = (set: ExampleSet, source: ExampleSource): ExampleEvaluator => ({
    examples: source.count,
    at: async (weights, onExamples) => {
      const { losses, logits } = await sums.outputs(set, weights, all, onExamples);
      const targets = source.targets(0, source.count);
      return summarizeEvaluation(
        loss,
        new Float64Array(losses),
        [logits],
        [targets],
        network.outputs,
        network.decidesClasses,
      );
    },
  });
  const sets = exampleSets(problem);
  const train = evaluated('train', problem.train);
  const perExample = 1 / problem.train.count;
  return {
    train,
    epsilonTrain:
      sets.epsilonTrain === null
        ? problem.epsilonTrain && train
        : evaluated('epsilonTrain', sets.epsilonTrain),
    test: sets.test && evaluated('test', sets.test),
    lossGradient: async (weights) => {
      const { loss: summed, gradient } = await sums.gradient(weights, all);
      return { loss: summed * perExample, gradient: scaled(new Float64Array(gradient), perExample) };
    },
    curvature: {
      kind,
      dim: network.dimension,
      positiveSemidefinite: kind === 'ggn',
      apply: sharedPass(async (vectors) =>
        (await sums.products(vectors, all)).map((sum) => scaled(new Float64Array(sum), perExample)),
      ),
      dispose: () => {},
    },
    createVectors,
  };
}
