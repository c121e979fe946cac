/** CSV data: one file, or a directory with train.csv and test.csv. */

import { InputError } from '../../errors.js';
import type { Dataset, Labels, ReadDatasetOptions, Split } from '../dataset.js';
import { unscaledBytesWarning } from '../features.js';
import { foreignFile } from '../foreign.js';
import type { Format } from '../format.js';
import { labelsFromNumbers, labelsFromWords } from '../labels.js';
import type { SourceFile } from '../source/file.js';
import type { Source } from '../source/open.js';
import { isText } from '../source/text.js';
import { type CsvTable, isNumeric, readCsvTable } from './table.js';

/** The training and test files among those of a directory: train.csv and test.csv, or the only .csv. */
function csvFiles(files: readonly SourceFile[]): { train: SourceFile | null; test: SourceFile | null } {
  const tables = files.filter((file) => /\.csv$/i.test(file.name));
  const named = (name: string): SourceFile | null =>
    tables.find((file) => file.name.toLowerCase() === name) ?? null;
  const [train, test] = [named('train.csv'), named('test.csv')];
  return { train: train ?? (test || tables.length !== 1 ? null : tables[0]), test };
}

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
      `${test.path}: column ${differing} is "${test.header?.[differing]}", but "${train.header?.[differing]}" in ${train.path}; give both the same columns in the same order`,
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

function warningsOf(table: CsvTable): string[] {
  const unnamed = table.header?.indexOf('') ?? -1;
  return [
    ...(unnamed >= 0
      ? [
          `${table.path}: column ${unnamed} has no name and is used as a feature; drop it if it only numbers the rows`,
        ]
      : []),
    ...unscaledBytesWarning(table.features, table.width, table.path),
  ];
}

/**
 * Reads CSV files: numeric features (float32, taken as they are) and a label column.
 *
 * Integer labels are classes, labels with a word among them are classes named by the sorted words of all files,
 * other numbers are targets of width 1 (also where a label is negative or beyond the class limit).
 *
 * @param source one file, which is the training set, or a directory, of which train.csv and test.csv are read, or
 *   the only .csv
 * @throws InputError for cells that are not finite numbers, an unclear label column, no rows, or a test file
 *   whose columns differ from the training file's
 */
async function readCsv(source: Source, options: ReadDatasetOptions): Promise<Dataset> {
  const { path } = source;
  const found = source.kind === 'file' ? { train: source.file, test: null } : csvFiles(source.folder.files);
  const read = (file: SourceFile | null): Promise<CsvTable> | null => {
    const foreign = file && foreignFile(file);
    if (foreign) {
      throw foreign;
    }
    return file && readCsvTable(file, options.labelColumn);
  };
  const train = await read(found.train);
  const test = await read(found.test);
  if (train && test) {
    checkAlike(train, test);
  }
  const tables = [train, test].filter((table) => table !== null);
  const labels = labelsOf(tables, path);
  return {
    path,
    format: 'csv',
    train: train && splitOf(train, labels[0]),
    test: test && splitOf(test, labels[labels.length - 1]),
    warnings: tables.flatMap(warningsOf),
  };
}

/** CSV: one file, or a folder with train.csv, test.csv or exactly one .csv file. */
export const CSV_FORMAT: Format = {
  name: 'CSV',
  options: ['labelColumn'],
  matchesFile: isText,
  matchesFolder: ({ files }) => {
    const { train, test } = csvFiles(files);
    return train || test ? 'yes' : 'no';
  },
  read: readCsv,
};
