import type { TrainableTensor } from '../network/trainable-network.js';
import { pruneLowest } from '../pruning/methods/mask.js';
import { randomStream } from '../random.js';
import { normalValues } from '../training/initial-weights.js';
import { keptMagnitudes, pruneTo } from './gradual.js';
import {
  flatWeights,
  type MaskChange,
  type MaskedNetwork,
  type RetrainingProblem,
  stepsOf,
  trainMasked,
  withFlatWeights,
} from './masked-training.js';
import { type RetrainingSettings, stepwiseShare } from './settings.js';

/** Of the weights that are left, a round keeps about this part. */
const KEPT_OF_ROUND = 0.8;
/** The step of the first round whose weights every other round starts from: this, and at most this part of a round. */
const REWIND_STEP = 1000;
const REWIND_SHARE = 0.1;

/** Before a relu, which halves the second moment. */
const GAIN = 2;

/**
 * A new network of the same architecture: kernels and embeddings random with
 * variance 2 / fan-in (He et al. 2015), scales and moving variances 1, all
 * else 0.
 *
 * @param draw from a distribution of mean 0 and a given variance; by default a normal one
 */
export function initialized(problem: RetrainingProblem, draw = normalValues): MaskedNetwork {
  const { network, dimension, seed } = problem;
  const random = randomStream(seed, 'initial weights');
  const begun = ({ values: { length }, initial }: TrainableTensor): Float32Array =>
    initial.kind === 'normal'
      ? draw(length, GAIN / initial.fanIn, random)
      : new Float32Array(length).fill(initial.value);
  return {
    weights: network.weights.map(begun),
    statistics: network.statistics.map(begun),
    mask: new Uint8Array(dimension).fill(1),
  };
}

/** How many weights are pruned after each round, to exactly the target: each round keeps the same part. */
export function roundCounts(prunedWeights: number, dimension: number): number[] {
  const kept = 1 - prunedWeights / dimension;
  const rounds = Math.max(1, Math.round(Math.log(kept) / Math.log(KEPT_OF_ROUND)));
  return Array.from({ length: rounds }, (_, round) =>
    round === rounds - 1 ? prunedWeights : Math.floor(dimension * (1 - kept ** ((round + 1) / rounds))),
  );
}

/** Weight decay of IMP (Sreenivasan et al. 2022). */
const IMP_DECAY = 1e-4;

/** How rounds train, as in the code of Sreenivasan et al. 2022: SGD with momentum, tenths of the rate at half and three quarters. */
export function impSettings(settings: RetrainingSettings, learningRate: number): RetrainingSettings {
  return {
    ...settings,
    ...{ optimizer: 'sgd', momentum: 0.9, weightDecay: IMP_DECAY, batchSize: settings.baselineBatchSize },
    learningRate,
    rateShare: stepwiseShare,
  };
}

/** After so many rounds, this part of all weights is pruned: each round prunes a fifth of those that are left. */
export function prunedAfterRounds(rounds: number): number {
  return 1 - KEPT_OF_ROUND ** rounds;
}

/**
 * What a round starts from: the network that the round before trained, its
 * smallest kept weights pruned, the others set back to where they were early.
 *
 * @param early flat, length D
 * @param prunedWeights in all, those of the mask among them
 */
export function rewound(
  problem: RetrainingProblem,
  trained: MaskedNetwork,
  early: Float32Array,
  prunedWeights: number,
): MaskedNetwork {
  const flat = flatWeights(problem, trained.weights);
  return pruneTo(
    problem,
    { ...trained, weights: withFlatWeights(problem, trained.weights, early) },
    pruneLowest(keptMagnitudes(flat, trained.mask), prunedWeights),
  );
}

/**
 * Iterative magnitude pruning with rewinding (Frankle et al. 2020), from a new
 * initialisation: train; prune the smallest of the weights that are left; set
 * the rest back to where they were early in the first round; and again.
 * Everything that is not pruned carries on, as in the code of Sreenivasan et
 * al. 2022. The budget is shared equally by all rounds.
 */
export async function imp(
  problem: RetrainingProblem,
  settings: RetrainingSettings,
  { prunedWeights, epochs }: { prunedWeights: number; epochs: number },
): Promise<MaskedNetwork> {
  const counts = roundCounts(prunedWeights, problem.dimension);
  const all = stepsOf(problem, epochs, settings.batchSize);
  const steps = Math.max(1, Math.floor(all / (counts.length + 1)));
  let early: Float32Array | null = null;
  const remember: MaskChange = {
    step: Math.min(REWIND_STEP, Math.floor(REWIND_SHARE * steps)),
    next: (weights, mask) => {
      early = weights;
      return mask;
    },
  };
  let current = await trainMasked(problem, settings, initialized(problem), steps, [remember]);
  for (const count of counts) {
    const start = rewound(problem, current, early ?? flatWeights(problem, current.weights), count);
    current = await trainMasked(problem, settings, start, steps);
  }
  return current;
}
