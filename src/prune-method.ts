/** Pruning by a method that looks at the network on its data. */
import { augmentedExamples } from './analysis/augmented-examples.js';
import { explainExecutorFailure } from './analysis/executor-failure.js';
import { openProblem, type Problem } from './analysis/problem.js';
import { type MeteredOracle, openPruningOracle } from './analysis/pruning-oracle.js';
import { type ResourceScope, resourceScope } from './analysis/resources.js';
import { methodStages } from './analysis/stages.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { DEFAULT_CALIBRATION, type MethodConfig } from './config.js';
import { InputError } from './errors.js';
import { methodFor } from './method-choice.js';
import type { PrunableWeight } from './network/network.js';
import { asStage, type Progress } from './progress.js';
import { pruneByTraining } from './prune-training.js';
import { withPrunableWeights } from './pruning/checkpoint.js';
import { prunedCount } from './pruning/magnitude.js';
import type { MethodChoice } from './pruning/methods/choice.js';
import type { PrunedNetwork } from './pruning/methods/method.js';
import {
  AUTO_METHOD,
  isTrainingMethod,
  type OneShotMethodName,
  type PruningMethodName,
} from './pruning/methods/names.js';
import { pruningMethods } from './pruning/methods/registry.js';
import { recalibrated as recalibratedCheckpoint, requireRecalibration } from './pruning/recalibration.js';
import type { MethodSummary, NetworkMeasure } from './report/method-summary.js';

/**
 * A number of weights to remove that leaves a network.
 *
 * @throws InputError `prune/everything` where it is all of them
 */
export function requireSomeKept(count: number, dimension: number): number {
  if (count === dimension) {
    throw new InputError(
      'prune/everything',
      `this would set all ${count} prunable weights to 0 and leave no network; prune less, for example with --ratio 0.9`,
    );
  }
  return count;
}

/**
 * How many weights a pruned fraction removes.
 *
 * @throws InputError `prune/everything` where that is all of them
 */
export function countToPrune(prunedFraction: number, dimension: number): number {
  return requireSomeKept(prunedCount(prunedFraction, dimension), dimension);
}

/** A configuration whose method is known. */
type NamedConfig = MethodConfig & { name: PruningMethodName };

/** Codes of methods that cannot prune a network, where others can. */
const UNSUPPORTED = ['prune/not-dense', 'prune/cost', 'prune/memory', 'prune/overflow'];

/** What a method made of a network. */
export interface MethodOutcome {
  network: readonly PrunableWeight[];
  /** Length D. */
  pruned: Float32Array;
  prunedWeights: number;
  prunableWeights: number;
  /** Largest magnitude that was set to 0. */
  threshold: number;
  method: MethodSummary;
  /** What `auto` took; left out where a method was named. */
  choice?: MethodChoice;
  /** With everything that was trained besides; the one that was read, where nothing was. */
  checkpoint: Checkpoint;
}

async function measure(
  { evaluate }: MeteredOracle,
  problem: Problem,
  weights: Float32Array,
): Promise<NetworkMeasure> {
  const { meanLoss } = await evaluate(problem.train, weights);
  const accuracy = problem.test === null ? null : (await evaluate(problem.test, weights)).accuracy;
  return { loss: meanLoss, accuracy };
}

/** What a method found, and how. */
interface Found {
  network: PrunedNetwork;
  checkpoint: Checkpoint;
  /** All but what follows from the network. */
  method: Omit<MethodSummary, 'layers'>;
}

function outcome(problem: Problem, { network: { mask, weights }, checkpoint, method }: Found): MethodOutcome {
  const { network } = problem;
  let prunedWeights = 0;
  let threshold = 0;
  mask.forEach((kept, i) => {
    if (kept === 0) {
      prunedWeights++;
      threshold = Math.max(threshold, Math.abs(network.weights[i]));
    }
  });
  const layers = network.prunable.map(({ name, offset, size }) => ({
    name,
    weights: size,
    kept: mask.subarray(offset, offset + size).reduce((sum, kept) => sum + kept, 0),
  }));
  return {
    network: network.prunable,
    pruned: weights,
    prunedWeights,
    prunableWeights: network.dimension,
    threshold,
    method: { ...method, layers },
    checkpoint,
  };
}

/** Whatever a method does, what it leaves must be numbers. */
function requireFinite({ weights }: PrunedNetwork, name: string): void {
  if (!weights.every(Number.isFinite)) {
    throw new InputError(
      'prune/overflow',
      `--method ${name}: the weights that it finds for this network are not finite; use another method, or more examples with --calibration`,
    );
  }
}

/** The network with statistics of batch normalisations taken anew, and measured so. */
async function recalibrated(
  config: MethodConfig,
  problem: Problem,
  checkpoint: Checkpoint,
  weights: Float32Array,
  progress: Progress,
  scope: ResourceScope,
): Promise<{ checkpoint: Checkpoint; after: NetworkMeasure }> {
  const pruned = withPrunableWeights(checkpoint, problem.network.prunable, weights);
  const { problem: analysis, augment } = config;
  const examples =
    augment === null ? problem.train : augmentedExamples(problem, analysis, checkpoint, augment);
  const renewed = await recalibratedCheckpoint(pruned, examples);
  const other = await openProblem(config.problem, renewed, progress, scope);
  const metered = await openPruningOracle(other, scope, progress.note);
  return { checkpoint: renewed, after: await measure(metered, other, other.network.weights) };
}

