import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeInterval } from '../../src/gate/judge.js';
import { parseChangeBound, parseRequirement, relations, thresholdIn } from '../../src/gate/requirement.js';
import { type GateTexts, judgeGates, readGates } from '../../src/gate/run-gates.js';
import { gateReportSchema } from '../../src/gate/schema.js';
import { type Report, reportJsonSchema } from '../../src/report/schema.js';
import { sampleReport, unresolvedReport } from '../report/sample-report.js';

const schema = reportJsonSchema();

function judge(
  texts: GateTexts,
  options: { report?: Report; baseline?: Report; rule?: 'fail' | 'pass' | 'warn' } = {},
) {
  const { report = sampleReport(), baseline, rule = 'fail' } = options;
  const result = judgeGates(
    readGates(texts, 'error'),
    { report, source: 'report.json' },
    baseline === undefined ? null : { report: baseline, source: 'base.json' },
    rule,
    schema,
  );
  return gateReportSchema.parse(result);
}

/** The sample with another Gaussian-width limit. */
function withLimit(pruned: number, halfWidth: number, settled = true): Report {
  const report = sampleReport();
  report.limits.gaussianWidth = {
    ...report.limits.gaussianWidth,
    pruned,
    low: pruned - halfWidth,
    high: pruned + halfWidth,
    settled,
  };
  return report;
}

describe('requirements', () => {
  it.each([
    ['limits.gaussianWidth.pruned >= 0.92', 'pass'],
    ['limits.gaussianWidth.pruned >= 92%', 'pass'],
    ['gaussianWidth > 0.93', 'inconclusive'],
    ['gaussianWidth<0.93', 'inconclusive'],
    ['gaussianWidth >= 0.95', 'fail'],
    ['gaussianWidth <= 0.9342', 'pass'],
    ['gaussianWidth < 0.9342', 'inconclusive'],
    ['slice >= 0.8812', 'pass'],
    ['slice > 0.8812', 'fail'],
    ['loss <= 0.2', 'pass'],
    ['comparison[theory=slice].differencePoints <= 0.5 points', 'pass'],
  ] as const)('%s: %s', (text, verdict) => {
    const { gates, verdict: overall } = judge({ require: [text] });
    expect(gates).toHaveLength(1);
    expect(gates[0]).toMatchObject({ gate: text, verdict });
    expect(overall).toBe(verdict);
  });

  it('are inconclusive on unresolved numbers, whatever the value', () => {
    const { gates } = judge({ require: ['gaussianWidth >= 0'] }, { report: unresolvedReport() });
    expect(gates[0]).toMatchObject({ verdict: 'inconclusive', settled: false });
  });

  it('pass an inconclusive gate only where that was asked for', () => {
    const require = ['gaussianWidth > 0.93'];
    expect(judge({ require }, { rule: 'warn' }).verdict).toBe('pass');
    expect(judge({ require }, { rule: 'pass' }).verdict).toBe('pass');
    expect(judge({ require: [...require, 'slice > 0.9'] }, { rule: 'pass' }).verdict).toBe('fail');
  });

  it('of level warn have no part in the verdict', () => {
    const gates = readGates({ require: ['slice > 0.9'] }, 'warn');
    const judged = { report: sampleReport(), source: 'report.json' };
    const result = judgeGates(gates, judged, null, 'fail', schema);
    expect(result).toMatchObject({ verdict: 'pass', gates: [{ verdict: 'fail', level: 'warn' }] });
  });

  it.each(['slice', 'slice >=', '>= 0.9', 'slice = 0.9', 'slice >= NaN', 'slice >= much', 'slice >= 1e999'])(
    '%j is none',
    (text) => {
      expect(() => parseRequirement(text)).toThrow(expect.objectContaining({ code: 'gate/requirement' }));
    },
  );

  it('take percentages of fractions only', () => {
    expect(thresholdIn('fraction', { number: 90, written: 'percent' }, '')).toBeCloseTo(0.9, 15);
    expect(() => judge({ require: ['loss <= 20%'] })).toThrow(expect.objectContaining({ code: 'gate/unit' }));
  });

  it('pass exactly where every value of the interval does, and fail where none does', () => {
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true }),
        fc.float({ noNaN: true, noDefaultInfinity: true }),
        fc.float({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom(...relations),
        (a, b, threshold, relation) => {
          const [low, high] = [Math.min(a, b), Math.max(a, b)];
          const holds = (value: number): boolean =>
            ({
              '>=': value >= threshold,
              '>': value > threshold,
              '<=': value <= threshold,
              '<': value < threshold,
            })[relation];
          const points = [
            low,
            high,
            low / 2 + high / 2,
            ...(low <= threshold && threshold <= high ? [threshold] : []),
          ];
          const verdict = judgeInterval({ low, high, settled: true }, relation, threshold);
          if (verdict === 'pass') {
            expect(points.every(holds)).toBe(true);
          } else if (verdict === 'fail') {
            expect(points.some(holds)).toBe(false);
          } else {
            expect(points.some(holds)).toBe(true);
            expect(points.every(holds)).toBe(false);
          }
        },
      ),
    );
  });
});

describe('bounds of change', () => {
  const maxDrop = ['limits.gaussianWidth.pruned 2 points'];

  it.each([
    ['the same', withLimit(0.93, 0.004), 'pass', 'unchanged'],
    ['a fall within the intervals', withLimit(0.925, 0.004), 'pass', 'within the intervals'],
    ['a fall beyond the intervals, within the bound', withLimit(0.915, 0.004), 'pass', null],
    ['a fall beyond both', withLimit(0.9, 0.004), 'fail', null],
    ['a large fall within wide intervals', withLimit(0.9, 0.03), 'pass', 'within the intervals'],
    ['a rise', withLimit(0.96, 0.004), 'pass', 'improved'],
    ['unresolved', withLimit(0.93, 0.02, false), 'inconclusive', 'unresolved'],
  ] as const)('%s', (_, report, verdict, reason) => {
    const { gates } = judge({ maxDrop }, { report, baseline: withLimit(0.93, 0.004) });
    expect(gates[0]!.verdict).toBe(verdict);
    expect(gates[0]).toMatchObject({ baseline: { value: 0.93 }, threshold: 0.02 });
    if (reason === null) {
      expect(gates[0]!.reason).toBeNull();
    } else {
      expect(gates[0]!.reason).toContain(reason);
    }
  });

  it('of rises look the other way', () => {
    const worse = sampleReport();
    worse.loss.value = 0.25;
    const maxRise = ['loss.value 5%'];
    expect(judge({ maxRise }, { report: worse, baseline: sampleReport() }).verdict).toBe('fail');
    expect(judge({ maxRise }, { report: sampleReport(), baseline: worse }).verdict).toBe('pass');
  });

  it('are left out where there is no baseline yet', () => {
    expect(judge({ maxDrop })).toMatchObject({ verdict: 'pass', gates: [], baseline: null });
  });

  it('need the number in both reports', () => {
    const without = sampleReport();
    without.accuracy = null;
    const texts = { maxDrop: ['accuracy.test 1 point'] };
    expect(() => judge(texts, { baseline: without })).toThrow('base.json');
    expect(() => judge(texts, { report: without, baseline: sampleReport() })).toThrow('report.json');
  });

  it.each(['slice', 'slice -1 points', 'slice two points', '2 points'])('%j is none', (text) => {
    expect(() => parseChangeBound('max-drop', text)).toThrow(
      expect.objectContaining({ code: 'gate/requirement' }),
    );
  });
});
