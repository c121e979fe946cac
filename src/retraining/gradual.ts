import { pruneLowest } from '../pruning/methods/mask.js';
import { cubicStages } from '../pruning/methods/stages.js';
import {
  flatWeights,
  type MaskChange,
  type MaskedNetwork,
  type RetrainingProblem,
  stepsOf,
  trainMasked,
  withFlatWeights,
} from './masked-training.js';
import type { MaskGrowth, RetrainingSettings } from './settings.js';

/** Changes of the mask. */
const CHANGES = 100;

/** Magnitudes of the kept weights; those of the pruned ones lie below all, whatever ties with 0. */
export function keptMagnitudes(weights: Float32Array, mask: Uint8Array): Float64Array {
  // A plain loop: `from` with a function takes thirty times as long, and masks of millions change often.
  const magnitudes = new Float64Array(weights.length);
  for (let i = 0; i < weights.length; i++) {
    magnitudes[i] = mask[i] === 0 ? -1 : Math.abs(weights[i]);
  }
  return magnitudes;
}

/**
 * The changes of a mask that grows by magnitude and the cubic rule (Zhu &
 * Gupta 2017) over the first part of the steps. On MLPNet with one epoch,
 * 98 % pruned, test accuracy was 87.2 % so, and 83.7 % with w^2 times Adam's
 * second moment in place of the magnitude.
 *
 * @param start weights that are pruned already
 */
export function growingMask(
  { dimension, prunedWeights, start = 0 }: { dimension: number; prunedWeights: number; start?: number },
  { firstShare, untilShare }: MaskGrowth,
  steps: number,
): MaskChange[] {
  const first = Math.max(firstShare, start / dimension);
  const counts = cubicStages(prunedWeights, dimension, CHANGES, first);
  const byStep = new Map<number, number>();
  counts.forEach((count, index) => {
    byStep.set(Math.floor((index / CHANGES) * untilShare * steps), count);
  });
  return [...byStep].map(([step, count]) => ({
    step,
    next: (weights, mask) => pruneLowest(keptMagnitudes(weights, mask), count),
  }));
}

/**
 * Trains the kept weights while the mask grows: of the methods that were tried
 * on MLPNet the best from one epoch on (`docs/results.md`).
 *
 * @param epochs budget, may be a part of one
 */
export function gradual(
  problem: RetrainingProblem,
  settings: RetrainingSettings,
  start: MaskedNetwork,
  { prunedWeights, epochs }: { prunedWeights: number; epochs: number },
): Promise<MaskedNetwork> {
  const { dimension } = problem;
  const steps = stepsOf(problem, epochs, settings.batchSize);
  const pruned = start.mask.reduce((count, kept) => count + (kept === 0 ? 1 : 0), 0);
  return trainMasked(
    problem,
    settings,
    start,
    steps,
    growingMask({ dimension, prunedWeights, start: pruned }, settings.growth, steps),
  );
}

/** Trains first, then prunes once by magnitude: with an l1 penalty, the paper's pruning. */
export async function trainThenPrune(
  problem: RetrainingProblem,
  settings: RetrainingSettings,
  start: MaskedNetwork,
  { prunedWeights, epochs }: { prunedWeights: number; epochs: number },
): Promise<MaskedNetwork> {
  const steps = stepsOf(problem, epochs, settings.batchSize);
  const trained = await trainMasked(problem, settings, start, steps);
  const flat = flatWeights(problem, trained.weights);
  return pruneTo(problem, trained, pruneLowest(Float64Array.from(flat, Math.abs), prunedWeights));
}

/** A network under a mask. */
export function pruneTo(problem: RetrainingProblem, network: MaskedNetwork, mask: Uint8Array): MaskedNetwork {
  const flat = flatWeights(problem, network.weights).map((weight, i) => (mask[i] === 0 ? 0 : weight));
  return { ...network, weights: withFlatWeights(problem, network.weights, flat), mask };
}
