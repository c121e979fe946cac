import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { checkChangeable } from '../checkpoint/onnx/writer.js';
import type { NetworkOptions } from './network.js';
import { createTrainableOnnx } from './onnx/trainable-onnx.js';
import { createTrainableNetwork, type TrainableNetwork } from './trainable-network.js';

/**
 * Builds the network of a checkpoint of any format on the current tfjs backend, to be trained.
 *
 * @param options `exampleShape`: of the data, where the file leaves extents free
 * @throws InputError for what cannot be trained
 */
export function createTrainable(
  checkpoint: Checkpoint,
  options: Pick<NetworkOptions, 'exampleShape'>,
): Promise<TrainableNetwork> {
  return checkpoint.format === 'onnx'
    ? createTrainableOnnx(checkpoint, options)
    : createTrainableNetwork(checkpoint);
}

/**
 * Refuses, before long work, a model whose file cannot hold what training changes.
 *
 * @param network of the checkpoint
 * @throws InputError as `checkChangeable`
 */
export async function requireWritable(
  checkpoint: Checkpoint,
  { weights, statistics }: Pick<TrainableNetwork, 'weights' | 'statistics'>,
): Promise<void> {
  if (checkpoint.format === 'onnx') {
    await checkChangeable(checkpoint, new Set([...weights, ...statistics].map(({ name }) => name)));
  }
}
