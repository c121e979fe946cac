import { pruneLowest } from '../pruning/methods/mask.js';
import { randomStream } from '../random.js';
import { normalKernel } from '../training/initial-weights.js';
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
import type { RetrainingSettings } from './settings.js';

/** Of the weights that are left, a round keeps about this part. */
const KEPT_OF_ROUND = 0.8;
/** The step of the first round whose weights every other round starts from: this, and at most this part of a round. */
const REWIND_STEP = 1000;
const REWIND_SHARE = 0.1;

/**
 * A new network of the same architecture: kernels and embeddings random with
 * variance 2 / fan-in (He et al. 2015), scales and moving variances 1, all
 * else 0.
 *
 * @param kernel draws from a distribution of that variance; by default a normal one
 */
export function initialized(problem: RetrainingProblem, kernel = normalKernel): MaskedNetwork {
  const { network, dimension, seed } = problem;
  const random = randomStream(seed, 'initial weights');
  const constant = (name: string, length: number): Float32Array =>
    new Float32Array(length).fill(/gamma|variance/.test(name) ? 1 : 0);
  return {
    weights: network.weights.map(({ name, shape, values, prunable }) =>
      prunable || /embeddings$/.test(name) ? kernel(shape, 2, random) : constant(name, values.length),
    ),
    statistics: network.statistics.map(({ name, values }) => constant(name, values.length)),
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
    const flat = flatWeights(problem, current.weights);
    const rewound = withFlatWeights(problem, current.weights, early ?? flat);
    const start = pruneTo(
      problem,
      { ...current, weights: rewound },
      pruneLowest(keptMagnitudes(flat, current.mask), count),
    );
    current = await trainMasked(problem, settings, start, steps);
  }
  return current;
}
