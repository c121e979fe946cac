import { rm } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { explainExecutorFailure } from './analysis/executor-failure.js';
import { requireRoom, tensorMemory } from './analysis/memory.js';
import { inputOrder } from './analysis/problem.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { requireSpace, writeFilesAtomically } from './checkpoint/files.js';
import { convertStorage } from './checkpoint/quantization.js';
import {
  checkLayersFolder,
  checkOutput,
  checkpointFiles,
  readCheckpoint,
  writeCheckpoint,
} from './checkpoint/registry.js';
import { prepareEngine } from './compute/backend.js';
import { compilingExecutor } from './compute/compile/onnx-executor.js';
import { tfjsExecutor } from './compute/tfjs-executor.js';
import type { TrainConfig } from './config.js';
import type { StoredSplit } from './dataset/dataset.js';
import { classLabels } from './dataset/labels.js';
import { openDataset } from './dataset/registry.js';
import { batchBytes, prepareStored } from './dataset/stored.js';
import { InputError } from './errors.js';
import { createNetwork } from './network/create-network.js';
import { weightTensors } from './network/network.js';
import type { Progress } from './progress.js';
import type { TrainSummary } from './report/train-summary.js';
import type { EpochRecord } from './training/epoch-record.js';
import { chanceLoss, type Evaluation, evaluate } from './training/evaluation.js';
import { checkGivenModel } from './training/given-model.js';
import { STATE_FILE } from './training/run-state.js';
import { divergence, type StoredTrainingData, trainCheckpoint } from './training/training-run.js';
import type { ZooName } from './training/zoo/catalogue.js';
import { createZooCheckpoint } from './training/zoo/registry.js';

/** A loss this close to that of guessing (a share of it) means that nothing was learned. */
const LEARNED_NOTHING = 0.99;

/** Data with a training split of classes. */
type ClassData = Pick<StoredTrainingData, 'train' | 'test' | 'classes'>;

async function readData(config: TrainConfig, progress: Progress): Promise<ClassData> {
  const stage = progress.stage('reading the data', 1);
  const { labelColumn, layout } = config;
  const { train, test, warnings } = await openDataset(config.data, {
    ...(labelColumn !== null && { labelColumn }),
    ...(layout !== null && { layout }),
    memoryBytes: tensorMemory(config),
  });
  stage.end();
  warnings.forEach((warning) => {
    progress.note(warning);
  });
  if (train === null) {
    throw new InputError(
      'training/no-training-data',
      `${config.data}: holds no training examples; give data with a training split`,
    );
  }
  const { labels } = train;
  const classes = labels.kind === 'classes' ? labels.classCount : labels.width;
  if (classes < 2) {
    throw new InputError(
      'training/no-classes',
      `${config.data}: ${labels.kind === 'classes' ? 'all examples have one class' : 'the labels are numbers, not classes'}; train makes classifiers and needs two classes or more`,
    );
  }
  requireRoom(
    config,
    batchBytes(train, config.batchSize),
    `a batch of ${config.batchSize} examples (--batch-size)`,
  );
  return { train, test, classes };
}

interface Reached {
  train: Evaluation;
  test: Evaluation | null;
  /** Training loss of the best answer that ignores the input. */
  guessing: number;
}

/** Loss and accuracy of the checkpoint as an analysis will see it. */
async function measure(
  checkpoint: Checkpoint,
  data: StoredTrainingData,
  progress: Progress,
): Promise<Reached> {
  const { classes, inputShape, normalization } = data;
  const stage = progress.stage('measuring', 1);
  const network = await createNetwork(checkpoint, { exampleShape: () => inputShape });
  const weights = weightTensors(network, network.weights);
  const evaluateSplit = (split: StoredSplit): Promise<Evaluation> => {
    const examples = prepareStored(split, { inputShape, inputOrder: data.inputOrder, normalization });
    const classOf = classLabels(examples.labels, classes);
    return evaluate(examples, classOf, classes, (inputs) => network.logits(weights, inputs));
  };
  try {
    return {
      train: await evaluateSplit(data.train),
      test: data.test && (await evaluateSplit(data.test)),
      guessing: chanceLoss(classLabels(data.train.labels, classes), classes),
    };
  } finally {
    stage.end();
    network.dispose();
    weights.forEach((weight) => {
      weight.dispose();
    });
  }
}

