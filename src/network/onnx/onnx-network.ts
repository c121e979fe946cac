import type { OnnxCheckpoint } from '../../checkpoint/checkpoint.js';
import { InputError } from '../../errors.js';
import type { Network, NetworkOptions } from '../network.js';
import type { NetworkDescription } from '../topology.js';

/**
 * Builds the network of an ONNX model on the current tfjs backend.
 *
 * @throws InputError
 */
export async function createOnnxNetwork(
  checkpoint: OnnxCheckpoint,
  _options: NetworkOptions,
): Promise<Network> {
  throw new InputError('network/onnx', `${checkpoint.path}: ONNX models are not supported yet`);
}

/** What the graph says of its network, without building it. */
export function describeOnnx({ graph }: OnnxCheckpoint): NetworkDescription {
  return {
    finalActivation: null,
    trainedLoss: null,
    operations: [...new Set(graph.nodes.map(({ opType }) => opType))].sort(),
  };
}
