/** What a gate asks for: `limits.slice.pruned >= 0.9`, `limits.slice.pruned 2 points`. */
import { InputError } from '../errors.js';
import { printable } from '../report/text.js';
import type { Unit } from './report-numbers.js';

export const relations = ['>=', '<=', '>', '<'] as const;
export type Relation = (typeof relations)[number];

/** An amount as it was written. */
export interface Amount {
  number: number;
  written: 'plain' | 'percent' | 'points';
}

/** A bound on a number of the report. */
export interface Requirement {
  kind: 'require';
  /** As written. */
  text: string;
  path: string;
  relation: Relation;
  threshold: Amount;
}

/** A bound on how much worse than in a baseline a number may be. */
export interface ChangeBound {
  kind: 'max-drop' | 'max-rise';
  text: string;
  path: string;
  bound: Amount;
}

const amountPattern = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(%|points?)?$/i;

function parseAmount(text: string): Amount | null {
  const found = amountPattern.exec(text.trim());
  if (found === null || !Number.isFinite(Number(found[1]))) {
    return null;
  }
  const written = found[2] === undefined ? 'plain' : found[2] === '%' ? 'percent' : 'points';
  return { number: Number(found[1]), written };
}

/**
 * Reads `FIELD RELATION AMOUNT`.
 *
 * @throws InputError `gate/requirement` where it is none
 */
export function parseRequirement(text: string): Requirement {
  const found = /^\s*(.+?)\s*(>=|<=|>|<)\s*(.+?)\s*$/.exec(text);
  const threshold = found === null ? null : parseAmount(found[3]!);
  if (found === null || threshold === null) {
    throw new InputError(
      'gate/requirement',
      `${printable(JSON.stringify(text))} is no requirement; write a field, one of ${relations.join(' ')} and a number, for example "limits.slice.pruned >= 0.9"`,
    );
  }
  return { kind: 'require', text: text.trim(), path: found[1]!, relation: found[2] as Relation, threshold };
}

/**
 * Reads `FIELD AMOUNT`: by how much the field may fall (`max-drop`) or rise.
 *
 * @throws InputError `gate/requirement` where it is none, or the amount is negative
 */
export function parseChangeBound(kind: ChangeBound['kind'], text: string): ChangeBound {
  const found = /^\s*(\S+)\s+(.+?)\s*$/.exec(text);
  const bound = found === null ? null : parseAmount(found[2]!);
  if (found === null || bound === null || bound.number < 0) {
    throw new InputError(
      'gate/requirement',
      `${printable(JSON.stringify(text))} is no bound for --${kind}; write a field and an amount from 0 on, for example "limits.slice.pruned 2 points" or "loss.value 5%"`,
    );
  }
  return { kind, text: text.trim(), path: found[1]!, bound };
}

/**
 * A threshold in the unit of the number that it bounds: `90%` and `90 points`
 * of a fraction are 0.9.
 *
 * @throws InputError `gate/unit` where the two do not go together
 */
export function thresholdIn(unit: Unit, { number, written }: Amount, text: string): number {
  if (written === 'plain' || (unit === 'points' && written === 'points')) {
    return number;
  }
  if (unit === 'fraction') {
    return number / 100;
  }
  throw new InputError(
    'gate/unit',
    `${printable(JSON.stringify(text))}: the field is ${unit === 'points' ? 'in percentage points' : 'no fraction'}; write the number ${unit === 'points' ? 'alone or with "points"' : 'alone'}`,
  );
}

/**
 * A bound of change in the unit of the number: points of a fraction are
 * hundredths, and a percentage is a share of the baseline's value.
 *
 * @throws InputError `gate/unit` where the two do not go together
 */
export function changeIn(
  unit: Unit,
  { number, written }: Amount,
  baselineValue: number,
  text: string,
): number {
  switch (written) {
    case 'plain':
      return number;
    case 'percent':
      return (number / 100) * Math.abs(baselineValue);
    case 'points':
      return thresholdIn(unit, { number, written }, text);
  }
}
