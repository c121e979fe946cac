/** Limits, loss increase and accuracy against the kept fraction, as pictures. */
import * as Plot from '@observablehq/plot';
import type { CurveRow, Report } from '../schema.js';
import * as text from '../text.js';
import { extent } from './extent.js';
import { color, type LegendEntry, type Picture } from './figure.js';
import { keptAxis, keptOnAxis, smallestKept } from './kept-axis.js';
import { limitWords, type ShownLimit, shownLimits } from './shown-limits.js';
import { tickLabel } from './tick-label.js';

const dashes = '5 4';

function limitsPicture(report: Report): Picture {
  const limits = shownLimits(report);
  const smallest = smallestKept(report);
  const x = (value: number) => keptOnAxis(value, smallest);
  return {
    id: 'limits',
    title: 'Limits: how far the network can be pruned',
    description: `Largest pruned fractions. ${limits.map(limitWords).join('; ')}.`,
    plot: (width, alone) => {
      const axis = keptAxis(smallest, width, alone);
      return {
        x: axis.x,
        y: { type: 'band', domain: limits.map(({ name }) => name), label: null },
        height: 8 + axis.height + 24 * limits.length,
        marginTop: 4,
        marginBottom: axis.height,
        marks: [
          ...axis.marks,
          Plot.axisY({ tickSize: 0, tickPadding: 7, label: null }),
          Plot.ruleY(limits, {
            y: 'name',
            x1: (limit: ShownLimit) => x(limit.low),
            x2: (limit: ShownLimit) => x(limit.high),
            stroke: (limit: ShownLimit) => color(limit.color),
            strokeWidth: 7,
            strokeOpacity: 0.45,
          }),
          Plot.dot(limits, {
            y: 'name',
            x: (limit: ShownLimit) => x(limit.pruned),
            symbol: (limit: ShownLimit) => (limit.source === 'theory' ? 'circle' : 'square'),
            fill: (limit: ShownLimit) => (limit.settled ? color(limit.color) : color('page')),
            stroke: (limit: ShownLimit) => color(limit.color),
            strokeWidth: 2,
            r: 4,
          }),
        ],
        color: { type: 'identity' },
        symbol: { type: 'identity' },
      };
    },
  };
}

/** Bands of intervals and lines at limits, behind what is measured. */
function limitMarks(limits: readonly ShownLimit[], smallest: number): Plot.Markish[] {
  const x = (value: number) => keptOnAxis(value, smallest);
  return limits.flatMap((limit) => [
    ...(limit.low < limit.high
      ? [
          Plot.rect([limit], {
            x1: x(limit.low),
            x2: x(limit.high),
            fill: color(limit.color),
            fillOpacity: 0.18,
          }),
        ]
      : []),
    Plot.ruleX([limit], {
      x: x(limit.pruned),
      stroke: color(limit.color),
      strokeWidth: 1.5,
      strokeDasharray: limit.source === 'measured' ? '1 3' : limit.settled ? undefined : dashes,
    }),
  ]);
}

/** Part of an axis that a label needs for itself. */
const labelShare = 0.07;

/** Ticks of a symmetric logarithmic axis: 0 and powers of ten from `constant` on, as far as they are clear of 0. */
function symmetricTicks(low: number, high: number, constant: number): number[] {
  const exponents: number[] = [];
  for (let exponent = Math.ceil(Math.log10(constant)); 10 ** exponent <= Math.max(high, -low); exponent++) {
    exponents.push(exponent);
  }
  const every = Math.ceil(exponents.length / 7);
  const place = (value: number) => Math.sign(value) * Math.log1p(Math.abs(value) / constant);
  const room = labelShare * (place(high) - place(low));
  const sizes = exponents
    .filter((_, index) => index % every === 0)
    .map((exponent) => Number(`1e${exponent}`))
    .filter((size) => place(size) >= room);
  return [...sizes.map((size) => -size).reverse(), 0, ...sizes].filter((tick) => tick >= low && tick <= high);
}

function lossOverflows({ lossIncrease, insideSublevelSet }: CurveRow): boolean {
  return lossIncrease === null && insideSublevelSet === false;
}

function lossPicture(report: Report): Picture {
  const smallest = smallestKept(report);
  const rows = report.curve.filter(({ kept }) => kept >= smallest);
  const measured = rows.flatMap(({ kept, lossIncrease }) =>
    lossIncrease === null ? [] : [{ kept, increase: lossIncrease }],
  );
  const predicted = rows.flatMap(({ kept, predictedLossIncrease: increase }) =>
    increase === null ? [] : [{ kept, increase }],
  );
  const overflows = rows.filter(lossOverflows);
  const epsilon = report.epsilon.value;
  const all = [0, epsilon, ...[...measured, ...predicted].map(({ increase }) => increase)];
  const [low, high] = extent(all);
  // Not so small against the largest loss that the axis overflows or is all decades.
  const constant = Math.max(
    (epsilon > 0 ? epsilon : Math.min(high - low, 1) || 1) / 10,
    1e-12 * Math.max(high, -low),
  );
  return {
    id: 'loss',
    title: 'Loss increase against the kept part',
    description:
      `${text.plural(measured.length, 'measured point')} and ${text.plural(predicted.length, 'prediction')} of the quadratic model. ` +
      `The tolerated increase epsilon is ${text.quantity(epsilon)}; it holds to ${text.percent(report.actual.loss.pruned)} pruned.` +
      (overflows.length > 0 ? ` At ${text.plural(overflows.length, 'point')} the loss overflows.` : ''),
    plot: (width, alone) => {
      const axis = keptAxis(smallest, width, alone);
      return {
        x: axis.x,
        y: { type: 'symlog', constant, domain: [low, high > low ? high : low + 1], nice: false },
        height: 294 + axis.height,
        marginTop: 10,
        insetTop: 6,
        insetBottom: 6,
        marginBottom: axis.height,
        marks: [
          ...axis.marks,
          Plot.axisY(symmetricTicks(low, high, constant), {
            tickFormat: tickLabel,
            label: null,
          }),
          ...limitMarks(
            shownLimits(report).filter(({ of }) => of !== 'accuracy'),
            smallest,
          ),
          Plot.ruleY([0], { stroke: 'currentColor', strokeOpacity: 0.5 }),
          Plot.ruleY([epsilon], { stroke: color('epsilon'), strokeWidth: 1.5, strokeDasharray: dashes }),
          Plot.line(predicted, { x: 'kept', y: 'increase', stroke: color('slice'), strokeWidth: 2 }),
          Plot.dot(measured, { x: 'kept', y: 'increase', fill: color('measured'), r: 3.5 }),
          Plot.dot(overflows, {
            x: 'kept',
            frameAnchor: 'top',
            symbol: 'times',
            stroke: color('epsilon'),
            strokeWidth: 2,
            r: 5,
          }),
        ],
      };
    },
  };
}

