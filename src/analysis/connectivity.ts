import { elementCount, type Graph } from '../compute/compile/graph.js';
import { traceProgram } from '../compute/compile/trace.js';
import { filled, type Lifetimes, NEVER } from '../compute/connectivity/lifetimes.js';
import { propagateLifetimes } from '../compute/connectivity/propagation.js';
import { collect, numbered, type ProgramInputs } from '../compute/tensor-program.js';
import type { ExampleSource } from '../network/example-source.js';
import { type Network, weightTensors } from '../network/network.js';
import type { MagnitudeRanking } from '../pruning/magnitude.js';
import { tensor } from '../tfjs-core.js';
import type { Problem } from './problem.js';

/** How far a network can be pruned by magnitude before an output is cut off from the input. */
export interface ConnectedPruning {
  /** The most weights that may be pruned: with one more, an output has no path left. 0 where one has none at all. */
  prunedCount: number;
  /** `prunedCount` as a fraction of the prunable weights; 1 where no path needs any of them. */
  prunedFraction: number;
  /**
   * False: the network has kernels whose structure is not known
   * (`unknownKernels`); outputs may be cut off earlier, but not later.
   */
  exact: boolean;
  /** tfjs kernels that were taken to join everything they read, each once. */
  unknownKernels: readonly string[];
  /** Whether every output has a path in the network as it was trained. */
  connectedWhenDense: boolean;
  /** Outputs without a path even then: all weights on the way are exactly 0. Ascending. */
  disconnectedOutputs: number[];
  /** For every output, the most weights that may be pruned before it is cut off; -1 where it always is. */
  prunedCounts: Int32Array;
}

/** The network's forward pass on one example; inputs `x` and the prunable weights `w0`, `w1`, .., output `logits`. */
function traceLogits(network: Network, source: ExampleSource): Graph {
  // What a loss makes of the outputs may join them, which is no path of the network.
  const logits = network.untransformed ?? network.logits;
  const inputs: ProgramInputs = {
    ...numbered('w', weightTensors(network, network.weights)),
    x: tensor(source.inputs(0, 1), [1, ...source.shape], 'float32'),
  };
  try {
    return traceProgram(
      ({ x, ...weights }) => ({ logits: logits(collect(weights, 'w', network.prunable.length), x) }),
      inputs,
    );
  } finally {
    for (const input of Object.values(inputs)) {
      input.dispose();
    }
  }
}

/** With how many weights pruned each one is still there: its place in the ranking; a weight of 0 never is. */
function weightLifetimes(weights: Float32Array, { order }: MagnitudeRanking): Int32Array {
  const counts = filled(weights.length, NEVER);
  order.forEach((index, place) => {
    if (weights[index] !== 0) {
      counts[index] = place;
    }
  });
  return counts;
}

/**
 * The largest fraction of one-shot magnitude pruning at which every output of
 * a network still has a path from its input through kept weights.
 *
 * A path leads through the operations of the network as they are traced with
 * one example; weights that are not prunable, and constants, pass on what
 * reaches them unless they are exactly 0. That a softmax or a normalisation
 * inside the network joins what it reads counts as paths between its outputs.
 *
 * The tensors of `problem.network` must still be there: call it before a
 * compiled computation is opened.
 */
export function connectedPruning(
  { network, train }: Pick<Problem, 'network' | 'train'>,
  ranking: MagnitudeRanking,
): ConnectedPruning {
  const { dimension, prunable, weights } = network;
  const inputSize = elementCount(train.shape);
  const counts = weightLifetimes(weights, ranking);
  const inputs: Record<string, Lifetimes> = {
    x: { depends: filled(inputSize, dimension), nonZero: filled(inputSize, dimension) },
  };
  prunable.forEach(({ offset, size }, index) => {
    inputs[`w${index}`] = { depends: null, nonZero: counts.subarray(offset, offset + size) };
  });
  const { outputs, unknownKernels } = propagateLifetimes(traceLogits(network, train), inputs, dimension);
  const prunedCounts = outputs.logits.depends ?? filled(network.outputs, NEVER);
  const prunedCount = prunedCounts.reduce((least, count) => Math.min(least, count), dimension);
  return {
    prunedCount: Math.max(0, prunedCount),
    prunedFraction: Math.max(0, prunedCount) / dimension,
    exact: unknownKernels.length === 0,
    unknownKernels,
    connectedWhenDense: prunedCount !== NEVER,
    disconnectedOutputs: [...prunedCounts.keys()].filter((output) => prunedCounts[output] === NEVER),
    prunedCounts,
  };
}
