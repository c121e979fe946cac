/** Results of gates and comparisons in words. */
import type { Grid, ReportDocument, Section } from '../report/sections.js';
import { section } from '../report/sections.js';
import * as text from '../report/text.js';
import type { Unit } from './report-numbers.js';
import type { GateReport, GateResult, MovedNumber, PrunedFindings, ReportComparison } from './schema.js';

/** `91.7 %`, `1.5 points`, `0.06140` */
export function inUnit(value: number, unit: Unit): string {
  switch (unit) {
    case 'fraction':
      return value < 0 ? `-${text.percent(-value)}` : text.percent(value);
    case 'points':
      return `${text.signed(value)} points`;
    case 'number':
      return text.quantity(value);
  }
}

type Known = Pick<GateResult, 'value' | 'low' | 'high' | 'settled'>;

/** `91.7 % (91.3 % to 92.1 %, unresolved)` */
export function knownValue({ value, low, high, settled }: Known, unit: Unit): string {
  const remarks = [
    ...(low < high ? [`${inUnit(low, unit)} to ${inUnit(high, unit)}`] : []),
    ...(settled ? [] : ['unresolved']),
  ];
  return inUnit(value, unit) + (remarks.length > 0 ? ` (${remarks.join(', ')})` : '');
}

const verdictWords = { pass: 'pass', fail: 'FAIL', inconclusive: 'inconclusive' } as const;

function demand(result: GateResult): string {
  switch (result.kind) {
    case 'require':
      return `${result.relation} ${inUnit(result.threshold, result.unit)}`;
    case 'max-drop':
      return `falls by at most ${changeWords(result)}`;
    case 'max-rise':
      return `rises by at most ${changeWords(result)}`;
  }
}

function changeWords({ threshold, unit }: GateResult): string {
  return unit === 'number'
    ? text.quantity(threshold)
    : text.plainPoints(unit === 'fraction' ? 100 * threshold : threshold);
}

/** One result as a sentence: `limits.slice.pruned is 91.7 %, >= 90 % is asked for: pass`. */
export function gateSentence(result: GateResult): string {
  const before = result.baseline === null ? '' : `, was ${knownValue(result.baseline, result.unit)}`;
  const reason = result.reason === null ? '' : `; ${result.reason}`;
  return `${result.name} is ${knownValue(result, result.unit)}${before}; ${demand(result)} is asked for: ${result.verdict}${reason}`;
}

function gateGrid(gates: readonly GateResult[]): Grid {
  return {
    head: ['verdict', 'field', 'value', 'asked for', 'level'],
    rows: gates.map((result) => [
      verdictWords[result.verdict],
      text.printable(result.name),
      knownValue(result, result.unit) +
        (result.baseline === null ? '' : `, was ${knownValue(result.baseline, result.unit)}`),
      demand(result),
      result.level,
    ]),
    numeric: [],
  };
}

function overallWords({ verdict, gates }: GateReport): string {
  const count = (wanted: GateResult['verdict']): number =>
    gates.filter((result) => result.verdict === wanted).length;
  const counts = `${count('pass')} passed, ${count('fail')} failed, ${count('inconclusive')} inconclusive`;
  return `${{ pass: 'Passed', fail: 'Failed', inconclusive: 'Inconclusive' }[verdict]}: ${counts}.`;
}

/** `pruned.onnx: 90.0 % of 5000 weights are 0, loss 0.2, accuracy 97.0 %` */
function prunedWords({ path, sparsity, weights, loss, accuracy }: PrunedFindings): string {
  const parts = [
    `${text.percent(sparsity)} of ${weights} weights are 0`,
    loss === null ? 'the loss is not finite' : `loss ${text.quantity(loss)}`,
    ...(accuracy === null ? [] : [`accuracy ${text.percent(accuracy)}`]),
  ];
  return `${text.printable(path)}: ${parts.join(', ')}`;
}

/** What a gate found. */
export function describeGate(report: GateReport): ReportDocument {
  const notes = report.gates
    .filter(({ reason }) => reason !== null)
    .map(({ name, reason }) => `${text.printable(name)}: ${reason}`);
  const pairs: [string, string][] = [['report', text.printable(report.report)]];
  if (report.baseline !== null) {
    pairs.push(['baseline', text.printable(report.baseline)]);
  }
  if (report.pruned !== null) {
    pairs.push(['pruned model', prunedWords(report.pruned)]);
  }
  return {
    title: 'prune-limit gate',
    sections: [
      section('Verdict', { paragraphs: [overallWords(report)], pairs }),
      section('Gates', { grid: gateGrid(report.gates), notes }),
    ],
  };
}

const movementWords: Record<MovedNumber['movement'], string> = {
  same: 'same',
  within: 'within uncertainty',
  up: 'up',
  down: 'down',
  unresolved: 'unresolved',
  appeared: 'appeared',
  gone: 'gone',
};

function change({ before, after, unit }: MovedNumber): string {
  if (before === null || after === null) {
    return '-';
  }
  const difference = after.value - before.value;
  switch (unit) {
    case 'fraction':
      return text.points(100 * difference);
    case 'points':
      return text.points(difference);
    case 'number':
      return `${difference > 0 ? '+' : ''}${text.quantity(difference)}`;
  }
}

function numbersSection(title: string, numbers: readonly MovedNumber[]): Section {
  const cell = (known: MovedNumber['before'], unit: Unit): string =>
    known === null ? '-' : knownValue(known, unit);
  return section(title, {
    grid: {
      head: ['field', 'before', 'after', 'change', 'moved'],
      rows: numbers.map((moved) => [
        text.printable(moved.name),
        cell(moved.before, moved.unit),
        cell(moved.after, moved.unit),
        change(moved),
        movementWords[moved.movement],
      ]),
      numeric: [],
    },
  });
}

/** Movements that a reader should look at. */
export function hasMoved({ movement }: MovedNumber): boolean {
  return movement !== 'same' && movement !== 'within';
}

/** What moved between two reports: first what did, then what may have, then all else by name. */
export function describeComparison(comparison: ReportComparison): ReportDocument {
  const { numbers, settings, before, after } = comparison;
  const moved = numbers.filter(hasMoved);
  const within = numbers.filter(({ movement }) => movement === 'within');
  const same = numbers.filter(({ movement }) => movement === 'same');
  const summary =
    moved.length === 0
      ? 'Nothing moved beyond the intervals of both reports.'
      : `${text.plural(moved.length, 'number')} moved beyond the intervals of both reports, or cannot be told.`;
  return {
    title: 'prune-limit compare',
    sections: [
      section('Summary', {
        paragraphs: [summary],
        pairs: [
          ['before', text.printable(before)],
          ['after', text.printable(after)],
        ],
      }),
      ...(moved.length > 0 ? [numbersSection('Moved', moved)] : []),
      ...(settings.length > 0
        ? [
            section('Made with different settings', {
              grid: {
                head: ['setting', 'before', 'after'],
                rows: settings.map((setting) =>
                  [setting.name, setting.before, setting.after].map((part) => text.printable(part)),
                ),
                numeric: [],
              },
              tone: 'warning',
            }),
          ]
        : []),
      ...(within.length > 0 ? [numbersSection('Within uncertainty', within)] : []),
      ...(same.length > 0
        ? [section('The same', { paragraphs: [same.map(({ name }) => text.printable(name)).join(', ')] })]
        : []),
    ],
  };
}
