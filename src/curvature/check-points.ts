import { type ExampleSource, examplesAt } from '../network/example-source.js';
import type { LossName } from '../network/loss.js';
import { type Network, weightTensors } from '../network/network.js';
import { createBatches } from '../programs/batches.js';
import { evaluate } from '../programs/evaluation.js';
import type { RandomStream } from '../random.js';
import { type Tensor, tensor, tidy } from '../tfjs-core.js';
import { checkSizes } from './check-sizes.js';

/** Weights and a few examples at which programs are compared. */
export interface CheckPoint {
  /** Flat prunable weights, length D. */
  weights: Float32Array;
  examples: ExampleSource;
}

/** Logits up to which a softmax over them still tells all of them apart in float32. */
const MODERATE_LOGIT = 8;

/** Weights are halved at most so often to make logits moderate: a factor of 1000. */
const MOST_HALVINGS = 10;

/** The trained weights, with the examples of largest loss, whose derivatives stand out best from rounding. */
export async function trainedPoint(
  network: Network,
  loss: LossName,
  source: ExampleSource,
): Promise<CheckPoint> {
  const sizes = checkSizes(network, source);
  const candidates = { ...source, count: Math.min(sizes.candidates, source.count) };
  const all = createBatches(candidates, network.outputs, { batchSize: sizes.evaluationBatch, keepBytes: 0 });
  const { losses } = await evaluate(network, loss, all, network.weights);
  const hardest = [...losses.keys()].sort((a, b) => losses[b] - losses[a] || a - b).slice(0, sizes.examples);
  return { weights: network.weights, examples: examplesAt(source, hardest) };
}

/** Outputs of the network for all examples, row by row. */
function outputsAt(network: Network, weights: Float32Array, examples: ExampleSource): Float32Array {
  return tidy(() => {
    const { count, shape } = examples;
    const tensors: Tensor[] = weightTensors(network, weights);
    const inputs = tensor(examples.inputs(0, count), [count, ...shape], 'float32');
    return network.logits(tensors, inputs).dataSync() as Float32Array;
  });
}

function rootMeanSquare(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i] ** 2;
  }
  return Math.sqrt(sum / values.length);
}

/**
 * The trained weights, each tensor scaled down to twice the size at which
 * layers are initialised (He et al. 2015: variance 2 / fan-in) if it is
 * larger, and drawn at that size if it is zero.
 */
function ordinaryWeights({ prunable, weights }: Network, random: RandomStream): Float32Array {
  const ordinary = new Float32Array(weights.length);
  for (const { offset, size, shape } of prunable) {
    // Outputs are the first axis or the last, as the format has it.
    const fanIn = size / Math.max(shape[0], shape[shape.length - 1]);
    const initial = Math.sqrt(2 / fanIn);
    const trained = rootMeanSquare(weights.subarray(offset, offset + size));
    const factor = Math.min(1, (2 * initial) / trained);
    for (let i = offset; i < offset + size; i++) {
      ordinary[i] = trained === 0 ? initial * random.normal() : factor * weights[i];
    }
  }
  return ordinary;
}

/** Targets that have nothing to do with the outputs, so that every example has a loss to speak of. */
function randomTargets(
  loss: LossName,
  outputs: Float32Array,
  width: number,
  random: RandomStream,
): Float32Array {
  if (loss === 'mse') {
    const spread = rootMeanSquare(outputs) || 1;
    return outputs.map((output) => output + spread * random.normal());
  }
  if (loss === 'binary-cross-entropy') {
    return outputs.map(() => random.integer(2));
  }
  const targets = new Float32Array(outputs.length);
  for (let row = 0; row < outputs.length; row += width) {
    targets[row + random.integer(width)] = 1;
  }
  return targets;
}

/**
 * A point at which no derivative hides behind rounding, for the examples of
 * another one: weights of ordinary size, scaled down until outputs are
 * moderate, and random targets.
 *
 * A derivative program is the same wherever it runs. At the trained weights a
 * perfect fit leaves nothing of the gradient, and saturated outputs nothing of
 * the curvature.
 */
export function ordinaryPoint(
  network: Network,
  loss: LossName,
  { examples }: CheckPoint,
  random: RandomStream,
): CheckPoint {
  let weights = ordinaryWeights(network, random);
  let outputs = outputsAt(network, weights, examples);
  const moderate = (): boolean => outputs.every((output) => Math.abs(output) <= MODERATE_LOGIT);
  for (let halvings = 0; halvings < MOST_HALVINGS && !moderate(); halvings++) {
    weights = weights.map((weight) => weight / 2);
    outputs = outputsAt(network, weights, examples);
  }
  const width = network.outputs;
  const targets = randomTargets(loss, outputs, width, random);
  return {
    weights,
    examples: { ...examples, targets: (start, end) => targets.slice(start * width, end * width) },
  };
}
