import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { type AnalysisEngine, prepareEngine } from '../compute/backend.js';
import type { AnalyzeConfig } from '../config.js';
import type { Dataset, ImageLayout, Labels, Split } from '../dataset/dataset.js';
import { prepareExamples, selectExamples } from '../dataset/examples.js';
import { classLabels } from '../dataset/labels.js';
import { type InputOrder, planLayout } from '../dataset/layout.js';
import { readDataset } from '../dataset/registry.js';
import { InputError } from '../errors.js';
import { createNetwork, describeNetwork } from '../network/create-network.js';
import type { ExampleSource } from '../network/example-source.js';
import type { LossName } from '../network/loss.js';
import { lossPair, requireOneDecision } from '../network/loss-pair.js';
import type { Network } from '../network/network.js';
import type { Progress } from '../progress.js';
import { chooseLoss } from './choose-loss.js';
import { tensorMemory } from './memory.js';
import type { ResourceScope } from './resources.js';
import { requireTableRows } from './table-rows.js';

/** Refuses targets of a cross-entropy that are no probabilities, such as labels -1 and 1. */
function requireProbabilities({ values, width }: Labels & { kind: 'targets' }, loss: LossName): void {
  const bad = values.findIndex((value) => !(value >= 0 && value <= 1));
  if (bad >= 0) {
    throw new InputError(
      'data/target-range',
      `example ${Math.floor(bad / width)} has the target ${values[bad]}, but ${loss} takes probabilities from 0 to 1: number classes from 0, or use --loss mse`,
    );
  }
}

/** Targets of examples [start, end) as rows of `outputs` numbers, with labels checked once. */
function targetRows(
  labels: Labels,
  loss: LossName,
  outputs: number,
): (start: number, end: number) => Float32Array {
  if (labels.kind === 'targets' && !(loss === 'cross-entropy' && labels.width === 1)) {
    if (labels.width !== outputs) {
      throw new InputError(
        'data/target-width',
        `the data has ${labels.width} target values per example, the model ${outputs} outputs: they must agree`,
      );
    }
    if (loss !== 'mse') {
      requireProbabilities(labels, loss);
    }
    return (start, end) => labels.values.subarray(start * outputs, end * outputs);
  }
  if (loss === 'cross-entropy' && outputs < 2) {
    throw new InputError(
      'data/one-output',
      'cross-entropy needs a model with two or more outputs; for one output use --loss binary-cross-entropy or --loss mse',
    );
  }
  if (outputs === 1) {
    const values = loss === 'mse' ? Int32Array.from(labels.values) : classLabels(labels, 2);
    return (start, end) => Float32Array.from(values.subarray(start, end));
  }
  const classes = classLabels(labels, outputs);
  return (start, end) => {
    const rows = new Float32Array((end - start) * outputs);
    for (let i = start; i < end; i++) {
      rows[(i - start) * outputs + classes[i]] = 1;
    }
    return rows;
  };
}

/**
 * In which order a network takes images where the shape of its input does not say so: as asked for, else as its
 * framework flattens them. Torch, where most ONNX models come from, flattens what it stores; tfjs and Keras keep channels last.
 */
export function inputOrder(checkpoint: Pick<Checkpoint, 'format'>, layout: ImageLayout | null): InputOrder {
  return layout ?? (checkpoint.format === 'onnx' ? 'stored' : 'NHWC');
}

/** How examples are chosen and prepared; without `inputOrder` images come channels last. */
export type PreparationOptions = Pick<AnalyzeConfig, 'normalize' | 'sample' | 'seed'> & {
  inputOrder?: InputOrder;
};

/**
 * Examples of a split as the network takes them.
 *
 * @param count how many: a subset chosen by `options.sample`, or all
 * @throws InputError when inputs or labels do not fit the network
 */
export function networkExamples(
  split: Split,
  network: Network,
  loss: LossName,
  count: number | 'all',
  options: PreparationOptions,
): ExampleSource {
  const order = selectExamples(split.count, { count, sample: options.sample, seed: options.seed });
  const examples = prepareExamples(split, {
    inputShape: network.inputShape,
    normalization: options.normalize,
    ...(options.inputOrder && { inputOrder: options.inputOrder }),
    order,
  });
  requireTableRows(network.inputTables ?? [], examples, order);
  return {
    count: examples.count,
    shape: examples.shape,
    inputs: (start, end) => examples.inputs(start, end),
    targets: targetRows(examples.labels, loss, network.outputs),
  };
}

