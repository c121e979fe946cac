/** The numbers of a report by name, each with what is known of it. */
import { distance } from 'fastest-levenshtein';
import { InputError } from '../errors.js';
import { printable } from '../report/text.js';
import { formatPath, type PathStep, parsePath, shortNames } from './field-path.js';

/** How a number is written and what it can be compared with. */
export type Unit = 'fraction' | 'points' | 'number';

/** A number of a report, its interval at `limits.level`, and whether the interval is to be trusted. */
export interface ReportNumber {
  /** As `formatPath` writes it. */
  name: string;
  value: number;
  /** Equal to `value` where the number has no uncertainty of its own. */
  low: number;
  high: number;
  /** false: the report calls it unresolved. */
  settled: boolean;
  unit: Unit;
}

/** What results say of a number: without name and unit, which stand beside. */
export function knownOf({
  value,
  low,
  high,
  settled,
}: ReportNumber): Pick<ReportNumber, 'value' | 'low' | 'high' | 'settled'> {
  return { value, low, high, settled };
}

/** The part of JSON Schema that the report's schema uses. */
export interface JsonSchema {
  type?: string | readonly string[];
  properties?: Readonly<Record<string, JsonSchema>>;
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  anyOf?: readonly JsonSchema[];
  oneOf?: readonly JsonSchema[];
  minimum?: number;
  maximum?: number;
}

/** Half of a 95 % interval in standard errors, where the report gives a standard error. */
const STANDARD_ERRORS = 1.96;

/** A schema and everything that it allows in its place. */
function alternatives(schema: JsonSchema): JsonSchema[] {
  return [schema, ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(alternatives)];
}

function isNumber({ type }: JsonSchema): boolean {
  return [type].flat().some((name) => name === 'number' || name === 'integer');
}

function step(schemas: readonly JsonSchema[], { kind, ...place }: PathStep): JsonSchema[] {
  return schemas.flatMap((schema) => {
    if (kind !== 'field') {
      return schema.items === undefined ? [] : alternatives(schema.items);
    }
    const { name } = place as { name: string };
    const { properties = {}, additionalProperties } = schema;
    if (Object.hasOwn(properties, name)) {
      return alternatives(properties[name]!);
    }
    return typeof additionalProperties === 'object' ? alternatives(additionalProperties) : [];
  });
}

/** Names of all numbers that a schema has, without places in lists. */
export function numberNames(schema: JsonSchema): string[] {
  const names = new Set<string>();
  const visit = (part: JsonSchema, prefix: string): void => {
    for (const alternative of alternatives(part)) {
      if (isNumber(alternative) && prefix !== '') {
        names.add(prefix);
      }
      for (const [name, child] of Object.entries(alternative.properties ?? {})) {
        visit(child, prefix === '' ? name : `${prefix}.${name}`);
      }
    }
  };
  visit(schema, '');
  return [...names];
}

/** Shares of a name that may differ from what was meant. */
const SUGGESTION_SHARE = 0.4;

function suggestion(name: string, schema: JsonSchema): string {
  // The distance takes time with the length of a name, and far longer ones are near to none.
  const compared = name.slice(0, 100).toLowerCase();
  const candidates = [...Object.keys(shortNames), ...numberNames(schema)];
  const [nearest, ...others] = candidates
    .map((candidate) => ({
      candidate,
      // `slice.pruned` is near to `limits.slice.pruned`
      edits: candidate.endsWith(`.${name}`) ? 0 : distance(compared, candidate.toLowerCase()),
    }))
    .filter(({ candidate, edits }) => edits <= SUGGESTION_SHARE * Math.max(compared.length, candidate.length))
    .sort((a, b) => a.edits - b.edits);
  if (nearest !== undefined) {
    const asNear = others.filter(({ edits }) => edits === nearest.edits).slice(0, 2);
    return `did you mean ${[nearest, ...asNear].map(({ candidate }) => candidate).join(' or ')}?`;
  }
  return 'prune-limit schema report lists all fields, and names such as limits.slice.pruned join them with dots';
}

/**
 * Checks that a path names a number of the schema.
 *
 * @throws InputError `gate/unknown-field` with what may have been meant
 */
