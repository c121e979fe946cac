/**
 * CIFAR-10 and CIFAR-100 in their binary formats: a directory of `.bin` files of fixed-size records, each one or
 * two label bytes and an image of 32 x 32 pixels, stored as a red, a green and a blue plane.
 * See https://www.cs.toronto.edu/~kriz/cifar.html.
 */

import { InputError } from '../../errors.js';
import { quoted } from '../../formats/quoted.js';
import type { Dataset, ReadDatasetOptions, Split } from '../dataset.js';
import type { Format } from '../format.js';
import type { SourceFile } from '../source/file.js';
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

async function readSplit(
  files: readonly SourceFile[],
  variant: Variant,
  used: number,
): Promise<Split | null> {
  if (files.length === 0) {
    return null;
  }
  const { labels } = variant;
  const labelBytes = labels.length;
  const recordBytes = labelBytes + IMAGE_BYTES;
  const count = files.reduce((total, file) => total + checkLength(file, file.size, variant), 0);
  const values = new Uint8Array(count * IMAGE_BYTES);
  const classes = new Int32Array(count);
  let example = 0;
  for (const file of files) {
    const bytes = await file.read();
    if (bytes.length !== file.size) {
      throw new InputError('dataset/changed', `${file.path}: changed while it was read; try again`);
    }
    for (let start = 0; start < bytes.length; start += recordBytes, example++) {
      for (let i = 0; i < labelBytes; i++) {
        if (bytes[start + i] >= labels[i].classes) {
          throw new InputError(
            'dataset/label-range',
            `${file.path}: record ${start / recordBytes} has label ${bytes[start + i]}, ${variant.format} has labels 0 to ${labels[i].classes - 1} there; check that the file is ${variant.format} in binary form`,
          );
        }
      }
      classes[example] = bytes[start + used];
      values.set(bytes.subarray(start + labelBytes, start + recordBytes), example * IMAGE_BYTES);
    }
  }
  return {
    count,
    shape: IMAGE_SHAPE,
    layout: 'NCHW',
    values,
    byteImages: true,
    labels: { kind: 'classes', values: classes, classCount: labels[used].classes },
  };
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
  { labelColumn }: ReadDatasetOptions,
): Promise<Dataset> {
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
  return {
    path,
    format: variant.format,
    train: await readSplit(train, variant, used),
    test: await readSplit(test, variant, used),
    warnings,
  };
}

/** CIFAR: a folder of `.bin` files with their usual names. */
export const CIFAR_FORMAT: Format = {
  name: 'CIFAR',
  options: ['labelColumn', 'layout'],
  matchesFile: () => false,
  matchesFolder: ({ files }) => (variantOf(files) ? 'yes' : 'no'),
  read: (source, options) => readCifarFiles(source.path, folderFiles(source), options),
};
