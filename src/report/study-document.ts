/** The result of a study as a document, for a terminal and as Markdown. */
import { type Grid, type ReportDocument, section } from './sections.js';
import type { NumberFormat, StudyResult, StudyTable } from './study-schema.js';
import * as text from './text.js';

/** A number in the form of its column or axis. */
export function shownNumber(value: number, format: NumberFormat): string {
  switch (format) {
    case 'percent':
      return text.percent(value, 2);
    case 'points':
      return value.toFixed(2);
    case 'whole':
      return text.whole(value);
    case 'seconds':
      return value.toFixed(1);
    case 'quantity':
      return text.quantity(value);
  }
}

/** A table of a study with its numbers in words; what is absent is a dash. */
export function studyGrid({ columns, rows }: StudyTable): Grid {
  return {
    head: columns.map(({ title }) => title),
    rows: rows.map((row) =>
      columns.map(({ key, format }) => {
        const value = row[key] ?? null;
        return value === null
          ? '-'
          : typeof value === 'string' || format === 'text'
            ? text.printable(String(value))
            : shownNumber(value, format);
      }),
    ),
    numeric: columns.flatMap(({ format }, index) => (format === 'text' ? [] : [index])),
  };
}

/** How the study is called on a page. */
export function studyTitle({ study, quick }: Pick<StudyResult, 'study' | 'quick'>): string {
  return `prune-limit study ${study}${quick ? ', a quick look: small settings, whose numbers are no result' : ''}`;
}

/** A study: what was done, its tables, and what took how long. */
export function describeStudy(result: StudyResult): ReportDocument {
  const { summary, tables, cells, seed } = result;
  const seconds = cells.reduce((sum, cell) => sum + (cell.seconds ?? 0), 0);
  const reused = cells.filter((cell) => cell.reused).length;
  return {
    title: studyTitle(result),
    sections: [
      section('What was done', {
        paragraphs: summary.map(text.printable),
        pairs: [
          ['seed', String(seed)],
          ['cells', `${text.whole(cells.length)}, ${text.whole(reused)} of them from before`],
          ['time', `${text.quantity(seconds)} s, all cells together`],
        ],
      }),
      ...tables.map((table) =>
        section(table.title, { grid: studyGrid(table), notes: table.notes.map(text.printable) }),
      ),
    ],
  };
}
