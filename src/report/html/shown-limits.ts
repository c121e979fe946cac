import { measuredLimits, theoryNames, tunedLimits } from '../limit-names.js';
import type { Report } from '../schema.js';
import * as text from '../text.js';

/** A limit as pictures show it. */
export interface ShownLimit {
  name: string;
  /** Of the style sheet. */
  color: string;
  source: 'theory' | 'measured';
  pruned: number;
  /** The interval; both ends are `pruned` where there is none. */
  low: number;
  high: number;
  settled: boolean;
  /** Which measured picture the limit belongs to. */
  of: 'loss' | 'accuracy' | 'both';
}

/** All limits of a report, theory first, in the order of its tables. */
export function shownLimits(report: Report): ShownLimit[] {
  const { slice, gaussianWidth, sharp, connected } = report.limits;
  const point = (pruned: number) => ({ pruned, low: pruned, high: pruned, settled: true });
  const interval = ({ pruned, low, high, settled }: Report['limits']['sharp']) => ({
    pruned,
    low,
    high,
    settled,
  });
  return [
    { name: theoryNames.slice, color: 'slice', source: 'theory', of: 'loss', ...point(slice.pruned) },
    {
      name: theoryNames.gaussianWidth,
      color: 'gaussian-width',
      source: 'theory',
      of: 'both',
      ...interval(gaussianWidth),
    },
    { name: theoryNames.sharp, color: 'sharp', source: 'theory', of: 'both', ...interval(sharp) },
    ...(connected === null
      ? []
      : [
          {
            name: 'connected',
            color: 'connected',
            source: 'theory',
            of: 'both',
            ...point(connected.pruned),
          } satisfies ShownLimit,
        ]),
    ...measuredLimits(report).map(
      ({ key, name, limit }): ShownLimit => ({
        name,
        color: 'measured',
        source: 'measured',
        of: key === 'loss' ? 'loss' : 'accuracy',
        ...point(limit.pruned),
      }),
    ),
    ...tunedLimits(report).map(
      ({ key, name, limit: { pruned, low, high } }): ShownLimit => ({
        ...{ name, color: 'tuned', source: 'measured', of: key, pruned, low, high, settled: true },
      }),
    ),
  ];
}

/** `Gaussian width 93.2 % (92.8 to 93.4 %)`, with what is unresolved. */
export function limitWords({ name, pruned, low, high, settled }: ShownLimit): string {
  const interval = low < high ? ` (${text.range(low, high)}${settled ? '' : ', unresolved'})` : '';
  return `${name} ${text.percent(pruned)}${interval}`;
}