function numberSchema(steps: readonly PathStep[], schema: JsonSchema): JsonSchema {
  const found = steps.reduce(step, alternatives(schema));
  const number = found.find(isNumber);
  if (number === undefined) {
    const name = formatPath(steps);
    const what = found.length > 0 ? 'is no number of a report' : 'is no field of a report';
    throw new InputError('gate/unknown-field', `${printable(name)} ${what}; ${suggestion(name, schema)}`);
  }
  return number;
}

/**
 * Checks that a path names a number, before there is anything to look it up in.
 *
 * @throws InputError `gate/path`, `gate/unknown-field`
 */
export function requireKnownNumber(path: string, schema: JsonSchema): void {
  numberSchema(parsePath(path), schema);
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a step; undefined where there is none. */
function descend(value: unknown, at: PathStep): unknown {
  switch (at.kind) {
    case 'field':
      return isFields(value) && Object.hasOwn(value, at.name) ? value[at.name] : undefined;
    case 'index':
      return Array.isArray(value) ? (value as unknown[])[at.index] : undefined;
    case 'entry': {
      const number = Number(at.value);
      return Array.isArray(value)
        ? value.find((entry) => {
            const field = isFields(entry) ? entry[at.field] : undefined;
            return typeof field === 'number' ? field === number : field === at.value;
          })
        : undefined;
    }
  }
}

/** The interval of a field of an object, by the names that the schema gives to its ends. */
function intervalOf(fields: Fields, name: string, value: number): { low: number; high: number } {
  const number = (key: string): number | null => {
    const found = Object.hasOwn(fields, key) ? fields[key] : null;
    return typeof found === 'number' ? found : null;
  };
  const stem = name.replace(/Points$/, '');
  const unit = name.slice(stem.length);
  const ends: [number | null, number | null][] = [
    [number(`${stem}Low${unit}`), number(`${stem}High${unit}`)],
    name === 'pruned' ? [number('low'), number('high')] : [null, null],
  ];
  for (const [low, high] of ends) {
    if (low !== null && high !== null) {
      return { low: Math.min(low, high), high: Math.max(low, high) };
    }
  }
  const error = number(`${name}StdError`);
  return error === null
    ? { low: value, high: value }
    : { low: value - STANDARD_ERRORS * error, high: value + STANDARD_ERRORS * error };
}

/** What a nearer object says about being settled counts for all inside it. */
function settledOf(parents: readonly unknown[]): boolean {
  const said = parents.filter(isFields).findLast((fields) => typeof fields.settled === 'boolean');
  return said?.settled !== false;
}

/**
 * A number of a report by its path.
 *
 * Its interval comes from the fields beside it that hold one (`low` and `high`
 * beside `pruned`, `<name>Low` and `<name>High`, or 1.96 `<name>StdError`); a
 * `settled: false` beside or above it makes it unresolved.
 *
 * @param schema JSON Schema of the report
 * @param source where the report came from, for messages
 * @throws InputError `gate/unknown-field` where the schema has no such number,
 *   `gate/missing` where this report does not have it
 */
export function reportNumber(path: string, report: Fields, schema: JsonSchema, source: string): ReportNumber {
  const steps = parsePath(path);
  const { minimum, maximum } = numberSchema(steps, schema);
  const values: unknown[] = [report];
  for (const at of steps) {
    values.push(descend(values.at(-1), at));
  }
  const name = formatPath(steps);
  const value = values.pop();
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    const reason = value === null ? 'is not known' : 'is not there';
    throw new InputError(
      'gate/missing',
      `${printable(name)} ${reason} in ${source}; a gate needs a number: leave it out, or analyse so that the report has it`,
    );
  }
  const last = steps.at(-1)!;
  const parent = values.at(-1);
  const interval =
    last.kind === 'field' && isFields(parent)
      ? intervalOf(parent, last.name, value)
      : { low: value, high: value };
  const unit =
    last.kind === 'field' && last.name.endsWith('Points')
      ? 'points'
      : maximum === 1 && (minimum === 0 || minimum === -1)
        ? 'fraction'
        : 'number';
  return { name, value, ...interval, settled: settledOf(values), unit };
}
