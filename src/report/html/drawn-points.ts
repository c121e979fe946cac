import type { Report } from '../schema.js';
import { plural, whole } from '../text.js';

/**
 * Points of a curve that a picture shows at most. An analysis measures some
 * hundreds; a report is a file that may hold any number, and the time of
 * drawing grows with its square.
 */
const MOST_POINTS = 1000;

/** At most `MOST_POINTS` entries at equal distances, the first and the last among them. */
function thinned<T>(points: readonly T[]): T[] {
  if (points.length <= MOST_POINTS) {
    return [...points];
  }
  const step = (points.length - 1) / (MOST_POINTS - 1);
  return Array.from({ length: MOST_POINTS }, (_, i) => points[Math.round(i * step)]!);
}

/** The report with as many points as pictures show. */
export function drawnReport(report: Report): Report {
  return {
    ...report,
    curve: thinned(report.curve),
    theory: { ...report.theory, curve: thinned(report.theory.curve) },
    ...(report.weightScales && {
      weightScales: report.weightScales.map((scale) => ({ ...scale, curve: thinned(scale.curve) })),
    }),
    ...(report.rowNorms && { rowNorms: { ...report.rowNorms, rows: thinned(report.rowNorms.rows) } }),
    spectrum: {
      ...report.spectrum,
      leadingEigenvalues: report.spectrum.leadingEigenvalues.slice(0, MOST_POINTS),
    },
  };
}

/** What a caption says of points that are left out; empty where none is. */
export function thinnedWords(points: readonly unknown[]): string {
  return points.length <= MOST_POINTS
    ? ''
    : ` Of ${plural(points.length, 'point')} ${whole(MOST_POINTS)} are drawn, at equal distances in the list.`;
}
