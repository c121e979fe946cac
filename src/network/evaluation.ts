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

/** How many decisions are right, in units of examples. */
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
 * Mean loss and accuracy from what a forward pass gives.
 *
 * @param losses loss of every example
 * @param logits outputs batch by batch, rows of `width`
 * @param targets targets batch by batch, likewise
 */
export function summarizeEvaluation(
  loss: LossName,
  losses: Float64Array,
  logits: readonly Float32Array[],
  targets: readonly Float32Array[],
  width: number,
): Evaluation {
  const meanLoss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
  if (loss === 'mse') {
    return { losses, meanLoss, accuracy: null };
  }
  const correct = logits.reduce(
    (sum, batch, index) => sum + countCorrect(loss, batch, targets[index], width),
    0,
  );
  return { losses, meanLoss, accuracy: correct / losses.length };
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
  const logits: Float32Array[] = [];
  const targets: Float32Array[] = [];
  let done = 0;
  try {
    await batches.forEach((batch) => {
      const [batchLosses, outputs] = tidy((): Tensor[] => {
        const batchLogits = network.logits(tensors, batch.inputs);
        return [exampleLosses(loss, batchLogits, batch.targets), batchLogits];
      });
      losses.set(batchLosses.dataSync(), done);
      logits.push(outputs.dataSync() as Float32Array);
      targets.push(batch.targets.dataSync() as Float32Array);
      dispose([batchLosses, outputs]);
      done += batch.size;
      onExamples(done);
    });
  } finally {
    dispose(tensors);
  }
  return summarizeEvaluation(loss, losses, logits, targets, network.outputs);
}

/** Examples in a mini-batch whose mean loss fluctuates by eps, as in the paper's experiments. */
export const EPSILON_BATCH = 128;

/**
 * Standard deviation of the mean loss of a random mini-batch (Zhang et al.
 * 2024, section 5: the tolerance eps of the sublevel set): the standard
 * deviation of the example losses divided by the square root of the batch size.
 *
 * That is what the deviation over drawn mini-batches estimates. The drawn one
 * scatters by 1 / sqrt(2 batches) - 18 % for 16 batches, over a point of the
 * limits - and depends on the order of the file.
 *
 * @param losses loss of every training example
 * @returns null with fewer examples than two mini-batches
 */
export function batchMeanDeviation(losses: Float64Array, batchSize = EPSILON_BATCH): number | null {
  if (losses.length < 2 * batchSize) {
    return null;
  }
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  const squares = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0);
  return Math.sqrt(squares / (losses.length - 1) / batchSize);
}
