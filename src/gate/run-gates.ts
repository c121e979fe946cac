/** All gates of one run over one report. */
import { InputError } from '../errors.js';
import type { Report } from '../report/schema.js';
import { schemaVersion } from '../report/schema-version.js';
import { printable } from '../report/text.js';
import { parsePath } from './field-path.js';
import { type InconclusiveRule, judgeChange, judgeRequirement, overallVerdict } from './judge.js';
import { type JsonSchema, reportNumber, requireKnownNumber } from './report-numbers.js';
import { type ChangeBound, parseChangeBound, parseRequirement, type Requirement } from './requirement.js';
import type { GateLevel, GateReport, PrunedFindings } from './schema.js';

/** A gate and how serious it is. */
export interface Gate {
  demand: Requirement | ChangeBound;
  level: GateLevel;
}

/** Gates as options give them: texts by kind, all of level error. */
export interface GateTexts {
  require?: readonly string[];
  maxDrop?: readonly string[];
  maxRise?: readonly string[];
}

/**
 * Reads the texts of gates.
 *
 * @throws InputError `gate/requirement` for the first that is none
 */
export function readGates({ require = [], maxDrop = [], maxRise = [] }: GateTexts, level: GateLevel): Gate[] {
  return [
    ...require.map(parseRequirement),
    ...maxDrop.map((text) => parseChangeBound('max-drop', text)),
    ...maxRise.map((text) => parseChangeBound('max-rise', text)),
  ].map((demand) => ({ demand, level }));
}

/**
 * Checks the fields that gates name, before there is a report.
 *
 * @throws InputError for the first that the schema does not have
 */
export function checkFields(gates: readonly Gate[], schema: JsonSchema): void {
  for (const { demand } of gates) {
    requireKnownNumber(demand.path, schema);
  }
}

/**
 * Refuses gates on the compressed network where there is none, or that compare it with a baseline, which has none.
 *
 * @throws InputError `gate/no-pruned`
 */
export function requirePruned(gates: readonly Gate[], given: boolean): void {
  const bad = gates.find(({ demand }) => {
    const [first] = parsePath(demand.path);
    return first?.kind === 'field' && first.name === 'pruned' && (!given || demand.kind !== 'require');
  });
  if (bad !== undefined) {
    const why = given
      ? 'a baseline holds no compressed model to measure a change from; require a bound instead'
      : 'needs the compressed model; name it with --pruned FILE';
    throw new InputError('gate/no-pruned', `${printable(JSON.stringify(bad.demand.text))}: ${why}`);
  }
}

/** A report and where it came from, for messages. */
export interface JudgedReport {
  report: Report;
  source: string;
  /** The compressed network beside it. */
  pruned?: PrunedFindings | null;
}

/**
 * Judges gates on a report.
 *
 * @param baseline needed where a gate bounds a change; null where there is none yet, which leaves such gates out
 * @param schema JSON Schema of what is judged (`gateSubjectJsonSchema`)
 * @throws InputError for a field that the schema does not have, or the report, or the baseline
 */
export function judgeGates(
  gates: readonly Gate[],
  judged: JudgedReport,
  baseline: JudgedReport | null,
  rule: InconclusiveRule,
  schema: JsonSchema,
): GateReport {
  const pruned = judged.pruned ?? null;
  const subject = pruned === null ? judged.report : { ...judged.report, pruned };
  const results = gates.flatMap(({ demand, level }) => {
    const number = reportNumber(demand.path, subject, schema, judged.source);
    if (demand.kind === 'require') {
      return [judgeRequirement(demand, number, level)];
    }
    if (baseline === null) {
      return [];
    }
    const before = reportNumber(demand.path, baseline.report, schema, baseline.source);
    return [judgeChange(demand, before, number, level)];
  });
  return {
    schemaVersion,
    ok: true,
    verdict: overallVerdict(results, rule),
    inconclusive: rule,
    report: judged.source,
    baseline: baseline?.source ?? null,
    pruned,
    gates: results,
  };
}
