/** Two reports side by side: which numbers moved, and what the reports were made with. */
import { InputError } from '../errors.js';
import type { Report } from '../report/schema.js';
import { schemaVersion } from '../report/schema-version.js';
import { movement } from './judge.js';
import { type JsonSchema, knownOf, type ReportNumber, reportNumber } from './report-numbers.js';
import type { MovedNumber, ReportComparison } from './schema.js';

/** What people look at first, in the order of the report. */
const COMPARED = [
  'loss.value',
  'loss.gradientNorm',
  'accuracy.train',
  'accuracy.test',
  'epsilon.value',
  'curvature.lambdaMax',
  'curvature.lambdaMin',
  'curvature.trace',
  'curvature.negativeMass',
  'limits.gaussianWidth.pruned',
  'limits.sharp.pruned',
  'limits.slice.pruned',
  'limits.connected.pruned',
  'actual.loss.pruned',
  'actual.accuracy.pruned',
  'actual.noSignificantFall.pruned',
  'actual.strictAccuracy.pruned',
] as const;

/** A number where the report has it. */
function numberOrNull(name: string, report: Report, schema: JsonSchema, source: string): ReportNumber | null {
  try {
    return reportNumber(name, report, schema, source);
  } catch (error) {
    if (error instanceof InputError && error.code === 'gate/missing') {
      return null;
    }
    throw error;
  }
}

/** Accuracies and losses at the ratios that both reports were asked for. */
function sharedRatios(before: Report, after: Report): string[] {
  const asked = ({ curve }: Report): number[] =>
    curve.filter(({ source }) => source === 'asked').map(({ pruned }) => pruned);
  const shared = asked(before).filter((ratio) => asked(after).includes(ratio));
  return shared.flatMap((ratio) =>
    ['lossIncrease', 'accuracy'].map((field) => `curve[pruned=${ratio}].${field}`),
  );
}

function flat(value: unknown, prefix: string): [string, string][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, child]) => flat(child, `${prefix}.${key}`))
    : [[prefix, JSON.stringify(value)]];
}

/** What a report was made with: the model, the data, the engine, the options. */
function settingsOf(report: Report): Map<string, string> {
  const { model, data, engine, tool, options } = report;
  return new Map([
    ...flat(tool.version, 'tool.version'),
    ...flat(model.sha256, 'model.sha256'),
    ...flat(model.prunable, 'model.prunable'),
    ...flat(data.format, 'data.format'),
    ...flat(data.train, 'data.train'),
    ...flat(data.test, 'data.test'),
    ...flat(engine.backend, 'engine.backend'),
    ...flat(engine.threads, 'engine.threads'),
    ...flat(options, 'options'),
  ]);
}

/**
 * Compares two reports number by number. A number moved where it lies beyond
 * the intervals of both reports.
 *
 * @param before its report and where that came from
 * @param schema JSON Schema of reports
 */
export function compareReports(
  before: { report: Report; source: string },
  after: { report: Report; source: string },
  schema: JsonSchema,
): ReportComparison {
  const names = [...COMPARED, ...sharedRatios(before.report, after.report)];
  const numbers = names.flatMap((name): MovedNumber[] => {
    const [old, current] = [before, after].map(({ report, source }) =>
      numberOrNull(name, report, schema, source),
    ) as [ReportNumber | null, ReportNumber | null];
    const any = old ?? current;
    if (any === null) {
      return [];
    }
    const moved = old === null ? 'appeared' : current === null ? 'gone' : movement(old, current);
    return [
      {
        name,
        unit: any.unit,
        before: old && knownOf(old),
        after: current && knownOf(current),
        movement: moved,
      },
    ];
  });
  const [settingsBefore, settingsAfter] = [before, after].map(({ report }) => settingsOf(report)) as [
    Map<string, string>,
    Map<string, string>,
  ];
  const settings = [...new Set([...settingsBefore.keys(), ...settingsAfter.keys()])]
    .map((name) => ({
      name,
      before: settingsBefore.get(name) ?? 'null',
      after: settingsAfter.get(name) ?? 'null',
    }))
    .filter((setting) => setting.before !== setting.after);
  return {
    schemaVersion,
    ok: true,
    before: before.source,
    after: after.source,
    settings,
    numbers,
  };
}
