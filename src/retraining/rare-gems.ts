/** Pruning that trains scores of random weights (Sreenivasan et al. 2022). */
import { pruneLowest } from '../pruning/methods/mask.js';
import { permutation, type RandomStream, randomStream } from '../random.js';
import { signedValues } from '../training/initial-weights.js';
import { trustedExecutor } from '../training/step-agreement.js';
import { keptMagnitudes, pruneTo } from './gradual.js';
import { initialized } from './imp.js';
import {
  type MaskChange,
  type MaskedNetwork,
  type RetrainingProblem,
  stepSetting,
  stepsOf,
  trainMasked,
} from './masked-training.js';
import { scoredNetwork } from './scored-network.js';
import { cosineShare, type RetrainingSettings, SCORE_L2, stepwiseShare } from './settings.js';

/** Of the budget, scores take this part, fine-tuning the rest: as many epochs for each in the publication's code. */
const SCORE_SHARE = 0.5;
/** Epochs of scores between prunings in the publication's code. */
const PRUNING_PERIOD = 5;
/** So many prunings at least: with few epochs they lie closer together. */
const FEWEST_PRUNINGS = 10;
/** Of fine-tuning in the publication's code. */
const TUNING_DECAY = 1e-4;

/** How scores are trained, and the weights that they leave. */
export interface RareGemsOptions {
  scores: Pick<RetrainingSettings, 'optimizer' | 'learningRate'>;
  /** Weight lambda of the penalty lambda sum p^2 over the scores; 0: none. */
  scoreL2: number;
  /** Rate of fine-tuning at first. */
  tuningRate: number;
}

/**
 * As the publication's code has it for ResNet50 on TinyImageNet. On a perceptron of 266,200 weights (MNIST, 98 % pruned,
 * two epochs in all, one seed) test accuracy was 92.5 % so and 93.1 % with lambda = 1e-4. With a rate of 0.05 for
 * fine-tuning it was 90.8 %, 88.2 % without the penalty, and 87.0 % with scores by SGD at 0.1, as for ResNet20.
 */
export const rareGemsDefaults: RareGemsOptions = {
  scores: { optimizer: 'adam', learningRate: 0.01 },
  scoreL2: SCORE_L2,
  tuningRate: 0.1,
};

/** What was done to scores and weights, for a report. */
export interface ScoredPruning {
  /** Signs at random, magnitudes sqrt(2 / fan-in). */
  frozenWeights: 'random-signs';
  scoreL2: number;
  prunings: number;
  scoreSteps: number;
  tuningSteps: number;
}

/** A network that was pruned by scores. */
export interface ScoredNetwork extends MaskedNetwork {
  scored: ScoredPruning;
}

/**
 * How many weights are pruned after each of some prunings, to exactly the target: each takes ceil(q n) of the n that
 * are left, with q = 1 - t^(1 / prunings) for the target kept share t, and none more than the target.
 */
export function pruningCounts(prunedWeights: number, dimension: number, prunings: number): number[] {
  const part = 1 - (1 - prunedWeights / dimension) ** (1 / prunings);
  const counts: number[] = [];
  let pruned = 0;
  for (let pruning = 1; pruning < prunings; pruning++) {
    pruned = Math.min(prunedWeights, pruned + Math.ceil(part * (dimension - pruned)));
    counts.push(pruned);
  }
  return [...counts, prunedWeights];
}

/** The mask that prunes the lowest of the scores that are left; of equal ones, some at random. */
function pruneScores(
  scores: Float32Array,
  mask: Uint8Array,
  count: number,
  random: RandomStream,
): Uint8Array {
  // Clamping makes many scores equal: by their places, the first layer would lose all of its own.
  const order = permutation(scores.length, random);
  const left = keptMagnitudes(scores, mask);
  const shuffled = pruneLowest(
    Float64Array.from(order, (place) => left[place]),
    count,
  );
  const result = new Uint8Array(scores.length);
  order.forEach((place, i) => {
    result[place] = shuffled[i];
  });
  return result;
}