function accuracyPicture(report: Report): Picture | null {
  const smallest = smallestKept(report);
  const dense = report.accuracy?.test ?? null;
  const points = report.curve.flatMap(({ kept, accuracy }) =>
    accuracy === null || kept < smallest ? [] : [{ kept, accuracy }],
  );
  if (points.length === 0) {
    return null;
  }
  const tolerance = report.actual.accuracy?.tolerance ?? null;
  const tolerated = dense === null || tolerance === null ? [] : [dense - tolerance];
  return {
    id: 'accuracy',
    title: 'Test accuracy against the kept part',
    description:
      `${text.plural(points.length, 'measured point')}` +
      (dense === null ? '.' : `; the dense network has ${text.percent(dense, 2)}.`) +
      (report.actual.accuracy === null
        ? ''
        : ` Accuracy holds to ${text.percent(report.actual.accuracy.pruned)} pruned.`),
    plot: (width) => {
      const axis = keptAxis(smallest, width, true);
      return {
        x: axis.x,
        y: { domain: [0, 1] },
        height: 228 + axis.height,
        marginTop: 10,
        insetTop: 6,
        insetBottom: 6,
        marginBottom: axis.height,
        marks: [
          ...axis.marks,
          Plot.axisY([0, 0.2, 0.4, 0.6, 0.8, 1], {
            tickFormat: (tick: number) => `${Math.round(100 * tick)} %`,
            label: null,
          }),
          ...limitMarks(
            shownLimits(report).filter(({ of }) => of !== 'loss'),
            smallest,
          ),
          Plot.ruleY(tolerated, { stroke: color('epsilon'), strokeWidth: 1.5, strokeDasharray: dashes }),
          Plot.line(points, { x: 'kept', y: 'accuracy', stroke: color('measured'), strokeOpacity: 0.5 }),
          Plot.dot(points, { x: 'kept', y: 'accuracy', fill: color('measured'), r: 3.5 }),
        ],
      };
    },
  };
}

/** The pictures of what was measured, from the top down: one x axis serves all. */
export function measuredPictures(report: Report): Picture[] {
  const accuracy = accuracyPicture(report);
  return [limitsPicture(report), lossPicture(report), ...(accuracy === null ? [] : [accuracy])];
}

/** What colours and shapes in these pictures mean. */
export function measuredLegend(report: Report): LegendEntry[] {
  const unresolved = !(report.limits.gaussianWidth.settled && report.limits.sharp.settled);
  return [
    { name: 'measured', color: 'measured', shape: 'dot' },
    { name: 'measured limit', color: 'measured', shape: 'dotted' },
    ...(report.curve.some(lossOverflows)
      ? [{ name: 'loss overflows', color: 'epsilon', shape: 'cross' } satisfies LegendEntry]
      : []),
    ...(report.tuned === undefined
      ? []
      : [
          {
            name: 'tuned limit, between two seeds that pass and fail',
            color: 'tuned',
            shape: 'dotted',
          } satisfies LegendEntry,
        ]),
    { name: 'predicted; slice limit', color: 'slice', shape: 'line' },
    { name: 'Gaussian width, with its 95 % interval', color: 'gaussian-width', shape: 'band' },
    { name: 'sharp, with its 95 % interval', color: 'sharp', shape: 'band' },
    ...(report.limits.connected === null
      ? []
      : [{ name: 'connected', color: 'connected', shape: 'line' } satisfies LegendEntry]),
    { name: 'tolerated: epsilon, and the fall of accuracy', color: 'epsilon', shape: 'dashed' },
    ...(unresolved
      ? [{ name: 'dashed or hollow: unresolved', color: 'sharp', shape: 'dashed' } satisfies LegendEntry]
      : []),
  ];
}

/** What the pictures leave out, and how their axes run. */
export function measuredCaption(report: Report): string {
  const off = report.curve.filter(({ kept }) => kept < smallestKept(report)).length;
  return (
    `One-shot magnitude pruning of this checkpoint without retraining, against theory${report.tuned === undefined ? '' : ' and, as tuned limits, against what retraining reaches'}; of the limits, those of theory are round and measured ones square. ` +
    'The axis of the loss is logarithmic away from 0 and linear close to it.' +
    (off > 0
      ? ` ${text.plural(off, 'point')} at which nothing is kept ${off === 1 ? 'lies' : 'lie'} off the axis.`
      : '')
  );
}
