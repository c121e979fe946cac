/** Laying out text for a terminal. */
import Table from 'cli-table3';
import type { Grid } from './sections.js';
import { wrap } from './wrap.js';

/** What text is laid out for. */
export interface Page {
  /** Columns. */
  width: number;
  /** Whether frames may be drawn with other characters than those of ASCII. */
  unicode: boolean;
}

/** A new window of a terminal, and what a pipe gets. */
export const standardPage: Page = { width: 80, unicode: true };

/** What the renderers use of picocolors. */
export interface Colors {
  bold(text: string): string;
  dim(text: string): string;
  yellow(text: string): string;
}

/** `text` indented like the rest of a section. */
export function paragraph(text: string, page: Page = standardPage): string[] {
  return wrap(text, page.width - 2).map((line) => `  ${line}`);
}

/** `text` with a hanging indent. */
export function bullet(text: string, page: Page = standardPage): string[] {
  return wrap(text, page.width - 4).map((line, index) => (index === 0 ? `  - ${line}` : `    ${line}`));
}

/** Two columns without lines. */
export function pairLines(
  pairs: readonly [string, string][],
  colors: Colors,
  page: Page = standardPage,
): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.flatMap(([name, value]) =>
    wrap(value, page.width - width - 4).map(
      (line, index) => `  ${colors.dim((index === 0 ? name : '').padEnd(width))}  ${line}`,
    ),
  );
}

/** Longest word of a column of text that is not broken. */
const LONGEST_WORD = 12;

const longest = (texts: readonly string[]): number => Math.max(...texts.map((text) => text.length));
const sum = (widths: readonly number[]): number => widths.reduce((total, width) => total + width, 0);

/** Widths of a column: as it is; with its heading broken; and the smallest that cuts no number. */
interface ColumnWidths {
  unbroken: number;
  headingBroken: number;
  least: number;
}

function widthsOf(grid: Grid, column: number): ColumnWidths {
  const cells = grid.rows.map((row) => row[column]!);
  const words = grid.head[column]!.split(' ');
  const numeric = grid.numeric.includes(column);
  const breakable = numeric ? cells : cells.flatMap((cell) => cell.split(' '));
  const least = longest([...words, ...breakable]);
  return {
    unbroken: longest([grid.head[column]!, ...cells]),
    headingBroken: longest([...words, ...cells]),
    least: numeric ? least : Math.min(least, LONGEST_WORD),
  };
}

/** Widths with which columns fit the page: headings break first, then text gives way; null where numbers would be cut. */
function fittingWidths(columns: readonly ColumnWidths[], page: Page): number[] | null {
  const available = page.width - 1 - 3 * columns.length;
  const unbroken = columns.map((column) => column.unbroken);
  if (sum(unbroken) <= available) {
    return unbroken;
  }
  const widths = columns.map(({ headingBroken }) => headingBroken);
  while (sum(widths) > available) {
    const spare = widths.map((width, index) => (width > columns[index]!.least ? width : 0));
    const widest = Math.max(...spare);
    if (widest === 0) {
      return null;
    }
    widths[spare.indexOf(widest)]!--;
  }
  return widths;
}

/** A part of a grid's columns, by number. */
function partOf(grid: Grid, columns: readonly number[]): Grid {
  const pick = (row: readonly string[]): string[] => columns.map((column) => row[column]!);
  return {
    head: pick(grid.head),
    rows: grid.rows.map(pick),
    numeric: columns.flatMap((column, index) => (grid.numeric.includes(column) ? [index] : [])),
  };
}

/**
 * The columns of each of the tables that a grid is cut into where it is wider than the page: the first columns, which
 * say what a row is of, come again in each.
 */
function tableColumns(grid: Grid, page: Page): number[][] {
  const all = grid.head.map((_, column) => column);
  const widths = all.map((column) => widthsOf(grid, column));
  const fits = (columns: readonly number[]): boolean =>
    fittingWidths(
      columns.map((column) => widths[column]!),
      page,
    ) !== null;
  if (fits(all)) {
    return [all];
  }
  const firstNumber = all.findIndex((column) => grid.numeric.includes(column));
  const keys = all.slice(0, Math.max(1, firstNumber));
  const tables: number[][] = [];
  for (const column of all.slice(keys.length)) {
    const last = tables.at(-1);
    if (last !== undefined && fits([...last, column])) {
      last.push(column);
    } else {
      tables.push([...keys, column]);
    }
  }
  return tables.length === 0 ? [all] : tables;
}

/** The frame where only ASCII can be shown. */
const ASCII_FRAME = {
  top: '-',
  'top-mid': '+',
  'top-left': '+',
  'top-right': '+',
  bottom: '-',
  'bottom-mid': '+',
  'bottom-left': '+',
  'bottom-right': '+',
  left: '|',
  'left-mid': '+',
  mid: '-',
  'mid-mid': '+',
  right: '|',
  'right-mid': '+',
  middle: '|',
};

function tableLines(grid: Grid, colors: Colors, page: Page): string[] {
  const columns = grid.head.map((_, column) => widthsOf(grid, column));
  // On a page that is too narrow even for one number the table is wider.
  const widths = fittingWidths(columns, page) ?? columns.map(({ least }) => least);
  const cells = (row: string[], style: (text: string) => string): string[] =>
    row.map((cell, column) => wrap(cell, widths[column]!).map(style).join('\n'));
  const table = new Table({
    ...(page.unicode ? {} : { chars: ASCII_FRAME }),
    colWidths: widths.map((width) => width + 2),
    colAligns: grid.head.map((_, column) => (grid.numeric.includes(column) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  table.push(cells(grid.head, colors.bold), ...grid.rows.map((row) => cells(row, (text) => text)));
  const lines = table.toString().split('\n');
  // compact tables draw no line under a heading that is an ordinary row
  const headLines = Math.max(...grid.head.map((heading, column) => wrap(heading, widths[column]!).length));
  const [left, line, cross, right] = page.unicode ? ['├', '─', '┼', '┤'] : ['+', '-', '+', '+'];
  const rule = `${left}${widths.map((width) => line!.repeat(width + 2)).join(cross)}${right}`;
  lines.splice(1 + headLines, 0, rule);
  return lines;
}

/** A table with a frame; more than one, below each other, where the page is too narrow for all columns. */
export function gridLines(grid: Grid, colors: Colors, page: Page = standardPage): string[] {
  return tableColumns(grid, page).flatMap((columns) => tableLines(partOf(grid, columns), colors, page));
}