/**
 * The prunings of scores: at equal distances within the steps, neither at their start nor at their end. There are
 * floor((E - 1) / 5) for E epochs, every fifth epoch, as in the publication's code; fewer than ten become ten, as far
 * as there are steps.
 */
export function scorePrunings(
  { dimension, seed }: Pick<RetrainingProblem, 'dimension' | 'seed'>,
  prunedWeights: number,
  { epochs, steps }: { epochs: number; steps: number },
): MaskChange[] {
  const planned = Math.max(FEWEST_PRUNINGS, Math.floor((epochs - 1) / PRUNING_PERIOD));
  const prunings = Math.max(1, Math.min(planned, steps - 1));
  const random = randomStream(seed, 'equal scores');
  return pruningCounts(prunedWeights, dimension, prunings).map((count, index) => ({
    step: Math.floor(((index + 1) * steps) / (prunings + 1)),
    next: (scores, mask) => pruneScores(scores, mask, count, random),
  }));
}

/** Trains the scores of frozen weights, and drops the lowest on the way. */
async function trainScores(
  problem: RetrainingProblem,
  settings: RetrainingSettings,
  frozen: MaskedNetwork,
  changes: readonly MaskChange[],
  steps: number,
): Promise<MaskedNetwork> {
  const random = randomStream(problem.seed, 'scores');
  const scores = Float32Array.from({ length: problem.dimension }, () => random.uniform());
  const network = scoredNetwork(problem, frozen, scores);
  try {
    const start: MaskedNetwork = {
      weights: network.weights.map(({ values }) => values),
      statistics: frozen.statistics,
      mask: frozen.mask,
    };
    const scored = { ...problem, network };
    const { executor, data, seed, note = () => {} } = problem;
    const trusted = await trustedExecutor(executor, stepSetting(scored, settings, start), data, seed, note);
    return await trainMasked({ ...scored, executor: trusted }, settings, start, steps, changes);
  } finally {
    network.dispose();
  }
}

/**
 * Rare Gems, or Gem-Miner (Sreenivasan et al. 2022): the weights of a new network stay as they were drawn, signs at
 * random and magnitudes sqrt(2 / fan-in), while scores say which of them are in it ({@link scoredNetwork}). Every few
 * epochs the lowest scores are dropped for good, over all layers together. What was never dropped is kept, whatever
 * its score, and fine-tuned. Half of the budget is for scores, half for fine-tuning.
 *
 * Biases are 0 and normalisations do not scale while scores are trained; fine-tuning trains both.
 */
export async function rareGems(
  problem: RetrainingProblem,
  settings: RetrainingSettings,
  { scores, scoreL2, tuningRate }: RareGemsOptions,
  { prunedWeights, epochs }: { prunedWeights: number; epochs: number },
): Promise<ScoredNetwork> {
  const { batchSize } = settings;
  const all = stepsOf(problem, epochs, batchSize);
  const scoreSteps = Math.max(1, Math.round(SCORE_SHARE * all));
  const tuningSteps = Math.max(1, all - scoreSteps);
  const frozen = initialized(problem, signedValues);
  const changes = scorePrunings(problem, prunedWeights, { epochs: SCORE_SHARE * epochs, steps: scoreSteps });
  // The gradient of lambda sum p^2 is 2 lambda p, that of a decay d is d p.
  const ofScores = {
    ...settings,
    ...scores,
    ...{ momentum: 0.9, rateShare: cosineShare, l1: 0, weightDecay: 2 * scoreL2, clamped: true },
  };
  const { mask, statistics } = await trainScores(problem, ofScores, frozen, changes, scoreSteps);
  const ofWeights: RetrainingSettings = {
    ...settings,
    ...{ optimizer: 'sgd', momentum: 0.9, weightDecay: TUNING_DECAY, l1: 0, rateShare: stepwiseShare },
    learningRate: tuningRate,
  };
  const start = pruneTo(problem, { ...frozen, statistics }, mask);
  const tuned = await trainMasked(problem, ofWeights, start, tuningSteps);
  const scored: ScoredPruning = {
    ...{ frozenWeights: 'random-signs', scoreL2, prunings: changes.length, scoreSteps, tuningSteps },
  };
  return { ...tuned, scored };
}
