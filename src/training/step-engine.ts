/** Takes training steps and holds what they change. */

import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import type { CompiledProgram, Executor, ExecutorTensors } from '../compute/executor.js';
import { collect, type ProgramInputs } from '../compute/tensor-program.js';
import type { TrainableNetwork } from '../network/trainable-network.js';
import {
  maskedWeights,
  type StepScalars,
  scalarInputs,
  type TrainingStepOptions,
  trainingStep,
} from '../programs/training-step.js';
import { type Tensor, tensor } from '../tfjs-core.js';
import { createForward } from './forward.js';

/** Everything that a step changes, one array for each weight or statistic. */
export interface TrainingState {
  weights: Float32Array[];
  velocities: Float32Array[];
  /** Adam's second moments; empty for `sgd`. */
  seconds: Float32Array[];
  statistics: Float32Array[];
}

/** A batch as numbers, example by example. */
export interface TrainingBatch {
  size: number;
  inputs: Float32Array;
  /** One-hot for classes. */
  targets: Float32Array;
  /** One for each dropout of the network. */
  dropoutMasks: readonly Float32Array[];
}

/** What a step tells of its batch, before the update. */
export interface StepResult {
  losses: Float32Array;
  logits: Float32Array;
}

/** Takes steps and holds what they change. */
export interface StepEngine {
  step(batch: TrainingBatch, scalars: StepScalars): Promise<StepResult>;
  /** Logits [size, outputs] in use, not in training, with the weights as they are. */
  logits(inputs: Float32Array, size: number): Promise<Float32Array>;
  /** Other masks from now on, one for each prunable weight; the weights are multiplied by them at once. */
  setMasks(masks: readonly Float32Array[]): void;
  /** The state as it is: read it before the next step. */
  state(): TrainingState;
  dispose(): void;
}

/** What an engine is made of. */
export interface StepSetting {
  network: TrainableNetwork;
  inputShape: readonly number[];
  options: TrainingStepOptions;
  state: TrainingState;
  /** One for each prunable weight, where the options say `masked`: 0 or 1. */
  masks?: readonly Float32Array[];
}

/** The state in which training starts. */
export function initialState(network: TrainableNetwork, options: TrainingStepOptions): TrainingState {
  const zeros = (): Float32Array[] => network.weights.map(({ values }) => new Float32Array(values.length));
  return {
    weights: network.weights.map(({ values }) => values.slice()),
    velocities: zeros(),
    seconds: options.optimizer === 'adam' ? zeros() : [],
    statistics: network.statistics.map(({ values }) => values.slice()),
  };
}

/** The names of a step's inputs and outputs that hold the state, and their shapes. */
function stateNames(network: TrainableNetwork, options: TrainingStepOptions) {
  const weightShapes = network.weights.map(({ shape }) => shape);
  return [
    { part: 'weights', prefix: 'w', shapes: weightShapes },
    { part: 'velocities', prefix: 'v', shapes: weightShapes },
    { part: 'seconds', prefix: 'a', shapes: options.optimizer === 'adam' ? weightShapes : [] },
    { part: 'statistics', prefix: 's', shapes: network.statistics.map(({ shape }) => shape) },
  ] as const;
}

/** Makes a tensor of numbers. */
type MakeTensor<T> = (values: Float32Array, shape: readonly number[]) => T;

function stateInputs<T>(
  { network, options }: StepSetting,
  state: TrainingState,
  make: MakeTensor<T>,
): Record<string, T> {
  return Object.fromEntries(
    stateNames(network, options).flatMap(({ part, prefix, shapes }) =>
      shapes.map((shape, index): [string, T] => [`${prefix}${index}`, make(state[part][index], shape)]),
    ),
  );
}

function maskInputs<T>(
  { network, options, masks = [] }: StepSetting,
  make: MakeTensor<T>,
): Record<string, T> {
  return Object.fromEntries(
    maskedWeights(network, options).map((weight, index): [string, T] => [
      `m${weight}`,
      make(masks[index], network.weights[weight].shape),
    ]),
  );
}

function batchInputs<T>(
  { network, inputShape, options }: StepSetting,
  { size, inputs, targets, dropoutMasks }: TrainingBatch,
  scalars: StepScalars,
  make: MakeTensor<T>,
): Record<string, T> {
  return {
    x: make(inputs, [size, ...inputShape]),
    y: make(targets, [size, network.outputs]),
    ...Object.fromEntries(
      network.dropouts.map(({ shape }, index): [string, T] => [
        `d${index}`,
        make(dropoutMasks[index], [size, ...shape]),
      ]),
    ),
    ...Object.fromEntries(
      scalarInputs(options).map((name): [string, T] => [name, make(Float32Array.of(scalars[name]), [])]),
    ),
  };
}

