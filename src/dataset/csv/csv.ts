/** Tables of text: one file, or a folder with one for training and one for testing. */

import { InputError } from '../../errors.js';
import { quoted } from '../../formats/quoted.js';
import type { Dataset, Labels, ReadDatasetOptions, Split } from '../dataset.js';
import { unscaledBytesWarning } from '../features.js';
import { foreignFile } from '../foreign.js';
import type { Format } from '../format.js';
import { isHeader, isNumeric } from '../label-column.js';
import { labelsFromNumbers, labelsFromWords } from '../labels.js';
import type { SourceFile } from '../source/file.js';
import type { Source } from '../source/open.js';
import { isText } from '../source/text.js';
import { chooseTables, hasTables, type TableFiles } from './files.js';
import { type CsvTable, numbersRows, readCsvTable, readFirstRow, withoutFirstColumn } from './table.js';

function labelsOf(tables: readonly CsvTable[], path: string): Labels[] {
  if (!tables.every((table) => table.labels.every(isNumeric))) {
    return labelsFromWords(
      tables.map((table) => table.labels),
      path,
    );
  }
  return labelsFromNumbers(tables.map((table) => Float64Array.from(table.labels, Number)));
}

function checkAlike(train: CsvTable, test: CsvTable): void {
  if (train.width !== test.width) {
    throw new InputError(
      'dataset/shape',
      `${test.path}: ${test.width} features, but ${train.path} has ${train.width}; give both the same columns`,
    );
  }
  const differing = (test.header ?? []).findIndex(
    (name, index) => train.header && train.header[index] !== name,
  );
  if (differing >= 0) {
    throw new InputError(
      'dataset/csv-columns',
      `${test.path}: column ${differing} is ${quoted(test.header?.[differing] ?? '')}, but ${quoted(train.header?.[differing] ?? '')} in ${train.path}; give both the same columns in the same order`,
    );
  }
}

function splitOf(table: CsvTable, labels: Labels): Split {
  return {
    count: table.rows,
    shape: [table.width],
    layout: 'flat',
    values: table.features,
    byteImages: false,
    labels,
  };
}

/**
 * Whether a test file has the features of the training file and no label, as those of Kaggle's competitions: its header
 * is that of the training file less the label, or, without headers, it has one column less.
 */
async function lacksLabels(file: SourceFile, train: CsvTable): Promise<boolean> {
  const first = (await readFirstRow(file)) ?? [];
  if (train.header === null) {
    return first.length === train.width && !isHeader(first, undefined);
  }
  const features = train.header.filter((_, index) => index !== train.labelIndex);
  return first.length === features.length && first.every((name, index) => name.trim() === features[index]);
}

interface TestTable {
  table: CsvTable | null;
  notes: string[];
}

/** The first test file that has labels. */
async function readTest(
  files: readonly SourceFile[],
  train: CsvTable | null,
  options: ReadDatasetOptions,
): Promise<TestTable> {
  const notes: string[] = [];
  for (const [index, file] of files.entries()) {
    if (train && (await lacksLabels(file, train))) {
      const label = train.header ? `column ${quoted(train.header[train.labelIndex])}` : 'label column';
      notes.push(`${file.path}: has no ${label}, so it is left aside`);
      continue;
    }
    const aside = files
      .slice(index + 1)
      .map(({ path }) => `${path}: is left aside; ${file.name} is the test set`);
    return { table: await readTable(file, options), notes: [...notes, ...aside] };
  }
  return { table: null, notes };
}

function readTable(file: SourceFile, options: ReadDatasetOptions): Promise<CsvTable> {
  const foreign = foreignFile(file);
  if (foreign) {
    throw foreign;
  }
  return readCsvTable(file, options);
}

/** Tables without a column that only numbers their rows, where it does so in each, and what is to be said of that. */
function withoutRowNumbers(tables: readonly CsvTable[]): { tables: readonly CsvTable[]; notes: string[] } {
  const [{ path, header }] = tables;
  if (tables.every(numbersRows)) {
    return {
      tables: tables.map(withoutFirstColumn),
      notes: [`${path}: the first column has no name and numbers the rows, so it is no feature`],
    };
  }
  const unnamed = header?.indexOf('') ?? -1;
  return {
    tables,
    notes:
      unnamed >= 0
        ? [
            `${path}: column ${unnamed} has no name and is used as a feature; drop it if it only numbers the rows`,
          ]
        : [],
  };
}

/**
 * Reads tables of text: numeric features (float32, taken as they are) and a label column.
 *
 * Integer labels are classes, labels with a word among them are classes named by the sorted words of all files,
 * other numbers are targets of width 1 (also where a label is negative or beyond the class limit).
 *
 * @param source one file, which is the training set, or a folder (see `chooseTables`)
 * @throws InputError for cells that are not finite numbers, an unclear label column, no rows, or a test file
 *   whose columns differ from the training file's
 */
async function readCsv(source: Source, options: ReadDatasetOptions): Promise<Dataset> {
  const { path } = source;
  const files: TableFiles =
    source.kind === 'file' ? { train: source.file, tests: [] } : chooseTables(source.folder.files, path);
  const train = files.train && (await readTable(files.train, options));
  const test = await readTest(files.tests, train, options);
  if (train && test.table) {
    checkAlike(train, test.table);
  }
  const read = [train, test.table].filter((table) => table !== null);
  const { tables, notes } = withoutRowNumbers(read);
  const labels = labelsOf(tables, path);
  const splits = tables.map((table, index) => splitOf(table, labels[index]));
  return {
    path,
    format: 'csv',
    train: train && splits[0],
    test: test.table && splits[splits.length - 1],
    warnings: [
      ...test.notes,
      ...notes,
      ...tables.flatMap((table) => unscaledBytesWarning(table.features, table.width, table.path)),
    ],
  };
}

/** Tables of text, gzipped or not: CSV, separated by semicolons or tabs, or by white space. */
export const CSV_FORMAT: Format = {
  name: 'CSV',
  options: ['labelColumn'],
  matchesFile: isText,
  matchesFolder: ({ files, folders }) => {
    const tables = hasTables(files);
    if (tables === 'named' || (tables === 'one' && folders.length === 0)) {
      return 'yes';
    }
    // One table beside folders may only describe what these hold, as several may, and texts what other files do.
    return tables === 'no' || (tables === 'several' && folders.length > 0) ? 'no' : 'perhaps';
  },
  read: readCsv,
};
