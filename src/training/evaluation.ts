import type { PreparedBatches } from '../dataset/stored.js';
import { exampleLosses } from '../network/loss.js';
import { argMax, cast, oneHot, type Tensor, type Tensor2D, tensor, tensor1d, tidy } from '../tfjs-core.js';

/** Examples of a forward pass: enough for speed, and of large examples as many as memory is sure to hold. */
const EVALUATION_BATCH = 500;
const EVALUATION_BYTES = 2 ** 25;

function evaluationBatch({ shape }: PreparedBatches): number {
  const exampleBytes = shape.reduce((product, extent) => product * extent, Float32Array.BYTES_PER_ELEMENT);
  return Math.max(1, Math.min(EVALUATION_BATCH, Math.floor(EVALUATION_BYTES / exampleBytes)));
}

/** Mean over all examples. */
export interface Evaluation {
  loss: number;
  accuracy: number;
}

const oneHotTensor = (classOf: Int32Array, classes: number): Tensor2D =>
  tidy(() => cast(oneHot(tensor1d(classOf, 'int32'), classes), 'float32') as Tensor2D);

/**
 * Cross-entropy and accuracy on all examples; of equal logits the first counts as the answer.
 *
 * @param classOf the class of every example
 * @param logits [examples, classes] for a batch, owned by the caller
 * @throws InputError where an example cannot be read
 */
export async function evaluate(
  examples: PreparedBatches,
  classOf: Int32Array,
  classes: number,
  logits: (inputs: Tensor) => Tensor2D,
): Promise<Evaluation> {
  let loss = 0;
  let correct = 0;
  for await (const { start, size, inputs } of examples.batches(evaluationBatch(examples))) {
    const labels = classOf.subarray(start, start + size);
    tidy(() => {
      const outputs = logits(tensor(inputs, [size, ...examples.shape], 'float32'));
      for (const value of exampleLosses('cross-entropy', outputs, oneHotTensor(labels, classes)).dataSync()) {
        loss += value;
      }
      const answers = argMax(outputs, 1).dataSync();
      labels.forEach((label, example) => {
        correct += answers[example] === label ? 1 : 0;
      });
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
 * @throws InputError where an example cannot be read
 */
export async function evaluateLogits(
  examples: PreparedBatches,
  classOf: Int32Array,
  classes: number,
  logits: (inputs: Float32Array, size: number) => Promise<Float32Array>,
): Promise<Evaluation> {
  let loss = 0;
  let correct = 0;
  for await (const { start, size, inputs } of examples.batches(evaluationBatch(examples))) {
    const outputs = await logits(inputs, size);
    const labels = classOf.subarray(start, start + size);
    labels.forEach((label, example) => {
      loss += crossEntropy(outputs.subarray(example * classes, (example + 1) * classes), label);
    });
    correct += rightAnswers(outputs, labels, classes);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { loss: loss / examples.count, accuracy: correct / examples.count };
}
