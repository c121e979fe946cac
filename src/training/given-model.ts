/** A trained model to go on from. */
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { StoredSplit } from '../dataset/dataset.js';
import { planLayout } from '../dataset/layout.js';
import { InputError } from '../errors.js';
import { createNetwork } from '../network/create-network.js';
import { createTrainable, requireWritable } from '../network/create-trainable.js';

/**
 * Checks that a model is a classifier that training can go on from.
 *
 * @param path as it was named, for messages
 * @param train the examples, whose shape is taken where an ONNX model leaves extents of its input free
 * @param classes that the data tells apart
 * @returns its input shape without batch
 * @throws InputError for another number of outputs, a layers model with an input of free extents, or an ONNX model that
 *   cannot be trained or whose file cannot hold trained numbers
 */
export async function checkGivenModel(
  checkpoint: Checkpoint,
  path: string,
  train: StoredSplit,
  classes: number,
): Promise<readonly number[]> {
  const refused = (what: string): InputError => new InputError('training/model', `--from ${path}: ${what}`);
  const exampleShape = (inputShape: readonly (number | null)[]): readonly number[] =>
    planLayout(train, inputShape, 'NHWC').shape;
  const network = await createNetwork(checkpoint, { exampleShape });
  try {
    const { outputs, inputShape, removedActivation } = network;
    if (removedActivation === 'sigmoid') {
      throw refused('ends in a sigmoid, and training takes classifiers that end in a softmax or in logits');
    }
    if (outputs !== classes) {
      throw refused(`has ${outputs} outputs, but the data has ${classes} classes; they must be as many`);
    }
    if (checkpoint.format === 'onnx') {
      const trainable = await createTrainable(checkpoint, { exampleShape });
      trainable.dispose();
      await requireWritable(checkpoint, trainable);
    }
    if (!inputShape.some((extent) => extent === null)) {
      return inputShape as readonly number[];
    }
    if (checkpoint.format === 'onnx') {
      return exampleShape(inputShape);
    }
    throw refused(`takes inputs of free extents [${inputShape.join(', ')}]; save it with fixed ones`);
  } finally {
    network.dispose();
  }
}
