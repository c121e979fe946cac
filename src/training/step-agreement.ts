import { NotCompilableError } from '../compute/compile/trace.js';
import type { Executor } from '../compute/executor.js';
import { tfjsExecutor } from '../compute/tfjs-executor.js';
import { AGREEMENT_TOLERANCE, agreementOf, neighbourOf } from '../programs/rounding.js';
import type { StepScalars } from '../programs/training-step.js';
import { randomStream } from '../random.js';
import { createStepEngine, type StepSetting, type TrainingBatch, type TrainingState } from './step-engine.js';
import { readStepData, type StoredTrainingData, trainingBatch } from './training-batches.js';

/** Everything that decides where a step leads, with effects of like size. */
function scalarsFor(size: number): StepScalars {
  return {
    inverseBatch: 1 / size,
    rate: 0.1,
    momentum: 0.5,
    l1: 1e-3,
    l2: 1e-3,
    weightDecay: 1e-3,
    secondScale: 1,
  };
}

function joined(arrays: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(arrays.reduce((length, array) => length + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    result.set(array, at);
    at += array.length;
  }
  return result;
}

/** What one step gives: losses, moments (the gradient is in them), weights and statistics. */
async function resultsOf(
  executor: Executor,
  setting: StepSetting,
  batch: TrainingBatch,
): Promise<Float32Array[]> {
  const engine = await createStepEngine(executor, setting, batch.size);
  try {
    const [{ losses }] = await engine.take([{ batch, scalars: scalarsFor(batch.size) }]);
    const { weights, velocities, seconds, statistics } = engine.state();
    return [losses.slice(), ...[velocities, seconds, weights, statistics].map(joined)];
  } finally {
    engine.dispose();
  }
}

function besides(state: TrainingState): TrainingState {
  const random = randomStream(0, 'neighbour');
  return { ...state, weights: state.weights.map((each) => neighbourOf(each, random)) };
}

/**
 * How far a step that an executor takes is from that of tfjs, beyond rounding:
 * the largest relative difference of losses, moments, weights and statistics.
 *
 * @param batch a few examples
 * @returns NaN where only one side is finite
 * @throws NotCompilableError
 */
export async function compareSteps(
  executor: Executor,
  setting: StepSetting,
  batch: TrainingBatch,
): Promise<number> {
  const found = await resultsOf(executor, setting, batch);
  const { difference } = await agreementOf(found, await resultsOf(tfjsExecutor, setting, batch), () =>
    resultsOf(tfjsExecutor, { ...setting, state: besides(setting.state) }, batch),
  );
  return difference;
}

/** Examples of a step by which an executor is compared with tfjs. */
const COMPARED_EXAMPLES = 4;
/**
 * Batches of which one must agree. Where roundings change the sign of one
 * input of a relu, gradients of two right computations differ by up to 7e-3:
 * seen in some of 15 cases of ResNet20, while the losses agreed to 1e-6.
 */
const COMPARED_BATCHES = 3;

/** Every example of the class after its own: where a network is right and sure, its gradient is rounding noise. */
function withWrongTargets(batch: TrainingBatch, classes: number): TrainingBatch {
  const targets = new Float32Array(batch.targets.length);
  batch.targets.forEach((share, i) => {
    const column = i % classes;
    targets[i - column + ((column + 1) % classes)] = share;
  });
  return { ...batch, targets };
}

/**
 * The executor that was asked for, where the network compiles and its steps
 * are right, by one of a few on a few examples with wrong targets; else tfjs,
 * with a note that says why.
 */
export async function trustedExecutor(
  executor: Executor,
  setting: StepSetting,
  data: StoredTrainingData,
  seed: number,
  note: (message: string) => void,
): Promise<Executor> {
  if (!executor.compiles) {
    return executor;
  }
  try {
    const { dropouts, outputs } = setting.network;
    const { count } = data.train;
    let least = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < COMPARED_BATCHES; attempt++) {
      const examples = Int32Array.from(
        { length: Math.min(COMPARED_EXAMPLES, count) },
        (_, i) => (attempt * COMPARED_EXAMPLES + i) % count,
      );
      const read = await readStepData(data, examples);
      const batch = trainingBatch(read.data, read.order, attempt, { seed, augment: null, dropouts });
      const difference = await compareSteps(executor, setting, withWrongTargets(batch, outputs));
      if (difference <= AGREEMENT_TOLERANCE) {
        return executor;
      }
      least = Math.min(least, difference);
    }
    note(
      `training with tfjs, which takes several times as long: compiled steps differ from tfjs by ${least.toExponential(1)}`,
    );
  } catch (error) {
    if (!(error instanceof NotCompilableError)) {
      throw error;
    }
    note(`training with tfjs, which takes several times as long: ${error.message}`);
  }
  return tfjsExecutor;
}
