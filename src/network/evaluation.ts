import type { LossName } from './loss.js';

/** A network measured on examples, in their order. */
export interface Evaluation {
  /** Loss of every example. */
  losses: Float64Array;
  /** Mean of `losses`, summed in float64. */
  meanLoss: number;
  /** Share of decisions that are right: examples, or outputs for `binary-cross-entropy`; null for regression. */
  accuracy: number | null;
  /**
   * Right decisions of every example: 0 or 1 where it has one decision, the
   * number of right outputs where it has several; null for regression.
   */
  correct: Uint8Array | Uint32Array | null;
  /** Decisions of an example: the outputs for `binary-cross-entropy`, else 1. */
  decisions: number;
  /**
   * How far each example is from being decided otherwise, in units of the
   * logits, above 0 where it is right; null for regression and where an
   * example has several decisions.
   */
  decisionMargins: Float32Array | null;
  /** The outputs read like probabilities: each from 0 to 1, and those of an example sum to 1. */
  outputsSumToOne: boolean;
}

/** Sums of float32 softmaxes, of float16 weights too, are this near to 1. */
const SUM_TOLERANCE = 1e-3;

function sumToOne(outputs: readonly Float32Array[], width: number): boolean {
  if (width < 2) {
    return false;
  }
  return outputs.every((batch) => {
    for (let offset = 0; offset < batch.length; offset += width) {
      let sum = 0;
      for (let j = offset; j < offset + width; j++) {
        if (!(batch[j] >= 0 && batch[j] <= 1)) {
          return false;
        }
        sum += batch[j];
      }
      if (Math.abs(sum - 1) > SUM_TOLERANCE) {
        return false;
      }
    }
    return true;
  });
}

/** Logit of the right class less the largest of the others; NaN where one is. */
function classMargin(
  logits: Float32Array,
  targets: Float32Array,
  offset: number,
  width: number,
): { margin: number; right: boolean } {
  let target = 0;
  for (let j = 1; j < width; j++) {
    if (targets[offset + j] > targets[offset + target]) {
      target = j;
    }
  }
  let other = -Infinity;
  let right = true;
  for (let j = 0; j < width; j++) {
    if (j === target) {
      continue;
    }
    const logit = logits[offset + j];
    other = logit > other || Number.isNaN(logit) ? logit : other;
    // Of equal outputs the first is the prediction.
    right &&= j < target ? logits[offset + target] > logit : logits[offset + target] >= logit;
  }
  return { margin: logits[offset + target] - other, right };
}

type Decided = Pick<Evaluation, 'correct' | 'decisions' | 'decisionMargins'>;

function decideClasses(
  logits: readonly Float32Array[],
  targets: readonly Float32Array[],
  examples: number,
  width: number,
): Decided {
  const correct = new Uint8Array(examples);
  const decisionMargins = new Float32Array(examples);
  let example = 0;
  for (const [index, batch] of logits.entries()) {
    for (let offset = 0; offset < batch.length; offset += width) {
      const { margin, right } = classMargin(batch, targets[index], offset, width);
      decisionMargins[example] = margin;
      correct[example++] = right ? 1 : 0;
    }
  }
  return { correct, decisions: 1, decisionMargins };
}

function decideOutputs(
  logits: readonly Float32Array[],
  targets: readonly Float32Array[],
  examples: number,
  width: number,
): Decided {
  const correct = width === 1 ? new Uint8Array(examples) : new Uint32Array(examples);
  const decisionMargins = width === 1 ? new Float32Array(examples) : null;
  let decision = 0;
  for (const [index, batch] of logits.entries()) {
    for (let i = 0; i < batch.length; i++) {
      const positive = targets[index][i] > 0.5;
      const example = Math.floor(decision++ / width);
      correct[example] += (positive ? batch[i] > 0 : batch[i] <= 0) ? 1 : 0;
      if (decisionMargins !== null) {
        decisionMargins[example] = positive ? batch[i] : -batch[i];
      }
    }
  }
  return { correct, decisions: width, decisionMargins };
}

/**
 * Mean loss and accuracy from what a forward pass gives. An output that is not
 * a number decides nothing right.
 *
 * @param losses loss of every example
 * @param logits outputs batch by batch, rows of `width`
 * @param targets targets batch by batch, likewise
 * @param decidesClasses the largest output decides, also where the loss is `binary-cross-entropy`
 */
export function summarizeEvaluation(
  loss: LossName,
  losses: Float64Array,
  logits: readonly Float32Array[],
  targets: readonly Float32Array[],
  width: number,
  decidesClasses = false,
): Evaluation {
  const outputsSumToOne = sumToOne(logits, width);
  const meanLoss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
  if (loss === 'mse') {
    return {
      losses,
      meanLoss,
      accuracy: null,
      correct: null,
      decisions: 1,
      decisionMargins: null,
      outputsSumToOne,
    };
  }
  const decide = loss === 'cross-entropy' || decidesClasses ? decideClasses : decideOutputs;
  const decided = decide(logits, targets, losses.length, width);
  let right = 0;
  for (const count of decided.correct as Uint8Array | Uint32Array) {
    right += count;
  }
  const accuracy = right / decided.decisions / losses.length;
  return { losses, meanLoss, accuracy, ...decided, outputsSumToOne };
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
