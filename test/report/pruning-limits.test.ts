import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { renderJson } from '../../src/report/json.js';
import { limitChoices } from '../../src/report/limit-choices.js';
import { limitToPruneTo, type ReportedLimits, readReportedLimits } from '../../src/report/pruning-limits.js';
import { sampleReport, unresolvedReport } from './sample-report.js';

/** What version 1 wrote, as far as it matters. */
const firstVersion = JSON.stringify({
  schemaVersion: 1,
  ok: true,
  model: { path: 'm', sha256: 'ff' },
  options: { include: ['a/*'], exclude: [], seed: 0 },
  limits: {
    slice: { pruned: 0.88 },
    gaussianWidth: { pruned: 0.93, low: 0.92, high: 0.94, settled: true },
    sharp: { pruned: 1, low: 1, high: 1, settled: true },
    statisticalDimension: 152,
  },
  actual: { loss: { pruned: 0.8 }, accuracy: { pruned: 0.7, tolerance: 0.005 }, exactAccuracy: null },
});

function refused(reported: ReportedLimits, name: (typeof limitChoices)[number]): string {
  try {
    return `pruned to ${limitToPruneTo(reported, name)}`;
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
}

describe('limitToPruneTo', () => {
  it.each([
    ['slice', 0.8812],
    ['gaussian-width', 0.9317],
    ['gaussian-width:low', 0.9284],
    ['sharp', 0.9662],
    ['sharp:low', 0.9641],
    ['loss', 0.8791],
    ['accuracy', 0.7312],
    ['no-significant-fall', 0.6504],
  ] as const)('%s', (name, fraction) => {
    expect(limitToPruneTo(sampleReport(), name)).toBe(fraction);
  });

  it.each([
    [
      'gaussian-width',
      'the gaussian-width limit is unresolved, between pruned 88.0 % and 96.0 %: take its safe end with --at-limit gaussian-width:low, or analyse with more --steps',
    ],
    [
      'sharp',
      'the sharp limit is unresolved, between pruned 90.0 % and 98.7 %: take its safe end with --at-limit sharp:low, or analyse with more --probes',
    ],
    ['accuracy', /^there is no accuracy limit, for want of test examples or classes/],
    ['no-significant-fall', /^there is no no-significant-fall limit/],
  ] as const)('refuses what is not known: %s', (name, message) => {
    expect(refused(unresolvedReport(), name)).toMatch(message);
  });

  it('takes the safe end of what is unresolved', () => {
    expect(limitToPruneTo(unresolvedReport(), 'sharp:low')).toBe(0.9);
  });

  it('refuses to leave nothing, whichever the limit', () => {
    const report = sampleReport();
    const everything = { pruned: 1, low: 1, high: 1, lastPass: 1 };
    for (const limit of [...Object.values(report.limits), ...Object.values(report.actual)]) {
      if (typeof limit === 'object') Object.assign(limit!, everything);
    }
    for (const name of limitChoices) {
      expect(refused(report, name)).toBe(
        `the ${name} limit is 100 %: it would leave a network of zeros; use another limit, or --ratio P`,
      );
    }
  });

  it('refuses what leaves an output without a path', () => {
    const report = sampleReport();
    report.limits.connected = { pruned: 0.85, exact: true };
    expect(refused(report, 'loss')).toBe(
      'the loss limit is pruned 87.9 %, but beyond 85.0 % outputs have no path left from the input; prune less, for example with --ratio 0.85',
    );
    expect(refused(report, 'accuracy')).toBe('pruned to 0.7312');
  });
});

describe('readReportedLimits', () => {
  it('reads a report', () => {
    expect(readReportedLimits(renderJson(sampleReport()), 'r.json')).toEqual(sampleReport());
  });

  it('reads the slice limit of version 1, and what else prune needs', () => {
    const reported = readReportedLimits(firstVersion, 'r.json');
    expect(reported).toMatchObject({ model: { sha256: 'ff' }, options: { include: ['a/*'], exclude: [] } });
    expect(limitToPruneTo(reported, 'slice')).toBe(0.88);
  });

  it.each(limitChoices.filter((name) => name !== 'slice'))('refuses %s of version 1', (name) => {
    expect(refused(readReportedLimits(firstVersion, 'r.json'), name)).toBe(
      `the report is of schemaVersion 1, whose ${name} limit is not to be relied on: analyse again, or use --at-limit slice`,
    );
  });

  it.each([
    [
      'a version 1 without limits',
      '{"schemaVersion": 1, "ok": true}',
      /not a report .*\(model, expected object\)/,
    ],
    ['a failed run', '{"schemaVersion": 1, "ok": false, "error": {}}', /error object of a failed run/],
    ['null', 'null', /not a report/],
  ])('refuses %s', (_title, json, message) => {
    expect(() => readReportedLimits(json, 'r.json')).toThrow(InputError);
    expect(() => readReportedLimits(json, 'r.json')).toThrow(message);
  });
});
