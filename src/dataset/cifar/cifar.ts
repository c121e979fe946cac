/**
 * CIFAR-10 and CIFAR-100 in their binary formats: a directory of `.bin` files of fixed-size records, each one or
 * two label bytes and an image of 32 x 32 pixels, stored as a red, a green and a blue plane.
 * See https://www.cs.toronto.edu/~kriz/cifar.html.
 */

import { InputError } from '../../errors.js';
import { quoted } from '../../formats/quoted.js';
import type { Dataset, ReadDatasetOptions, Split, StoredDataset, StreamedSplit } from '../dataset.js';
import type { Format } from '../format.js';
import { type ImageRecords, mustStream, streamedNote, streamedRecords } from '../record-files.js';
import type { ReadRecords, SourceFile } from '../source/file.js';
import { folderFiles } from '../source/open.js';

const IMAGE_SHAPE = [3, 32, 32] as const;
const IMAGE_BYTES = 3 * 32 * 32;

interface Variant {
  format: 'cifar-10' | 'cifar-100';
  train: RegExp;
  test: RegExp;
  /** Files of the whole training set. */
  trainFiles: number;
  /** Names and numbers of classes of the label bytes; the last one is used unless another is named. */
  labels: readonly { name: string; classes: number }[];
}

const VARIANTS: readonly Variant[] = [
  {
    format: 'cifar-10',
    train: /^data_batch_\d+\.bin$/,
    test: /^test_batch\.bin$/,
    trainFiles: 5,
    labels: [{ name: 'label', classes: 10 }],
  },
  {
    format: 'cifar-100',
    train: /^train\.bin$/,
    test: /^test\.bin$/,
    trainFiles: 1,
    labels: [
      { name: 'coarse', classes: 20 },
      { name: 'fine', classes: 100 },
    ],
  },
];

function filesOf(
  variant: Variant,
  files: readonly SourceFile[],
): { train: SourceFile[]; test: SourceFile[] } {
  const train = files.filter((file) => variant.train.test(file.name));
  train.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  return { train, test: files.filter((file) => variant.test.test(file.name)) };
}

function variantOf(files: readonly SourceFile[]): Variant | undefined {
  return VARIANTS.find((variant) => {
    const { train, test } = filesOf(variant, files);
    return train.length + test.length > 0;
  });
}

function checkLength(file: SourceFile, bytes: number, variant: Variant): number {
  const recordBytes = variant.labels.length + IMAGE_BYTES;
  if (bytes === 0) {
    throw new InputError('dataset/empty', `${file.path}: is empty; download it again`);
  }
  if (bytes % recordBytes !== 0) {
    const other = VARIANTS.find((candidate) => bytes % (candidate.labels.length + IMAGE_BYTES) === 0);
    const remedy = other
      ? `its length fits ${other.format}, so name it as that does`
      : 'it is cut short or no such file, so download it again';
    throw new InputError(
      'dataset/cifar-length',
      `${file.path}: ${bytes} bytes is not a multiple of ${variant.format}'s record of ${recordBytes} bytes; ${remedy}`,
    );
  }
  return bytes / recordBytes;
}

/**
 * Which label byte is used: `coarse` or `fine` of CIFAR-100.
 *
 * @throws InputError `dataset/label-column` for another name
 */
function labelByte({ format, labels }: Variant, told: string | undefined, path: string): number {
  if (told === undefined) {
    return labels.length - 1;
  }
  const found = labels.findIndex(({ name }) => name === told);
  if (found < 0) {
    const known = labels.map(({ name }) => `--label-column ${name}`).join(' or ');
    throw new InputError(
      'dataset/label-column',
      `${path}: no labels ${quoted(told)} in ${format}; give ${known}, or leave it out`,
    );
  }
  return found;
}

/** How records are read: what they are, and which of their labels is used. */
interface RecordForm {
  variant: Variant;
  used: number;
  recordBytes: number;
}

const countOf = (files: readonly SourceFile[], { variant }: RecordForm): number =>
  files.reduce((total, file) => total + checkLength(file, file.size, variant), 0);

/** Checks the labels of some records, and takes over those that are used, from the classes' beginning on. */
function takeLabels(
  file: SourceFile,
  bytes: Uint8Array,
  firstRecord: number,
  { variant: { format, labels }, used, recordBytes }: RecordForm,
  classes: Int32Array,
): void {
  for (let start = 0; start < bytes.length; start += recordBytes) {
    const record = start / recordBytes;
    for (let i = 0; i < labels.length; i++) {
      if (bytes[start + i] >= labels[i].classes) {
        throw new InputError(
          'dataset/label-range',
          `${file.path}: record ${firstRecord + record} has label ${bytes[start + i]}, ${format} has labels 0 to ${labels[i].classes - 1} there; check that the file is ${format} in binary form`,
        );
      }
    }
    classes[record] = bytes[start + used];
  }
}

function formOf(classes: Int32Array, { variant, used }: RecordForm): Omit<Split, 'values'> {
  return {
    count: classes.length,
    shape: IMAGE_SHAPE,
    layout: 'NCHW',
    byteImages: true,
    labels: { kind: 'classes', values: classes, classCount: variant.labels[used].classes },
  };
}

