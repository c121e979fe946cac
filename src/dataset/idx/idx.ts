/** IDX, the format of MNIST: a directory of image and label files (see array.ts). */

import { basename, dirname } from 'node:path';
import { InputError } from '../../errors.js';
import type { Dataset, Labels, Split } from '../dataset.js';
import type { Format } from '../format.js';
import { labelsFromNumbers } from '../labels.js';
import type { SourceFile } from '../source/file.js';
import { openFolder } from '../source/folder.js';
import type { Source } from '../source/open.js';
import { type IdxArray, looksLikeIdx, readIdx } from './array.js';

type Part = 'train' | 'test';
type Role = 'images' | 'labels';

/** What a file is by its name: `train-images-idx3-ubyte`, `t10k-labels.idx1-ubyte.gz`, `emnist-digits-test-...`. */
function roleOf(name: string): { part: Part; role: Role } | null {
  const match = /(?:^|[^a-z])(train|t10k|test)[^a-z](?:.*[^a-z])?(images|labels)(?:[^a-z]|$)/.exec(
    name.toLowerCase(),
  );
  return match && { part: match[1] === 'train' ? 'train' : 'test', role: match[2] as Role };
}

function isIdxFile(file: SourceFile): boolean {
  const named = roleOf(file.name) !== null;
  return looksLikeIdx(file.head) || (named && (file.gzipped || /idx\d/.test(file.name)));
}

/** The one file of a role; an unpacked file wins over its own `.gz`. */
function findFile(
  directory: string,
  files: readonly SourceFile[],
  part: Part,
  role: Role,
): SourceFile | null {
  const found = files.filter((file) => {
    const named = roleOf(file.name);
    return named?.part === part && named.role === role;
  });
  const unpacked = found.filter(
    (file) => !(file.name.endsWith('.gz') && found.some((other) => `${other.name}.gz` === file.name)),
  );
  if (unpacked.length > 1) {
    throw new InputError(
      'dataset/idx-ambiguous',
      `${directory}: several files of ${part} ${role} (${unpacked.map((file) => file.name).join(', ')}); give one of these files, which chooses its set, or keep one set in the directory`,
    );
  }
  return unpacked[0] ?? null;
}

interface Pair {
  imagesPath: string;
  labelsPath: string;
  images: IdxArray;
  labels: IdxArray;
}

async function readPair(directory: string, files: readonly SourceFile[], part: Part): Promise<Pair | null> {
  const imagesFile = findFile(directory, files, part, 'images');
  const labelsFile = findFile(directory, files, part, 'labels');
  if (!imagesFile && !labelsFile) {
    return null;
  }
  if (!imagesFile || !labelsFile) {
    const [present, missing] = imagesFile ? [imagesFile, 'labels'] : [labelsFile as SourceFile, 'images'];
    throw new InputError(
      'dataset/idx-missing',
      `${directory}: has ${present.name} but no file of the ${part} ${missing}; put it next to it`,
    );
  }
  const [imagesPath, labelsPath] = [imagesFile.path, labelsFile.path];
  const images = await readIdx(imagesFile);
  const labels = await readIdx(labelsFile);
  if (images.shape.length < 2) {
    throw new InputError(
      'dataset/idx-rank',
      `${imagesPath}: rank ${images.shape.length}, images need at least 2 (a label file under another name?); check the file`,
    );
  }
  if (labels.shape.length !== 1) {
    throw new InputError(
      'dataset/idx-rank',
      `${labelsPath}: rank ${labels.shape.length}, labels need 1 (an image file under another name?); check the file`,
    );
  }
  if (images.values.length === 0) {
    throw new InputError('dataset/empty', `${imagesPath}: holds no examples; give data with at least one`);
  }
  if (images.shape[0] !== labels.shape[0]) {
    throw new InputError(
      'dataset/count',
      `${labelsPath}: ${labels.shape[0]} labels, but ${imagesFile.name} holds ${images.shape[0]} images; take both from the same source`,
    );
  }
  return { imagesPath, labelsPath, images, labels };
}

function splitOf(pair: Pair, labels: Labels): Split {
  const [count, ...shape] = pair.images.shape;
  return {
    count,
    shape,
    layout: shape.length === 1 ? 'flat' : 'NHWC',
    values: pair.images.values,
    byteImages: true,
    labels,
  };
}

/**
 * Reads a directory of IDX files: `train-images*` with `train-labels*`, `t10k-images*` (or `test-images*`) with
 * their labels, or only one of the pairs. Grey images have shape `[height, width]`, colour images (rank 4)
 * `[height, width, channels]`.
 *
 * @throws InputError when a file is damaged or missing, or images and labels do not belong together
 */
async function readIdxFiles(path: string, files: readonly SourceFile[]): Promise<Dataset> {
  const idxFiles = files.filter(isIdxFile);
  const train = await readPair(path, idxFiles, 'train');
  const test = await readPair(path, idxFiles, 'test');
  if (!train && !test) {
    throw new InputError(
      'dataset/idx-names',
      `${path}: IDX files (${idxFiles.map((file) => file.name).join(', ')}) whose names do not say what they are; name them train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte`,
    );
  }
  if (train && test && String(train.images.shape.slice(1)) !== String(test.images.shape.slice(1))) {
    throw new InputError(
      'dataset/shape',
      `${test.imagesPath}: images of ${test.images.shape.slice(1).join(' x ')}, but the training images are ${train.images.shape.slice(1).join(' x ')}; take both from the same source`,
    );
  }
  const pairs = [train, test].filter((pair) => pair !== null);
  const labels = labelsFromNumbers(pairs.map((pair) => pair.labels.values));
  const splits = new Map(pairs.map((pair, index) => [pair, splitOf(pair, labels[index])]));
  return {
    path,
    format: 'idx',
    train: (train && splits.get(train)) ?? null,
    test: (test && splits.get(test)) ?? null,
    warnings: [],
  };
}

/** What stands before the part in a name, such as `emnist-letters-`; null for a name that does not say what it is. */
function setOf(name: string): string | null {
  return roleOf(name) && (/^(.*?)(?:train|t10k|test)[^a-z]/i.exec(name)?.[1] ?? null);
}

/** The files of a folder, or those of the set that one file belongs to. */
async function filesOf(source: Source): Promise<readonly SourceFile[]> {
  if (source.kind === 'folder') {
    return source.folder.files;
  }
  const set = setOf(basename(source.path));
  const { files } = await openFolder(dirname(source.path));
  return files.filter(({ name }) => setOf(name) === set);
}

/** IDX: a folder, or one file of a set that lies with others in a folder. */
export const IDX_FORMAT: Format = {
  name: 'IDX',
  options: ['layout'],
  matchesFile: (file) => isIdxFile(file) && setOf(basename(file.path)) !== null,
  matchesFolder: ({ files }) => (files.some(isIdxFile) ? 'yes' : 'no'),
  read: async (source) => readIdxFiles(source.path, await filesOf(source)),
};
