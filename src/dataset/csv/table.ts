/** One CSV file as numbers and a label column, read row by row so that its text is never in memory as a whole. */

import { CsvError, type Info, parse } from 'csv-parse';
import { InputError } from '../../errors.js';
import { quoted } from '../../formats/quoted.js';
import type { SourceFile } from '../source/file.js';

/** Names of columns that are taken for the label without being told, in lower case. */
export const LABEL_NAMES: readonly string[] = ['label', 'class', 'target', 'y'];

/** A longer row is an unclosed quote rather than data; a colour image of 512 x 512 has about 3 MB. */
const MAX_ROW_BYTES = 2 ** 24;

/** Rows that room is made for at first; the room doubles when it is full. */
const FIRST_ROWS = 256;

const NUMBER = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/;
const NOT_FINITE = /^\s*[-+]?(?:nan|inf|infinity)?\s*$/i;

/** What a CSV file holds. */
export interface CsvTable {
  path: string;
  /** Rows without the header. */
  rows: number;
  /** Feature columns, in file order without the label column. */
  width: number;
  /** `rows * width` numbers, row by row. */
  features: Float32Array;
  /** Label cells, trimmed, one a row. */
  labels: string[];
  /** Names of the columns, null without a header row. */
  header: string[] | null;
}

/** Whether a cell is a plain decimal number. */
export function isNumeric(cell: string): boolean {
  return NUMBER.test(cell);
}

/**
 * A first row is a header when none of its cells is a number, or one names the label (other columns may have
 * numbers as names). A cell `y` is not enough for that: it is also an answer, next to `n`.
 */
function isHeader(row: readonly string[], labelColumn: string | undefined): boolean {
  const isLabelName = (cell: string): boolean =>
    (cell.toLowerCase() !== 'y' && LABEL_NAMES.includes(cell.toLowerCase())) ||
    (cell === labelColumn && !isNumeric(cell));
  return !row.some(isNumeric) || row.some((cell) => isLabelName(cell.trim()));
}

function findLabelColumn(
  header: readonly string[] | null,
  width: number,
  told: string | undefined,
  path: string,
): number {
  const example = header ? `--label-column ${quoted(header[width - 1])}` : `--label-column ${width - 1}`;
  if (told !== undefined) {
    const named = header ? header.indexOf(told) : -1;
    const index = named >= 0 ? named : /^\d+$/.test(told) ? Number(told) : -1;
    if (index < 0 || index >= width) {
      const present = header
        ? `${width} columns (${header.slice(0, 8).map(quoted).join(', ')}${width > 8 ? ', ...' : ''})`
        : `${width} columns and no header`;
      throw new InputError(
        'dataset/label-column',
        `${path}: no label column ${quoted(told)} among its ${present}; give a name of these or an index from 0 to ${width - 1} with --label-column`,
      );
    }
    return index;
  }
  const found = (header ?? []).flatMap((name, index) =>
    LABEL_NAMES.includes(name.toLowerCase()) ? [index] : [],
  );
  if (found.length !== 1) {
    const problem =
      found.length > 1
        ? `several columns may be the label (${found.map((index) => quoted(header![index])).join(', ')})`
        : 'which column is the label is not clear';
    throw new InputError('dataset/label-column', `${path}: ${problem}; name it, for example ${example}`);
  }
  return found[0];
}

/** Grows by doubling, which costs less than an array of rows. */
class FloatRows {
  private values: Float32Array;
  private rows = 0;

  constructor(private readonly width: number) {
    this.values = new Float32Array(FIRST_ROWS * width);
  }

  /** Room for one more row. */
  next(): Float32Array {
    const start = this.rows++ * this.width;
    if (start + this.width > this.values.length) {
      const grown = new Float32Array(this.values.length * 2);
      grown.set(this.values);
      this.values = grown;
    }
    return this.values.subarray(start, start + this.width);
  }

  finish(): Float32Array {
    return this.values.slice(0, this.rows * this.width);
  }
}

