/** How a network's last activation and a loss go together: decided here for every format. */
import { InputError } from '../errors.js';
import type { LossName } from './loss.js';
import type { Network } from './network.js';
import type { OutputTransform, RemovedActivation } from './output-transform.js';

/** What is computed of a network that ends in some activation, for some loss. */
export interface LossPair {
  /** The loss takes the network's outputs as they are. */
  keepFinalActivation: boolean;
  /** What the numbers before the activation become, so that the loss of them is that of the outputs. */
  transform: OutputTransform | null;
  /** An example is decided by its largest output, also where the loss takes each output for itself. */
  decidesClasses: boolean;
}

const asTheyAre: LossPair = { keepFinalActivation: true, transform: null, decidesClasses: false };
const logits: LossPair = { keepFinalActivation: false, transform: null, decidesClasses: false };

/**
 * The pair of an ending and a loss.
 *
 * - `mse`: of the outputs.
 * - softmax with cross-entropy, sigmoid with binary cross-entropy: from logits.
 * - sigmoid with cross-entropy: Keras divides the outputs by their sum. That is the cross-entropy of the
 *   logarithms of the sigmoids taken for logits.
 * - softmax with binary cross-entropy: of every probability for itself, by its log-odds; the largest decides.
 * - no activation, or a loss that was told to take the outputs for logits (Keras' `from_logits`): they are logits.
 */
export function lossPair(
  ending: RemovedActivation | null,
  loss: LossName,
  fromLogits: boolean | null = null,
): LossPair {
  if (loss === 'mse' || (fromLogits === true && ending !== null)) {
    return asTheyAre;
  }
  if (ending === 'sigmoid' && loss === 'cross-entropy') {
    return { keepFinalActivation: false, transform: 'log-sigmoid', decidesClasses: false };
  }
  if (ending === 'softmax' && loss === 'binary-cross-entropy') {
    return { keepFinalActivation: false, transform: 'softmax-log-odds', decidesClasses: true };
  }
  return logits;
}

/** What a reader should know of a pair that is not one of the usual ones; one line each. */
export function pairNotes(
  ending: RemovedActivation | null,
  loss: LossName,
  fromLogits: boolean | null,
): string[] {
  if (loss === 'mse' || ending === null) {
    return [];
  }
  if (fromLogits === true) {
    return [
      `the model was trained with from_logits on the outputs of a ${ending}: they are taken for logits here, too`,
    ];
  }
  const { transform } = lossPair(ending, loss, fromLogits);
  return transform === null
    ? []
    : [
        transform === 'log-sigmoid'
          ? 'the network ends in a sigmoid and its loss is cross-entropy: computed of its outputs divided by their sum, as Keras does'
          : 'the network ends in a softmax and its loss is binary-cross-entropy: computed of each of its probabilities; accuracy goes by the largest',
      ];
}

/**
 * Refuses classes that lie on one of several axes: an example is one decision
 * (or one for each output, with a sigmoid).
 *
 * @param ending the activation that the checkpoint's description names
 * @throws InputError with the shape and what can be done
 */
export function requireOneDecision(
  network: Pick<Network, 'outputs' | 'outputShape' | 'removedActivation'>,
  ending: RemovedActivation | null,
  loss: LossName,
  pair: LossPair,
): void {
  if (loss === 'mse' || (loss === 'binary-cross-entropy' && !pair.decidesClasses)) {
    return;
  }
  const { outputs, outputShape = [outputs], removedActivation } = network;
  const severalAxes = outputShape.filter((extent) => extent !== 1).length > 1;
  const ofParts = ending === 'softmax' && !pair.keepFinalActivation && removedActivation === null;
  if (severalAxes || ofParts) {
    const shape = `[${outputShape.join(', ')}]`;
    throw new InputError(
      'network/class-axes',
      ofParts
        ? `the model's output has the shape ${shape} for an example, with a softmax over parts of it: ${loss} takes one row of classes for an example; use --loss mse, or a model of one row`
        : `the model's output has the shape ${shape} for an example: ${loss} takes one row of classes for an example; use --loss mse or binary-cross-entropy, which take each output for itself, or a model of one row`,
    );
  }
  if (pair.transform === 'softmax-log-odds' && outputs < 2) {
    throw new InputError(
      'network/constant-softmax',
      'the network ends in a softmax over one output, which is always 1: a model of one output ends in a sigmoid',
    );
  }
}
