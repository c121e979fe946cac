/** The magnitudes of the prunable weights, and where the limits cut them (the paper's figure 8). */
import * as Plot from '@observablehq/plot';
import { measuredName, theoryNames } from '../limit-names.js';
import type { Report } from '../schema.js';
import * as text from '../text.js';
import type { WeightsReport } from '../weights-schema.js';
import { decades } from './decade-ticks.js';
import { color, type LegendEntry, type Picture } from './figure.js';
import { tickLabel } from './tick-label.js';

type Threshold = WeightsReport['thresholds'][number];

const theoryColors = { slice: 'slice', gaussianWidth: 'gaussian-width', sharp: 'sharp' } as const;

function isTheory(limit: Threshold['limit']): limit is keyof typeof theoryColors {
  return limit in theoryColors;
}

function colorOf({ limit }: Threshold): string {
  return isTheory(limit) ? theoryColors[limit] : limit === 'connected' ? 'connected' : 'measured';
}

function nameOf({ limit }: Threshold, report: Report): string {
  return isTheory(limit) ? theoryNames[limit] : limit === 'connected' ? limit : measuredName(limit, report);
}

function histogramPicture(report: Report, { histogram, thresholds }: WeightsReport): Picture {
  const { edges, counts } = histogram;
  const bins = counts.map((count, i) => ({ low: edges[i], high: edges[i + 1], count }));
  const [low, high] = [edges[0], edges[edges.length - 1]];
  const drawn = thresholds.filter(({ magnitude }) => magnitude > 0);
  const most = Math.max(...counts) * 1.3;
  const ticks = decades(0.5, most);
  const place = ({ magnitude }: Threshold) => Math.min(high, Math.max(low, Math.log10(magnitude)));
  return {
    id: 'weights',
    title: 'Magnitudes of the prunable weights (both axes logarithmic)',
    description:
      `Magnitudes from ${text.quantity(10 ** low)} to ${text.quantity(10 ** high)}. Removed at the limits: ` +
      `${drawn.map((one) => `${nameOf(one, report)} up to ${text.quantity(one.magnitude)}`).join('; ') || 'none but zeros'}.`,
    plot: (width) => ({
      x: { domain: [low, high] },
      // Half a weight is the floor: a bin with one weight is seen.
      y: { type: 'log', domain: [0.5, most] },
      height: 300,
      marginLeft: 60,
      marginTop: 12,
      marginBottom: 42,
      marks: [
        Plot.gridY(ticks, { stroke: 'currentColor', strokeOpacity: 0.15 }),
        Plot.axisY(ticks, { text: tickLabel, label: null }),
        Plot.axisX(decades(10 ** low, 10 ** high).map(Math.log10), {
          tickFormat: (exponent: number) => tickLabel(10 ** Math.round(exponent)),
          label: width === 'wide' ? 'magnitude |w| (logarithmic)' : '|w|',
          labelAnchor: 'center',
          labelArrow: 'none',
        }),
        Plot.rect(
          bins.filter(({ count }) => count > 0),
          { x1: 'low', x2: 'high', y1: 0.5, y2: 'count', fill: color('quiet'), fillOpacity: 0.45 },
        ),
        ...drawn.map((one) =>
          Plot.ruleX([place(one)], {
            stroke: color(colorOf(one)),
            strokeWidth: 1.8,
            strokeDasharray:
              isTheory(one.limit) || one.limit === 'connected' ? (one.settled ? undefined : '5 4') : '1 3',
          }),
        ),
      ],
    }),
  };
}

/** The histogram; nothing where all weights are 0. */
export function weightPictures(report: Report, weights: WeightsReport): Picture[] {
  return weights.histogram.counts.length === 0 ? [] : [histogramPicture(report, weights)];
}

/** What lines mean, with the magnitudes. */
export function weightsLegend(report: Report, { thresholds }: WeightsReport): LegendEntry[] {
  return thresholds
    .filter(({ magnitude }) => magnitude > 0)
    .map((one) => ({
      name: `${nameOf(one, report)}: |w| up to ${text.quantity(one.magnitude)}`,
      color: colorOf(one),
      shape: isTheory(one.limit) || one.limit === 'connected' ? (one.settled ? 'line' : 'dashed') : 'dotted',
    }));
}

/** How the picture is read, and what it leaves out. */
export function weightsCaption({ model }: Report, { histogram, thresholds }: WeightsReport): string {
  const { zeros, counts, edges } = histogram;
  if (counts.length === 0) {
    return 'All prunable weights are 0.';
  }
  const none = thresholds.filter(({ magnitude }) => magnitude === 0).length;
  return (
    'Pruning to a limit removes the weights up to its line.' +
    (counts.length > 1 ? ` Each bin spans a factor of ${text.quantity(10 ** (edges[1] - edges[0]))}.` : '') +
    (zeros === 0
      ? ''
      : ` ${text.plural(zeros, 'weight')} of ${text.whole(model.prunable)} (${text.percent(zeros / model.prunable)}) are exactly 0 and lie in no bin.`) +
    (none === 0 ? '' : ` ${text.plural(none, 'limit')} at which none but zeros are removed have no line.`)
  );
}
