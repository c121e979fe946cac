import { type Colors, type Page, pairLines, standardPage } from './layout.js';
import * as text from './text.js';

/** What an epoch reached, as the run recorded it. */
export interface TrainedEpoch {
  /** Counted from 1. */
  epoch: number;
  /** Steps done since the start of the run. */
  step: number;
  /** Mean loss, without penalties, of the training examples as they came. */
  loss: number;
  /** Share of them that was right; null for regression. */
  accuracy: number | null;
  /** Learning rate of the epoch's last step. */
  rate: number;
  /** null without a test split. */
  testLoss: number | null;
  testAccuracy: number | null;
}

/** What `train` reached. */
export interface TrainSummary {
  /** Directory of the checkpoint. */
  output: string;
  files: string[];
  epochs: number;
  /** What each epoch reached, those before a run was resumed included. */
  history: TrainedEpoch[];
  /** The recipe that settings are from, its reading, and the options that went before it; absent without one. */
  recipe?: { name: string; as: 'coded' | 'meant'; overridden: string[] };
  trainLoss: number;
  /** null where the labels are no classes. */
  trainAccuracy: number | null;
  /** null where the data set has no test split. */
  testLoss: number | null;
  testAccuracy: number | null;
  parameters: number;
  seconds: number;
}

function lossAndAccuracy(loss: number | null, accuracy: number | null): string {
  if (loss === null) {
    return 'not measured';
  }
  return `loss ${text.quantity(loss)}${accuracy === null ? '' : `, accuracy ${text.percent(accuracy, 2)}`}`;
}

/** A recipe as a line: its name, reading, and what was not taken from it. */
export function recipeLine({ name, as, overridden }: NonNullable<TrainSummary['recipe']>): string {
  return `${name} as ${as}${overridden.length === 0 ? '' : `, but ${overridden.map(text.printable).join(', ')}`}`;
}

/** What `train` did, by name. */
export function trainPairs(summary: TrainSummary): [string, string][] {
  return [
    ...(summary.recipe === undefined
      ? []
      : [['recipe', recipeLine(summary.recipe)] satisfies [string, string]]),
    ['train', lossAndAccuracy(summary.trainLoss, summary.trainAccuracy)],
    ['test', lossAndAccuracy(summary.testLoss, summary.testAccuracy)],
    ['weights', text.whole(summary.parameters)],
    ['time', `${text.plural(summary.epochs, 'epoch')} in ${summary.seconds.toFixed(1)} s`],
    ['written', text.printable(summary.output)],
  ];
}

/** What `train` did, as text for a terminal. */
export function renderTrainSummary(summary: TrainSummary, colors: Colors, page: Page = standardPage): string {
  const lines = pairLines(trainPairs(summary), colors, page);
  return `${colors.bold('Trained checkpoint')}\n${lines.join('\n')}\n`;
}
