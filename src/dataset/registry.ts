/** Finds out which format data is in, by content first and names second, and reads it. */

import { InputError } from '../errors.js';
import { NPY_SIGNATURE } from '../formats/npy.js';
import { startsWith } from '../formats/signature.js';
import { ZIP_SIGNATURE } from '../formats/zip.js';
import { hasCifarFiles, readCifarDirectory } from './cifar/cifar.js';
import { hasCsvFiles, readCsv } from './csv/csv.js';
import type { Dataset, ReadDatasetOptions } from './dataset.js';
import { foreignFile } from './foreign.js';
import { looksLikeIdx } from './idx/array.js';
import { hasIdxFiles, readIdxDirectory } from './idx/idx.js';
import { readNpz } from './npz/npz.js';
import { GZIP_SIGNATURE, openSource, type Source, type SourceFile } from './source.js';

const UNDERSTOOD =
  'give a directory of IDX files (MNIST), a directory of CIFAR .bin files, a .npz archive, a .csv file, or a directory with train.csv and test.csv';

interface Format {
  name: string;
  /** Options that mean something for the format. */
  options: readonly (keyof ReadDatasetOptions)[];
  matchesFile(file: SourceFile): boolean;
  matchesDirectory(files: readonly SourceFile[]): boolean;
  read(source: Source, options: ReadDatasetOptions): Promise<Dataset>;
}

const filesOf = (source: Source): readonly SourceFile[] =>
  source.kind === 'file' ? [source.file] : source.files;

const isNpz = (file: SourceFile): boolean =>
  startsWith(file.head, ZIP_SIGNATURE) && foreignFile(file) === null;

/** Text holds no control characters but tab and line ends. */
const isText = (file: SourceFile): boolean =>
  file.head.length > 0 && file.head.every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13);

const FORMATS: readonly Format[] = [
  {
    name: 'IDX',
    options: ['layout'],
    matchesFile: () => false,
    matchesDirectory: hasIdxFiles,
    read: (source) => readIdxDirectory(source.path, filesOf(source)),
  },
  {
    name: 'CIFAR',
    options: ['layout'],
    matchesFile: () => false,
    matchesDirectory: (files) => hasCifarFiles(files) && !hasIdxFiles(files),
    read: (source) => readCifarDirectory(source.path, filesOf(source)),
  },
  {
    name: 'npz',
    options: ['layout'],
    matchesFile: isNpz,
    matchesDirectory: (files) => files.filter(isNpz).length === 1,
    read: (source, options) => readNpz((filesOf(source).find(isNpz) as SourceFile).path, options),
  },
  {
    name: 'CSV',
    options: ['labelColumn'],
    matchesFile: isText,
    matchesDirectory: hasCsvFiles,
    read: readCsv,
  },
];

const OPTION_NAMES: Record<keyof ReadDatasetOptions, string> = {
  labelColumn: '--label-column',
  layout: '--layout',
};

/** The reason why a single file is not read, as specific as its content allows. */
function unknownFile(file: SourceFile): InputError {
  const { path, name, size, head } = file;
  if (size === 0) {
    return new InputError('dataset/empty', `${path}: is empty; ${UNDERSTOOD}`);
  }
  if (startsWith(head, NPY_SIGNATURE)) {
    return new InputError(
      'dataset/format',
      `${path}: a single .npy array has no labels with it; save numpy.savez(path, x_train=..., y_train=...)`,
    );
  }
  if (looksLikeIdx(head) || startsWith(head, GZIP_SIGNATURE) || name.endsWith('.bin')) {
    return new InputError(
      'dataset/format',
      `${path}: one file of a set; give the directory that holds the whole set`,
    );
  }
  return new InputError('dataset/format', `${path}: not a data format that is understood; ${UNDERSTOOD}`);
}

function unknownDirectory(path: string, files: readonly SourceFile[]): InputError {
  const foreign = files.map(foreignFile).find((refusal) => refusal !== null);
  if (foreign) {
    return foreign;
  }
  const names = files.slice(0, 5).map((file) => file.name);
  const holds =
    names.length === 0 ? 'holds no files' : `holds ${names.join(', ')}${files.length > 5 ? ', ...' : ''}`;
  return new InputError('dataset/format', `${path}: no data that is understood (${holds}); ${UNDERSTOOD}`);
}

/**
 * Reads a dataset whatever its format.
 *
 * @param path a directory of IDX (MNIST) or CIFAR files, a .npz archive, a CSV file, or a directory with one
 *   archive, with train.csv and test.csv, or with one CSV file
 * @param options what the data does not say itself
 * @throws InputError when there is no data at the path, it is in no format that is understood, it is damaged or
 *   inconsistent, or an option does not apply to it
 */
export async function readDataset(path: string, options: ReadDatasetOptions = {}): Promise<Dataset> {
  const source = await openSource(path);
  const foreign = source.kind === 'file' ? foreignFile(source.file) : null;
  if (foreign !== null) {
    throw foreign;
  }
  const matching = FORMATS.filter((format) =>
    source.kind === 'file' ? format.matchesFile(source.file) : format.matchesDirectory(source.files),
  );
  if (matching.length === 0) {
    throw source.kind === 'file' ? unknownFile(source.file) : unknownDirectory(path, source.files);
  }
  if (matching.length > 1) {
    const names = matching.map((format) => format.name).join(' and ');
    throw new InputError(
      'dataset/ambiguous',
      `${path}: holds ${names} data; give the one file, or a directory that holds one set only`,
    );
  }
  const [format] = matching;
  for (const option of ['labelColumn', 'layout'] as const) {
    if (options[option] !== undefined && !format.options.includes(option)) {
      throw new InputError(
        'dataset/option',
        `${OPTION_NAMES[option]}: means nothing for ${format.name} data (${path}); leave it out`,
      );
    }
  }
  return { ...(await format.read(source, options)), path };
}
