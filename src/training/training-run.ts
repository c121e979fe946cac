import { createHash } from 'node:crypto';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { Executor } from '../compute/executor.js';
import { tfjsExecutor } from '../compute/tfjs-executor.js';
import type { Augmentation } from '../dataset/augmentation.js';
import { classLabels } from '../dataset/labels.js';
import { batchesAhead, everyIndex, isStreamed, prepareStored, ranges, readAhead } from '../dataset/stored.js';
import { InputError } from '../errors.js';
import { createTrainable } from '../network/create-trainable.js';
import type { TrainableNetwork } from '../network/trainable-network.js';
import type { TrainingStepOptions } from '../programs/training-step.js';
import type { Progress } from '../progress.js';
import { permutation, randomStream } from '../random.js';
import { type EpochRecord, epochLine } from './epoch-record.js';
import { type Evaluation, evaluateLogits, rightAnswers } from './evaluation.js';
import { type RunPosition, readRunState, writeRunState } from './run-state.js';
import { learningRateAt, type ScheduleOptions } from './schedules.js';
import { trustedExecutor } from './step-agreement.js';
import { createStepEngine, initialState, type StepEngine } from './step-engine.js';
import { adamScalars, type PenaltyWeights, sgdScalars } from './step-scalars.js';
import { stopSignals } from './stop-signals.js';
import { readStepData, type StoredTrainingData, trainingBatch } from './training-batches.js';

export type { StoredTrainingData, TrainingData } from './training-batches.js';

export interface TrainingOptions extends PenaltyWeights, Omit<ScheduleOptions, 'stepsPerEpoch'> {
  optimizer: 'sgd' | 'adam';
  nesterov: boolean;
  momentum: number;
  /** Which weights the l1 penalty acts on; l2 acts on prunable kernels, weight decay on all. */
  l1On: 'kernels' | 'all';
  labelSmoothing: number;
  batchSize: number;
  seed: number;
  augment: Augmentation | null;
  /** The run ends after an epoch whose mean training loss is no larger; null: it does not. */
  targetLoss: number | null;
  /** .. whose share of right answers on training data is no smaller. */
  targetAccuracy: number | null;
}

/** Where a run computes, and what it leaves behind. */
export interface RunSurroundings {
  /** What takes the steps; tfjs does, on its current backend, where this one cannot. */
  executor: Executor;
  /** Folder of the run's state; null: none is kept. */
  stateFolder: string | null;
  /** The state is written at least so often, and when SIGINT or SIGTERM ends the run. */
  saveMilliseconds?: number;
  /** Told the epochs that are done, after each, and once where a run goes on that has some. */
  onEpoch: (history: readonly EpochRecord[]) => Promise<void>;
}

/** A run that keeps nothing and computes with tfjs. */
export const plainSurroundings: RunSurroundings = {
  executor: tfjsExecutor,
  stateFolder: null,
  onEpoch: async () => {},
};

const SAVE_MILLISECONDS = 5 * 60 * 1000;

/** The error of a run that went wrong. */
export function divergence(what: string, options: { learningRate: number }): InputError {
  return new InputError(
    'training/diverged',
    `training diverged: ${what}; lower --learning-rate (it was ${options.learningRate}), for example --learning-rate ${Number((options.learningRate / 10).toPrecision(2))}`,
  );
}

/** What the step's program is made of. */
export function stepOptions(options: TrainingOptions): TrainingStepOptions {
  const { optimizer, nesterov, l1On, labelSmoothing } = options;
  return {
    loss: 'cross-entropy',
    labelSmoothing,
    optimizer,
    nesterov,
    l1: options.l1 > 0,
    l1On,
    l2: options.l2 > 0,
    weightDecay: options.weightDecay > 0,
    masked: false,
  };
}

/** Examples that are read at a time where all are read once. */
const IDENTITY_BATCH = 100;

