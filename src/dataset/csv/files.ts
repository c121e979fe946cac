/** Which files of a folder are the tables to read, by their names. */

import { InputError } from '../../errors.js';
import { isNumeric } from '../label-column.js';
import { PARTS, type Part, partOf } from '../parts.js';
import type { SourceFile } from '../source/file.js';
import { isText } from '../source/text.js';
import { separatorOf } from './rows.js';

/** The tables of a set that a folder has. */
export interface TableFiles {
  train: SourceFile | null;
  /** Files that may be the test set, the likeliest first. */
  tests: SourceFile[];
}

const TABLE = /\.(csv|tsv)(\.gz)?$/i;

/** Names that UCI's repository uses (https://archive.ics.uci.edu); only their content tells a table. */
const TEXT = /\.(txt|data|dat|tra|tes|test)(\.gz)?$/i;

/** Whether text begins with rows of two and more cells, most of the second row's being numbers. */
function looksTabular(file: SourceFile): boolean {
  if (!isText(file)) {
    return false;
  }
  const separator = separatorOf(file.head);
  const lines = new TextDecoder()
    .decode(file.head)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  const cells = (lines[1] ?? lines[0]).trim().split(separator === 'whitespace' ? /\s+/ : separator);
  return cells.length > 1 && cells.filter(isNumeric).length > cells.length / 2;
}

/** The file of a part; `train.csv` itself wins over others that speak of it. */
function fileOf(files: readonly SourceFile[], part: Part, folder: string): SourceFile | null {
  const found = files.filter((file) => partOf(file.name) === part);
  const exact = found.filter((file) => /^(train|test|val|valid|validation)\.(csv|tsv)$/i.test(file.name));
  const chosen = exact.length === 1 ? exact : found;
  if (chosen.length > 1) {
    const names = chosen.slice(0, 4).map(({ name }) => name.slice(0, 40));
    throw new InputError(
      'dataset/ambiguous',
      `${folder}: several files may be the ${part} set (${names.join(', ')}); give one file with features and label, or a folder with one of each`,
    );
  }
  return chosen[0] ?? null;
}

/** Whether files say by their names that they are the training or test set. */
function areNamed(files: readonly SourceFile[]): boolean {
  return files.some(({ name }) => partOf(name) === 'train' || partOf(name) === 'test');
}

/** The tables of a folder: those that end as such, else text that begins like a table. */
function tablesOf(files: readonly SourceFile[]): readonly SourceFile[] {
  const tables = files.filter((file) => TABLE.test(file.name));
  return tables.length > 0 ? tables : files.filter((file) => TEXT.test(file.name) && looksTabular(file));
}

/** Whether a folder holds files to read, before they are chosen. */
export function hasTables(files: readonly SourceFile[]): 'named' | 'one' | 'several' | 'text' | 'no' {
  const tables = tablesOf(files);
  const named = areNamed(tables);
  if (tables.length === 0) {
    return 'no';
  }
  if (!TABLE.test(tables[0].name)) {
    return named || tables.length === 1 ? 'text' : 'no';
  }
  return named ? 'named' : tables.length === 1 ? 'one' : 'several';
}

/**
 * The files of a folder: `*train*` and `*test*`, a file of validation in the place of one of test, or the only table.
 *
 * @throws InputError where several files may be the one
 */
export function chooseTables(files: readonly SourceFile[], folder: string): TableFiles {
  const tables = tablesOf(files);
  const [train, test, validation] = PARTS.map((part) => fileOf(tables, part, folder));
  const others = tables.filter((file) => partOf(file.name) === null);
  const tests = [test, validation].filter((file) => file !== null);
  if (train !== null) {
    return { train, tests };
  }
  if (tests.length === 0 && others.length > 1) {
    const names = others.slice(0, 4).map(({ name }) => name.slice(0, 40));
    throw new InputError(
      'dataset/ambiguous',
      `${folder}: several tables (${names.join(', ')}), and no name says train or test; give one of them`,
    );
  }
  // `adult.data` beside `adult.test`: what is not the test set is the training set.
  const isRest = others.length === 1 && (test === null || TEXT.test(others[0].name));
  return { train: isRest ? others[0] : null, tests };
}
