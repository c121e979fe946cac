import { compileRowProjector } from '../compute/compile/row-projection.js';
import type { AnalyzeConfig } from '../config.js';
import { nativeEvaluator, nativeLossGradient } from '../curvature/native.js';
import { type NativeBatches, type NativeSetting, nativeBatches } from '../curvature/native-batches.js';
import { nativeCurvatureOperator } from '../curvature/native-curvature.js';
import type { LossPrograms } from '../curvature/native-programs.js';
import type { ExampleSource } from '../network/batches.js';
import { projectedVectors, recentVectors } from '../spectrum/lanczos-vectors.js';
import type { Computation, ExampleEvaluator } from './computation.js';
import type { NativeWorkSizes } from './native-budget.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';

/**
 * Computes with native programs compiled from traces of the tfjs programs.
 *
 * @param setting where they run
 * @throws NotCompilableError when a kernel of the network has no native form
 */
export async function nativeComputation(
  problem: Problem,
  kind: AnalyzeConfig['curvature'],
  programs: LossPrograms,
  { plan, keepBytes }: Pick<NativeWorkSizes, 'plan' | 'keepBytes'>,
  setting: NativeSetting,
  scope: ResourceScope,
): Promise<Computation> {
  const batchesOf = (source: ExampleSource, keptBytes: number): NativeBatches =>
    nativeBatches(setting, source, Math.min(plan.batchSize, source.count), keptBytes);
  const evaluator = scope.own(nativeEvaluator(setting, programs.evaluate));
  const trainBatches = batchesOf(problem.train, keepBytes);
  const projector = scope.own(await compileRowProjector(setting.options));
  const evaluated = (batches: NativeBatches): ExampleEvaluator => ({
    examples: batches.examples,
    at: (weights, onExamples) => evaluator.evaluate(batches, weights, onExamples),
  });
  const train = evaluated(trainBatches);
  const { epsilonTrain } = problem;
  return {
    train,
    epsilonTrain:
      epsilonTrain === problem.train ? train : epsilonTrain && evaluated(batchesOf(epsilonTrain, 0)),
    test: problem.test && evaluated(batchesOf(problem.test, keepBytes)),
    lossGradient: (weights) => nativeLossGradient(setting, programs.gradient, trainBatches, weights),
    curvature: scope.own(await nativeCurvatureOperator(setting, kind, programs.product, trainBatches, plan)),
    createVectors: (length, keep) =>
      keep === 'all' ? projectedVectors(length, projector) : recentVectors(length, 'float32'),
  };
}
