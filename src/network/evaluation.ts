import { dispose, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { Batches } from './batches.js';
import { exampleLosses, type LossName } from './loss.js';
import { type Network, weightTensors } from './network.js';

/** A network measured on examples, in their order. */
export interface Evaluation {
  /** Loss of every example. */
  losses: Float64Array;
  /** Mean of `losses`, summed in float64. */
  meanLoss: number;
  /** Share of examples (of outputs, for `binary-cross-entropy`) predicted right; null for regression. */
  accuracy: number | null;
}

function argMax(values: ArrayLike<number>, offset: number, width: number): number {
  let best = 0;
  for (let j = 1; j < width; j++) {
    if (values[offset + j] > values[offset + best]) {
      best = j;
    }
  }
  return best;
}

/** How many of the batch's decisions are right, out of how many. */
function countCorrect(loss: LossName, logits: Float32Array, targets: Float32Array, width: number): number {
  let correct = 0;
  if (loss === 'cross-entropy') {
    for (let offset = 0; offset < logits.length; offset += width) {
      if (argMax(logits, offset, width) === argMax(targets, offset, width)) {
        correct++;
      }
    }
    return correct;
  }
  for (let i = 0; i < logits.length; i++) {
    if (logits[i] > 0 === targets[i] > 0.5) {
      correct++;
    }
  }
  return correct / width;
}

/**
 * Runs a network forward over all batches.
 *
 * @param weights flat prunable weights, length D
 * @param onExamples called with the number of examples done so far
 */
export async function evaluate(
  network: Network,
  loss: LossName,
  batches: Batches,
  weights: Float32Array | Float64Array,
  onExamples: (done: number) => void = () => {},
): Promise<Evaluation> {
  const tensors = weightTensors(network, weights);
  const losses = new Float64Array(batches.examples);
  let done = 0;
  let correct = 0;
  try {
    await batches.forEach((batch) => {
      const [batchLosses, logits] = tidy((): Tensor[] => {
        const outputs = network.logits(tensors, batch.inputs);
        return [exampleLosses(loss, outputs, batch.targets), outputs];
      });
      losses.set(batchLosses.dataSync(), done);
      correct += countCorrect(
        loss,
        logits.dataSync() as Float32Array,
        batch.targets.dataSync() as Float32Array,
        network.outputs,
      );
      dispose([batchLosses, logits]);
      done += batch.size;
      onExamples(done);
    });
  } finally {
    dispose(tensors);
  }
  const meanLoss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
  return { losses, meanLoss, accuracy: loss === 'mse' ? null : correct / losses.length };
}

/** Examples in a mini-batch whose mean loss fluctuates by eps, as in the paper's experiments. */
export const EPSILON_BATCH = 128;

/**
 * Standard deviation over consecutive mini-batches of the mini-batch mean
 * loss; the last partial batch is dropped (Zhang et al. 2024, section 5: the
 * tolerance eps of the sublevel set).
 *
 * @returns null when there are fewer than two whole batches
 */
export function batchMeanDeviation(losses: Float64Array, batchSize = EPSILON_BATCH): number | null {
  const batches = Math.floor(losses.length / batchSize);
  if (batches < 2) {
    return null;
  }
  const means = new Float64Array(batches);
  for (let batch = 0; batch < batches; batch++) {
    let sum = 0;
    for (let i = batch * batchSize; i < (batch + 1) * batchSize; i++) {
      sum += losses[i];
    }
    means[batch] = sum / batchSize;
  }
  const mean = means.reduce((sum, value) => sum + value, 0) / batches;
  const squares = means.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (batches - 1));
}
