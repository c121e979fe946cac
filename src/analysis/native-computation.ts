import { compileRowProjector } from '../compute/compile/row-projection.js';
import type { AnalyzeConfig } from '../config.js';
import { nativeEvaluator, nativeLossGradient } from '../curvature/native.js';
import { type NativeBatches, type NativeSetting, nativeBatches } from '../curvature/native-batches.js';
import { nativeCurvatureOperator } from '../curvature/native-curvature.js';
import type { LossPrograms } from '../curvature/native-programs.js';
import type { ProductPlan } from '../curvature/product-plan.js';
import { type ExampleSource, examplesAt } from '../network/batches.js';
import { randomStream } from '../random.js';
import { projectedVectors, recentVectors } from '../spectrum/lanczos-vectors.js';
import { type Computation, type ExampleEvaluator, eagerComputation } from './computation.js';
import type { NativeWorkSizes } from './native-budget.js';
import type { Problem } from './problem.js';
import { type ResourceScope, resourceScope } from './resources.js';

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

/** Examples on which native programs are compared with tfjs, and of how many they are chosen. */
const COMPARED_EXAMPLES = 8;
const COMPARISON_CANDIDATES = 512;

/**
 * The training examples that the network gets most wrong. Where it is sure
 * and right, losses and derivatives are differences of nearly equal numbers,
 * and two right computations differ by more than rounding.
 */
async function worstExamples(
  { network, train }: Problem,
  programs: LossPrograms,
  setting: NativeSetting,
  batchSize: number,
): Promise<ExampleSource> {
  const candidates = { ...train, count: Math.min(COMPARISON_CANDIDATES, train.count) };
  const evaluator = nativeEvaluator(setting, programs.evaluate);
  try {
    const batches = nativeBatches(setting, candidates, Math.min(batchSize, candidates.count), 0);
    const { losses } = await evaluator.evaluate(batches, network.weights);
    const places = Array.from(losses, (_, place) => place).sort((a, b) => losses[b] - losses[a]);
    return examplesAt(train, places.slice(0, COMPARED_EXAMPLES));
  } finally {
    evaluator.dispose();
  }
}

function relativeDifference(value: ArrayLike<number>, reference: ArrayLike<number>): number {
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < reference.length; i++) {
    difference += (value[i] - reference[i]) ** 2;
    scale += reference[i] ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / scale);
}

/**
 * How far native results are from eager ones on a few examples: the largest
 * relative difference of losses, gradient and one curvature product.
 */
export function compareComputations(
  problem: Problem,
  kind: AnalyzeConfig['curvature'],
  programs: LossPrograms,
  setting: NativeSetting,
  plan: ProductPlan,
): Promise<number> {
  return resourceScope(async (scope) => {
    const { network } = problem;
    const few = await worstExamples(problem, programs, setting, plan.batchSize);
    const small: Problem = { ...problem, train: few, epsilonTrain: null, test: null };
    const sizes = { productBatch: few.count, evaluationBatch: few.count, keepBytes: 0 };
    const eager = eagerComputation(small, kind, sizes, scope);
    const smallPlan: ProductPlan = {
      ...plan,
      batchSize: few.count,
      batches: 1,
      keptBatches: 0,
      unfoldedBatches: 0,
      recomputesUnfolded: plan.unfoldedBatches > 0,
    };
    const native = await nativeComputation(
      small,
      kind,
      programs,
      { plan: smallPlan, keepBytes: 0 },
      setting,
      scope,
    );
    const random = randomStream(0, 'comparison');
    const vector = Float64Array.from({ length: network.dimension }, () => random.normal());
    const compute: ((computation: Computation) => Promise<ArrayLike<number>>)[] = [
      async ({ train }) => (await train.at(network.weights)).losses,
      async (computation) => (await computation.lossGradient(network.weights)).gradient,
      async ({ curvature }) => curvature.apply(vector),
    ];
    let largest = 0;
    for (const result of compute) {
      largest = Math.max(largest, relativeDifference(await result(native), await result(eager)));
    }
    return largest;
  });
}