/** Writes the log of the epochs that are done, a line of JSON each. */
async function writeLog(path: string | null, history: readonly EpochRecord[]): Promise<void> {
  if (path !== null) {
    const data = history.map((record) => `${JSON.stringify(record)}\n`).join('');
    await writeFilesAtomically(dirname(path), [{ name: basename(path), data }]);
  }
}

/** Where the data is as seen from the checkpoint, with forward slashes. */
function recordedData(config: TrainConfig, folder: string): string {
  if (config.recordData !== null) {
    return config.recordData;
  }
  const path = relative(resolve(folder), resolve(config.data));
  return path === '' ? '.' : path.split(sep).join('/');
}

/**
 * What the model remembers: how to analyse it (`pruneLimit`), and how it was made (`training`).
 *
 * @param folder that the model comes to lie in
 * @param epochs that were done: fewer than asked for where a target was reached
 */
function metadataOf(
  config: TrainConfig,
  folder: string,
  reached: Reached,
  epochs: number,
): Record<string, unknown> {
  const { normalize, labelColumn, layout } = config;
  return {
    pruneLimit: {
      data: recordedData(config, folder),
      ...(normalize !== null && { normalize }),
      ...(labelColumn !== null && { labelColumn }),
      ...(layout !== null && { layout }),
      loss: 'cross-entropy',
    },
    training: {
      ...(config.from === null ? { network: config.network } : { from: basename(config.from) }),
      ...(config.network === 'mlp' && { hidden: config.hidden }),
      ...(config.width !== 1 && { width: config.width }),
      epochs,
      batchSize: config.batchSize,
      l1: config.l1,
      ...(config.l1 > 0 && config.l1On === 'all' && { l1On: config.l1On }),
      l2: config.l2,
      ...(config.weightDecay > 0 && { weightDecay: config.weightDecay }),
      ...(config.optimizer !== 'sgd' && { optimizer: config.optimizer }),
      ...(config.nesterov && { nesterov: true }),
      ...(config.labelSmoothing > 0 && { labelSmoothing: config.labelSmoothing }),
      ...(config.augment !== null && { augment: config.augment }),
      learningRate: config.learningRate,
      momentum: config.momentum,
      schedule: config.schedule,
      warmUpEpochs: config.warmUpEpochs,
      ...(config.schedule === 'multi-step' && { milestones: config.milestones, decay: config.decay }),
      ...(config.scheduleUnit !== 'epochs' && { scheduleUnit: config.scheduleUnit }),
      ...(config.cosinePeriod !== null && { cosinePeriod: config.cosinePeriod }),
      ...(config.recipe && { recipe: config.recipe }),
      seed: config.seed,
      trainLoss: reached.train.loss,
      trainAccuracy: reached.train.accuracy,
      testLoss: reached.test?.loss ?? null,
      testAccuracy: reached.test?.accuracy ?? null,
    },
  };
}

/** The checkpoint to start from and its data in the form it takes. */
async function prepare(
  config: TrainConfig,
  { train, test, classes }: ClassData,
  given: Checkpoint | null,
): Promise<{ untrained: Checkpoint; data: StoredTrainingData }> {
  const { network, from, hidden, width, seed, normalize: normalization } = config;
  const { shape: exampleShape, layout } = train;
  const { checkpoint, inputShape } =
    given === null
      ? createZooCheckpoint(network as ZooName, { exampleShape, layout, classes, hidden, width, seed })
      : { checkpoint: given, inputShape: await checkGivenModel(given, from as string, train, classes) };
  const order = inputOrder(checkpoint, config.layout);
  return {
    untrained: checkpoint,
    data: { train, test, inputShape, inputOrder: order, normalization, classes },
  };
}

