/** Pruning methods that train. */
import type { TrainingMethodName } from '../pruning/methods/names.js';
import { gradual, trainThenPrune } from './gradual.js';
import { imp, impSettings } from './imp.js';
import {
  type MaskedNetwork,
  type RetrainingProblem,
  stepsOf,
  trainMasked,
  unmasked,
} from './masked-training.js';
import { rareGems, rareGemsDefaults, type ScoredPruning } from './rare-gems.js';
import { BASELINE_RATE, cosineShare, type RetrainingSettings } from './settings.js';

/** What is asked of a method. */
export interface RetrainingTarget {
  prunedWeights: number;
  /** Passes over the examples that may be seen; may be a part of one. */
  epochs: number;
  /** As asked for; null: the method's own. */
  learningRate: number | null;
  /** Weight of the penalty over the scores of `rare-gems`, 0: none; left out: the method's own. */
  scoreL2?: number;
}

/** A network that a method has pruned by training. */
export interface TrainedNetwork extends MaskedNetwork {
  /** What was done to scores; left out by methods that have none. */
  scored?: ScoredPruning;
}

/** Prunes a network by training; deterministic for a seed and a number of threads. */
type TrainingMethod = (
  problem: RetrainingProblem,
  settings: RetrainingSettings,
  target: RetrainingTarget,
) => Promise<TrainedNetwork>;

/** Weight of the l1 penalty, as the reference code of Zhang et al. 2024 has it for FC5, FC12 and ResNet18. */
const LOMP_L1 = 5e-5;

/** Every such method by its name on the command line. */
export const trainingMethods: Readonly<Record<TrainingMethodName, TrainingMethod>> = {
  gradual: (problem, settings, target) => gradual(problem, settings, unmasked(problem), target),
  lomp: (problem, settings, target) =>
    trainThenPrune(
      problem,
      {
        ...settings,
        ...{
          optimizer: 'sgd',
          batchSize: settings.baselineBatchSize,
          learningRate: target.learningRate ?? BASELINE_RATE,
          momentum: 0.9,
          rateShare: cosineShare,
          l1: LOMP_L1,
        },
      },
      unmasked(problem),
      target,
    ),
  imp: (problem, settings, target) =>
    imp(problem, impSettings(settings, target.learningRate ?? BASELINE_RATE), target),
  'rare-gems': (problem, settings, target) =>
    rareGems(
      problem,
      { ...settings, batchSize: settings.baselineBatchSize },
      {
        ...rareGemsDefaults,
        scoreL2: target.scoreL2 ?? rareGemsDefaults.scoreL2,
        tuningRate: target.learningRate ?? rareGemsDefaults.tuningRate,
      },
      target,
    ),
};

/** Trains the kept weights of a pruned network, its mask held. */
export function tune(
  problem: RetrainingProblem,
  settings: RetrainingSettings,
  network: MaskedNetwork,
  epochs: number,
): Promise<MaskedNetwork> {
  return trainMasked(problem, settings, network, stepsOf(problem, epochs, settings.batchSize));
}
