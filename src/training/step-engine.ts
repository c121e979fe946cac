/** Takes training steps and holds what they change. */

import { elementCount } from '../checkpoint/checkpoint.js';
import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import type { CompiledSeries, Executor, PreparedProgram } from '../compute/executor.js';
import { collect, numbered, type ProgramInputs } from '../compute/tensor-program.js';
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

/** A step to take. */
export interface TrainingStep {
  batch: TrainingBatch;
  scalars: StepScalars;
}

/** Takes steps and holds what they change. */
export interface StepEngine {
  /** How many steps of full batches are best taken at once, without anyone having to wait for them. */
  readonly stepsAtOnce: number;
  /** Takes steps in their order, with the same numbers whether at once or one by one. */
  take(steps: readonly TrainingStep[]): Promise<StepResult[]>;
  /** Logits [size, outputs] in use, not in training, with the weights as they are. */
  logits(inputs: Float32Array, size: number): Promise<Float32Array>;
  /** Other masks from now on, one for each prunable weight; the weights are multiplied by them at once. */
  setMasks(masks: readonly Float32Array[]): void;
  /** The state as it is: read it before the next steps. */
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

/** The numbers of a step's inputs that differ from step to step. */
function stepNumbers(
  { options }: StepSetting,
  { batch, scalars }: TrainingStep,
): Record<string, Float32Array> {
  const { inputs, targets, dropoutMasks } = batch;
  return {
    x: inputs,
    y: targets,
    ...numbered('d', dropoutMasks),
    ...Object.fromEntries(scalarInputs(options).map((name) => [name, Float32Array.of(scalars[name])])),
  };
}

/** The shapes of those inputs. */
function stepShapes({ network, inputShape, options }: StepSetting, size: number): Record<string, number[]> {
  return {
    x: [size, ...inputShape],
    y: [size, network.outputs],
    ...numbered(
      'd',
      network.dropouts.map(({ shape }) => [size, ...shape]),
    ),
    ...Object.fromEntries(scalarInputs(options).map((name) => [name, []])),
  };
}

/** In range for every input, scalars and targets too. */
const SAMPLE = 0.1;

const asTensor: MakeTensor<Tensor> = (values, shape) => tensor(values, [...shape], 'float32');

/** Inputs to try the step with: what the numbers are does not matter. */
function sampleInputs(setting: StepSetting, size: number): ProgramInputs {
  const samples = Object.entries(stepShapes(setting, size)).map(([name, shape]): [string, Tensor] => [
    name,
    asTensor(new Float32Array(elementCount(shape)).fill(SAMPLE), shape),
  ]);
  return {
    ...Object.fromEntries(samples),
    ...stateInputs(setting, setting.state, asTensor),
    ...maskInputs(setting, asTensor),
  };
}

/**
 * Steps that are taken at once: so many that copies of the state between them
 * do not count, few enough to take less than a tenth of a second where products
 * run at 200 GFLOPS, and to keep their batches small.
 */
const AT_ONCE = { steps: 16, operations: 2e10, bytes: 2 ** 24 } as const;

function stepsAtOnce({ plans }: PreparedProgram, setting: StepSetting, batchSize: number): number {
  if (plans === null) {
    return 1;
  }
  const { operations } = plans.wholeCost(batchSize);
  const bytes = Object.values(stepShapes(setting, batchSize)).reduce(
    (sum, shape) => sum + 4 * elementCount(shape),
    0,
  );
  return Math.max(
    1,
    Math.min(AT_ONCE.steps, Math.floor(AT_ONCE.operations / operations), Math.floor(AT_ONCE.bytes / bytes)),
  );
}

/** Neighbours whose batches are of one size. */
function bySize(steps: readonly TrainingStep[]): TrainingStep[][] {
  const series: TrainingStep[][] = [];
  for (const step of steps) {
    const last = series.at(-1);
    if (last?.[0].batch.size === step.batch.size) {
      last.push(step);
    } else {
      series.push([step]);
    }
  }
  return series;
}

/** a b, entry by entry. */
function product(a: Float32Array, b: Float32Array): Float32Array {
  const result = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) {
    result[i] = a[i] * b[i];
  }
  return result;
}

/**
 * Steps that an executor takes.
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
  let current = stateInputs(setting, setting.state, make);
  const inputs = {
    carried: Object.fromEntries(Object.keys(current).map((name) => [name, `n${name}`])),
    varied: Object.keys(stepShapes(setting, batchSize)),
  };
  const series = compiledBySize<CompiledSeries>((size) => training.compileSeries(size, inputs));
  await series.of(batchSize);
  let masks = maskInputs(setting, make);
  const read = (prefix: string, count: number): Float32Array[] =>
    collect(current, prefix, count).map(executor.values);
  const runSeries = async (steps: readonly TrainingStep[]): Promise<StepResult[]> => {
    const compiled = await series.of(steps[0].batch.size);
    const numbers = steps.map((step) => stepNumbers(setting, step));
    const { carried, results } = await compiled.run({ ...current, ...masks }, numbers);
    executor.release(current);
    current = carried;
    return results.map(({ losses, logits }) => ({ losses, logits }));
  };
  return {
    stepsAtOnce: stepsAtOnce(training, setting, batchSize),
    take: async (steps) => {
      const results: StepResult[] = [];
      for (const ofOneSize of bySize(steps)) {
        results.push(...(await runSeries(ofOneSize)));
      }
      return results;
    },
    logits: (given, size) => forward.logits(current, given, size),
    setMasks: (given) => {
      executor.release(masks);
      masks = maskInputs({ ...setting, masks: given }, make);
      for (const [place, index] of maskedWeights(network, options).entries()) {
        const name = `w${index}`;
        const pruned = product(executor.values(current[name]), given[place]);
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
      executor.release({ ...current, ...masks });
      series.dispose();
      forward.dispose();
    },
  };
}
