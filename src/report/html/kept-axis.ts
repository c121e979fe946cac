/** The x axis of measured pictures: the kept fraction, logarithmic, more pruned to the right. */
import * as Plot from '@observablehq/plot';
import type { Report } from '../schema.js';
import { extent } from './extent.js';
import { leftMargin, rightMargin, type Width, widths } from './figure.js';

/** Least kept fraction that an axis goes down to: beyond float32 indices nothing is told apart. */
const floor = 1e-8;

/** The smallest kept fraction that is to be seen, a little beyond all that is measured or a limit. */
export function smallestKept({ curve, limits, tuned }: Report): number {
  const kept = [
    ...[tuned?.loss, tuned?.accuracy].flatMap((limit) => (limit ? [1 - limit.high] : [])),
    ...curve.map((row) => row.kept),
    ...[limits.gaussianWidth, limits.sharp, limits.slice].map((limit) => 1 - limit.pruned),
  ].filter((value) => value > floor);
  return 0.8 * Math.min(0.5, extent(kept)[0]);
}

/** The kept fraction of a pruned one, held on the axis. */
export function keptOnAxis(pruned: number, smallest: number): number {
  return Math.max(1 - pruned, smallest);
}

/** Width of the label of the kept part 10^-decades, with room beside it, in pixels: `0.0001 %` is 10^-6. */
function labelPixels(decades: number): number {
  const letters = Math.max(5, Math.floor(decades) + 2);
  return 7.5 * letters + 6;
}

function keptTicks(smallest: number, width: Width): number[] {
  const decades = -Math.log10(smallest);
  const pixels = widths[width] - leftMargin[width] - rightMargin;
  const every = Math.ceil((decades * labelPixels(decades)) / pixels);
  const steps = decades * (width === 'wide' ? 1 : 2) > 3.2 ? [1] : [5, 2, 1];
  const ticks = [1];
  for (let exponent = -every; 10 ** exponent > smallest / 10; exponent -= every) {
    // Powers of ten with a negative exponent are not exact: divide instead.
    ticks.push(...steps.map((step) => step / 10 ** -exponent));
  }
  return ticks.filter((tick) => tick >= smallest);
}

/** Scale, marks and height of the axis; `labelled` is false for a picture with another below it. */
export function keptAxis(
  smallest: number,
  width: Width,
  labelled: boolean,
): Pick<Plot.PlotOptions, 'x'> & { marks: Plot.Markish[]; height: number } {
  const ticks = keptTicks(smallest, width);
  const label =
    widths[width] > 500
      ? 'kept part of the prunable weights (logarithmic), more pruned →'
      : 'kept part (logarithmic) →';
  return {
    x: { type: 'log', domain: [1, smallest] },
    height: labelled ? 42 : 26,
    marks: [
      Plot.gridX(ticks, { stroke: 'currentColor', strokeOpacity: 0.15 }),
      Plot.axisX(ticks, {
        // As text, not as a format: a format of a logarithmic axis leaves labels out.
        text: (tick: number) => `${Number((100 * tick).toPrecision(3))} %`,
        label: labelled ? label : null,
        labelAnchor: 'center',
        labelArrow: 'none',
      }),
    ],
  };
}
