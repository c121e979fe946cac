/** What larger weights would do to the limit (the paper's figure 7). */
import * as Plot from '@observablehq/plot';
import { theoryNames } from '../limit-names.js';
import type { Report } from '../schema.js';
import * as text from '../text.js';
import type { WeightScale } from '../weight-scales-schema.js';
import { cutLine, type Place } from './cut-line.js';
import { color, type LegendEntry, type Picture, type Width } from './figure.js';
import { tickLabel } from './tick-label.js';

interface Curve {
  name: string;
  crossing: number;
  points: { radius: number; pruned: number; squaredGaussianWidth: number }[];
}

/** The weights as they are, then those that were scaled. */
function curves({ theory, limits }: Report, scales: readonly WeightScale[]): Curve[] {
  const { gaussianWidth } = limits;
  return [
    {
      name: 'as trained',
      crossing: (gaussianWidth.uncapped ?? gaussianWidth).pruned,
      points: theory.curve,
    },
    ...scales
      .filter(({ factor }) => factor !== 1)
      .map(({ factor, gaussianWidth: limit, curve }) => ({
        name: `x ${factor}`,
        crossing: limit.crossing,
        points: curve,
      })),
  ];
}

/** Distance at which a curve reaches a pruned part. */
function radiusAt({ points }: Curve, pruned: number): number {
  const after = points.findIndex((point) => point.pruned >= pruned);
  const [to, from] = [points[Math.max(0, after)], points[Math.max(0, after - 1)]];
  const share = to.pruned > from.pruned ? (pruned - from.pruned) / (to.pruned - from.pruned) : 0;
  return from.radius + share * (to.radius - from.radius);
}

function scalesPicture(report: Report, scales: readonly WeightScale[]): Picture {
  const drawn = curves(report, scales);
  const crossings = drawn.map((curve) => ({ x: radiusAt(curve, curve.crossing), y: curve.crossing }));
  // Beyond the crossings nothing is to be seen but the ends of the curves.
  const right = Math.min(
    1.6 * Math.max(...crossings.map(({ x }) => x)),
    Math.max(...drawn.flatMap(({ points }) => points.map(({ radius }) => radius))),
  );
  const first = Math.min(...crossings.map(({ y }) => y));
  // Crossings that lie in a corner of the whole are looked at closely.
  const low = first > 0.75 ? Math.max(0, 1 - 3 * (1 - first)) : 0;
  const inside = (line: readonly Place[]) => cutLine({ x: [0, right], y: [low, 1] }, line);
  const prediction = drawn
    .flatMap(({ points }) =>
      points.map(({ radius, squaredGaussianWidth }) => ({ x: radius, y: squaredGaussianWidth })),
    )
    .sort((a, b) => a.x - b.x);
  return {
    id: 'weight-scales',
    title: `Limit ${theoryNames.gaussianWidth} of scaled weights: distance of the pruned from the dense weights`,
    description: drawn
      .map(
        ({ name, crossing }) =>
          `${name}: the curve crosses the prediction at ${text.percent(crossing)} pruned`,
      )
      .join('; '),
    plot: (width: Width) => ({
      x: { domain: [0, right] },
      y: { domain: [low, 1] },
      height: width === 'wide' ? 360 : 300,
      marginLeft: 60,
      marginTop: 12,
      marginBottom: 42,
      marks: [
        Plot.gridX({ stroke: 'currentColor', strokeOpacity: 0.15, ticks: 5 }),
        Plot.gridY({ stroke: 'currentColor', strokeOpacity: 0.15, ticks: 5 }),
        Plot.axisX({
          ticks: 5,
          tickFormat: tickLabel,
          label: 'distance R',
          labelAnchor: 'center',
          labelArrow: 'none',
        }),
        Plot.axisY({
          ticks: 5,
          tickFormat: (part: number) => `${Number((100 * part).toPrecision(4))} %`,
          label: null,
        }),
        Plot.line(inside(prediction), {
          x: 'x',
          y: 'y',
          stroke: color('gaussian-width'),
          strokeWidth: 2.5,
        }),
        ...drawn.map(({ points }, index) =>
          Plot.line(inside(points.map(({ radius, pruned }) => ({ x: radius, y: pruned }))), {
            x: 'x',
            y: 'y',
            stroke: color('text'),
            strokeOpacity: 1 - (0.7 * index) / drawn.length,
            strokeWidth: 2,
            strokeDasharray: index === 0 ? undefined : '5 4',
          }),
        ),
        Plot.dot(crossings, {
          x: 'x',
          y: 'y',
          r: 5,
          fill: color('page'),
          stroke: color('gaussian-width'),
          strokeWidth: 2.5,
        }),
      ],
    }),
  };
}

/** Curves of distance against pruned part for every factor, and the one prediction. */
export function weightScalePictures(report: Report, scales: readonly WeightScale[]): Picture[] {
  return [scalesPicture(report, scales)];
}

/** What lines mean. */
export const weightScalesLegend: readonly LegendEntry[] = [
  { name: 'squared Gaussian width / D at the distance', color: 'gaussian-width', shape: 'line' },
  { name: 'pruned part at the distance, weights as trained', color: 'text', shape: 'line' },
  {
    name: 'with scaled weights: the larger, the further right',
    color: 'text',
    shape: 'dashed',
  },
];

/** How the picture is read. */
export const weightScalesCaption =
  'Where a curve crosses the prediction is the limit. The curvature is taken to stay as it is: a network whose weights really are scaled has another.';
