/** Finds out which format data is in, by content first and names second, and reads it. */

import { InputError } from '../errors.js';
import { NPY_SIGNATURE } from '../formats/npy.js';
import { startsWith } from '../formats/signature.js';
import { CIFAR_FORMAT } from './cifar/cifar.js';
import { CSV_FORMAT } from './csv/csv.js';
import type { Dataset, ReadDatasetOptions, StoredDataset } from './dataset.js';
import type { Format, FormatOption } from './format.js';
import { looksLikeIdx } from './idx/array.js';
import { IDX_FORMAT } from './idx/idx.js';
import { IMAGES_FORMAT } from './images/images.js';
import { locate } from './locate.js';
import { NPZ_FORMAT } from './npz/npz.js';
import { PARQUET_FORMAT } from './parquet/parquet.js';
import type { SourceFile } from './source/file.js';
import { openSource, type Source } from './source/open.js';
import { isStreamed } from './stored.js';

const UNDERSTOOD =
  'give IDX files (MNIST), CIFAR .bin files, a .npz, a table (CSV, Parquet) or images in a folder for each class: the folder, or an archive of it';

const FORMATS: readonly Format[] = [
  IDX_FORMAT,
  CIFAR_FORMAT,
  NPZ_FORMAT,
  IMAGES_FORMAT,
  PARQUET_FORMAT,
  CSV_FORMAT,
];

const OPTION_NAMES: Record<FormatOption, string> = {
  labelColumn: '--label-column',
  layout: '--layout',
};

/** The reason why a single file is not read, as specific as its content allows. */
function unknownFile(file: SourceFile): InputError {
  const { path, name, size, head, gzipped } = file;
  if (size === 0) {
    return new InputError('dataset/empty', `${path}: is empty; ${UNDERSTOOD}`);
  }
  if (startsWith(head, NPY_SIGNATURE)) {
    return new InputError(
      'dataset/format',
      `${path}: a single .npy array has no labels with it; save numpy.savez(path, x_train=..., y_train=...)`,
    );
  }
  if (looksLikeIdx(head) || gzipped || name.endsWith('.bin')) {
    return new InputError(
      'dataset/format',
      `${path}: one file of a set; give the directory that holds the whole set`,
    );
  }
  return new InputError('dataset/format', `${path}: not a data format that is understood; ${UNDERSTOOD}`);
}

/** The one format of the data at a path, and where that data is; options are checked. */
async function formatOf(
  path: string,
  options: ReadDatasetOptions,
): Promise<{ source: Source; format: Format }> {
  const found = await locate(await openSource(path), FORMATS, unknownFile, UNDERSTOOD);
  if (found.formats.length > 1) {
    const names = found.formats.map((format) => format.name).join(' and ');
    throw new InputError(
      'dataset/ambiguous',
      `${found.source.path}: holds ${names} data; give the one file, or a directory that holds one set only`,
    );
  }
  const [format] = found.formats;
  for (const option of ['labelColumn', 'layout'] as const) {
    if (options[option] !== undefined && !format.options.includes(option)) {
      throw new InputError(
        'dataset/option',
        `${OPTION_NAMES[option]}: means nothing for ${format.name} data (${path}); leave it out`,
      );
    }
  }
  return { source: found.source, format };
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
  const { source, format } = await formatOf(path, options);
  return { ...(await format.read(source, options)), path };
}

/** A warning where data takes more than the memory limit and cannot be streamed. */
function wholeWarning(
  { path, train, test }: StoredDataset,
  { name }: Format,
  { memoryBytes = Number.POSITIVE_INFINITY }: ReadDatasetOptions,
): string[] {
  const bytes = [train, test].reduce(
    (total, split) => total + (split && !isStreamed(split) ? split.values.byteLength : 0),
    0,
  );
  return bytes > memoryBytes
    ? [
        `${path}: ${name} data of ${Math.ceil(bytes / 2 ** 20)} MiB is in memory, beyond the memory limit; only folders of images, and CIFAR and IDX files that are not packed, are streamed`,
      ]
    : [];
}

/**
 * Opens a dataset whatever its format, as `readDataset` reads it, but streams what takes more than
 * `options.memoryBytes` where the format can be streamed.
 *
 * @throws InputError as `readDataset`
 */
export async function openDataset(path: string, options: ReadDatasetOptions = {}): Promise<StoredDataset> {
  const { source, format } = await formatOf(path, options);
  const dataset = await (format.open ?? format.read)(source, options);
  return { ...dataset, path, warnings: [...dataset.warnings, ...wholeWarning(dataset, format, options)] };
}
