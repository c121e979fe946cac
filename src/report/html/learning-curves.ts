/** The learning curves of a training run as pictures: loss, accuracy and rate by epoch. */
import * as Plot from '@observablehq/plot';
import * as text from '../text.js';
import type { TrainedEpoch } from '../train-summary.js';
import { color, type Figure, type LegendEntry, type Picture } from './figure.js';

/** A curve of some quantity by epoch. */
interface Curve {
  color: string;
  points: { epoch: number; value: number }[];
}

/** Epochs up to which each has a dot. */
const MOST_DOTS = 60;
/** Losses that span a larger factor are drawn on a logarithmic axis. */
const LARGEST_LINEAR_SPAN = 30;

const TRAIN: LegendEntry = { name: 'training examples, as the epoch went', color: 'slice', shape: 'line' };
const TEST: LegendEntry = { name: 'test examples, after the epoch', color: 'measured', shape: 'line' };
const RATE: LegendEntry = { name: 'learning rate of the last step', color: 'gaussian-width', shape: 'line' };

function curve(
  history: readonly TrainedEpoch[],
  entry: LegendEntry,
  read: (record: TrainedEpoch) => number | null,
): Curve {
  return {
    color: entry.color,
    points: history.flatMap((record) => {
      const value = read(record);
      return value === null ? [] : [{ epoch: record.epoch, value }];
    }),
  };
}

function picture(
  id: string,
  title: string,
  curves: readonly Curve[],
  tickFormat: (tick: number) => string,
): Picture {
  const drawn = curves.filter(({ points }) => points.length > 0);
  const values = drawn.flatMap(({ points }) => points.map(({ value }) => value));
  const epochs = drawn.flatMap(({ points }) => points.map(({ epoch }) => epoch));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [Math.min(...epochs), Math.max(...epochs)];
  const isLogarithmic = id === 'learning-loss' && low > 0 && high / low > LARGEST_LINEAR_SPAN;
  const isFlat = high === low;
  return {
    id,
    title,
    description: `${text.plural(last - first + 1, 'epoch')}; values from ${text.quantity(low)} to ${text.quantity(high)}.`,
    plot: (width) => ({
      x: { domain: first === last ? [first - 1, last + 1] : [first, last] },
      y: {
        type: isLogarithmic ? 'log' : 'linear',
        ...(isFlat ? { domain: [0, high === 0 ? 1 : 2 * high] } : { nice: !isLogarithmic }),
      },
      height: width === 'wide' ? 260 : 230,
      marginLeft: 70,
      marginTop: 12,
      marginBottom: 42,
      insetLeft: 6,
      insetRight: 6,
      insetTop: 6,
      insetBottom: 6,
      marks: [
        Plot.gridY({ stroke: 'currentColor', strokeOpacity: 0.15, ticks: 5 }),
        Plot.axisX({
          ticks: Math.max(1, Math.min(last - first, width === 'wide' ? 10 : 5)),
          tickFormat: (tick: number) => (Number.isInteger(tick) ? String(tick) : ''),
          label: 'epoch',
          labelAnchor: 'center',
          labelArrow: 'none',
        }),
        Plot.axisY({ ticks: 5, tickFormat, label: null }),
        ...drawn.flatMap(({ color: name, points }) => [
          Plot.line(points, { x: 'epoch', y: 'value', stroke: color(name), strokeWidth: 2 }),
          ...(points.length <= MOST_DOTS
            ? [Plot.dot(points, { x: 'epoch', y: 'value', r: 2.5, fill: color(name) })]
            : []),
        ]),
      ],
    }),
  };
}

/** Loss, accuracy where there are classes, and rate by epoch. */
export function learningCurves(history: readonly TrainedEpoch[]): Figure {
  const hasTest = history.some(({ testLoss }) => testLoss !== null);
  const hasAccuracy = history.some(({ accuracy }) => accuracy !== null);
  const number = (tick: number) => String(Number(tick.toPrecision(4)));
  const percent = (tick: number) => `${Number((100 * tick).toPrecision(4))} %`;
  const loss = [
    curve(history, TRAIN, (record) => record.loss),
    curve(history, TEST, (record) => record.testLoss),
  ];
  const accuracy = [
    curve(history, TRAIN, (record) => record.accuracy),
    curve(history, TEST, (record) => record.testAccuracy),
  ];
  return {
    heading: 'Learning curves',
    pictures:
      history.length === 0
        ? []
        : [
            picture('learning-loss', 'Loss by epoch, without penalties', loss, number),
            ...(hasAccuracy ? [picture('learning-accuracy', 'Accuracy by epoch', accuracy, percent)] : []),
            picture(
              'learning-rate',
              'Learning rate by epoch',
              [curve(history, RATE, ({ rate }) => rate)],
              number,
            ),
          ],
    legend: [TRAIN, ...(hasTest ? [TEST] : []), RATE],
    caption:
      history.length === 0
        ? 'No epoch was done.'
        : 'The training loss is a mean over the steps of an epoch, while the weights changed, of examples as they were augmented; ' +
          'the test loss is of the weights at its end, so it can be the lower one.' +
          (hasTest ? '' : ' There is no test split.'),
  };
}
