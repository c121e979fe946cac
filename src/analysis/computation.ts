import { NotCompilableError } from '../compute/compile/trace.js';
import type { AnalyzeConfig } from '../config.js';
import { nativeCurvatureOperator, nativeEvaluator, nativeGradient } from '../curvature/native.js';
import {
  type NativeBatches,
  type NativeSetting,
  nativeBatches,
  nativeBatchSize,
} from '../curvature/native-batches.js';
import {
  type CurvatureOperator,
  curvatureOperator,
  type LossGradient,
  lossGradient,
} from '../curvature/products.js';
import { createBatches, type ExampleSource } from '../network/batches.js';
import { type Evaluation, evaluate } from '../network/evaluation.js';
import type { Progress } from '../progress.js';
import { randomStream } from '../random.js';
import type { WorkSizes } from './budget.js';
import type { Problem } from './problem.js';
import { type ResourceScope, resourceScope } from './resources.js';

/** Evaluates the network on a fixed set of examples. */
export interface ExampleEvaluator {
  readonly examples: number;
  at(weights: Float32Array | Float64Array, onExamples?: (done: number) => void): Promise<Evaluation>;
}

/** Everything an analysis computes with the network, whatever computes it. */
export interface Computation {
  /** Examples of curvature and measured loss. */
  train: ExampleEvaluator;
  /** The whole training split. */
  allTraining: ExampleEvaluator;
  test: ExampleEvaluator | null;
  /** Mean loss over `train` and its gradient. */
  lossGradient(weights: Float32Array | Float64Array): Promise<LossGradient>;
  /** Curvature of the mean loss over `train` at the trained weights. */
  curvature: CurvatureOperator;
}

/** Computes with the current tfjs backend, operation by operation. */
export function eagerComputation(
  problem: Problem,
  kind: AnalyzeConfig['curvature'],
  sizes: WorkSizes,
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
  return {
    train: {
      examples: problem.train.count,
      at: (weights, onExamples) => evaluate(network, loss, batches, weights, onExamples),
    },
    allTraining: evaluator(problem.allTraining, evaluationBatch, 0),
    test: problem.test && evaluator(problem.test, evaluationBatch, keepBytes),
    lossGradient: (weights) => lossGradient(lossProblem, weights),
    curvature: scope.own(curvatureOperator(lossProblem, kind)),
  };
}

/**
 * Computes with native programs compiled from traces of the tfjs programs.
 *
 * @throws NotCompilableError when a kernel of the network has no native form
 */
export async function nativeComputation(
  problem: Problem,
  kind: AnalyzeConfig['curvature'],
  sizes: WorkSizes,
  scope: ResourceScope,
): Promise<Computation> {
  const { network, loss, engine, train } = problem;
  if (engine.native === null) {
    throw new NotCompilableError('there is no native runtime');
  }
  const setting: NativeSetting = { network, loss, options: engine.native };
  // A batch takes less memory than the same batch under tfjs, whose size is within the limit.
  const batchSize = Math.min(
    sizes.productBatch,
    nativeBatchSize(train.count, sizes.cost.operationsPerExample, network.dimension),
  );
  const batchesOf = (source: ExampleSource, keepBytes: number): NativeBatches =>
    nativeBatches(setting, source, Math.min(batchSize, source.count), keepBytes);
  const evaluator = scope.own(nativeEvaluator(setting, train));
  const gradient = scope.own(nativeGradient(setting, train));
  const trainBatches = batchesOf(train, sizes.keepBytes);
  const evaluated = (batches: NativeBatches): ExampleEvaluator => ({
    examples: batches.examples,
    at: (weights, onExamples) => evaluator.evaluate(batches, weights, onExamples),
  });
  return {
    train: evaluated(trainBatches),
    allTraining: evaluated(batchesOf(problem.allTraining, 0)),
    test: problem.test && evaluated(batchesOf(problem.test, sizes.keepBytes)),
    lossGradient: (weights) => gradient.lossGradient(trainBatches, weights),
    curvature: scope.own(
      await nativeCurvatureOperator(setting, kind, train, trainBatches, {
        batchSize,
        cacheBytes: sizes.cacheBytes,
      }),
    ),
  };
}

/** Examples on which native programs are compared with tfjs. */
const COMPARED_EXAMPLES = 8;
/** Largest relative difference between native and eager results that passes: float32 rounding stays below 1e-4. */
const AGREEMENT_TOLERANCE = 1e-3;

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
  sizes: WorkSizes,
): Promise<number> {
  return resourceScope(async (scope) => {
    const { network } = problem;
    const few = { ...problem.train, count: Math.min(COMPARED_EXAMPLES, problem.train.count) };
    const small: Problem = { ...problem, train: few, allTraining: few, test: null };
    const eager = eagerComputation(small, kind, { ...sizes, productBatch: few.count }, scope);
    const native = await nativeComputation(small, kind, sizes, scope);
    const random = randomStream(0, 'comparison');
    const vector = Float64Array.from({ length: network.dimension }, () => random.normal());
    const results = async (computation: Computation): Promise<ArrayLike<number>[]> => [
      (await computation.train.at(network.weights)).losses,
      (await computation.lossGradient(network.weights)).gradient,
      await computation.curvature.apply(vector),
    ];
    const [expected, found] = [await results(eager), await results(native)];
    return Math.max(...expected.map((reference, index) => relativeDifference(found[index], reference)));
  });
}

/**
 * The fastest computation that is right: native programs where the engine has
 * them, they exist for every kernel and agree with tfjs; else tfjs itself,
 * with a note that says why.
 */
export async function openComputation(
  problem: Problem,
  config: Pick<AnalyzeConfig, 'curvature'>,
  sizes: WorkSizes,
  progress: Progress,
  scope: ResourceScope,
): Promise<Computation & { native: boolean }> {
  const eager = (): Computation & { native: boolean } => ({
    ...eagerComputation(problem, config.curvature, sizes, scope),
    native: false,
  });
  if (problem.engine.native === null) {
    return eager();
  }
  try {
    const difference = await compareComputations(problem, config.curvature, sizes);
    if (!(difference <= AGREEMENT_TOLERANCE)) {
      progress.note(
        `compiled programs differ from tfjs by ${difference.toExponential(1)} for this model; computing with tfjs`,
      );
      return eager();
    }
    return { ...(await nativeComputation(problem, config.curvature, sizes, scope)), native: true };
  } catch (error) {
    if (!(error instanceof NotCompilableError)) {
      throw error;
    }
    progress.note(`this model cannot be compiled (${error.message}); computing with tfjs`);
    return eager();
  }
}
