import fc from 'fast-check';
import picocolors from 'picocolors';
import { describe, expect, test } from 'vitest';
import { describeReport } from '../../src/report/document.js';
import { gridLines } from '../../src/report/layout.js';
import { renderTable } from '../../src/report/table.js';
import { shortened, wrap } from '../../src/report/wrap.js';
import { sampleReport, unresolvedReport } from './sample-report.js';

const plain = picocolors.createColors(false);
const widest = (lines: readonly string[]): number => Math.max(...lines.map((line) => line.length));

describe.each([
  ['settled', sampleReport()],
  ['unresolved', unresolvedReport()],
])('a %s report', (_, report) => {
  test.each([50, 60, 80, 100, 120])('fits %d columns, with every number whole', (width) => {
    const lines = renderTable(report, plain, { width, unicode: true }).split('\n');
    expect(widest(lines)).toBeLessThanOrEqual(width);
    const cells = new Set(
      lines
        .filter((line) => line.startsWith('│'))
        .flatMap((line) => line.split('│').map((cell) => cell.trim())),
    );
    for (const { grid } of describeReport(report).sections) {
      for (const row of grid?.rows ?? []) {
        expect(grid!.numeric.map((column) => row[column]!).filter((cell) => !cells.has(cell))).toEqual([]);
      }
    }
  });

  test('is ASCII where nothing else can be shown', () => {
    expect(renderTable(report, plain, { width: 80, unicode: false })).toMatch(/^[\n -~]*$/);
  });
});

describe('gridLines', () => {
  const grid = {
    head: ['name', 'first number', 'second number', 'third number'],
    rows: [['a long name with/apathofcharacters', '1.234567', '2.345678', '3.456789']],
    numeric: [1, 2, 3],
  };

  test('names are broken before anything else', () => {
    expect(gridLines(grid, plain, { width: 60, unicode: true })).toMatchInlineSnapshot(`
      [
        "┌─────────────────────────┬──────────┬──────────┬──────────┐",
        "│ name                    │    first │   second │    third │",
        "│                         │   number │   number │   number │",
        "├─────────────────────────┼──────────┼──────────┼──────────┤",
        "│ a long name             │ 1.234567 │ 2.345678 │ 3.456789 │",
        "│ with/apathofcharacters  │          │          │          │",
        "└─────────────────────────┴──────────┴──────────┴──────────┘",
      ]
    `);
  });

  test('then the table is cut, and says again what its rows are of', () => {
    expect(gridLines(grid, plain, { width: 40, unicode: false })).toMatchInlineSnapshot(`
      [
        "+----------------+----------+----------+",
        "| name           |    first |   second |",
        "|                |   number |   number |",
        "+----------------+----------+----------+",
        "| a long name    | 1.234567 | 2.345678 |",
        "| with/apathofch |          |          |",
        "| aracters       |          |          |",
        "+----------------+----------+----------+",
        "+---------------------------+----------+",
        "| name                      |    third |",
        "|                           |   number |",
        "+---------------------------+----------+",
        "| a long name               | 3.456789 |",
        "| with/apathofcharacters    |          |",
        "+---------------------------+----------+",
      ]
    `);
  });

  test('one column, and none of numbers', () => {
    const text = { head: ['only'], rows: [['x'.repeat(50)]], numeric: [] };
    expect(widest(gridLines(text, plain, { width: 40, unicode: true }))).toBeLessThanOrEqual(40);
  });
});

test('wrap loses nothing, and no line is longer than asked for', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 2, max: 30 }), (text, width) => {
      const lines = wrap(text, width);
      expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
      expect(widest(lines)).toBeLessThanOrEqual(width);
    }),
  );
});

test('a character of two code units is not cut', () => {
  expect(wrap('ab\u{1f600}c', 3)).toEqual(['ab', '\u{1f600}c']);
});

test.each([
  ['abcdefghij', 10, 'abcdefghij'],
  ['abcdefghijk', 10, 'abcd...ijk'],
  ['abcdefghijk', 4, 'a...'],
  ['abcdefghijk', 2, '..'],
])('shortened(%j, %d)', (text, length, expected) => {
  expect(shortened(text, length)).toBe(expected);
});
