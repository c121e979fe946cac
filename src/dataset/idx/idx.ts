/** IDX, the format of MNIST: a directory of image and label files (see array.ts). */

import { basename, dirname } from 'node:path';
import { InputError } from '../../errors.js';
import type { Dataset, Labels, ReadDatasetOptions, Split, StoredDataset } from '../dataset.js';
import type { Format } from '../format.js';
import { labelsFromNumbers } from '../labels.js';
import { mustStream, streamedNote, streamedRecords } from '../record-files.js';
import type { ReadRecords, SourceFile } from '../source/file.js';
import { openFolder } from '../source/folder.js';
import type { Source } from '../source/open.js';
import { type IdxArray, looksLikeIdx, readIdx, readIdxHeader } from './array.js';

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

/** Files of images and labels that belong together. */
interface PairFiles {
  images: SourceFile;
  labels: SourceFile;
}

function pairFiles(directory: string, files: readonly SourceFile[], part: Part): PairFiles | null {
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
  return { images: imagesFile, labels: labelsFile };
}

/** A pair of files that is read: its labels, and of its images the shape at least. */
interface Pair<Images> {
  imagesPath: string;
  images: Images;
  labels: IdxArray;
}

async function readPair<Images extends { shape: readonly number[] }>(
  { images: imagesFile, labels: labelsFile }: PairFiles,
  readImages: (file: SourceFile) => Images | Promise<Images>,
): Promise<Pair<Images>> {
  const [imagesPath, labelsPath] = [imagesFile.path, labelsFile.path];
  const images = await readImages(imagesFile);
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
  if (images.shape.includes(0)) {
    throw new InputError('dataset/empty', `${imagesPath}: holds no examples; give data with at least one`);
  }
  if (images.shape[0] !== labels.shape[0]) {
    throw new InputError(
      'dataset/count',
      `${labelsPath}: ${labels.shape[0]} labels, but ${imagesFile.name} holds ${images.shape[0]} images; take both from the same source`,
    );
  }
  return { imagesPath, images, labels };
}

function formOf({ images }: Pair<{ shape: readonly number[] }>, labels: Labels): Omit<Split, 'values'> {
  const [count, ...shape] = images.shape;
  return { count, shape, layout: shape.length === 1 ? 'flat' : 'NHWC', byteImages: true, labels };
}

/** The pairs of a directory; at least one is there. */
function findPairs(
  path: string,
  files: readonly SourceFile[],
): { train: PairFiles | null; test: PairFiles | null } {
  const idxFiles = files.filter(isIdxFile);
  const train = pairFiles(path, idxFiles, 'train');
  const test = pairFiles(path, idxFiles, 'test');
  if (!train && !test) {
    throw new InputError(
      'dataset/idx-names',
      `${path}: IDX files (${idxFiles.map((file) => file.name).join(', ')}) whose names do not say what they are; name them train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte`,
    );
  }
  return { train, test };
}

/** Reads pairs whose images have one shape, and makes a split of each. */
async function readPairs<Images extends { shape: readonly number[] }, Each>(
  found: { train: PairFiles | null; test: PairFiles | null },
  readImages: (file: SourceFile) => Images | Promise<Images>,
  splitOf: (images: Images, form: Omit<Split, 'values'>) => Each,
): Promise<{ train: Each | null; test: Each | null }> {
  const train = found.train && (await readPair(found.train, readImages));
  const test = found.test && (await readPair(found.test, readImages));
  if (train && test && String(train.images.shape.slice(1)) !== String(test.images.shape.slice(1))) {
    throw new InputError(
      'dataset/shape',
      `${test.imagesPath}: images of ${test.images.shape.slice(1).join(' x ')}, but the training images are ${train.images.shape.slice(1).join(' x ')}; take both from the same source`,
    );
  }
  const pairs = [train, test].filter((pair) => pair !== null);
  const labels = labelsFromNumbers(pairs.map((pair) => pair.labels.values));
  const splits = pairs.map((pair, index) => splitOf(pair.images, formOf(pair, labels[index])));
  return { train: train && splits[0], test: test && splits[splits.length - 1] };
}

/**
 * Reads a directory of IDX files: `train-images*` with `train-labels*`, `t10k-images*` (or `test-images*`) with
 * their labels, or only one of the pairs. Grey images have shape `[height, width]`, colour images (rank 4)
 * `[height, width, channels]`.
 *
 * @throws InputError when a file is damaged or missing, or images and labels do not belong together
 */
async function readIdxFiles(path: string, files: readonly SourceFile[]): Promise<Dataset> {
  const splits = await readPairs(
    findPairs(path, files),
    readIdx,
    ({ values }, form): Split => ({
      ...form,
      values,
    }),
  );
  return { path, format: 'idx', ...splits, warnings: [] };
}

/** The same, streamed where the images are beyond the memory limit and no file of them is gzipped or in an archive. */
async function openIdxFiles(
  path: string,
  files: readonly SourceFile[],
  { memoryBytes = Number.POSITIVE_INFINITY }: ReadDatasetOptions,
): Promise<StoredDataset> {
  const found = findPairs(path, files);
  const images = [found.train, found.test].flatMap((pair) => (pair ? [pair.images] : []));
  const bytes = images.reduce((total, { size }) => total + size, 0);
  if (!mustStream(images, bytes, memoryBytes)) {
    return readIdxFiles(path, files);
  }
  const splits = await readPairs(
    found,
    (file) => ({ ...readIdxHeader(file), readRecords: file.readRecords as ReadRecords }),
    ({ headerBytes, readRecords }, form) => {
      const stride = form.shape.reduce((product, extent) => product * extent, 1);
      return streamedRecords({ ...form, memoryBytes }, [
        { readRecords, count: form.count, first: headerBytes, stride },
      ]);
    },
  );
  const count = (splits.train?.count ?? 0) + (splits.test?.count ?? 0);
  return { path, format: 'idx', ...splits, warnings: [streamedNote(path, count, bytes, memoryBytes)] };
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
  open: async (source, options) => openIdxFiles(source.path, await filesOf(source), options),
};
