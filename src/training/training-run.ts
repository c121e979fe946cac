import { mean, type Scalar, type Tensor, variableGrads } from '@tensorflow/tfjs-core';
import type { LayersCheckpoint } from '../checkpoint/checkpoint.js';
import type { Split } from '../dataset/dataset.js';
import { type Normalization, prepareExamples } from '../dataset/examples.js';
import { classLabels } from '../dataset/labels.js';
import type { InputOrder } from '../dataset/layout.js';
import { InputError } from '../errors.js';
import { exampleLosses } from '../network/loss.js';
import type { Progress } from '../progress.js';
import { permutation, randomStream } from '../random.js';
import { evaluate, uploadBatch } from './evaluation.js';
import { learningRateAt, type ScheduleOptions } from './schedules.js';
import { createMomentumOptimizer, type MomentumOptimizer, type Penalties } from './sgd.js';
import { createTrainableModel, type TrainableModel } from './trainable-model.js';

/** What a network is trained on. */
export interface TrainingData {
  train: Split;
  /** Measured after every epoch, never trained on; null for none. */
  test: Split | null;
  /** The network's input shape without batch. */
  inputShape: readonly number[];
  normalization: Normalization | null;
  /** In which order the network takes images where `inputShape` does not tell. */
  inputOrder: InputOrder;
  classes: number;
}

export interface TrainingOptions extends Penalties, Omit<ScheduleOptions, 'stepsPerEpoch'> {
  momentum: number;
  batchSize: number;
  seed: number;
}

/** Mean loss of one batch and its gradient in every trainable weight; the tensors are owned by the caller. */
function batchGradient(
  model: TrainableModel,
  inputs: Tensor,
  targets: Tensor,
): { loss: number; gradients: Tensor[] } {
  const variables = model.weights.map(({ variable }) => variable);
  const { value, grads } = variableGrads(
    () => mean(exampleLosses('cross-entropy', model.logits(inputs, true), targets)) as Scalar,
    variables,
  );
  const loss = value.dataSync()[0];
  value.dispose();
  return { loss, gradients: variables.map(({ name }) => grads[name]) };
}

/** The error of a run that went wrong. */
export function divergence(what: string, options: { learningRate: number }): InputError {
  return new InputError(
    'training/diverged',
    `training diverged: ${what}; lower --learning-rate (it was ${options.learningRate}), for example --learning-rate ${Number((options.learningRate / 10).toPrecision(2))}`,
  );
}

/** One pass over the training examples in a new order; returns the mean loss of its batches as they came. */
async function trainEpoch(
  model: TrainableModel,
  optimizer: MomentumOptimizer,
  data: TrainingData,
  options: TrainingOptions,
  run: { epoch: number; stepsPerEpoch: number; order: Int32Array; onStep: (step: number) => void },
): Promise<number> {
  const { train, inputShape, inputOrder, normalization, classes } = data;
  const examples = prepareExamples(train, { inputShape, inputOrder, normalization, order: run.order });
  const classOf = classLabels(examples.labels, classes);
  let total = 0;
  let step = run.epoch * run.stepsPerEpoch;
  for (let start = 0; start < examples.count; start += options.batchSize) {
    const end = Math.min(examples.count, start + options.batchSize);
    const { inputs, targets } = uploadBatch(examples, classOf, classes, start, end);
    const { loss, gradients } = batchGradient(model, inputs, targets);
    inputs.dispose();
    targets.dispose();
    optimizer.step(gradients, learningRateAt(step, { ...options, stepsPerEpoch: run.stepsPerEpoch }));
    if (!Number.isFinite(loss)) {
      throw divergence(`the loss became ${loss} in epoch ${run.epoch + 1}`, options);
    }
    total += loss * (end - start);
    step++;
    run.onStep(step);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return total / examples.count;
}

/**
 * Trains a checkpoint of a classifier by stochastic gradient descent with
 * momentum on its cross-entropy and penalties.
 *
 * Every epoch visits all training examples once, in a new seeded order; a
 * last batch that is not full counts as a batch of its size. Nothing is left
 * on the backend.
 *
 * @returns a new checkpoint; the given one is not changed
 * @throws InputError when the loss stops being finite
 */
export async function trainCheckpoint(
  checkpoint: LayersCheckpoint,
  data: TrainingData,
  options: TrainingOptions,
  progress: Progress,
): Promise<LayersCheckpoint> {
  const { train, test, inputShape, inputOrder, normalization, classes } = data;
  const stepsPerEpoch = Math.ceil(train.count / options.batchSize);
  const shuffle = randomStream(options.seed, 'shuffle');
  const testExamples = test && prepareExamples(test, { inputShape, inputOrder, normalization });
  const testClasses = testExamples && classLabels(testExamples.labels, classes);
  const model = await createTrainableModel(checkpoint);
  const optimizer = createMomentumOptimizer(model.weights, options);
  const stage = progress.stage('training', options.epochs * stepsPerEpoch);
  try {
    for (let epoch = 0; epoch < options.epochs; epoch++) {
      const order = permutation(train.count, shuffle);
      const run = { epoch, stepsPerEpoch, order, onStep: (step: number) => stage.update(step) };
      const loss = await trainEpoch(model, optimizer, data, options, run);
      const measured =
        testExamples &&
        testClasses &&
        (await evaluate(testExamples, testClasses, classes, (inputs) => model.logits(inputs, false)));
      const accuracy = measured ? `, test accuracy ${(100 * measured.accuracy).toFixed(2)} %` : '';
      progress.note(`epoch ${epoch + 1}/${options.epochs}: train loss ${loss.toPrecision(3)}${accuracy}`);
    }
    return model.snapshot();
  } finally {
    stage.end();
    optimizer.dispose();
    model.dispose();
  }
}
