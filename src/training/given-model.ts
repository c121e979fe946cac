/** A trained model to go on from. */
import type { LayersCheckpoint } from '../checkpoint/checkpoint.js';
import { readCheckpoint } from '../checkpoint/registry.js';
import { InputError } from '../errors.js';
import { createNetwork } from '../network/create-network.js';

/**
 * Reads a classifier that training can go on from.
 *
 * @param classes that the data tells apart
 * @returns the checkpoint, and its input shape without batch
 * @throws InputError for another format, another number of outputs, or an input of free extents
 */
export async function readGivenModel(
  path: string,
  classes: number,
): Promise<{ checkpoint: LayersCheckpoint; inputShape: readonly number[] }> {
  const checkpoint = await readCheckpoint(path);
  const refused = (what: string): InputError => new InputError('training/model', `--from ${path}: ${what}`);
  if (checkpoint.format !== 'tfjs-layers') {
    throw refused('is an ONNX model, and training takes layers models of TensorFlow.js; give a model.json');
  }
  const network = await createNetwork(checkpoint);
  try {
    const { outputs, inputShape, removedActivation } = network;
    if (removedActivation === 'sigmoid') {
      throw refused('ends in a sigmoid, and training takes classifiers that end in a softmax or in logits');
    }
    if (outputs !== classes) {
      throw refused(`has ${outputs} outputs, but the data has ${classes} classes; they must be as many`);
    }
    if (inputShape.some((extent) => extent === null)) {
      throw refused(`takes inputs of free extents [${inputShape.join(', ')}]; save it with fixed ones`);
    }
    return { checkpoint, inputShape: inputShape as readonly number[] };
  } finally {
    network.dispose();
  }
}
