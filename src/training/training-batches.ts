/** Batches of a training run; the same seed and step give the same batch. */
import { type Augmentation, augmentExamples } from '../dataset/augmentation.js';
import type { Split, StoredSplit } from '../dataset/dataset.js';
import { type Normalization, prepareExamples } from '../dataset/examples.js';
import { classLabels, gatherLabels } from '../dataset/labels.js';
import type { InputOrder } from '../dataset/layout.js';
import { inMemory } from '../dataset/stored.js';
import type { DropoutLayer } from '../network/trainable-network.js';
import { randomStream } from '../random.js';
import type { TrainingBatch } from './step-engine.js';

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

/** The same, wherever the examples are. */
export interface StoredTrainingData extends Omit<TrainingData, 'train' | 'test'> {
  train: StoredSplit;
  test: StoredSplit | null;
}

/** Rows of 0 with a 1 at the class. */
export function oneHotRows(classOf: Int32Array, classes: number): Float32Array {
  const rows = new Float32Array(classOf.length * classes);
  classOf.forEach((label, index) => {
    rows[index * classes + label] = 1;
  });
  return rows;
}

/** 0 with the probability `rate`, else 1 / (1 - rate). */
function dropoutMask({ rate, shape }: DropoutLayer, size: number, seed: number, name: string): Float32Array {
  const random = randomStream(seed, name);
  const kept = 1 / (1 - rate);
  const length = shape.reduce((product, extent) => product * extent, size);
  return Float32Array.from({ length }, () => (random.uniform() < rate ? 0 : kept));
}

/**
 * The batch of one step.
 *
 * @param order indices of its examples
 * @param step counted from 0 over the whole run
 */
export function trainingBatch(
  { train, inputShape, inputOrder, normalization, classes }: Omit<TrainingData, 'test'>,
  order: Int32Array,
  step: number,
  options: { seed: number; augment: Augmentation | null; dropouts: readonly DropoutLayer[] },
): TrainingBatch & { classOf: Int32Array } {
  const { seed, augment, dropouts } = options;
  const examples =
    augment === null
      ? prepareExamples(train, { inputShape, inputOrder, normalization, order })
      : prepareExamples(augmentExamples(train, order, augment, randomStream(seed, `augment ${step}`)), {
          inputShape,
          inputOrder,
          normalization,
        });
  const classOf = classLabels(gatherLabels(train.labels, order), classes);
  return {
    size: order.length,
    inputs: examples.inputs(0, order.length),
    targets: oneHotRows(classOf, classes),
    classOf,
    dropoutMasks: dropouts.map((layer, index) =>
      dropoutMask(layer, order.length, seed, `dropout ${index} ${step}`),
    ),
  };
}

/**
 * Brings the examples of one step into memory, where they are not.
 *
 * @returns data of which `trainingBatch` makes the same batch by `order` as of all data by the given order
 * @throws InputError where an example cannot be read
 */
export async function readStepData(
  data: StoredTrainingData,
  order: Int32Array,
): Promise<{ data: Omit<TrainingData, 'test'>; order: Int32Array }> {
  const { split, order: places } = await inMemory(data.train, order);
  return { data: { ...data, train: split }, order: places };
}
