/** One table of text as numbers and a label column, read row by row. */

import { InputError } from '../../errors.js';
import { quoted } from '../../formats/quoted.js';
import type { ReadDatasetOptions } from '../dataset.js';
import { findLabelColumn, isHeader, isNumeric } from '../label-column.js';
import type { SourceFile } from '../source/file.js';
import { type Row, readRows } from './rows.js';

/** Rows that room is made for at first; the room doubles when it is full. */
const FIRST_ROWS = 256;

const NOT_FINITE = /^\s*[-+]?(?:nan|inf|infinity)?\s*$/i;
const DECIMAL_COMMA = /^\s*[-+]?\d*,\d+\s*$/;

/** How pandas and R call the column in which they number rows, where they name it at all. */
const ROW_NUMBERS = /^(?:unnamed: 0)?$/i;

/** What a table holds. */
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
  labelIndex: number;
  /** Names of the columns, null without a header row. */
  header: string[] | null;
}

/** Grows by doubling, which costs less than an array of rows. */
class FloatRows {
  private values: Float32Array;
  private rows = 0;

  constructor(
    private readonly width: number,
    private readonly maxBytes: number,
    private readonly path: string,
  ) {
    this.values = new Float32Array(FIRST_ROWS * width);
  }

  /** Room for one more row. */
  next(): Float32Array {
    const start = this.rows++ * this.width;
    if (start + this.width > this.values.length) {
      if (2 * this.values.byteLength > this.maxBytes) {
        throw new InputError(
          'dataset/memory',
          `${this.path}: its numbers take more than ${Math.floor(this.values.byteLength / 2 ** 20)} MiB, and twice that is beyond the memory limit; raise --memory-limit, or give fewer rows`,
        );
      }
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

/** What the first row says of all. */
interface Columns {
  width: number;
  labelIndex: number;
  header: string[] | null;
}

function refuseComment(path: string, { cells, line }: Row): void {
  if (cells[0].trimStart().startsWith('#')) {
    throw new InputError(
      'dataset/comment-lines',
      `${path}, line ${line}: begins with #, a comment; remove such lines (numpy.savetxt writes a header without # with comments='')`,
    );
  }
}

function columnsOf(row: Row, labelColumn: string | undefined, path: string): Columns {
  refuseComment(path, row);
  const { cells } = row;
  const width = cells.length;
  if (width < 2) {
    throw new InputError(
      'dataset/csv-columns',
      `${path}: only one column, so there are no features; separate the fields with commas`,
    );
  }
  const header = isHeader(cells, labelColumn) ? cells.map((cell) => cell.trim()) : null;
  return { width, labelIndex: findLabelColumn(header, width, labelColumn, path), header };
}

/** Why a row does not have as many cells as the first. */
function widthError(path: string, { cells, line }: Row, { width, header }: Columns): InputError {
  const first = header ? 'the header' : 'the first row';
  if (header && cells.length === width + 1 && cells.at(-1)?.trim() !== '') {
    return new InputError(
      'dataset/row-names',
      `${path}, line ${line}: ${cells.length} cells, but ${first} has ${width}: the rows have names (first cell ${quoted(cells[0])}); write it without (R: row.names=FALSE)`,
    );
  }
  return new InputError(
    'dataset/csv-syntax',
    `${path}, line ${line}: ${cells.length} cells, but ${first} has ${width}; mend the row`,
  );
}

function cellError(
  path: string,
  line: number,
  column: number,
  cell: string,
  { header }: Columns,
): InputError {
  const where = `${path}, line ${line}, column ${column}${header ? ` (${quoted(header[column])})` : ''}`;
  if (column === 0 && header && ROW_NUMBERS.test(header[0]) && cell.trim() !== '') {
    return new InputError(
      'dataset/row-names',
      `${where}: holds ${quoted(cell)}: a first column without a name holds names of rows; write it without (pandas: index=False, R: row.names=FALSE)`,
    );
  }
  if (DECIMAL_COMMA.test(cell)) {
    return new InputError(
      'dataset/not-a-number',
      `${where}: ${quoted(cell)} has a decimal comma; write numbers with a point`,
    );
  }
  const problem = cell.trim() === '' ? 'is empty' : `holds ${quoted(cell)}, not a finite number`;
  return new InputError(
    'dataset/not-a-number',
    `${where}: ${problem}; features must be numbers, so encode or drop the column (or name it with --label-column if it is the label)`,
  );
}

function readFeatures(row: Float32Array, { cells, line }: Row, columns: Columns, path: string): void {
  let feature = 0;
  for (let column = 0; column < columns.width; column++) {
    if (column === columns.labelIndex) {
      continue;
    }
    const cell = cells[column];
    row[feature] = isNumeric(cell) ? Number(cell) : Number.NaN;
    if (!Number.isFinite(row[feature])) {
      throw cellError(path, line, column, cell, columns);
    }
    feature++;
  }
}

function readLabel({ cells, line }: Row, { labelIndex, header }: Columns, path: string): string {
  const label = cells[labelIndex].trim();
  if (NOT_FINITE.test(label)) {
    throw new InputError(
      'dataset/label-value',
      `${path}, line ${line}, column ${labelIndex}${header ? ` (${quoted(header[labelIndex])})` : ''}: ${label === '' ? 'the label is missing' : `label ${quoted(label)}`}; remove the row or fill it in`,
    );
  }
  return label;
}

/** The first row of a table; null where it has none. */
export async function readFirstRow(file: SourceFile): Promise<string[] | null> {
  for await (const { cells } of readRows(file)) {
    return cells;
  }
  return null;
}

/**
 * Reads a table: rows of numeric features and one label column.
 *
 * @param options.labelColumn name or index of the label column (see `findLabelColumn`)
 * @param options.memoryBytes what its numbers may take
 * @throws InputError with line and column for a cell that is not a finite number, for rows of different length or with
 *   names, comments, an unclear label column, a file without rows
 */
export async function readCsvTable(
  file: SourceFile,
  { labelColumn, memoryBytes = Number.POSITIVE_INFINITY }: ReadDatasetOptions,
): Promise<CsvTable> {
  const { path } = file;
  let columns: Columns | null = null;
  let rows: FloatRows | null = null;
  const labels: string[] = [];
  for await (const row of readRows(file)) {
    if (columns === null || rows === null) {
      columns = columnsOf(row, labelColumn, path);
      rows = new FloatRows(columns.width - 1, memoryBytes, path);
      if (columns.header) {
        continue;
      }
    }
    if (row.cells.length !== columns.width) {
      refuseComment(path, row);
      throw widthError(path, row, columns);
    }
    if (row.cells[0].startsWith('#')) {
      refuseComment(path, row);
    }
    labels.push(readLabel(row, columns, path));
    readFeatures(rows.next(), row, columns, path);
  }
  if (columns === null || rows === null || labels.length === 0) {
    throw new InputError('dataset/empty', `${path}: holds no rows; give data with at least one`);
  }
  return { path, rows: labels.length, ...columns, width: columns.width - 1, features: rows.finish(), labels };
}

/**
 * Whether the first column only numbers the rows: it has no name, or the one that pandas gives it, and holds a whole
 * number of its own in each row.
 */
export function numbersRows({ header, labelIndex, features, width, rows }: CsvTable): boolean {
  if (!header || labelIndex === 0 || width < 2 || !ROW_NUMBERS.test(header[0])) {
    return false;
  }
  const seen = new Set<number>();
  for (let row = 0; row < rows; row++) {
    const value = features[row * width];
    if (!Number.isInteger(value) || value < 0) {
      return false;
    }
    seen.add(value);
  }
  return seen.size === rows;
}

/** A table without its first column, which is no label. */
export function withoutFirstColumn(table: CsvTable): CsvTable {
  const { features, width, rows, header, labelIndex } = table;
  const kept = new Float32Array(rows * (width - 1));
  for (let row = 0; row < rows; row++) {
    kept.set(features.subarray(row * width + 1, (row + 1) * width), row * (width - 1));
  }
  return {
    ...table,
    width: width - 1,
    features: kept,
    header: header?.slice(1) ?? null,
    labelIndex: labelIndex - 1,
  };
}