async function pruneOnce(
  name: OneShotMethodName,
  config: MethodConfig,
  problem: Problem,
  checkpoint: Checkpoint,
  target: { prunedWeights: number; seed: number },
  progress: Progress,
  scope: ResourceScope,
): Promise<Found> {
  const { network, train } = problem;
  const renews = config.recalibrateBatchNorm === true;
  const metered = await openPruningOracle(problem, scope, progress.note);
  const started = performance.now();
  const found = await asStage(progress, methodStages.pruning, () =>
    pruningMethods[name](
      {
        weights: network.weights,
        layers: network.prunable,
        oracle: metered.oracle,
        products: metered.products,
      },
      target,
    ),
  );
  const seconds = (performance.now() - started) / 1000;
  requireFinite(found, name);
  const { gradients, distinctExamples } = metered.cost();
  return asStage(progress, methodStages.measuring, async () => {
    const before = await measure(metered, problem, network.weights);
    const { after, checkpoint: made } = renews
      ? await recalibrated(config, problem, checkpoint, found.weights, progress, scope)
      : { after: await measure(metered, problem, found.weights), checkpoint };
    // A forward pass is a third of a gradient.
    const epochEquivalents = (gradients + (renews ? train.count / 3 : 0)) / problem.trainingAvailable;
    return {
      network: found,
      checkpoint: made,
      method: {
        ...{ name, seed: target.seed, epochEquivalents, seconds, before, after },
        distinctExamples: renews ? train.count : distinctExamples,
        ...(renews && { batchNormExamples: train.count }),
        ...(renews && config.augment !== null && { batchNormAugmented: true as const }),
      },
    };
  });
}

/** What is pruned, how far, and where notes and resources go. */
interface PruningTask {
  problem: Problem;
  checkpoint: Checkpoint;
  target: { prunedWeights: number; seed: number };
  progress: Progress;
  scope: ResourceScope;
}

async function pruneByName(config: NamedConfig, task: PruningTask): Promise<MethodOutcome> {
  const { problem, checkpoint, target, progress, scope } = task;
  const { name, tuneEpochs } = config;
  const once = isTrainingMethod(name)
    ? null
    : await pruneOnce(name, config, problem, checkpoint, target, progress, scope);
  if (once !== null && tuneEpochs === 0) {
    return outcome(problem, once);
  }
  const trained = await pruneByTraining(config, problem, checkpoint, target, once?.network ?? null, progress);
  requireFinite(trained.network, name);
  const cost = once?.method ?? { epochEquivalents: 0, distinctExamples: 0, seconds: 0 };
  const { method } = trained;
  return outcome(problem, {
    ...trained,
    method: {
      ...method,
      epochEquivalents: method.epochEquivalents + cost.epochEquivalents,
      distinctExamples: Math.max(method.distinctExamples, cost.distinctExamples),
      seconds: method.seconds + cost.seconds,
    },
  });
}

/** Prunes by the first method of the table that can prune this network. */
async function pruneByChoice(
  config: MethodConfig,
  task: PruningTask,
  prunedFraction: number,
): Promise<MethodOutcome> {
  const refused = new Map<PruningMethodName, string>();
  for (;;) {
    const choice = await methodFor(config, task.problem, task.checkpoint, prunedFraction, refused);
    const { method: name } = choice;
    const once = !isTrainingMethod(name);
    // Examples for training are all that there are; methods that do not train see fewer.
    const examples = config.tuneExamples === 'all' && once ? DEFAULT_CALIBRATION : config.problem.examples;
    const analysis = { ...config.problem, examples, epsilonExamples: examples };
    const problem =
      examples === config.problem.examples
        ? task.problem
        : await openProblem(analysis, task.checkpoint, task.progress, task.scope);
    try {
      const { recalibrateBatchNorm: _, ...trains } = config;
      const named = { ...(once ? config : trains), name, problem: analysis };
      return { ...(await pruneByName(named, { ...task, problem })), choice };
    } catch (error) {
      if (!(once && error instanceof InputError && UNSUPPORTED.includes(error.code))) {
        throw error;
      }
      refused.set(name, error.message);
    }
  }
}

/**
 * Prunes a network by a method, and measures it before and after: the loss on the examples that the method may see,
 * the accuracy on the test examples, which it does not.
 *
 * @throws InputError when model, data and options do not fit together, or the method cannot prune this network
 */
export async function pruneByMethod(
  config: MethodConfig,
  checkpoint: Checkpoint,
  prunedFraction: number,
  progress: Progress,
): Promise<MethodOutcome> {
  return resourceScope(async (scope: ResourceScope) => {
    const { name } = config;
    const problem = await asStage(progress, methodStages.data, () =>
      openProblem(config.problem, checkpoint, progress, scope),
    );
    if (config.recalibrateBatchNorm) {
      await requireRecalibration(checkpoint);
    }
    const target = {
      prunedWeights: countToPrune(prunedFraction, problem.network.dimension),
      seed: config.problem.seed,
    };
    const task = { problem, checkpoint, target, progress, scope };
    return name === AUTO_METHOD
      ? pruneByChoice(config, task, prunedFraction)
      : pruneByName({ ...config, name }, task);
  }).catch((error: unknown) => explainExecutorFailure(error));
}
