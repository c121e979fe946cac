import {
  argMax,
  cast,
  oneHot,
  type Tensor,
  type Tensor2D,
  tensor,
  tensor1d,
  tidy,
} from '@tensorflow/tfjs-core';
import type { Examples } from '../dataset/examples.js';
import { exampleLosses } from '../network/loss.js';

/** Examples of a forward pass; large enough for speed, small enough for memory. */
const EVALUATION_BATCH = 500;

/** Mean over all examples. */
export interface Evaluation {
  loss: number;
  accuracy: number;
}

/** Inputs and one-hot targets of examples [start, end), owned by the caller. */
export function uploadBatch(
  examples: Examples,
  classOf: Int32Array,
  classes: number,
  start: number,
  end: number,
): { inputs: Tensor; targets: Tensor2D } {
  return {
    inputs: tensor(examples.inputs(start, end), [end - start, ...examples.shape], 'float32'),
    targets: tidy(
      () => cast(oneHot(tensor1d(classOf.subarray(start, end), 'int32'), classes), 'float32') as Tensor2D,
    ),
  };
}

/**
 * Cross-entropy and accuracy on all examples; of equal logits the first counts as the answer.
 *
 * @param classOf the class of every example
 * @param logits [examples, classes] for a batch, owned by the caller
 */
export async function evaluate(
  examples: Examples,
  classOf: Int32Array,
  classes: number,
  logits: (inputs: Tensor) => Tensor2D,
): Promise<Evaluation> {
  let loss = 0;
  let correct = 0;
  for (let start = 0; start < examples.count; start += EVALUATION_BATCH) {
    const end = Math.min(examples.count, start + EVALUATION_BATCH);
    tidy(() => {
      const { inputs, targets } = uploadBatch(examples, classOf, classes, start, end);
      const outputs = logits(inputs);
      for (const value of exampleLosses('cross-entropy', outputs, targets).dataSync()) {
        loss += value;
      }
      const answers = argMax(outputs, 1).dataSync();
      for (let i = start; i < end; i++) {
        correct += answers[i - start] === classOf[i] ? 1 : 0;
      }
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { loss: loss / examples.count, accuracy: correct / examples.count };
}

/** Cross-entropy of the best answer that ignores the input: the entropy of the class frequencies, in nats. */
export function chanceLoss(classOf: Int32Array, classes: number): number {
  const counts = new Float64Array(classes);
  for (const label of classOf) {
    counts[label]++;
  }
  return counts.reduce((sum, count) => {
    const share = count / classOf.length;
    return share > 0 ? sum - share * Math.log(share) : sum;
  }, 0);
}

/** How many of a batch are right; of equal logits the first counts as the answer. */
export function rightAnswers(logits: Float32Array, classOf: Int32Array, classes: number): number {
  let right = 0;
  classOf.forEach((label, example) => {
    const row = logits.subarray(example * classes, (example + 1) * classes);
    right += row.indexOf(Math.max(...row)) === label ? 1 : 0;
  });
  return right;
}

/** Cross-entropy of one row of logits, in float64. */
function crossEntropy(row: Float32Array, label: number): number {
  const largest = Math.max(...row);
  return Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0)) - (row[label] - largest);
}

/**
 * Cross-entropy and accuracy on all examples, from logits that are computed elsewhere.
 *
 * @param logits [size, classes] for inputs [size, ...]
 */
export async function evaluateLogits(
  examples: Examples,
  classOf: Int32Array,
  classes: number,
  logits: (inputs: Float32Array, size: number) => Promise<Float32Array>,
): Promise<Evaluation> {
  let loss = 0;
  let correct = 0;
  for (let start = 0; start < examples.count; start += EVALUATION_BATCH) {
    const end = Math.min(examples.count, start + EVALUATION_BATCH);
    const outputs = await logits(examples.inputs(start, end), end - start);
    const labels = classOf.subarray(start, end);
    labels.forEach((label, example) => {
      loss += crossEntropy(outputs.subarray(example * classes, (example + 1) * classes), label);
    });
    correct += rightAnswers(outputs, labels, classes);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { loss: loss / examples.count, accuracy: correct / examples.count };
}
