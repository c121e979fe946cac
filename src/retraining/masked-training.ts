/** Training of a network under a mask that is held or grows. */
import type { Executor } from '../compute/executor.js';
import { InputError } from '../errors.js';
import type { PrunableWeight } from '../network/network.js';
import type { TrainableNetwork } from '../network/trainable-network.js';
import type { TrainingStepOptions } from '../programs/training-step.js';
import { permutation, randomStream } from '../random.js';
import { createStepEngine, type StepEngine, type StepSetting } from '../training/step-engine.js';
import { adamScalars, sgdScalars } from '../training/step-scalars.js';
import { type TrainingData, trainingBatch } from '../training/training-batches.js';
import type { RetrainingSettings } from './settings.js';

/** A network to retrain, and with what. */
export interface RetrainingProblem {
  network: TrainableNetwork;
  /** The weights that masks are over, and where they lie in a flat vector of length D. */
  layers: readonly PrunableWeight[];
  dimension: number;
  /** Its `test` is not looked at. */
  data: TrainingData;
  /** Training examples that may be seen, by index. */
  examples: Int32Array;
  executor: Executor;
  seed: number;
  /** Told the steps that were taken, of all of a run, and the examples of the last. */
  onSteps: (done: number, total: number, examples: number) => void;
  /** Told why tfjs trains where something else was to; left out: nobody is. */
  note?: (message: string) => void;
}

/** What a run starts from and ends with. */
export interface MaskedNetwork {
  /** In the order of the network's weights; 0 where the mask is. */
  weights: Float32Array[];
  statistics: Float32Array[];
  /** Flat, length D: 1 where a weight is kept. */
  mask: Uint8Array;
}

/** The flat prunable weights of a network's state. */
export function flatWeights(
  { network, layers, dimension }: Pick<RetrainingProblem, 'network' | 'layers' | 'dimension'>,
  weights: readonly Float32Array[],
): Float32Array {
  const flat = new Float32Array(dimension);
  for (const { checkpointName, offset } of layers) {
    flat.set(weights[network.weights.findIndex(({ name }) => name === checkpointName)], offset);
  }
  return flat;
}

/** The network's weights with other flat prunable ones. */
export function withFlatWeights(
  { network, layers }: Pick<RetrainingProblem, 'network' | 'layers'>,
  weights: readonly Float32Array[],
  flat: Float32Array,
): Float32Array[] {
  const places = new Map(layers.map((layer) => [layer.checkpointName, layer]));
  return network.weights.map(({ name }, index) => {
    const place = places.get(name);
    return place === undefined ? weights[index].slice() : flat.slice(place.offset, place.offset + place.size);
  });
}

/** One for each prunable weight of the network, as its step takes them; 1 throughout where pruning leaves one out. */
function stepMasks({ network, layers }: RetrainingProblem, mask: Uint8Array): Float32Array[] {
  const places = new Map(layers.map((layer) => [layer.checkpointName, layer]));
  return network.weights
    .filter(({ prunable }) => prunable)
    .map(({ name, values }) => {
      const place = places.get(name);
      return place === undefined
        ? new Float32Array(values.length).fill(1)
        : new Float32Array(mask.subarray(place.offset, place.offset + place.size));
    });
}

/** A network that loses nothing yet. */
export function unmasked({ network, dimension }: RetrainingProblem): MaskedNetwork {
  return {
    weights: network.weights.map(({ values }) => values.slice()),
    statistics: network.statistics.map(({ values }) => values.slice()),
    mask: new Uint8Array(dimension).fill(1),
  };
}

function stepOptions({ optimizer, l1, weightDecay, clamped }: RetrainingSettings): TrainingStepOptions {
  return {
    loss: 'cross-entropy',
    labelSmoothing: 0,
    optimizer,
    nesterov: false,
    l1: l1 > 0,
    l1On: 'all',
    l2: false,
    weightDecay: weightDecay > 0,
    masked: true,
    ...(clamped && { clamped }),
  };
}

