/** Verdicts on the requirements of a gate. */
import { knownOf, type ReportNumber } from './report-numbers.js';
import { type ChangeBound, changeIn, type Relation, type Requirement, thresholdIn } from './requirement.js';
import type { GateLevel, GateReport, GateResult, GateVerdict } from './schema.js';

/** Whether a number keeps a bound, given all that is known of it. */
export function judgeInterval(
  { low, high, settled }: Pick<ReportNumber, 'low' | 'high' | 'settled'>,
  relation: Relation,
  threshold: number,
): GateVerdict {
  if (!settled) {
    return 'inconclusive';
  }
  const holds: Record<Relation, (value: number) => boolean> = {
    '>=': (value) => value >= threshold,
    '>': (value) => value > threshold,
    '<=': (value) => value <= threshold,
    '<': (value) => value < threshold,
  };
  const [atLow, atHigh] = [low, high].map(holds[relation]);
  return atLow && atHigh ? 'pass' : atLow || atHigh ? 'inconclusive' : 'fail';
}

/** The verdict on a requirement. */
export function judgeRequirement(
  requirement: Requirement,
  number: ReportNumber,
  level: GateLevel,
): GateResult {
  const { text, relation, threshold } = requirement;
  const bound = thresholdIn(number.unit, threshold, text);
  const verdict = judgeInterval(number, relation, bound);
  return {
    kind: 'require',
    gate: text,
    level,
    name: number.name,
    unit: number.unit,
    ...knownOf(number),
    relation,
    threshold: bound,
    baseline: null,
    verdict,
    reason: requirementReason(number, verdict),
  };
}

function requirementReason({ settled }: ReportNumber, verdict: GateVerdict): string | null {
  if (verdict !== 'inconclusive') {
    return null;
  }
  return settled ? 'its interval straddles the threshold' : 'it is unresolved: raise --steps or --probes';
}

/** How two values of a number, each with its interval, differ. */
export type Movement = 'same' | 'within' | 'up' | 'down' | 'unresolved';

/**
 * Whether a number moved from one report to another: beyond the intervals of
 * both, within them, or not at all.
 */
export function movement(before: ReportNumber, after: ReportNumber): Movement {
  if (before.value === after.value && before.settled === after.settled) {
    return 'same';
  }
  if (!before.settled || !after.settled) {
    return 'unresolved';
  }
  return after.low > before.high ? 'up' : after.high < before.low ? 'down' : 'within';
}

/**
 * The verdict on a bound of change against a baseline.
 *
 * A change counts only beyond the intervals of both reports: within them it
 * passes, however large. Where one of the two is unresolved it is inconclusive.

 */
export function judgeChange(
  change: ChangeBound,
  baseline: ReportNumber,
  number: ReportNumber,
  level: GateLevel,
): GateResult {
  const bound = changeIn(number.unit, change.bound, baseline.value, change.text);
  const worse = change.kind === 'max-drop' ? 'down' : 'up';
  const moved = movement(baseline, number);
  const worsening = (change.kind === 'max-drop' ? 1 : -1) * (baseline.value - number.value);
  const verdict = ((): GateVerdict => {
    if (moved === 'unresolved') {
      return 'inconclusive';
    }
    return moved === worse && worsening > bound ? 'fail' : 'pass';
  })();
  const reasons: Record<Movement, string | null> = {
    same: 'unchanged',
    within: 'the difference is within the intervals of both reports',
    up: worse === 'down' ? 'improved beyond the intervals of both reports' : null,
    down: worse === 'up' ? 'improved beyond the intervals of both reports' : null,
    unresolved: 'it is unresolved in one of the two reports: raise --steps or --probes',
  };
  return {
    kind: change.kind,
    gate: change.text,
    level,
    name: number.name,
    unit: number.unit,
    ...knownOf(number),
    relation: null,
    threshold: bound,
    baseline: knownOf(baseline),
    verdict,
    reason: reasons[moved],
  };
}

/** What `--inconclusive` makes of results that are inconclusive. */
export type InconclusiveRule = GateReport['inconclusive'];

/** How serious a result is for a build: one that does not pass is a warning at level `warn`. */
export function severity(
  { verdict, level }: Pick<GateResult, 'verdict' | 'level'>,
  rule: InconclusiveRule,
): 'pass' | 'warn' | 'fail' {
  const counted = verdict === 'inconclusive' ? rule : verdict;
  return counted === 'fail' && level === 'warn' ? 'warn' : counted;
}

/**
 * Whether a build may go on: no result of level `error` fails, and none is
 * inconclusive where that counts as failing.
 */
export function overallVerdict(results: readonly GateResult[], rule: InconclusiveRule): GateVerdict {
  const serious = results.filter(({ level }) => level === 'error');
  if (serious.some(({ verdict }) => verdict === 'fail')) {
    return 'fail';
  }
  return rule === 'fail' && serious.some(({ verdict }) => verdict === 'inconclusive')
    ? 'inconclusive'
    : 'pass';
}
