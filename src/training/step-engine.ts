/** Where training steps are computed: by compiled programs in ONNX Runtime, or by tfjs itself. */
import { scalar, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { channelBlockSize } from '../compute/compile/channel-block-size.js';
import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import type { NativeOptions, NativeTensor } from '../compute/compile/native-session.js';
import { collect, numbered, TracedProgram } from '../compute/compile/program.js';
import type { ProgramInputs } from '../compute/compile/trace.js';
import type { TrainableNetwork } from '../network/trainable-network.js';
import {
  maskedWeights,
  type StepScalars,
  scalarInputs,
  type TrainingStepOptions,
  trainingStep,
} from '../programs/training-step.js';

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

function stateInputs<T>(
  setting: StepSetting,
  state: TrainingState,
  prefix: string,
  make: (values: Float32Array, shape: readonly number[]) => T,
): Record<string, T> {
  return Object.fromEntries(
    stateNames(setting.network, setting.options).flatMap(({ part, prefix: name, shapes }) =>
      shapes.map((shape, index): [string, T] => [
        `${prefix}${name}${index}`,
        make(state[part][index], shape),
      ]),
    ),
  );
}

function maskInputs<T>(
  { network, options, masks = [] }: StepSetting,
  make: (values: Float32Array, shape: readonly number[]) => T,
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
  make: (values: Float32Array, shape: readonly number[]) => T,
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

const asTensor = (values: Float32Array, shape: readonly number[]): Tensor =>
  shape.length === 0 ? scalar(values[0]) : tensor(values, [...shape], 'float32');

/** Steps by tfjs, operation by operation, on the current backend. */
export function tfjsStepEngine(setting: StepSetting): StepEngine {
  const { network, inputShape } = setting;
  const program = trainingStep(network, setting.options);
  let state = stateInputs(setting, setting.state, '', asTensor);
  const masks = maskInputs(setting, asTensor);
  const read = (prefix: string, count: number): Float32Array[] =>
    collect(state, prefix, count).map((each) => each.dataSync() as Float32Array);
  return {
    step: async (batch, scalars) => {
      const given = batchInputs(setting, batch, scalars, asTensor);
      const { losses, logits, ...next } = tidy(
        () => program({ ...given, ...state, ...masks }) as never,
      ) as Record<string, Tensor>;
      for (const each of [...Object.values(given), ...Object.values(state)]) {
        each.dispose();
      }
      state = Object.fromEntries(Object.entries(next).map(([name, value]) => [name.slice(1), value]));
      const result = {
        losses: losses.dataSync() as Float32Array,
        logits: logits.dataSync() as Float32Array,
      };
      losses.dispose();
      logits.dispose();
      return result;
    },
    logits: async (inputs, size) =>
      tidy(() => {
        const weights = collect(state, 'w', network.weights.length);
        const statistics = collect(state, 's', network.statistics.length);
        return network
          .logits(weights, statistics, tensor(inputs, [size, ...inputShape]))
          .dataSync() as Float32Array;
      }),
    state: () => ({
      weights: read('w', network.weights.length),
      velocities: read('v', network.weights.length),
      seconds: setting.options.optimizer === 'adam' ? read('a', network.weights.length) : [],
      statistics: read('s', network.statistics.length),
    }),
    dispose: () => {
      for (const each of [...Object.values(state), ...Object.values(masks)]) {
        each.dispose();
      }
    },
  };
}

/** Numbers to trace a program with: what they are does not matter to the trace. */
function tracingInputs(setting: StepSetting, size: number): ProgramInputs {
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
    ...stateInputs(setting, state, '', asTensor),
    ...maskInputs(setting, asTensor),
  };
}

/**
 * Steps by programs that tfjs derives and ONNX Runtime runs. The state lies
 * twice in memory: each step reads one copy and writes the other, so that
 * nothing is copied.
 *
 * @param batchSize of most steps: compiled at once
 * @throws NotCompilableError
 */
export async function nativeStepEngine(
  setting: StepSetting,
  native: NativeOptions,
  batchSize: number,
): Promise<StepEngine> {
  const { network, inputShape, options } = setting;
  const make = (values: Float32Array, shape: readonly number[]): NativeTensor =>
    new native.runtime.Tensor('float32', values, [...shape]);
  const traced = TracedProgram.trace('training-step', trainingStep(network, options), (size) =>
    tracingInputs(setting, size),
  );
  const channelBlock = traced.hasConvolutions ? await channelBlockSize(native.runtime) : null;
  const step = compiledBySize((size) => traced.compile(size, { ...native, channelBlock }));
  const forward = TracedProgram.trace(
    'logits',
    (inputs) => ({
      logits: network.logits(
        collect(inputs, 'w', network.weights.length),
        collect(inputs, 's', network.statistics.length),
        inputs.x,
      ),
    }),
    (size) => ({
      ...numbered(
        'w',
        network.weights.map(({ values, shape }) => asTensor(values, shape)),
      ),
      ...numbered(
        's',
        network.statistics.map(({ values, shape }) => asTensor(values, shape)),
      ),
      x: asTensor(new Float32Array(inputShape.reduce((product, extent) => product * extent, size)), [
        size,
        ...inputShape,
      ]),
    }),
  );
  const use = compiledBySize((size) => forward.compile(size, native));
  const copyOf = (arrays: readonly Float32Array[]): Float32Array[] => arrays.map((each) => each.slice());
  let current: TrainingState = { ...setting.state };
  let spare: TrainingState = {
    weights: copyOf(current.weights),
    velocities: copyOf(current.velocities),
    seconds: copyOf(current.seconds),
    statistics: copyOf(current.statistics),
  };
  const masks = maskInputs(setting, make);
  await step.of(batchSize);
  return {
    step: async (batch, scalars) => {
      const compiled = await step.of(batch.size);
      const { losses, logits } = await compiled.runInto(
        {
          ...batchInputs(setting, batch, scalars, make),
          ...stateInputs(setting, current, '', make),
          ...masks,
        },
        stateInputs(setting, spare, 'n', make),
      );
      [current, spare] = [spare, current];
      return { losses: losses.data as Float32Array, logits: logits.data as Float32Array };
    },
    logits: async (inputs, size) => {
      const compiled = await use.of(size);
      const { logits } = await compiled.run({
        ...stateInputs(setting, current, '', make),
        x: make(inputs, [size, ...inputShape]),
      });
      return logits.data as Float32Array;
    },
    state: () => current,
    dispose: () => {
      step.dispose();
      use.dispose();
    },
  };
}
