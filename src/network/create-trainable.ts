import type { Checkpoint } from '../checkpoint/checkpoint.js';
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
