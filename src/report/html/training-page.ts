/** A training run as one HTML file that needs no script and no network. */
import * as text from '../text.js';
import { type TrainedEpoch, type TrainSummary, trainPairs } from '../train-summary.js';
import { learningCurves } from './learning-curves.js';
import { escapeHtml } from './markup.js';
import { figureHtml, folded, gridHtml, pageHtml, pairsHtml } from './page.js';

const TITLE = 'Training run';

function epochCells({ epoch, step, loss, accuracy, testLoss, testAccuracy, rate }: TrainedEpoch): string[] {
  const share = (value: number | null): string => (value === null ? '' : text.percent(value, 2));
  return [
    String(epoch),
    text.whole(step),
    text.quantity(loss),
    share(accuracy),
    testLoss === null ? '' : text.quantity(testLoss),
    share(testAccuracy),
    String(Number(rate.toPrecision(4))),
  ];
}

/**
 * The page of a training run: what it reached, its learning curves, and every epoch and option folded.
 *
 * @param options the settings of the run, by name
 */
export function renderTrainingHtml(
  summary: TrainSummary,
  options: Readonly<Record<string, unknown>>,
): string {
  const { history } = summary;
  const grid = {
    head: ['epoch', 'steps', 'train loss', 'accuracy', 'test loss', 'test accuracy', 'rate'],
    rows: history.map(epochCells),
    numeric: [0, 1, 2, 3, 4, 5, 6],
  };
  const settings = Object.entries(options).map(([name, value]): [string, string] => [
    name,
    JSON.stringify(value) ?? '',
  ]);
  return pageHtml(TITLE, [
    `<h1>${escapeHtml(TITLE)}</h1>`,
    `<section><h2>What was reached</h2>${pairsHtml(trainPairs(summary))}</section>`,
    figureHtml(learningCurves(history)),
    '<section><h2>Tables</h2>',
    folded('Epochs', gridHtml(grid, 'Epochs')),
    folded('Options', pairsHtml(settings)),
    '</section>',
  ]);
}
