/** Pruning by a method that looks at the network on its data. */
import { openProblem, type Problem } from './analysis/problem.js';
import { type MeteredOracle, openPruningOracle } from './analysis/pruning-oracle.js';
import { type ResourceScope, resourceScope } from './analysis/resources.js';
import { methodStages } from './analysis/stages.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import type { MethodConfig } from './config.js';
import { InputError } from './errors.js';
import type { PrunableWeight } from './network/network.js';
import { asStage, type Progress } from './progress.js';
import { withPrunableWeights } from './pruning/checkpoint.js';
import { prunedCount } from './pruning/magnitude.js';
import type { PrunedNetwork } from './pruning/methods/method.js';
import { pruningMethods } from './pruning/methods/registry.js';
import { recalibrated as recalibratedCheckpoint, requireLayersModel } from './pruning/recalibration.js';
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
  /** The checkpoint with new batch-normalisation statistics and pruned weights, where these were asked for. */
  recalibrated?: Checkpoint;
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

function outcome(problem: Problem, { mask, weights }: PrunedNetwork, method: MethodSummary): MethodOutcome {
  const { network } = problem;
  let prunedWeights = 0;
  let threshold = 0;
  mask.forEach((kept, i) => {
    if (kept === 0) {
      prunedWeights++;
      threshold = Math.max(threshold, Math.abs(network.weights[i]));
    }
  });
  return {
    network: network.prunable,
    pruned: weights,
    prunedWeights,
    prunableWeights: network.dimension,
    threshold,
    method,
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

/**
 * Prunes a network by a method, and measures it before and after: the loss on the examples that the method may see,
 * the accuracy on the test examples, which it does not.
 *
 * @throws InputError when model, data and options do not fit together, or the method cannot prune this network
 */
export async function pruneByMethod(
  { name, problem: config, recalibrateBatchNorm = false }: MethodConfig,
  checkpoint: Checkpoint,
  prunedFraction: number,
  progress: Progress,
): Promise<MethodOutcome> {
  if (recalibrateBatchNorm) {
    requireLayersModel(checkpoint);
  }
  return resourceScope(async (scope: ResourceScope) => {
    const { problem, metered } = await asStage(progress, methodStages.data, async () => {
      const opened = await openProblem(config, checkpoint, progress, scope);
      return { problem: opened, metered: await openPruningOracle(opened, scope, progress.note) };
    });
    const { network } = problem;
    const target = { prunedWeights: countToPrune(prunedFraction, network.dimension), seed: config.seed };
    const started = performance.now();
    const found = await asStage(progress, methodStages.pruning, () =>
      pruningMethods[name](
        { weights: network.weights, layers: network.prunable, oracle: metered.oracle },
        target,
      ),
    );
    const seconds = (performance.now() - started) / 1000;
    requireFinite(found, name);
    const { gradients, distinctExamples } = metered.cost();
    const { before, after, recalibrated } = await asStage(progress, methodStages.measuring, async () => {
      const before = await measure(metered, problem, network.weights);
      if (!recalibrateBatchNorm) {
        return { before, after: await measure(metered, problem, found.weights) };
      }
      const pruned = withPrunableWeights(checkpoint, network.prunable, found.weights);
      const recalibrated = await recalibratedCheckpoint(pruned, problem.train);
      const other = await openProblem(config, recalibrated, progress, scope);
      const oracle = await openPruningOracle(other, scope, progress.note);
      return { before, after: await measure(oracle, other, other.network.weights), recalibrated };
    });
    const measured = outcome(problem, found, {
      name,
      seed: config.seed,
      epochEquivalents:
        (gradients + (recalibrateBatchNorm ? problem.train.count / 3 : 0)) / problem.trainingAvailable,
      distinctExamples: recalibrateBatchNorm ? problem.train.count : distinctExamples,
      seconds,
      before,
      after,
      layers: network.prunable.map(({ name: layer, offset, size }) => ({
        name: layer,
        weights: size,
        kept: found.mask.subarray(offset, offset + size).reduce((sum, kept) => sum + kept, 0),
      })),
      ...(recalibrateBatchNorm && { batchNormExamples: problem.train.count }),
    });
    return { ...measured, ...(recalibrated && { recalibrated }) };
  });
}