const asTensor: MakeTensor<Tensor> = (values, shape) => tensor(values, [...shape], 'float32');

/** Inputs to try the step with: what the numbers are does not matter. */
function sampleInputs(setting: StepSetting, size: number): ProgramInputs {
  const { network, inputShape, state } = setting;
  const ones = (shape: readonly number[]): Float32Array =>
    new Float32Array(shape.reduce((product, extent) => product * extent, size)).fill(1);
  const scalars: StepScalars = {
    inverseBatch: 1 / size,
    rate: 0.1,
    momentum: 0.9,
    l1: 0.1,
    l2: 0.1,
    weightDecay: 0.1,
    secondScale: 1,
  };
  const batch = {
    size,
    inputs: ones(inputShape),
    targets: ones([network.outputs]),
    dropoutMasks: network.dropouts.map(({ shape }) => ones(shape)),
  };
  return {
    ...batchInputs(setting, batch, scalars, asTensor),
    ...stateInputs(setting, state, asTensor),
    ...maskInputs(setting, asTensor),
  };
}

/**
 * Steps that an executor takes. The state lies twice in its memory, and each
 * step writes the other one.
 *
 * @param batchSize of most steps: its program is compiled now
 * @throws NotCompilableError
 */
export async function createStepEngine(
  executor: Executor,
  setting: StepSetting,
  batchSize: number,
): Promise<StepEngine> {
  const { network, inputShape, options } = setting;
  const make = executor.tensor;
  const training = await executor.prepare({
    name: 'training-step',
    run: trainingStep(network, options),
    sampleInputs: (size) => sampleInputs(setting, size),
  });
  const forward = await createForward(executor, network, inputShape);
  const step = compiledBySize<CompiledProgram>((size) => training.compile(size));
  await step.of(batchSize);
  // What is written over must not be the caller's.
  const copy = (arrays: readonly Float32Array[]): Float32Array[] => arrays.map((each) => each.slice());
  const ownState = (): ExecutorTensors => {
    const { weights, velocities, seconds, statistics } = setting.state;
    const own = {
      weights: copy(weights),
      velocities: copy(velocities),
      seconds: copy(seconds),
      statistics: copy(statistics),
    };
    return stateInputs(setting, own, make);
  };
  let current = ownState();
  let spare = ownState();
  let masks = maskInputs(setting, make);
  const read = (prefix: string, count: number): Float32Array[] =>
    collect(current, prefix, count).map(executor.values);
  const asOutputs = (state: ExecutorTensors): ExecutorTensors =>
    Object.fromEntries(Object.entries(state).map(([name, value]) => [`n${name}`, value]));
  return {
    step: async (batch, scalars) => {
      const compiled = await step.of(batch.size);
      const given = batchInputs(setting, batch, scalars, make);
      const outputs = await compiled.runInto({ ...given, ...current, ...masks }, asOutputs(spare));
      executor.release(given);
      const { losses, logits, ...next } = outputs;
      spare = current;
      current = Object.fromEntries(Object.entries(next).map(([name, value]) => [name.slice(1), value]));
      const result = { losses: executor.values(losses), logits: executor.values(logits) };
      executor.release({ losses, logits });
      return result;
    },
    logits: (inputs, size) => forward.logits(current, inputs, size),
    setMasks: (given) => {
      executor.release(masks);
      masks = maskInputs({ ...setting, masks: given }, make);
      for (const [place, index] of maskedWeights(network, options).entries()) {
        const name = `w${index}`;
        const pruned = executor.values(current[name]).map((weight, i) => weight * given[place][i]);
        executor.release({ old: current[name] });
        current = { ...current, [name]: make(pruned, network.weights[index].shape) };
      }
    },
    state: () => ({
      weights: read('w', network.weights.length),
      velocities: read('v', network.weights.length),
      seconds: options.optimizer === 'adam' ? read('a', network.weights.length) : [],
      statistics: read('s', network.statistics.length),
    }),
    dispose: () => {
      executor.release({ ...current, ...asOutputs(spare), ...masks });
      step.dispose();
      forward.dispose();
    },
  };
}
