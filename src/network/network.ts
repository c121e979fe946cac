import { type Tensor, type Tensor2D, tensor } from '../tfjs-core.js';
import type { OutputTransform, RemovedActivation } from './output-transform.js';

/** A prunable weight and where it lies in the flat vector of all of them. */
export interface PrunableWeight {
  name: string;
  /** The name under which the checkpoint holds it (newer Keras versions put a cell name in between). */
  checkpointName: string;
  shape: readonly number[];
  offset: number;
  size: number;
}

/** A kernel that is not prunable, and why. */
export interface LeftOutKernel {
  name: string;
  /** How many numbers it has. */
  weights: number;
  /** Completes "it is ..". */
  reason: string;
}

/** A table of which a network's inputs are row numbers. */
export interface InputTable {
  /** The layer that holds it. */
  layer: string;
  rows: number;
}

/**
 * A trained network as a function of its prunable weights.
 *
 * All other weights (biases, normalisation) stay as trained. Dropout is off
 * and batch normalisation uses its running statistics.
 */
export interface Network {
  /** The model's input shape without the batch axis; null where it is free. */
  readonly inputShape: readonly (number | null)[];
  /** How many outputs (classes) the network has. */
  readonly outputs: number;
  /** The shape of its output for an example, whose size is `outputs`; one row where it is not known. */
  readonly outputShape?: readonly number[];
  /** All weights of the model, prunable or not. */
  readonly parameters: number;
  readonly prunable: readonly PrunableWeight[];
  /** Kernels that cannot be pruned, and why; left out where every kernel can. */
  readonly leftOut?: readonly LeftOutKernel[];
  /** What was done to read the network that its file does not say, one sentence each; left out where nothing was. */
  readonly notes?: readonly string[];
  /** D, how many prunable weights there are. */
  readonly dimension: number;
  /** w*, the trained prunable weights, flattened; length `dimension`. */
  readonly weights: Float32Array;
  /** The activation that was taken off the output, if any. */
  readonly removedActivation: RemovedActivation | null;
  /**
   * The network's output for a batch, differentiable with respect to the
   * given weights.
   *
   * @param weights one tensor for each of `prunable`, of its shape
   * @param inputs [examples, ...inputShape]
   * @returns [examples, outputs], owned by the caller
   */
  logits(weights: readonly Tensor[], inputs: Tensor): Tensor2D;
  /** `logits` before the transform that the loss asks for, where there is one. */
  readonly untransformed?: Network['logits'];
  /** An example is decided by its largest output, whatever the loss. */
  readonly decidesClasses?: boolean;
  /** Tables that the inputs are row numbers of, as they stand. */
  readonly inputTables?: readonly InputTable[];
  /** Frees the tensors of the model; once is enough, twice does no harm. */
  dispose(): void;
}

/** Options that decide which weights are prunable and where the network ends. */
export interface NetworkOptions {
  /** Glob patterns; only prunable weights whose name matches one are kept. Empty: all. */
  include?: readonly string[];
  /** Glob patterns; prunable weights whose name matches one are left out. */
  exclude?: readonly string[];
  /**
   * The shape of an example for an input shape with free extents; without it, extents are tried until the network
   * takes one.
   *
   * @throws InputError when the examples do not fit
   */
  exampleShape?: (inputShape: readonly (number | null)[]) => readonly number[];
  /** Leaves a final softmax or sigmoid on (for a loss of the output itself). */
  keepFinalActivation?: boolean;
  /** What the numbers before the activation that was taken off become; without one they stay as they are. */
  transform?: OutputTransform | null;
  /** An example is decided by its largest output, whatever the loss. */
  decidesClasses?: boolean;
}

/**
 * The flat weight vector as one tensor for each prunable weight.
 *
 * @param flat length `network.dimension`
 * @returns tensors owned by the caller
 */
export function weightTensors(network: Network, flat: Float32Array | Float64Array): Tensor[] {
  return network.prunable.map(({ offset, size, shape }) =>
    tensor(new Float32Array(flat.subarray(offset, offset + size)), [...shape], 'float32'),
  );
}

/** Writes tensors of the prunable weights' shapes into a flat float64 vector, adding to what is there. */
export function accumulateFlat(network: Network, tensors: readonly Tensor[], sum: Float64Array): void {
  network.prunable.forEach(({ offset, size }, index) => {
    const values = tensors[index].dataSync();
    for (let i = 0; i < size; i++) {
      sum[offset + i] += values[i];
    }
  });
}