/** What the steps of a run are made of. */
export function stepSetting(
  problem: RetrainingProblem,
  settings: RetrainingSettings,
  { weights, statistics, mask }: MaskedNetwork,
): StepSetting {
  const { network, data } = problem;
  const options = stepOptions(settings);
  const zeros = (): Float32Array[] => network.weights.map(({ values }) => new Float32Array(values.length));
  const seconds = options.optimizer === 'adam' ? zeros() : [];
  return {
    network,
    inputShape: data.inputShape,
    options,
    state: { weights, velocities: zeros(), seconds, statistics },
    masks: stepMasks(problem, mask),
  };
}

/** Steps of a budget: every example once is one epoch, and a part of one is a part of its steps; one at least. */
export function stepsOf(
  { examples }: Pick<RetrainingProblem, 'examples'>,
  epochs: number,
  batchSize: number,
): number {
  return Math.max(1, Math.round((epochs * examples.length) / batchSize));
}

/** Decides on a mask. */
export interface MaskChange {
  /** Before this step, counted from 0. */
  step: number;
  /** @param weights flat, length D */
  next(weights: Float32Array, mask: Uint8Array): Uint8Array;
}

/**
 * Trains the kept weights for some steps. Biases, normalisation and weights that are not pruned are trained, too;
 * moving averages move. Nothing but the examples that may be seen is looked at.
 *
 * @param changes of the mask, ascending in their steps
 * @throws InputError `training/diverged`
 */
export async function trainMasked(
  problem: RetrainingProblem,
  settings: RetrainingSettings,
  start: MaskedNetwork,
  steps: number,
  changes: readonly MaskChange[] = [],
): Promise<MaskedNetwork> {
  const { executor, examples } = problem;
  const batchSize = Math.min(settings.batchSize, examples.length);
  const engine = await createStepEngine(executor, stepSetting(problem, settings, start), batchSize);
  let mask = start.mask;
  const shuffle = randomStream(problem.seed, 'shuffle');
  const perEpoch = Math.ceil(examples.length / batchSize);
  let order = permutation(examples.length, shuffle);
  let change = 0;
  const chosenFor = (step: number): Int32Array => {
    const within = step % perEpoch;
    if (within === 0 && step > 0) {
      order = permutation(examples.length, shuffle);
    }
    return order.subarray(within * batchSize, (within + 1) * batchSize).map((place) => examples[place]);
  };
  try {
    for (let step = 0; step < steps; ) {
      for (; changes[change]?.step === step; change++) {
        mask = changes[change].next(flatWeights(problem, engine.state().weights), mask);
        engine.setMasks(stepMasks(problem, mask));
      }
      const end = Math.min(steps, step + engine.stepsAtOnce, changes[change]?.step ?? steps);
      const chosen = Array.from({ length: end - step }, (_, index) => chosenFor(step + index));
      await takeSteps(problem, settings, engine, chosen, step, steps);
      for (const each of chosen) {
        problem.onSteps(++step, steps, each.length);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { weights, statistics } = engine.state();
    return { weights: weights.map(copied), statistics: statistics.map(copied), mask };
  } finally {
    engine.dispose();
  }
}

const copied = (values: Float32Array): Float32Array => values.slice();

async function takeSteps(
  { network, data, seed }: RetrainingProblem,
  settings: RetrainingSettings,
  engine: StepEngine,
  chosen: readonly Int32Array[],
  first: number,
  steps: number,
): Promise<void> {
  const { optimizer, momentum, augment, l1, weightDecay } = settings;
  const penalties = { l1, l2: 0, weightDecay };
  const results = await engine.take(
    chosen.map((examples, index) => {
      const step = first + index;
      const batch = trainingBatch(data, examples, step, { seed, augment, dropouts: network.dropouts });
      const rate = settings.learningRate * settings.rateShare(step, steps);
      const scalars =
        optimizer === 'adam'
          ? adamScalars(batch.size, rate, momentum, step + 1, penalties)
          : sgdScalars(batch.size, rate, momentum, penalties);
      return { batch, scalars };
    }),
  );
  const diverged = results.findIndex(({ losses }) => !losses.every(Number.isFinite));
  if (diverged >= 0) {
    throw new InputError(
      'training/diverged',
      `training of the kept weights diverged in step ${first + diverged + 1} of ${steps}; give a smaller --learning-rate`,
    );
  }
}