/** Tells runs apart that cannot go on from each other's states; the same for data in memory and streamed. */
async function runIdentity(
  network: TrainableNetwork,
  data: StoredTrainingData,
  options: TrainingOptions,
): Promise<string> {
  const hash = createHash('sha256');
  const update = (array: Uint8Array | Int32Array | Float32Array): void => {
    hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  };
  const { train } = data;
  if (isStreamed(train)) {
    const orders = ranges(everyIndex(train.count), IDENTITY_BATCH);
    for await (const { values } of readAhead(orders, batchesAhead(train, IDENTITY_BATCH), train.read)) {
      update(values);
    }
  } else {
    update(train.values);
  }
  update(train.labels.values);
  [...network.weights, ...network.statistics].forEach(({ values }) => {
    update(values);
  });
  const { inputShape, inputOrder, normalization } = data;
  return hash.update(JSON.stringify([options, inputShape, inputOrder, normalization])).digest('hex');
}

/**
 * Trains a checkpoint of a classifier on its cross-entropy and penalties.
 *
 * Every epoch visits all training examples once, in a new seeded order; a
 * last batch that is not full counts as a batch of its size. Nothing is left
 * on the backend. With a folder for the state, a run that was stopped goes on
 * where it was, and ends with the same bytes.
 *
 * @returns a new checkpoint; the given one is not changed
 * @throws InputError when the loss stops being finite, the state is of another run, or an example cannot be read; of the
 *   last the state is kept
 */
export async function trainCheckpoint<C extends Checkpoint>(
  checkpoint: C,
  data: StoredTrainingData,
  options: TrainingOptions,
  progress: Progress,
  surroundings: RunSurroundings = plainSurroundings,
): Promise<C> {
  const network = await createTrainable(checkpoint, { exampleShape: () => data.inputShape });
  try {
    const start = initialState(network, stepOptions(options));
    const { stateFolder } = surroundings;
    const identity = stateFolder === null ? '' : await runIdentity(network, data, options);
    const found = stateFolder === null ? null : await readRunState(stateFolder, start, identity);
    const setting = {
      network,
      inputShape: data.inputShape,
      options: stepOptions(options),
      state: found?.state ?? start,
    };
    const { executor } = surroundings;
    const trusted = await trustedExecutor(executor, setting, data, options.seed, progress.note);
    const engine = await createStepEngine(trusted, setting, Math.min(options.batchSize, data.train.count));
    try {
      const position = found?.position ?? { step: 0, lossSum: 0, correct: 0, history: [] };
      if (position.history.length > 0) {
        await surroundings.onEpoch(position.history);
      }
      await runSteps({ engine, network, data, options, progress, surroundings, identity, position });
      const { weights, statistics } = engine.state();
      return network.checkpoint(weights, statistics) as C;
    } finally {
      engine.dispose();
    }
  } finally {
    network.dispose();
  }
}

interface Run {
  engine: StepEngine;
  network: TrainableNetwork;
  data: StoredTrainingData;
  options: TrainingOptions;
  progress: Progress;
  surroundings: RunSurroundings;
  identity: string;
  /** Moves on with the run. */
  position: RunPosition;
}

/** Whether an epoch reached what the run was to end at. */
function reachedTarget({ loss, accuracy }: EpochRecord, options: TrainingOptions): boolean {
  const { targetLoss, targetAccuracy } = options;
  return (
    (targetLoss !== null && loss <= targetLoss) ||
    (targetAccuracy !== null && accuracy !== null && accuracy >= targetAccuracy)
  );
}

