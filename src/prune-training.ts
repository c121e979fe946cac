/** Pruning that trains: methods that do, and tuning after those that do not. */
import { finiteOrNull } from './analysis/curve.js';
import { inputOrder, type Problem } from './analysis/problem.js';
import { methodStages } from './analysis/stages.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { compilingExecutor } from './compute/compile/onnx-executor.js';
import { tfjsExecutor } from './compute/tfjs-executor.js';
import type { MethodConfig } from './config.js';
import type { Split } from './dataset/dataset.js';
import { selectExamples } from './dataset/selection.js';
import { InputError } from './errors.js';
import { createTrainable, requireWritable } from './network/create-trainable.js';
import type { TrainableNetwork } from './network/trainable-network.js';
import { asStage, type Progress } from './progress.js';
import type { PrunedNetwork } from './pruning/methods/method.js';
import { isTrainingMethod } from './pruning/methods/names.js';
import type { MethodSummary, NetworkMeasure } from './report/method-summary.js';
import {
  flatWeights,
  type MaskedNetwork,
  type RetrainingProblem,
  stepSetting,
  stepsOf,
  unmasked,
  withFlatWeights,
} from './retraining/masked-training.js';
import { type TrainedNetwork, trainingMethods, tune } from './retraining/methods.js';
import { openNetworkMeter } from './retraining/network-meter.js';
import { asDiverged, chooseRate, RATES_TRIED } from './retraining/rate-choice.js';
import { defaultSettings, type RetrainingSettings, settingsForSteps } from './retraining/settings.js';
import { trustedExecutor } from './training/step-agreement.js';

/** @throws InputError for networks and losses that training does not take */
function requireTrainable({ network, loss }: Problem, { format }: Checkpoint, what: string): void {
  const refused = (why: string): InputError => new InputError('prune/training', `${what} trains, and ${why}`);
  if (loss !== 'cross-entropy' || network.removedActivation === 'sigmoid') {
    throw refused(`training takes classifiers with cross-entropy, not ${loss}; leave it out`);
  }
  if (format === 'tfjs-layers' && network.inputShape.some((extent) => extent === null)) {
    throw refused('this network takes inputs of free extents; save it with fixed ones');
  }
}

/**
 * The network of a problem's checkpoint, ready to be trained; its owner disposes of it.
 *
 * @param what asks for training, as the message calls it
 * @throws InputError for networks and losses that training does not take
 */
export async function openTrainable(
  problem: Problem,
  checkpoint: Checkpoint,
  what: string,
): Promise<TrainableNetwork> {
  requireTrainable(problem, checkpoint, what);
  const network = await createTrainable(checkpoint, { exampleShape: () => problem.train.shape });
  try {
    requireTrained(problem, network);
    return network;
  } catch (error) {
    network.dispose();
    throw error;
  }
}

/** Mean losses over the training examples that may be seen, and accuracies over the test split. */
async function measured(
  retraining: RetrainingProblem,
  networks: readonly MaskedNetwork[],
): Promise<NetworkMeasure[]> {
  const meter = await openNetworkMeter(retraining, { train: retraining.examples });
  try {
    const measures: NetworkMeasure[] = [];
    for (const network of networks) {
      measures.push(await meter.measure(network));
    }
    return measures;
  } finally {
    meter.dispose();
  }
}

/**
 * A mask acts on what is trained; layers can be marked as not trainable.
 *
 * @throws InputError `prune/training` where a weight to prune is of such a layer
 */
function requireTrained({ network: { prunable } }: Problem, { weights }: TrainableNetwork): void {
  const trained = new Set(weights.map(({ name }) => name));
  const still = prunable.find(({ checkpointName }) => !trained.has(checkpointName));
  if (still !== undefined) {
    throw new InputError(
      'prune/training',
      `${still.name} is of a layer that is marked as not trainable, so that it cannot be pruned by training; leave it out with --exclude ${JSON.stringify(still.name)}, or use another --method without --tune`,
    );
  }
}

/** What training has changed, as a checkpoint holds it: an ONNX model keeps its types, and float16 rounds. */
function numbersIn(
  checkpoint: Checkpoint,
  network: TrainableNetwork,
): Pick<MaskedNetwork, 'weights' | 'statistics'> {
  const folded = (checkpoint.format === 'onnx' && checkpoint.folded) || [];
  const stored = new Map([...checkpoint.weights, ...folded].map(({ name, values }) => [name, values]));
  const numbers = ({ name }: { name: string }): Float32Array => stored.get(name) as Float32Array;
  return { weights: network.weights.map(numbers), statistics: network.statistics.map(numbers) };
}

/** What training takes of a configuration. */
type TrainingChoice = Pick<MethodConfig, 'problem' | 'tuneExamples' | 'augment' | 'learningRate'>;

/** A network that is ready to be retrained. */
export interface OpenedRetraining {
  retraining: RetrainingProblem;
  settings: RetrainingSettings;
}

/**
 * Prepares the training of a problem's network on its training split.
 *
 * @param network of the same checkpoint
 * @param onSteps as in {@link RetrainingProblem}
 * @param note told why tfjs trains, where that is not what was asked for
 */
