/** The networks that a study looks at: the one that is given, or a plain one and one with an l1 penalty. */
import type { ModelSource, TrainCell } from '../cell.js';
import type { StudySettings } from '../settings.js';

export interface StudyNetwork {
  name: string;
  model: ModelSource;
  /** The cells that make it. */
  cells: TrainCell[];
}

/** A cell that trains a network. */
export function trainCell(
  { training }: StudySettings,
  name: string,
  changes: Partial<TrainCell['config']>,
): TrainCell {
  return { kind: 'train', name: `train ${name}`, config: { ...training, ...changes } };
}

/** A network of the study's training, trained without a penalty or with it. */
export function trainedNetwork(settings: StudySettings, kind: 'plain' | 'l1', seed: number): StudyNetwork {
  const name = seed === settings.seed ? kind : `${kind}, seed ${seed}`;
  const cell = trainCell(settings, name, { l1: kind === 'l1' ? settings.training.l1 : 0, seed });
  return { name, model: { cell: cell.name }, cells: [cell] };
}

/** The given network alone, else one of each kind that is asked for. */
export function networksOf(
  settings: StudySettings,
  kinds: readonly ('plain' | 'l1')[] = ['plain', 'l1'],
): StudyNetwork[] {
  return settings.givenModel
    ? [{ name: 'given', model: { given: true }, cells: [] }]
    : kinds.map((kind) => trainedNetwork(settings, kind, settings.seed));
}

/** Epochs in words. */
export const passesOf = (epochs: number): string => (epochs === 1 ? '1 pass' : `${epochs} passes`);

/** How images were changed in every training, in a sentence; none where they were not. */
function changesSentence({ training: { augment } }: StudySettings): string[] {
  const changes = [
    ...(augment !== null && augment.cropPadding > 0
      ? [`crops with ${augment.cropPadding} pixels of padding`]
      : []),
    ...(augment?.flip ? ['flips'] : []),
  ];
  return changes.length > 0 ? [`Training images were changed at random: ${changes.join(' and ')}.`] : [];
}

/** How prunings trained where that is not the default, in sentences, but for what {@link trainingSentence} says. */
export function conditionSentences(settings: StudySettings): string[] {
  const { givenModel, baselineRate } = settings;
  return [
    ...(givenModel ? changesSentence(settings) : []),
    ...(baselineRate === null
      ? []
      : [`lomp, imp and rare-gems began to train weights with a rate of ${baselineRate}.`]),
  ];
}

/** How networks were trained, in sentences; none where one was given. */
export function trainingSentence(settings: StudySettings, withPenalty: boolean): string[] {
  const { givenModel, training } = settings;
  if (givenModel) {
    return [];
  }
  const { network, hidden, epochs, l1, width } = training;
  const what = network === 'mlp' ? `mlp with hidden layers of ${hidden.join(', ')}` : `${network}`;
  return [
    `Trained for this study: ${what}${width === 1 ? '' : ` of width ${width}`}, ${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}${withPenalty ? `; l1 is a penalty of ${l1} times sum |w|, plain has none` : ''}.`,
    ...changesSentence(settings),
  ];
}
