/** Laying out text for a terminal that is 80 columns wide, what a new window has. */
import Table from 'cli-table3';
import type { Grid } from './sections.js';

export const pageWidth = 80;

/** What the renderers use of picocolors. */
export interface Colors {
  bold(text: string): string;
  dim(text: string): string;
  yellow(text: string): string;
}

/** Breaks at spaces, and inside words that are longer than a line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (let word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length <= width) {
      line += ` ${word}`;
      continue;
    }
    if (line !== '') {
      lines.push(line);
    }
    while (word.length > width) {
      lines.push(word.slice(0, width));
      word = word.slice(width);
    }
    line = word;
  }
  lines.push(line);
  return lines;
}

/** `text` indented like the rest of a section. */
export function paragraph(text: string): string[] {
  return wrap(text, pageWidth - 2).map((line) => `  ${line}`);
}

/** `text` with a hanging indent. */
export function bullet(text: string): string[] {
  return wrap(text, pageWidth - 4).map((line, index) => (index === 0 ? `  - ${line}` : `    ${line}`));
}

/** Two columns without lines. */
export function pairLines(pairs: readonly [string, string][], colors: Colors): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.flatMap(([name, value]) =>
    wrap(value, pageWidth - width - 4).map(
      (line, index) => `  ${colors.dim((index === 0 ? name : '').padEnd(width))}  ${line}`,
    ),
  );
}

/** Column widths that fit the page: headings break first, then the widest columns give way. */
function columnWidths(grid: Grid): number[] {
  const available = pageWidth - 1 - 3 * grid.head.length;
  const longest = (texts: string[]): number => Math.max(...texts.map((text) => text.length));
  const sum = (widths: number[]): number => widths.reduce((total, width) => total + width, 0);
  const widthsFor = (breakHeading: (heading: string) => string[]): number[] =>
    grid.head.map((heading, column) =>
      longest([...breakHeading(heading), ...grid.rows.map((row) => row[column]!)]),
    );

  const unbroken = widthsFor((heading) => [heading]);
  if (sum(unbroken) <= available) {
    return unbroken;
  }
  const widths = widthsFor((heading) => heading.split(' '));
  for (let excess = sum(widths) - available; excess > 0; excess--) {
    widths[widths.indexOf(Math.max(...widths))]!--;
  }
  return widths;
}

/** A table with a frame. */
export function gridLines(grid: Grid, colors: Colors): string[] {
  const widths = columnWidths(grid);
  const cells = (row: string[], style: (text: string) => string): string[] =>
    row.map((cell, column) => wrap(cell, widths[column]!).map(style).join('\n'));
  const table = new Table({
    colWidths: widths.map((width) => width + 2),
    colAligns: grid.head.map((_, column) => (grid.numeric.includes(column) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  table.push(cells(grid.head, colors.bold), ...grid.rows.map((row) => cells(row, (text) => text)));
  const lines = table.toString().split('\n');
  // compact tables draw no line under a heading that is an ordinary row
  const headLines = Math.max(...grid.head.map((heading, column) => wrap(heading, widths[column]!).length));
  lines.splice(1 + headLines, 0, `├${widths.map((width) => '─'.repeat(width + 2)).join('┼')}┤`);
  return lines;
}
