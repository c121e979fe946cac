import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { createLayersNetwork } from './layers-network.js';
import type { Network, NetworkOptions } from './network.js';
import { createOnnxNetwork, describeOnnx } from './onnx/onnx-network.js';
import { describeTopology, type NetworkDescription } from './topology.js';

/**
 * Builds the network of a checkpoint on the current tfjs backend.
 *
 * @throws InputError when the model cannot be built, has several inputs or
 *   outputs, or holds no prunable weight
 */
export async function createNetwork(checkpoint: Checkpoint, options: NetworkOptions = {}): Promise<Network> {
  return checkpoint.format === 'onnx'
    ? createOnnxNetwork(checkpoint, options)
    : createLayersNetwork(checkpoint, options);
}

/** What a checkpoint says of its network, without building it. */
export function describeNetwork(checkpoint: Checkpoint): NetworkDescription {
  return checkpoint.format === 'onnx' ? describeOnnx(checkpoint) : describeTopology(checkpoint);
}
