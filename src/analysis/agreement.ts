import type { Executor } from '../compute/executor.js';
import { tfjsExecutor } from '../compute/tfjs-executor.js';
import type { AnalyzeConfig } from '../config.js';
import { type CheckPoint, ordinaryPoint } from '../curvature/check-points.js';
import { checkSizes } from '../curvature/check-sizes.js';
import type { ProductPlan } from '../curvature/product-plan.js';
import { type ExampleSource, examplesAt } from '../network/example-source.js';
import { createBatches } from '../programs/batches.js';
import { lossEvaluator } from '../programs/evaluation.js';
import { type LossPrograms, prepareLossPrograms } from '../programs/loss-programs.js';
import { AGREEMENT_TOLERANCE, type Agreement, agreementOf, neighbourOf } from '../programs/rounding.js';
import { randomStream } from '../random.js';
import { type Computation, type ComputationSetting, createComputation } from './computation.js';
import type { Problem } from './problem.js';
import { type ResourceScope, resourceScope } from './resources.js';

/** The examples on which compiled programs are compared with tfjs are chosen of so many times those that tfjs looks at. */
const CANDIDATES_FACTOR = 4;

/** Compiled programs and how they are run. */
export interface CompiledSetting {
  kind: AnalyzeConfig['curvature'];
  executor: Executor;
  programs: LossPrograms;
  plan: ProductPlan;
}

/**
 * The training examples that the network gets most wrong. Where it is sure
 * and right, losses and derivatives are differences of nearly equal numbers,
 * and two right computations differ by more than rounding.
 */
async function worstExamples(
  { network, loss, train }: Problem,
  { executor, programs, plan }: CompiledSetting,
): Promise<ExampleSource> {
  const sizes = checkSizes(network, train);
  const candidates = { ...train, count: Math.min(CANDIDATES_FACTOR * sizes.candidates, train.count) };
  const evaluator = lossEvaluator(network, loss, programs.evaluate);
  try {
    const batchSize = Math.min(plan.batchSize, candidates.count);
    const batches = createBatches(candidates, network.outputs, { batchSize, keepBytes: 0, executor });
    const { losses } = await evaluator.evaluate(batches, network.weights);
    const places = Array.from(losses, (_, place) => place).sort((a, b) => losses[b] - losses[a]);
    return examplesAt(train, places.slice(0, sizes.examples));
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

/** All examples in one batch. */
function atOnce({
  train,
}: Problem): Pick<ComputationSetting, 'productBatch' | 'evaluationBatch' | 'keepBytes'> {
  return { productBatch: train.count, evaluationBatch: train.count, keepBytes: 0 };
}

/** The reference: tfjs, operation by operation. */
async function tfjsAt(
  problem: Problem,
  kind: AnalyzeConfig['curvature'],
  scope: ResourceScope,
): Promise<Computation> {
  const { network, loss, train } = problem;
  const programs = await prepareLossPrograms(tfjsExecutor, network, loss, kind, train);
  const setting = { executor: tfjsExecutor, programs, kind, plan: null, basisFolder: null };
  return createComputation(problem, { ...setting, ...atOnce(problem) }, scope);
}

function compiledAt(problem: Problem, compiled: CompiledSetting, scope: ResourceScope): Promise<Computation> {
  const plan: ProductPlan = {
    ...compiled.plan,
    batchSize: problem.train.count,
    batches: 1,
    keptBatches: 0,
    unfoldedBatches: 0,
    recomputesUnfolded: compiled.plan.unfoldedBatches > 0,
  };
  // No vectors are made orthogonal here.
  const executor = { ...compiled.executor, rowProjector: null };
  return createComputation(
    problem,
    { ...compiled, executor, plan, basisFolder: null, ...atOnce(problem) },
    scope,
  );
}

/** A vector of random signs: one that no part of a product is blind to. */
function comparisonVector(dimension: number): Float32Array {
  const random = randomStream(0, 'comparison');
  const vector = new Float32Array(dimension);
  for (let i = 0; i < dimension; i++) {
    vector[i] = random.sign();
  }
  return vector;
}

/** Losses, gradient and one curvature product. */
async function resultsOf(
  { train, lossGradient, curvature }: Computation,
  weights: Float32Array,
  vector: Float32Array,
): Promise<ArrayLike<number>[]> {
  return [
    (await train.at(weights)).losses,
    (await lossGradient(weights)).gradient,
    await curvature.apply(vector),
  ];
}

async function agreementAt(
  problem: Problem,
  compiled: CompiledSetting,
  point: CheckPoint,
  scope: ResourceScope,
): Promise<Agreement> {
  const { weights } = point;
  const here = problemAt(problem, point);
  const vector = comparisonVector(weights.length);
  const reference = await resultsOf(await tfjsAt(here, compiled.kind, scope), weights, vector);
  const found = await resultsOf(await compiledAt(here, compiled, scope), weights, vector);
  return agreementOf(found, reference, async () => {
    const neighbour = neighbourOf(weights, randomStream(0, 'neighbour'));
    const beside = problemAt(problem, { ...point, weights: neighbour });
    return resultsOf(await tfjsAt(beside, compiled.kind, scope), neighbour, vector);
  });
}

/**
 * How far compiled programs are from tfjs on a few examples, beyond
 * rounding: the largest relative difference of losses, gradient and one
 * curvature product.
 *
 * At the trained weights they may be nothing but noise: the gradient of a
 * network that fits perfectly is, on both sides. Then what counts is measured
 * noise, and the programs are compared at other weights and targets as well.
 *
 * @returns NaN where only one side is finite
 */
export function compareComputations(problem: Problem, compiled: CompiledSetting): Promise<number> {
  return resourceScope(async (scope) => {
    const { network, loss } = problem;
    const examples = await worstExamples(problem, compiled);
    const trained: CheckPoint = { weights: network.weights, examples };
    const { difference, isNoisy } = await agreementAt(problem, compiled, trained, scope);
    if (!isNoisy || !(difference <= AGREEMENT_TOLERANCE)) {
      return difference;
    }
    const ordinary = ordinaryPoint(network, loss, trained, randomStream(0, 'ordinary'));
    const elsewhere = await agreementAt(problem, compiled, ordinary, scope);
    return Math.max(difference, elsewhere.difference);
  });
}
