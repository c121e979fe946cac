import { describe, expect, it } from 'vitest';
import { formatPath, parsePath, shortNames } from '../../src/gate/field-path.js';
import { numberNames, type ReportNumber, reportNumber } from '../../src/gate/report-numbers.js';
import { reportJsonSchema } from '../../src/report/schema.js';
import { sampleReport, unresolvedReport } from '../report/sample-report.js';

const schema = reportJsonSchema();
const numberOf = (path: string, report = sampleReport()): ReportNumber =>
  reportNumber(path, report, schema, 'report.json');

describe('paths', () => {
  it('join fields, places in lists and entries by a value', () => {
    expect(parsePath('curve[pruned=0.9].accuracy')).toEqual([
      { kind: 'field', name: 'curve' },
      { kind: 'entry', field: 'pruned', value: '0.9' },
      { kind: 'field', name: 'accuracy' },
    ]);
    expect(formatPath(parsePath('spectrum.ritz[1].values[0]'))).toBe('spectrum.ritz[1].values[0]');
  });

  it.each(['', '.', 'a.', '.a', 'a..b', 'a[', 'a[]', 'a[-1]', 'a b', '90'])('%j is none', (text) => {
    expect(() => parsePath(text)).toThrow(expect.objectContaining({ code: 'gate/path' }));
  });

  it('have short names, all of which the schema knows or the pruned model adds', () => {
    const known = new Set(numberNames(schema));
    for (const name of Object.values(shortNames)) {
      expect(known.has(name) || name.startsWith('pruned.'), name).toBe(true);
    }
    expect(numberOf('slice').name).toBe('limits.slice.pruned');
  });
});

describe('numbers of a report', () => {
  it('carry the interval that stands beside them', () => {
    expect(numberOf('limits.gaussianWidth.pruned')).toEqual({
      name: 'limits.gaussianWidth.pruned',
      value: 0.9317,
      low: 0.9284,
      high: 0.9342,
      settled: true,
      unit: 'fraction',
    });
    expect(numberOf('bounds.lowerKept')).toMatchObject({ low: 0.0658, high: 0.0716, unit: 'fraction' });
    expect(numberOf('bounds.delta')).toMatchObject({ low: 0.0472, high: 0.053 });
    expect(numberOf('comparison[theory=gaussianWidth].differencePoints')).toMatchObject({
      value: 20.05,
      low: 19.72,
      high: 20.3,
      unit: 'points',
    });
  });

  it('turn a standard error into the interval of 95 %', () => {
    const { low, high } = numberOf('curvature.trace');
    expect(low).toBeCloseTo(151.2 - 1.96 * 2.31, 10);
    expect(high).toBeCloseTo(151.2 + 1.96 * 2.31, 10);
  });

  it('are their own interval where they are exact', () => {
    expect(numberOf('accuracy.test')).toMatchObject({ value: 0.9397, low: 0.9397, high: 0.9397 });
    expect(numberOf('limits.slice.pruned')).toMatchObject({ low: 0.8812, high: 0.8812, settled: true });
    expect(numberOf('comparison[theory=slice].differencePoints')).toMatchObject({ low: 0.21, high: 0.21 });
    expect(numberOf('curve[pruned=0.5].lossIncrease').value).toBe(0.00013);
    expect(numberOf('curve[0].radius').unit).toBe('number');
    expect(numberOf('timing.total').value).toBe(12.5);
  });

  it('are unresolved where the report says so beside or above them', () => {
    const report = unresolvedReport();
    expect(numberOf('limits.gaussianWidth.pruned', report).settled).toBe(false);
    expect(numberOf('limits.gaussianWidth.low', report).settled).toBe(false);
    expect(numberOf('limits.slice.pruned', report).settled).toBe(true);
  });
});

describe('names that are none', () => {
  it.each([
    ['limits.slise.pruned', 'did you mean limits.slice.pruned'],
    ['slice.pruned', 'did you mean limits.slice.pruned'],
    ['acuracy.test', 'did you mean accuracy.test'],
    ['limits.slice', 'is no number of a report'],
    ['model.sha256', 'is no number of a report'],
    ['constructor', 'is no field of a report'],
    ['curve.accuracy', 'is no field of a report'],
  ])('%s: %s', (path, message) => {
    expect(() => numberOf(path)).toThrow(message);
    expect(() => numberOf(path)).toThrow(expect.objectContaining({ code: 'gate/unknown-field' }));
  });

  it.each(['curve[pruned=0.77].accuracy', 'curve[9].loss', 'curve[pruned=0.99].accuracy'])(
    'a number that the report lacks is no pass: %s',
    (path) => {
      expect(() => numberOf(path)).toThrow(expect.objectContaining({ code: 'gate/missing' }));
    },
  );

  it('knows every number of the sample report', () => {
    const visit = (value: unknown, path: string): void => {
      if (typeof value === 'number') {
        expect(numberOf(path).value).toBe(value);
      } else if (Array.isArray(value)) {
        value.forEach((child, index) => {
          visit(child, `${path}[${index}]`);
        });
      } else if (typeof value === 'object' && value !== null) {
        for (const [key, child] of Object.entries(value)) {
          visit(child, path === '' ? key : `${path}.${key}`);
        }
      }
    };
    const { options: _, ...report } = sampleReport();
    visit(report, '');
  });
});