export async function openRetraining(
  { problem: config, tuneExamples, augment, learningRate }: TrainingChoice,
  problem: Problem,
  checkpoint: Checkpoint,
  network: TrainableNetwork,
  onSteps: RetrainingProblem['onSteps'],
  note: (message: string) => void,
): Promise<OpenedRetraining> {
  const { seed, sample } = config;
  const { train, test } = problem.dataset as { train: Split; test: Split | null };
  const retraining: RetrainingProblem = {
    network,
    layers: problem.network.prunable,
    dimension: problem.network.dimension,
    data: {
      train,
      test,
      inputShape: problem.train.shape,
      inputOrder: inputOrder(checkpoint, config.layout),
      normalization: config.normalize,
      classes: problem.network.outputs,
    },
    examples: selectExamples(train.count, { count: tuneExamples, sample, seed }),
    executor: compilingExecutor(problem.engine) ?? tfjsExecutor,
    seed,
    onSteps,
    note,
  };
  const defaults = defaultSettings(network, augment);
  const settings = {
    ...defaults,
    learningRate: typeof learningRate === 'number' ? learningRate : defaults.learningRate,
  };
  const setting = stepSetting(retraining, settings, unmasked(retraining));
  const executor = await trustedExecutor(retraining.executor, setting, retraining.data, seed, note);
  return { retraining: { ...retraining, executor }, settings };
}

/**
 * The network of the rate whose training loss is the lowest.
 *
 * @throws InputError `training/diverged` where training diverges at every rate
 */
async function bestRate(
  retraining: RetrainingProblem,
  defaultRate: number,
  trainedWith: (learningRate: number) => Promise<TrainedNetwork>,
): Promise<{ found: TrainedNetwork; triedRates: MethodSummary['triedRates'] }> {
  const meter = await openNetworkMeter(
    { ...retraining, data: { ...retraining.data, test: null } },
    { train: retraining.examples },
  );
  const networks = new Map<number, TrainedNetwork>();
  let failure: unknown;
  try {
    const { learningRate, tried } = await chooseRate(defaultRate, async (rate) => {
      try {
        const network = await trainedWith(rate);
        networks.set(rate, network);
        return (await meter.measure(network)).loss;
      } catch (error) {
        failure = error;
        return asDiverged(error) ?? Number.NaN;
      }
    });
    const found = networks.get(learningRate);
    if (found === undefined) {
      throw failure;
    }
    return { found, triedRates: tried.map(({ loss, ...rate }) => ({ ...rate, loss: finiteOrNull(loss) })) };
  } finally {
    meter.dispose();
  }
}

/**
 * Prunes by a method that trains, or trains what was pruned, its mask held.
 *
 * @param pruned what is tuned; null for a method that trains
 * @throws InputError for networks and losses that training does not take
 */
export async function pruneByTraining(
  config: MethodConfig,
  problem: Problem,
  checkpoint: Checkpoint,
  { prunedWeights, seed }: { prunedWeights: number; seed: number },
  pruned: PrunedNetwork | null,
  progress: Progress,
): Promise<{ network: PrunedNetwork; checkpoint: Checkpoint; method: Omit<MethodSummary, 'layers'> }> {
  const { name, budgetEpochs, tuneEpochs } = config;
  const asks = pruned === null ? `--method ${name}` : '--tune';
  const network = await openTrainable(problem, checkpoint, asks);
  try {
    await requireWritable(checkpoint, network);
    const choosesRate = config.learningRate === 'auto';
    const runs = (isTrainingMethod(name) ? 1 : 0) + (tuneEpochs > 0 ? 1 : 0);
    const stage = progress.stage(methodStages.training, runs * (choosesRate ? RATES_TRIED : 1));
    let runsDone = 0;
    let examplesSeen = 0;
    const onSteps: RetrainingProblem['onSteps'] = (done, total, examples) => {
      examplesSeen += examples;
      stage.update(runsDone + done / total);
    };
    const opened = await openRetraining(config, problem, checkpoint, network, onSteps, progress.note);
    const { retraining } = opened;
    const epochs = Math.max(isTrainingMethod(name) ? budgetEpochs : 0, tuneEpochs);
    const settings =
      typeof config.learningRate === 'number'
        ? opened.settings
        : settingsForSteps(opened.settings, stepsOf(retraining, epochs, opened.settings.batchSize));
    const dense = unmasked(retraining);
    const started = performance.now();
    const trained = async (
      given: RetrainingSettings,
      learningRate: number | null,
    ): Promise<TrainedNetwork> => {
      let found: TrainedNetwork;
      if (isTrainingMethod(name)) {
        const target = { prunedWeights, epochs: budgetEpochs, learningRate, scoreL2: config.scoreL2 };
        found = await trainingMethods[name](retraining, given, target);
        runsDone++;
      } else {
        const { mask, weights } = pruned as PrunedNetwork;
        found = { ...dense, weights: withFlatWeights(retraining, dense.weights, weights), mask };
      }
      if (tuneEpochs > 0) {
        found = { ...found, ...(await tune(retraining, given, found, tuneEpochs)) };
        runsDone++;
      }
      return found;
    };
    const { learningRate } = config;
    const { found, triedRates } =
      learningRate === 'auto'
        ? await bestRate(retraining, settings.learningRate, (rate) =>
            trained({ ...settings, learningRate: rate }, rate),
          )
        : { found: await trained(settings, learningRate) };
    const seconds = (performance.now() - started) / 1000;
    stage.end();
    const made = network.checkpoint(found.weights, found.statistics);
    const stored = { ...found, ...numbersIn(made, network) };
    const [before, after] = await asStage(progress, methodStages.measuring, () =>
      measured(retraining, [dense, stored]),
    );
    return {
      network: { mask: found.mask, weights: flatWeights(retraining, stored.weights) },
      checkpoint: made,
      method: {
        name: tuneEpochs > 0 ? `${name}, tuned` : name,
        ...{ seed, seconds, before, after },
        epochEquivalents: examplesSeen / problem.trainingAvailable,
        distinctExamples: Math.min(retraining.examples.length, examplesSeen),
        ...(found.scored && { scored: found.scored }),
        ...(triedRates && { triedRates }),
      },
    };
  } finally {
    network.dispose();
  }
}
