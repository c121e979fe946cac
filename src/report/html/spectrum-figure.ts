/** The spectral density of the curvature, smoothed from the Ritz values that the report holds. */
import * as Plot from '@observablehq/plot';
import type { Report } from '../schema.js';
import * as text from '../text.js';
import { decades } from './decade-ticks.js';
import { extent } from './extent.js';
import { color, type LegendEntry, type Picture } from './figure.js';
import { spectralDensity } from './spectral-density.js';
import { tickLabel } from './tick-label.js';

/** Standard deviation of the kernel over the span of the Ritz values. */
const relativeSigma = 0.01;

/** Ritz values closer to 0 than this part of the largest have the sign of rounding: products are float32. */
const relativeRounding = 1e-6;

interface Point {
  eigenvalue: number;
  density: number;
}

interface Smoothed {
  sigma: number;
  /** Whether some Ritz value is negative, beyond rounding. */
  hasNegative: boolean;
  points: Point[];
  /** Lower end of the axis of the density: what one eigenvalue gives far out in its kernel. */
  least: number;
}

/** The mean of the probes' quadrature rules, smoothed; null where the report holds no Ritz value, or none that can be drawn. */
function smoothed({ spectrum, model }: Report): Smoothed | null {
  const rules = spectrum.ritz.filter(({ values }) => values.length > 0);
  const nodes = rules.flatMap(({ values }) => values);
  if (nodes.length === 0) {
    return null;
  }
  const weights = rules.flatMap((rule) => rule.weights.map((weight) => weight / rules.length));
  const [smallest, largest] = extent(nodes);
  const sigma = relativeSigma * (largest - smallest || Math.abs(largest) || 1);
  const { grid, density } = spectralDensity({ nodes, weights }, { sigma, points: 640 });
  const least = 0.1 / (Math.max(model.prunable, 1) * sigma * Math.sqrt(2 * Math.PI));
  const points = Array.from(grid, (eigenvalue, index) => ({
    eigenvalue,
    density: Math.max(density[index], least),
  }));
  // Eigenvalues at the ends of float64 have a density that it does not hold.
  const drawable = least > 0 && points.every(({ density }) => Number.isFinite(density));
  const hasNegative = smallest < -relativeRounding * Math.max(-smallest, largest);
  return drawable ? { sigma, hasNegative, points, least } : null;
}

function spectrumPicture(report: Report, { hasNegative, points, least }: Smoothed): Picture {
  const leading = report.spectrum.leadingEigenvalues;
  const { lambdaMin, lambdaMax, negativeMass } = report.curvature;
  const most = Math.max(...points.map(({ density }) => density)) * 1.3;
  const negative = hasNegative ? points.filter(({ eigenvalue }) => eigenvalue <= 0) : [];
  const positive = hasNegative ? points.filter(({ eigenvalue }) => eigenvalue >= 0) : points;
  const [left, right] = [points[0].eigenvalue, points[points.length - 1].eigenvalue];
  return {
    id: 'spectrum',
    title: 'Density of the eigenvalues of the curvature (logarithmic)',
    description:
      `Eigenvalues from ${text.quantity(lambdaMin)} to ${text.quantity(lambdaMax)}; ` +
      `negative ones hold ${text.percent(negativeMass)} of the sum of magnitudes.`,
    plot: (width) => ({
      x: { domain: extent([left, right, ...leading]) },
      y: { type: 'log', domain: [least, most] },
      height: 320,
      marginLeft: 60,
      marginTop: 12,
      marginBottom: 42,
      marks: [
        Plot.axisX({
          ticks: width === 'wide' ? 8 : 4,
          tickFormat: tickLabel,
          label: 'eigenvalue',
          labelAnchor: 'center',
          labelArrow: 'none',
        }),
        Plot.gridY(decades(least, most), { stroke: 'currentColor', strokeOpacity: 0.15 }),
        Plot.axisY(decades(least, most), {
          text: tickLabel,
          label: null,
        }),
        ...[
          { part: negative, name: 'negative' },
          { part: positive, name: 'slice' },
        ].flatMap(({ part, name }) => [
          Plot.areaY(part, {
            x: 'eigenvalue',
            y1: least,
            y2: 'density',
            fill: color(name),
            fillOpacity: 0.3,
          }),
          Plot.lineY(part, { x: 'eigenvalue', y: 'density', stroke: color(name), strokeWidth: 1.5 }),
        ]),
        ...(left < 0 && right > 0
          ? [Plot.ruleX([0], { stroke: 'currentColor', strokeDasharray: '2 3' })]
          : []),
        Plot.tickX(leading, {
          x: (value: number) => value,
          stroke: color('epsilon'),
          strokeWidth: 1.5,
          insetTop: 320 - 12 - 42 - 14,
        }),
      ],
    }),
  };
}

/** The picture with its caption; null where the report holds no Ritz value that can be drawn. */
export function spectrumFigure(
  report: Report,
): { picture: Picture; legend: LegendEntry[]; caption: string } | null {
  const density = smoothed(report);
  if (density === null) {
    return null;
  }
  return {
    picture: spectrumPicture(report, density),
    legend: [
      { name: 'positive eigenvalues', color: 'slice', shape: 'band' },
      ...(density.hasNegative
        ? [{ name: 'negative eigenvalues', color: 'negative', shape: 'band' } satisfies LegendEntry]
        : []),
      { name: 'leading eigenvalues', color: 'epsilon', shape: 'line' },
    ],
    caption:
      `Ritz values of ${text.plural(report.spectrum.probes, 'probe')}, smoothed by Gaussians of standard deviation ` +
      `${text.quantity(density.sigma)} (1 % of their span); what is narrower is not resolved here. ` +
      (density.hasNegative
        ? ''
        : 'No eigenvalue is seen to be negative: what lies left of 0 is smoothing. ') +
      'Limits are computed of the Ritz values themselves. The axis ends where less than a tenth of the peak of one eigenvalue is left.',
  };
}
