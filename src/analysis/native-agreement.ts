import type { AnalyzeConfig } from '../config.js';
import { type CheckPoint, NOISE_FACTOR, neighbourOf, ordinaryPoint } from '../curvature/check-points.js';
import { nativeEvaluator } from '../curvature/native.js';
import { type NativeSetting, nativeBatches } from '../curvature/native-batches.js';
import type { LossPrograms } from '../curvature/native-programs.js';
import type { ProductPlan } from '../curvature/product-plan.js';
import { type ExampleSource, examplesAt } from '../network/batches.js';
import { randomStream } from '../random.js';
import { type Computation, eagerComputation } from './computation.js';
import { nativeComputation } from './native-computation.js';
import type { Problem } from './problem.js';
import { type ResourceScope, resourceScope } from './resources.js';

/** Largest relative difference between native and eager results that passes: float32 rounding stays below 1e-4. */
export const AGREEMENT_TOLERANCE = 1e-3;

/** Examples on which native programs are compared with tfjs, and of how many they are chosen. */
const COMPARED_EXAMPLES = 8;
const COMPARISON_CANDIDATES = 512;

/** Native programs and how they are run. */
export interface NativePrograms {
  kind: AnalyzeConfig['curvature'];
  programs: LossPrograms;
  setting: NativeSetting;
  plan: ProductPlan;
}

/**
 * The training examples that the network gets most wrong. Where it is sure
 * and right, losses and derivatives are differences of nearly equal numbers,
 * and two right computations differ by more than rounding.
 */
async function worstExamples(
  { network, train }: Problem,
  { programs, setting, plan }: NativePrograms,
): Promise<ExampleSource> {
  const candidates = { ...train, count: Math.min(COMPARISON_CANDIDATES, train.count) };
  const evaluator = nativeEvaluator(setting, programs.evaluate);
  try {
    const batches = nativeBatches(setting, candidates, Math.min(plan.batchSize, candidates.count), 0);
    const { losses } = await evaluator.evaluate(batches, network.weights);
    const places = Array.from(losses, (_, place) => place).sort((a, b) => losses[b] - losses[a]);
    return examplesAt(train, places.slice(0, COMPARED_EXAMPLES));
  } finally {
    evaluator.dispose();
  }
}

/** The problem on the examples and with the weights of a point. */
function problemAt(problem: Problem, { weights, examples }: CheckPoint): Problem {
  return {
    ...problem,
    network: { ...problem.network, weights },
    train: examples,
    epsilonTrain: null,
    test: null,
  };
}

function eagerAt(problem: Problem, kind: AnalyzeConfig['curvature'], scope: ResourceScope): Computation {
  const { count } = problem.train;
  return eagerComputation(
    problem,
    kind,
    { productBatch: count, evaluationBatch: count, keepBytes: 0 },
    scope,
  );
}

function nativeAt(
  problem: Problem,
  { kind, programs, setting, plan }: NativePrograms,
  scope: ResourceScope,
): Promise<Computation> {
  const smallPlan: ProductPlan = {
    ...plan,
    batchSize: problem.train.count,
    batches: 1,
    keptBatches: 0,
    unfoldedBatches: 0,
    recomputesUnfolded: plan.unfoldedBatches > 0,
  };
  return nativeComputation(
    problem,
    kind,
    programs,
    { plan: smallPlan, keepBytes: 0 },
    { ...setting, network: problem.network },
    scope,
  );
}

/** Losses, gradient and one curvature product. */
async function resultsOf(
  { train, lossGradient, curvature }: Computation,
  weights: Float32Array,
): Promise<ArrayLike<number>[]> {
  const random = randomStream(0, 'comparison');
  const vector = Float64Array.from(weights, () => random.normal());
  return [
    (await train.at(weights)).losses,
    (await lossGradient(weights)).gradient,
    await curvature.apply(vector),
  ];
}

/** || left - right || relative to the larger of the two norms; 0 where both are 0. */
function relativeDifference(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let difference = 0;
  let leftSquares = 0;
  let rightSquares = 0;
  for (let i = 0; i < right.length; i++) {
    difference += (left[i] - right[i]) ** 2;
    leftSquares += left[i] ** 2;
    rightSquares += right[i] ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / Math.max(leftSquares, rightSquares));
}

/** How far two computations are from each other at a point. */
interface Agreement {
  /** Largest relative difference that rounding noise does not explain. */
  difference: number;
  /** Whether more noise than the tolerance had to be allowed for. */
  isNoisy: boolean;
}

async function agreementAt(
  problem: Problem,
  native: NativePrograms,
  point: CheckPoint,
  scope: ResourceScope,
): Promise<Agreement> {
  const { weights } = point;
  const here = problemAt(problem, point);
  const eager = await resultsOf(eagerAt(here, native.kind, scope), weights);
  const compiled = await resultsOf(await nativeAt(here, native, scope), weights);
  const differences = eager.map((result, i) => relativeDifference(compiled[i], result));
  if (!differences.some((difference) => difference > AGREEMENT_TOLERANCE)) {
    return { difference: Math.max(...differences), isNoisy: false };
  }
  const neighbour = new Float32Array(neighbourOf(weights, randomStream(0, 'neighbour')));
  const beside = problemAt(problem, { ...point, weights: neighbour });
  const moved = await resultsOf(eagerAt(beside, native.kind, scope), neighbour);
  const unexplained = differences.map((difference, i) =>
    difference > AGREEMENT_TOLERANCE
      ? Math.max(0, difference - NOISE_FACTOR * relativeDifference(moved[i], eager[i]))
      : difference,
  );
  return { difference: Math.max(...unexplained), isNoisy: true };
}

/**
 * How far native results are from eager ones on a few examples, beyond
 * rounding: the largest relative difference of losses, gradient and one
 * curvature product.
 *
 * At the trained weights they may be nothing but noise: the gradient of a
 * network that fits perfectly is, on both sides. Then what counts is measured
 * noise, and the programs are compared at other weights and targets as well.
 *
 * @returns NaN where only one side is finite
 */
export function compareComputations(problem: Problem, native: NativePrograms): Promise<number> {
  return resourceScope(async (scope) => {
    const { network, loss } = problem;
    const examples = await worstExamples(problem, native);
    const trained: CheckPoint = { weights: network.weights, examples };
    const { difference, isNoisy } = await agreementAt(problem, native, trained, scope);
    if (!isNoisy || !(difference <= AGREEMENT_TOLERANCE)) {
      return difference;
    }
    const ordinary = ordinaryPoint(network, loss, trained, randomStream(0, 'ordinary'));
    const elsewhere = await agreementAt(problem, native, ordinary, scope);
    return Math.max(difference, elsewhere.difference);
  });
}