/**
 * The model to go on from, if there is one, and whether the result may be written.
 *
 * @throws InputError for a model that cannot be read, or an output that would not be replaced
 */
async function readGiven(config: TrainConfig, read: Checkpoint | null): Promise<Checkpoint | null> {
  const given = read ?? (config.from === null ? null : await readCheckpoint(config.from));
  if (given?.format === 'onnx') {
    if (config.weightsDtype !== 'float32') {
      throw new InputError(
        'usage/weights-dtype',
        '--weights-dtype goes with layers models; an ONNX model keeps the types that its file has, leave it out',
      );
    }
    await checkOutput(given, config.output, { force: config.force });
  } else if (!config.force) {
    await checkLayersFolder(config.output);
  }
  return given;
}

/**
 * Trains a network of the zoo, or goes on from a given model, and writes it as a checkpoint that knows its
 * data, so that `analyze` can take it without further options.
 *
 * Nothing is written before everything has been computed. With float16 weights
 * the figures are those of the rounded weights, which the file holds.
 *
 * @param model what `config.from` names, where it was read already
 * @throws InputError for data that cannot be trained on, and when training diverges
 */
export async function train(
  config: TrainConfig,
  progress: Progress,
  model: Checkpoint | null = null,
): Promise<TrainSummary> {
  const start = performance.now();
  const given = await readGiven(config, model);
  const loaded = await readData(config, progress);
  const engine = await prepareEngine(config.backend, config.threads);
  engine.notes.forEach((note) => {
    progress.note(note);
  });
  const { untrained, data } = await prepare(config, loaded, given);
  const values = untrained.weights.reduce((sum, weight) => sum + weight.values.length, 0);
  await requireSpace(config.output, values * (config.weightsDtype === 'float16' ? 2 : 4));
  let epochs: readonly EpochRecord[] = [];
  // How the data is read decides nothing of the run, so a run goes on with another limit.
  const { memoryLimitBytes: _, ...options } = config;
  const trained = await trainCheckpoint(untrained, data, options, progress, {
    executor: compilingExecutor(engine) ?? tfjsExecutor,
    stateFolder: config.resume,
    onEpoch: async (history) => {
      epochs = history;
      await writeLog(config.log, history);
    },
  }).catch((error: unknown) => explainExecutorFailure(error, '--batch-size'));
  const stored = config.weightsDtype === 'float16' ? convertStorage(trained, 'float16') : trained;
  const reached = await measure(stored, data, progress);
  if (reached.guessing > 0 && !(reached.train.loss < LEARNED_NOTHING * reached.guessing)) {
    throw divergence(
      `its loss of ${reached.train.loss.toPrecision(4)} is no better than guessing (${reached.guessing.toPrecision(4)})`,
      config,
    );
  }
  const { written } = await checkpointFiles(stored, config.output);
  const folder = dirname(written.at(-1) as string);
  const files = await writeCheckpoint(
    { ...stored, metadata: metadataOf(config, folder, reached, epochs.length) },
    config.output,
    { mark: true },
  );
  if (config.resume !== null) {
    // The run is over: what is started in its folder next is a run of its own.
    await rm(join(config.resume, STATE_FILE), { force: true });
  }
  return {
    output: config.output,
    files,
    epochs: epochs.length,
    history: [...epochs],
    ...(config.recipe && { recipe: config.recipe }),
    trainLoss: reached.train.loss,
    trainAccuracy: reached.train.accuracy,
    testLoss: reached.test?.loss ?? null,
    testAccuracy: reached.test?.accuracy ?? null,
    parameters: stored.weights.reduce((sum, { values }) => sum + values.length, 0),
    seconds: (performance.now() - start) / 1000,
  };
}