async function readSplit(files: readonly SourceFile[], form: RecordForm): Promise<Split | null> {
  if (files.length === 0) {
    return null;
  }
  const { recordBytes } = form;
  const count = countOf(files, form);
  const values = new Uint8Array(count * IMAGE_BYTES);
  const classes = new Int32Array(count);
  let example = 0;
  for (const file of files) {
    const bytes = await file.read();
    if (bytes.length !== file.size) {
      throw new InputError('dataset/changed', `${file.path}: changed while it was read; try again`);
    }
    takeLabels(file, bytes, 0, form, classes.subarray(example));
    for (let end = recordBytes; end <= bytes.length; end += recordBytes, example++) {
      values.set(bytes.subarray(end - IMAGE_BYTES, end), example * IMAGE_BYTES);
    }
  }
  return { ...formOf(classes, form), values };
}

/** Records that are read at once for their labels. */
const LABEL_CHUNK = 256;

async function streamSplit(
  files: readonly SourceFile[],
  form: RecordForm,
  memoryBytes: number,
): Promise<StreamedSplit | null> {
  if (files.length === 0) {
    return null;
  }
  const { recordBytes } = form;
  const classes = new Int32Array(countOf(files, form));
  const images: ImageRecords[] = [];
  let before = 0;
  for (const file of files) {
    const count = file.size / recordBytes;
    const readRecords = file.readRecords as ReadRecords;
    for (let record = 0; record < count; record += LABEL_CHUNK) {
      const length = Math.min(LABEL_CHUNK, count - record) * recordBytes;
      const bytes = await readRecords([record * recordBytes], length);
      takeLabels(file, bytes, record, form, classes.subarray(before + record));
    }
    images.push({ readRecords, count, first: recordBytes - IMAGE_BYTES, stride: recordBytes });
    before += count;
  }
  return streamedRecords({ ...formOf(classes, form), memoryBytes }, images);
}

/** The files of a set, and how they are read. */
interface CifarSet {
  form: RecordForm;
  train: SourceFile[];
  test: SourceFile[];
  warnings: string[];
}

function setOf(path: string, files: readonly SourceFile[], { labelColumn }: ReadDatasetOptions): CifarSet {
  const variant = variantOf(files);
  if (!variant) {
    throw new InputError(
      'dataset/cifar-missing',
      `${path}: no CIFAR files; it needs data_batch_1.bin or train.bin`,
    );
  }
  const used = labelByte(variant, labelColumn, path);
  const { train, test } = filesOf(variant, files);
  const warnings =
    train.length > 0 && train.length < variant.trainFiles
      ? [
          `${path}: ${train.length} of the ${variant.trainFiles} training batches of ${variant.format} are present`,
        ]
      : [];
  return { form: { variant, used, recordBytes: variant.labels.length + IMAGE_BYTES }, train, test, warnings };
}

/**
 * Reads a directory with CIFAR-10 (`data_batch_*.bin`, `test_batch.bin`) or CIFAR-100 (`train.bin`, `test.bin`;
 * the fine labels, unless `labelColumn` is `coarse`). Images have shape `[3, 32, 32]`, channels first. A part of the files is enough.
 *
 * @throws InputError when a file's length is no multiple of the record, a label is out of range or there are no labels of that name
 */
async function readCifarFiles(
  path: string,
  files: readonly SourceFile[],
  options: ReadDatasetOptions,
): Promise<Dataset> {
  const { form, train, test, warnings } = setOf(path, files, options);
  return {
    path,
    format: form.variant.format,
    train: await readSplit(train, form),
    test: await readSplit(test, form),
    warnings,
  };
}

/** The same, streamed where the images are beyond the memory limit and no file is gzipped or in an archive. */
async function openCifarFiles(
  path: string,
  files: readonly SourceFile[],
  options: ReadDatasetOptions,
): Promise<StoredDataset> {
  const { form, train, test, warnings } = setOf(path, files, options);
  const { memoryBytes = Number.POSITIVE_INFINITY } = options;
  const count = countOf([...train, ...test], form);
  if (!mustStream([...train, ...test], count * IMAGE_BYTES, memoryBytes)) {
    return readCifarFiles(path, files, options);
  }
  return {
    path,
    format: form.variant.format,
    train: await streamSplit(train, form, memoryBytes),
    test: await streamSplit(test, form, memoryBytes),
    warnings: [...warnings, streamedNote(path, count, count * IMAGE_BYTES, memoryBytes)],
  };
}

/** CIFAR: a folder of `.bin` files with their usual names. */
export const CIFAR_FORMAT: Format = {
  name: 'CIFAR',
  options: ['labelColumn', 'layout'],
  matchesFile: () => false,
  matchesFolder: ({ files }) => (variantOf(files) ? 'yes' : 'no'),
  read: (source, options) => readCifarFiles(source.path, folderFiles(source), options),
  open: (source, options) => openCifarFiles(source.path, folderFiles(source), options),
};
