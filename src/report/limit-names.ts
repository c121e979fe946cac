import type { ComparisonRow, LimitEstimate, Report } from './schema.js';
import * as text from './text.js';
import type { TunedReport } from './tuned-schema.js';

/** Limits of theory, as they are called in tables and warnings. */
export const theoryNames: Record<ComparisonRow['theory'], string> = {
  slice: 'slice',
  gaussianWidth: 'Gaussian width',
  sharp: 'sharp',
};

/** `accuracy, -0.5 points`: a measured limit with what it tolerates. */
export function measuredName(name: keyof Report['actual'], { actual }: Report): string {
  switch (name) {
    case 'loss':
      return 'loss';
    case 'accuracy':
      return `accuracy, ${text.signed(-100 * (actual.accuracy?.tolerance ?? 0))} points`;
    case 'noSignificantFall':
      return 'no significant fall';
    case 'strictAccuracy':
      return 'accuracy, to the letter';
  }
}

/** The measured limits that a report has, in the order of its tables. */
export function measuredLimits(
  report: Report,
): { key: keyof Report['actual']; name: string; limit: Report['actual']['loss'] }[] {
  const keys = ['loss', 'accuracy', 'noSignificantFall', 'strictAccuracy'] as const;
  return keys.flatMap((key) => {
    const limit = report.actual[key];
    return limit === null ? [] : [{ key, name: measuredName(key, report), limit }];
  });
}

/** The tuned limits that a report has, in the order of its tables; accuracy may fall as in the row of the same name. */
export function tunedLimits({
  tuned,
}: Report): { key: 'loss' | 'accuracy'; name: string; limit: TunedReport['loss'] }[] {
  return (['loss', 'accuracy'] as const).flatMap((key) => {
    const limit = tuned?.[key];
    return limit ? [{ key, name: `tuned ${key}`, limit }] : [];
  });
}

/** The option that settles what is missing of an unresolved limit. */
export function remedyFor(missing: LimitEstimate['missing']): '--steps' | '--probes' {
  return missing === 'probes' ? '--probes' : '--steps';
}
