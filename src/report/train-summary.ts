import { type Colors, type Page, pairLines, standardPage } from './layout.js';
import * as text from './text.js';

/** What `train` reached. */
export interface TrainSummary {
  /** Directory of the checkpoint. */
  output: string;
  files: string[];
  epochs: number;
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

/** What `train` did, as text for a terminal. */
export function renderTrainSummary(summary: TrainSummary, colors: Colors, page: Page = standardPage): string {
  const lines = pairLines(
    [
      ['train', lossAndAccuracy(summary.trainLoss, summary.trainAccuracy)],
      ['test', lossAndAccuracy(summary.testLoss, summary.testAccuracy)],
      ['weights', text.whole(summary.parameters)],
      ['time', `${text.plural(summary.epochs, 'epoch')} in ${summary.seconds.toFixed(1)} s`],
      ['written', text.printable(summary.output)],
    ],
    colors,
    page,
  );
  return `${colors.bold('Trained checkpoint')}\n${lines.join('\n')}\n`;
}