/** The shape of a split's examples as a network with that input shape takes them. */
function exampleShape(split: Split, inputShape: readonly (number | null)[]): readonly number[] {
  return prepareExamples(split, { inputShape, normalization: null, order: Int32Array.of(0) }).shape;
}

/** A network on its data, ready for computing. */
export interface Problem {
  engine: AnalysisEngine;
  dataset: Dataset;
  network: Network;
  /** The order of images that was chosen, as the input's shape does not tell it; null where there was nothing to choose. */
  imageOrder: ImageLayout | null;
  loss: LossName;
  /** What is to be said of the loss and the network's ending, one line each. */
  lossNotes: readonly string[];
  /** Training examples of the curvature and of the measured loss. */
  train: ExampleSource;
  /**
   * Training examples that the batch-std rule computes eps from: `train` itself
   * where these are the same; null where another rule gives eps.
   */
  epsilonTrain: ExampleSource | null;
  trainingAvailable: number;
  /** Test examples; null where the data has none. */
  test: ExampleSource | null;
  testAvailable: number;
}

/** What of an analysis' configuration decides the problem. */
export type ProblemConfig = Pick<
  AnalyzeConfig,
  | 'normalize'
  | 'sample'
  | 'seed'
  | 'data'
  | 'labelColumn'
  | 'layout'
  | 'loss'
  | 'epsilon'
  | 'epsilonExamples'
  | 'examples'
  | 'testExamples'
  | 'include'
  | 'exclude'
  | 'backend'
  | 'threads'
  | 'memoryLimitBytes'
>;

/**
 * Prepares the backend, reads the data and builds the network.
 *
 * @throws InputError when one of them is unusable or they do not fit together
 */
export async function openProblem(
  config: ProblemConfig,
  checkpoint: Checkpoint,
  progress: Progress,
  scope: ResourceScope,
): Promise<Problem> {
  const dataset = await readDataset(config.data, {
    labelColumn: config.labelColumn ?? undefined,
    layout: config.layout ?? undefined,
    memoryBytes: tensorMemory(config),
  });
  if (dataset.train === null) {
    throw new InputError(
      'data/no-training-split',
      `${config.data}: no training examples found, and the curvature is that of the training loss; add the training split`,
    );
  }
  const { train: trainingSplit } = dataset;
  const engine = await prepareEngine(config.backend, config.threads);
  engine.notes.forEach(progress.note);
  const description = await describeNetwork(checkpoint);
  const { loss, fromLogits, notes } = chooseLoss(config.loss, description, dataset.train.labels);
  const pair = lossPair(description.finalActivation, loss, fromLogits);
  const { include, exclude } = config;
  const network = scope.own(
    await createNetwork(checkpoint, {
      include,
      exclude,
      ...pair,
      exampleShape: (inputShape) => exampleShape(trainingSplit, inputShape),
    }),
  );
  const order = inputOrder(checkpoint, config.layout);
  requireOneDecision(network, description.finalActivation, loss, pair);
  const examples = (split: Split, count: number | 'all'): ExampleSource =>
    networkExamples(split, network, loss, count, { ...config, inputOrder: order });
  const trainingAvailable = dataset.train.count;
  const used = (count: number | 'all'): number =>
    count === 'all' ? trainingAvailable : Math.min(count, trainingAvailable);
  const train = examples(dataset.train, config.examples);
  const sameExamples = used(config.examples) === used(config.epsilonExamples);
  return {
    engine,
    dataset,
    network,
    imageOrder: planLayout(dataset.train, network.inputShape, order).chosenOrder,
    loss,
    lossNotes: notes,
    train,
    epsilonTrain:
      config.epsilon.rule !== 'batch-std'
        ? null
        : sameExamples
          ? train
          : examples(dataset.train, config.epsilonExamples),
    trainingAvailable,
    test: dataset.test === null ? null : examples(dataset.test, config.testExamples),
    testAvailable: dataset.test?.count ?? 0,
  };
}
