import { printable } from '../checkpoint/printable.js';
import type { LossChoice } from '../config.js';
import type { Labels } from '../dataset/dataset.js';
import { classLabels } from '../dataset/labels.js';
import type { LossName } from '../network/loss.js';
import { pairNotes } from '../network/loss-pair.js';
import type { RemovedActivation } from '../network/output-transform.js';
import type { NetworkDescription } from '../network/topology.js';
import type { TrainedLoss } from '../network/trained-loss.js';

/** A loss, and what is to be said of the choice. */
export interface ChosenLoss {
  loss: LossName;
  /** Whether it takes the network's outputs for logits, whatever the network ends in; null where nothing says so. */
  fromLogits: boolean | null;
  /** One line each. */
  notes: string[];
}

/**
 * The loss a network is analysed with: the one asked for, else the one it was
 * trained with, else what its final activation and the labels suggest.
 */
export function chooseLoss(
  choice: LossChoice,
  { trainedLoss: trained, finalActivation: ending }: NetworkDescription,
  labels: Labels,
): ChosenLoss {
  const loss = choice === 'auto' ? (trained?.analysed ?? suggestedLoss(ending, labels)) : choice;
  const fromLogits = trained?.analysed === loss ? trained.fromLogits : null;
  return {
    loss,
    fromLogits,
    notes: [...trainedNotes(trained, loss, ending), ...pairNotes(ending, loss, fromLogits)],
  };
}

function suggestedLoss(ending: RemovedActivation | null, labels: Labels): LossName {
  if (ending !== null) {
    return ending === 'softmax' ? 'cross-entropy' : 'binary-cross-entropy';
  }
  return labels.kind === 'classes' || isOneHot(labels) ? 'cross-entropy' : 'mse';
}

function trainedNotes(
  trained: TrainedLoss | null,
  loss: LossName,
  ending: RemovedActivation | null,
): string[] {
  if (trained === null) {
    return [];
  }
  if (trained.analysed !== loss) {
    const unknown = trained.analysed === null ? ', a loss that prune-limit does not have,' : '';
    return [
      `the model was trained with ${printable(trained.name)}${unknown} and is analysed with ${loss}: the limits are those of ${loss}`,
    ];
  }
  const notes = trained.ignored.map(
    (option) => `the model was trained with ${printable(trained.name)} and ${option}; it is analysed without`,
  );
  if (loss !== 'mse' && ending === null && trained.fromLogits !== true) {
    notes.push(
      `the model was trained with ${printable(trained.name)} but ends in no softmax or sigmoid: its outputs are taken for logits`,
    );
  }
  return notes;
}

function isOneHot(labels: Labels & { kind: 'targets' }): boolean {
  if (labels.width < 2) {
    return false;
  }
  try {
    classLabels(labels, labels.width);
    return true;
  } catch {
    return false;
  }
}