/** The separator of a file: commas, unless the first line has none but has semicolons or tabs. */
export function separatorOf(head: Uint8Array): string {
  const line = new TextDecoder().decode(head).split(/[\r\n]/, 1)[0];
  return [',', ';', '\t'].find((separator) => line.includes(separator)) ?? ',';
}

/**
 * Reads a CSV file: rows of numeric features and one label column.
 *
 * @param labelColumn name (which wins) or 0-based index of the label column; without it the one column that the
 *   header calls label, class, target or y, in any case
 * @throws InputError with line and column for a cell that is not a finite number, for rows of different length,
 *   an unclear label column, a file without rows
 */
export async function readCsvTable(file: SourceFile, labelColumn?: string): Promise<CsvTable> {
  const { path, head } = file;
  let header: string[] | null = null;
  let width = -1;
  let labelIndex = -1;
  let rows: FloatRows | null = null;
  const labels: string[] = [];

  const place = (line: number, column: number): string =>
    `${path}, line ${line}, column ${column}${header ? ` (${quoted(header[column])})` : ''}`;

  const readRow = (cells: readonly string[], line: number): void => {
    const label = cells[labelIndex].trim();
    if (NOT_FINITE.test(label)) {
      throw new InputError(
        'dataset/label-value',
        `${place(line, labelIndex)}: ${label === '' ? 'the label is missing' : `label ${quoted(label)}`}; remove the row or fill it in`,
      );
    }
    labels.push(label);
    const row = (rows as FloatRows).next();
    let feature = 0;
    for (let column = 0; column < width; column++) {
      if (column === labelIndex) {
        continue;
      }
      const cell = cells[column];
      row[feature] = NUMBER.test(cell) ? Number(cell) : Number.NaN;
      if (!Number.isFinite(row[feature])) {
        const problem = cell.trim() === '' ? 'is empty' : `holds ${quoted(cell)}, not a finite number`;
        throw new InputError(
          'dataset/not-a-number',
          `${place(line, column)}: ${problem}; features must be numbers, so encode or drop the column (or name it with --label-column if it is the label)`,
        );
      }
      feature++;
    }
  };

  const readFirst = (cells: readonly string[]): boolean => {
    width = cells.length;
    header = isHeader(cells, labelColumn) ? cells.map((cell) => cell.trim()) : null;
    labelIndex = findLabelColumn(header, width, labelColumn, path);
    if (width < 2) {
      throw new InputError(
        'dataset/csv-columns',
        `${path}: only one column, so there are no features; separate the fields with commas`,
      );
    }
    rows = new FloatRows(width - 1);
    return header !== null;
  };

  const parser = parse({
    bom: true,
    delimiter: separatorOf(head),
    info: true,
    max_record_size: MAX_ROW_BYTES,
    skip_empty_lines: true,
  });
  const input = file.stream();
  input.on('error', (error) => parser.destroy(error));
  try {
    for await (const { record, info } of input.pipe(parser) as AsyncIterable<{
      record: string[];
      info: Info;
    }>) {
      if (width < 0 && readFirst(record)) {
        continue;
      }
      readRow(record, info.lines);
    }
  } catch (error) {
    throw csvError(error, path);
  } finally {
    input.destroy();
  }
  if (!rows || labels.length === 0) {
    throw new InputError('dataset/empty', `${path}: holds no rows; give data with at least one`);
  }
  return {
    path,
    rows: labels.length,
    width: width - 1,
    features: (rows as FloatRows).finish(),
    labels,
    header,
  };
}

function csvError(error: unknown, path: string): unknown {
  if (error instanceof CsvError) {
    return new InputError(
      'dataset/csv-syntax',
      `${path}: ${error.message.replace(/\s+/g, ' ').slice(0, 200)}; mend the row`,
      {
        cause: error,
      },
    );
  }
  if (error instanceof Error && 'errno' in error) {
    return new InputError(
      'dataset/unreadable',
      `${path}: cannot be read (${error.message}); check the file`,
      {
        cause: error,
      },
    );
  }
  return error;
}
