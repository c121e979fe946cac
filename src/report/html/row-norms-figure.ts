/** L1 norms of rows of the curvature against the order of magnitudes (the paper's figure 6). */
import * as Plot from '@observablehq/plot';
import type { RowNormsReport } from '../row-norms-schema.js';
import * as text from '../text.js';
import { decades } from './decade-ticks.js';
import { color, type LegendEntry, type Picture } from './figure.js';
import { tickLabel } from './tick-label.js';

function normPicture({ rows, dead }: RowNormsReport): Picture {
  const norms = rows.map(({ norm }) => norm).filter((norm) => norm > 0);
  const thresholds = [
    { threshold: dead.scaleFree.threshold, color: 'epsilon' },
    { threshold: dead.paper.threshold, color: 'sharp' },
  ].filter(({ threshold }) => threshold > 0);
  const all = [...norms, ...thresholds.map(({ threshold }) => threshold)];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const floor = low / 3;
  return {
    id: 'row-norms',
    title: 'L1 norms of rows of the curvature, from small weights to large ones',
    description:
      `${text.plural(rows.length, 'row')}; norms up to ${text.quantity(Math.max(0, ...norms))}. ` +
      `Dead are ${text.percent(dead.scaleFree.share)} by the mean and ${text.percent(dead.paper.share)} by the paper's threshold.`,
    plot: () => ({
      x: { domain: [0, 1] },
      y: { type: 'log', domain: [floor, 2 * high] },
      height: 300,
      marginLeft: 60,
      marginTop: 12,
      marginBottom: 42,
      marks: [
        Plot.gridX({ stroke: 'currentColor', strokeOpacity: 0.15, ticks: 5 }),
        Plot.axisX({
          ticks: 5,
          tickFormat: (part: number) => `${Math.round(100 * part)} %`,
          label: 'weights of smaller magnitude',
          labelAnchor: 'center',
          labelArrow: 'none',
        }),
        Plot.axisY(decades(floor, 2 * high), { text: tickLabel, label: null }),
        ...thresholds.map(({ threshold, color: name }) =>
          Plot.ruleY([threshold], { stroke: color(name), strokeDasharray: '5 4' }),
        ),
        Plot.dot(rows, {
          x: 'pruned',
          y: ({ norm }: { norm: number }) => Math.max(norm, floor),
          r: 3,
          fill: color('slice'),
        }),
      ],
    }),
  };
}

/** The scatter of the norms; nothing where all are 0. */
export function rowNormPictures(rowNorms: RowNormsReport): Picture[] {
  return rowNorms.mean === 0 ? [] : [normPicture(rowNorms)];
}

/** What marks mean. */
export const rowNormsLegend: readonly LegendEntry[] = [
  { name: 'a row', color: 'slice', shape: 'dot' },
  { name: 'a thousandth of the mean', color: 'epsilon', shape: 'dashed' },
  { name: "the paper's threshold", color: 'sharp', shape: 'dashed' },
];

/** How the picture is read, and what it cannot show. */
export function rowNormsCaption({ rows, mean }: RowNormsReport): string {
  const zeros = rows.filter(({ norm }) => norm === 0).length;
  return mean === 0
    ? 'All rows are 0.'
    : 'The row of a weight says how the gradient answers to it; rows below a line are dead by its rule.' +
        (zeros === 0 ? '' : ` ${text.plural(zeros, 'row')} of exactly 0 lie on the lower edge.`);
}
