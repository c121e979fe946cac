/** What the limits of theory come from: a size of the sublevel set against the pruned fraction. */
import * as Plot from '@observablehq/plot';
import { theoryNames } from '../limit-names.js';
import type { LimitEstimate, Report } from '../schema.js';
import * as text from '../text.js';
import { cutLine } from './cut-line.js';
import { color, type LegendEntry, type Picture, type Width } from './figure.js';

/** Where a curve crosses the diagonal: the limit before it is cut to the connected one. */
function crossing(limit: LimitEstimate): { pruned: number } {
  return { pruned: (limit.uncapped ?? limit).pruned };
}

/** The part of the axes that the crossings lie in, where the whole leaves them in a corner; null elsewhere. */
function closeUp({ gaussianWidth, sharp }: Report['limits']): [number, number] | null {
  const first = Math.min(crossing(gaussianWidth).pruned, crossing(sharp).pruned);
  return first > 0.75 && first < 1 - 1e-6 ? [Math.max(0, 1 - 3 * (1 - first)), 1] : null;
}

function theoryPicture(report: Report, id: string, title: string, domain: [number, number]): Picture {
  const { curve, settled } = report.theory;
  const gaussianWidth = crossing(report.limits.gaussianWidth);
  const sharp = crossing(report.limits.sharp);
  const inside = (value: number) => value >= domain[0] && value <= domain[1];
  const line = (field: 'squaredGaussianWidth' | 'statisticalDimension', name: string, isSettled: boolean) =>
    Plot.line(
      cutLine(
        { x: domain, y: domain },
        curve.map((row) => ({ x: row.pruned, y: row[field] })),
      ),
      {
        x: 'x',
        y: 'y',
        stroke: color(name),
        strokeWidth: 2,
        strokeDasharray: isSettled ? undefined : '5 4',
      },
    );
  const dot = ({ pruned }: { pruned: number }, name: string) =>
    Plot.dot([pruned].filter(inside), {
      x: (value: number) => value,
      y: (value: number) => value,
      r: 5,
      fill: color('page'),
      stroke: color(name),
      strokeWidth: 2.5,
    });
  const format = (tick: number) => `${Number((100 * tick).toPrecision(4))} %`;
  return {
    id,
    title,
    description:
      `The squared Gaussian width over D crosses the diagonal at ${text.percent(gaussianWidth.pruned)} pruned, ` +
      `the statistical dimension over D at ${text.percent(sharp.pruned)}: the limits ${theoryNames.gaussianWidth} and ${theoryNames.sharp}.`,
    plot: (width: Width) => ({
      x: { domain },
      y: { domain },
      height: width === 'wide' ? 400 : 310,
      marginLeft: 60,
      marginTop: 12,
      marginBottom: 42,
      marks: [
        Plot.gridX({ stroke: 'currentColor', strokeOpacity: 0.15, ticks: 5 }),
        Plot.gridY({ stroke: 'currentColor', strokeOpacity: 0.15, ticks: 5 }),
        Plot.axisX({
          ticks: 5,
          tickPadding: 6, // clear of the label at the same corner
          tickFormat: format,
          label: 'pruned part',
          labelAnchor: 'center',
          labelArrow: 'none',
        }),
        Plot.axisY({
          ticks: 5,
          tickFormat: format,
          label: null,
        }),
        Plot.line([domain[0], domain[1]], {
          x: (value: number) => value,
          y: (value: number) => value,
          stroke: 'currentColor',
          strokeOpacity: 0.6,
          strokeDasharray: '2 3',
        }),
        line('squaredGaussianWidth', 'gaussian-width', settled.gaussianWidth),
        line('statisticalDimension', 'sharp', settled.sharp),
        dot(gaussianWidth, 'gaussian-width'),
        dot(sharp, 'sharp'),
      ],
    }),
  };
}

/** The curves over all pruned fractions, and close to their crossings where those lie in a corner. */
export function theoryPictures(report: Report): Picture[] {
  const close = closeUp(report.limits);
  return [
    theoryPicture(
      report,
      'theory',
      'Size of the sublevel set over D, the prunable weights, against the pruned part',
      [0, 1],
    ),
    ...(close === null
      ? []
      : [
          theoryPicture(
            report,
            'theory-close',
            'Size of the sublevel set over D, close to the crossings',
            close,
          ),
        ]),
  ];
}

/** What colours in these pictures mean. */
export const theoryLegend: readonly LegendEntry[] = [
  { name: 'squared Gaussian width / D', color: 'gaussian-width', shape: 'line' },
  { name: 'statistical dimension / D', color: 'sharp', shape: 'line' },
  { name: 'the diagonal: as large as the pruned part', color: 'text', shape: 'dotted' },
];

/** How the pictures are read. */
export function theoryCaption({ theory }: Report): string {
  const unsure = !(theory.settled.gaussianWidth && theory.settled.sharp);
  return (
    'Where a curve crosses the diagonal is its limit, before it is cut to the connected one.' +
    (unsure ? ' A dashed curve is unresolved, and so is its crossing.' : '')
  );
}
