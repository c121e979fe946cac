import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { InputError } from '../../src/errors.js';
import { renderJson } from '../../src/report/json.js';
import { parseReport } from '../../src/report/parse-report.js';
import { type Report, reportJsonSchema, validateReport } from '../../src/report/schema.js';
import { sampleReport, unresolvedReport } from './sample-report.js';

function broken(change: (report: Report) => void): Report {
  const report = sampleReport();
  change(report);
  return report;
}

describe('validateReport', () => {
  test.each([
    ['a settled report', sampleReport],
    ['an unresolved report without accuracy', unresolvedReport],
  ])('accepts %s', (_, make) => {
    expect(validateReport(make())).toEqual(make());
  });

  test.each([
    ['NaN', (report: Report) => (report.loss.value = Number.NaN), 'loss.value'],
    ['Infinity', (report: Report) => (report.curve[1]!.loss = Number.POSITIVE_INFINITY), 'curve[1].loss'],
    ['a percentage above 1', (report: Report) => (report.limits.slice.pruned = 88.1), 'limits.slice.pruned'],
    ['a fraction of an example', (report: Report) => (report.curvature.examples = 0.5), 'curvature.examples'],
    ['an interval without its value', (report: Report) => (report.limits.sharp.low = 0.99), 'limits.sharp'],
    ['another level', (report: Report) => Object.assign(report.limits, { level: 0.9 }), 'limits.level'],
    ['quadrature rules of two lengths', (report: Report) => report.spectrum.ritz[0]!.weights.pop(), 'ritz'],
  ])('rejects %s as a defect and says where', (_, change, location) => {
    const validate = () => validateReport(broken(change));
    expect(validate).toThrow(location);
    expect(validate).not.toThrow(InputError);
  });

  test('drops what the schema does not know', () => {
    const { labelColumn } = validateReport({
      ...sampleReport(),
      options: { ...sampleReport().options, labelColumn: '/home/me' } as Report['options'],
    }).options as { labelColumn?: string };
    expect(labelColumn).toBeUndefined();
  });
});

describe('parseReport', () => {
  test('reads reports without layers', () => {
    const { layers: _, options, ...rest } = sampleReport();
    const { layers: __, ...otherOptions } = options;
    const report = { ...rest, options: otherOptions };
    expect(parseReport(renderJson(report), 'r.json')).toEqual(report);
  });

  test('reads back what was written', () => {
    expect(parseReport(renderJson(sampleReport()), 'r.json')).toEqual(sampleReport());
  });

  test('accepts fields that a later version added', () => {
    expect(parseReport(JSON.stringify({ ...sampleReport(), later: 1 }), 'r.json')).toEqual(sampleReport());
  });

  test.each([
    ['text', 'not JSON at all', /^r\.json is not JSON: /],
    [
      'another object',
      '{"schemaVersion": 2}',
      /^r\.json is not a report .*expected true \(ok\);.* \(tool, expected object\);.* and \d+ more$/,
    ],
    [
      'a later version',
      JSON.stringify({ ...sampleReport(), schemaVersion: 3 }),
      /^r\.json is a report of schemaVersion 3, and this prune-limit reads 2: use the version that wrote it/,
    ],
    [
      'an earlier version',
      JSON.stringify({ ...sampleReport(), schemaVersion: 1 }),
      /^r\.json is a report of schemaVersion 1, and this prune-limit reads 2: analyse the model again$/,
    ],
    ['a failed run', '{"schemaVersion": 1, "ok": false, "error": {}}', /the error object of a failed run/],
    ['a list', '[]', /\(top level, expected object\)/],
    [
      'a wrong type',
      JSON.stringify(broken((report) => Object.assign(report.loss, { value: '0.2' }))),
      /\(loss\.value, expected number\)/,
    ],
  ])('refuses %s', (_, json, message) => {
    expect(() => parseReport(json, 'r.json')).toThrow(InputError);
    expect(() => parseReport(json, 'r.json')).toThrow(message);
  });
});

describe('reportJsonSchema', () => {
  const schema = reportJsonSchema();
  const check = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);

  test('accepts reports, also with further fields', () => {
    for (const report of [sampleReport(), unresolvedReport(), { ...sampleReport(), later: 1 }]) {
      expect(check.safeParse(JSON.parse(JSON.stringify(report))).success).toBe(true);
    }
  });

  test('refuses a report with a missing or a wrong field', () => {
    const { limits: _, ...without } = sampleReport();
    expect(check.safeParse(without).success).toBe(false);
    expect(check.safeParse(broken((report) => (report.limits.slice.pruned = 2))).success).toBe(false);
  });

  test('describes the report', () => {
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'prune-limit report',
      type: 'object',
    });
    const { layers: _, ...required } = sampleReport();
    expect(schema.required).toEqual(Object.keys(required));
  });
});
