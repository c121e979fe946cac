import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { type Tensor, type Tensor2D, tidy } from '../tfjs-core.js';
import { createLayersNetwork } from './layers-network.js';
import type { Network, NetworkOptions } from './network.js';
import { type OutputTransform, transformOutputs } from './output-transform.js';
import { describeTopology, type NetworkDescription } from './topology.js';

/** The operators of ONNX, which a layers model does without. */
const onnx = () => import('./onnx/onnx-network.js');

/**
 * Builds the network of a checkpoint on the current tfjs backend.
 *
 * @throws InputError when the model cannot be built, has several inputs or
 *   outputs, or holds no prunable weight
 */
export async function createNetwork(checkpoint: Checkpoint, options: NetworkOptions = {}): Promise<Network> {
  const network = await (checkpoint.format === 'onnx'
    ? (await onnx()).createOnnxNetwork(checkpoint, options)
    : createLayersNetwork(checkpoint, options));
  const { transform = null, decidesClasses = false } = options;
  // Without an activation that was taken off there is nothing that a transform could take the place of.
  const transformed =
    transform === null || network.removedActivation === null ? network : withTransform(network, transform);
  return decidesClasses ? { ...transformed, decidesClasses } : transformed;
}

function withTransform(network: Network, transform: OutputTransform): Network {
  const { logits } = network;
  return {
    ...network,
    untransformed: logits,
    logits: (weights: readonly Tensor[], inputs: Tensor): Tensor2D =>
      tidy(() => transformOutputs(transform, logits(weights, inputs))),
  };
}

/** What a checkpoint says of its network, without building it. */
export async function describeNetwork(checkpoint: Checkpoint): Promise<NetworkDescription> {
  return checkpoint.format === 'onnx'
    ? (await onnx()).describeOnnx(checkpoint)
    : describeTopology(checkpoint);
}