async function runSteps(run: Run): Promise<void> {
  const { engine, data, options, progress, surroundings, position } = run;
  const { count } = data.train;
  const stepsPerEpoch = Math.ceil(count / options.batchSize);
  const steps = options.epochs * stepsPerEpoch;
  const shuffle = randomStream(options.seed, 'shuffle');
  const stage = progress.stage('training', steps);
  const stop = surroundings.stateFolder === null ? null : stopSignals();
  const save = async (): Promise<void> => {
    if (surroundings.stateFolder !== null) {
      await writeRunState(surroundings.stateFolder, engine.state(), position, run.identity);
    }
  };
  const began = { time: performance.now(), step: position.step };
  const { saveMilliseconds = SAVE_MILLISECONDS } = surroundings;
  let saved = began.time;
  try {
    for (let epoch = 0; epoch < options.epochs; epoch++) {
      const order = permutation(count, shuffle);
      if (position.history.length > epoch) {
        continue;
      }
      if (epoch > 0 && reachedTarget(position.history[epoch - 1], options)) {
        break;
      }
      const done = (position.step - epoch * stepsPerEpoch) * options.batchSize;
      const batches = readAhead(
        ranges(order.subarray(done), options.batchSize),
        batchesAhead(data.train, options.batchSize),
        (examples) => readStepData(data, examples),
      );
      for await (const read of inSeries(batches, engine.stepsAtOnce)) {
        await takeSteps(run, read, epoch, stepsPerEpoch);
        stage.update(position.step);
        await new Promise((resolve) => setImmediate(resolve));
        if (stop?.asked() || performance.now() - saved >= saveMilliseconds) {
          await save();
          saved = performance.now();
          stop?.yield();
        }
      }
      const record = await endEpoch(run, epoch, stepsPerEpoch);
      const elapsed = performance.now() - began.time;
      const left = ((steps - position.step) * elapsed) / Math.max(1, position.step - began.step) / 1000;
      progress.note(epochLine(record, options.epochs, position.step < steps ? left : null));
      await surroundings.onEpoch(position.history);
    }
    await save();
  } catch (error) {
    // An example that cannot be read may be back when the run is taken up again.
    if (error instanceof InputError && error.code.startsWith('dataset/') && position.step > 0) {
      await save();
      if (surroundings.stateFolder !== null) {
        progress.note(
          `${position.step} steps are kept in ${surroundings.stateFolder}; the same command goes on from there`,
        );
      }
    }
    throw error;
  } finally {
    stop?.release();
    stage.end();
  }
}

type ReadBatch = Awaited<ReturnType<typeof readStepData>>;

/** So many at a time, and the rest. */
async function* inSeries<T>(items: AsyncIterable<T>, length: number): AsyncGenerator<T[]> {
  let series: T[] = [];
  for await (const item of items) {
    series.push(item);
    if (series.length === length) {
      yield series;
      series = [];
    }
  }
  if (series.length > 0) {
    yield series;
  }
}

async function takeSteps(
  { engine, network, data, options, position }: Run,
  read: readonly ReadBatch[],
  epoch: number,
  stepsPerEpoch: number,
): Promise<void> {
  const { dropouts } = network;
  const steps = read.map((each, index) => {
    const step = position.step + index;
    const batch = trainingBatch(each.data, each.order, step, { ...options, dropouts });
    const rate = learningRateAt(step, { ...options, stepsPerEpoch });
    const scalars =
      options.optimizer === 'adam'
        ? adamScalars(batch.size, rate, options.momentum, step + 1, options)
        : sgdScalars(batch.size, rate, options.momentum, options);
    return { batch, scalars };
  });
  const results = await engine.take(steps);
  for (const [index, { losses, logits }] of results.entries()) {
    const sum = losses.reduce((total, loss) => total + loss, 0);
    if (!Number.isFinite(sum)) {
      throw divergence(`the loss became ${sum} in epoch ${epoch + 1}`, options);
    }
    position.lossSum += sum;
    position.correct += rightAnswers(logits, steps[index].batch.classOf, data.classes);
  }
  position.step += steps.length;
}

/** Measures and records an epoch that is over. */
async function endEpoch(
  { engine, data, options, position }: Run,
  epoch: number,
  stepsPerEpoch: number,
): Promise<EpochRecord> {
  const { train, test, inputShape, inputOrder, normalization, classes } = data;
  let measured: Evaluation | null = null;
  if (test !== null) {
    const examples = prepareStored(test, { inputShape, inputOrder, normalization });
    const classOf = classLabels(examples.labels, classes);
    measured = await evaluateLogits(examples, classOf, classes, (inputs, size) =>
      engine.logits(inputs, size),
    );
  }
  const record: EpochRecord = {
    epoch: epoch + 1,
    step: position.step,
    loss: position.lossSum / train.count,
    accuracy: position.correct / train.count,
    rate: learningRateAt(position.step - 1, { ...options, stepsPerEpoch }),
    testLoss: measured?.loss ?? null,
    testAccuracy: measured?.accuracy ?? null,
  };
  position.history.push(record);
  position.lossSum = 0;
  position.correct = 0;
  return record;
}
