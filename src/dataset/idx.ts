/**
 * IDX, the format of MNIST: a directory of image and label files, each gzipped or not.
 *
 * A file is a big-endian header - two zero bytes, a byte for the type (0x08 is uint8), a byte for the rank, then
 * one uint32 a dimension - and the values. See http://yann.lecun.com/exdb/mnist/.
 */

import { InputError } from '../errors.js';
import { startsWith } from '../formats/signature.js';
import type { Dataset, Labels, Split } from './dataset.js';
import { gunzipBytes, peekGunzipped } from './gzip.js';
import { labelsFromNumbers } from './labels.js';
import { GZIP_SIGNATURE, readBytes, type SourceFile } from './source.js';

/**
 * Content of one IDX file. MNIST's training images have 47 MB, the largest of the family (EMNIST ByClass) 547 MB;
 * without a limit a few megabytes of gzip could ask for gigabytes.
 */
export const MAX_IDX_BYTES = 2 ** 30;

const TYPE_NAMES: Record<number, string> = {
  8: 'uint8',
  9: 'int8',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
};
const UINT8 = 8;
const MAX_RANK = 4;

/** The uint8 values of an IDX file. */
export interface IdxArray {
  shape: number[];
  values: Uint8Array;
}

interface IdxHeader {
  shape: number[];
  headerBytes: number;
  totalBytes: number;
}

/** Whether bytes begin like an uncompressed IDX file: two zeros, a known type, a plausible rank. */
export function looksLikeIdx(head: Uint8Array): boolean {
  return (
    head.length >= 8 &&
    head[0] === 0 &&
    head[1] === 0 &&
    head[2] in TYPE_NAMES &&
    head[3] > 0 &&
    head[3] <= MAX_RANK
  );
}

function parseHeader(bytes: Uint8Array, path: string): IdxHeader {
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0 || !(bytes[2] in TYPE_NAMES)) {
    const found = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new InputError(
      'dataset/idx-magic',
      `${path}: not an IDX file (starts with bytes "${found}", expected "00 00 08" and the rank); download or make it again`,
    );
  }
  if (bytes[2] !== UINT8) {
    throw new InputError(
      'dataset/idx-type',
      `${path}: holds ${TYPE_NAMES[bytes[2]]} values, only uint8 is read from IDX; convert it, or store the data as .npz`,
    );
  }
  const rank = bytes[3];
  if (rank < 1 || rank > MAX_RANK) {
    throw new InputError(
      'dataset/idx-rank',
      `${path}: rank ${rank}, expected 1 to ${MAX_RANK}; check the file`,
    );
  }
  const headerBytes = 4 + 4 * rank;
  if (bytes.length < headerBytes) {
    throw new InputError(
      'dataset/idx-truncated',
      `${path}: ends within its ${headerBytes}-byte header; download or make it again`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  return { shape, headerBytes, totalBytes: headerBytes + shape.reduce((product, size) => product * size, 1) };
}

/**
 * Reads one IDX file of uint8 values.
 *
 * @param path a file, gzipped or not (its content decides, not its name)
 * @throws InputError when it is no such file, is damaged, or its length differs from what its header says
 */
export async function readIdx(path: string): Promise<IdxArray> {
  const stored = await readBytes(path);
  const zipped = startsWith(stored, GZIP_SIGNATURE);
  const header = parseHeader(zipped ? peekGunzipped(stored, path) : stored, path);
  if (header.totalBytes > MAX_IDX_BYTES) {
    throw new InputError(
      'dataset/idx-too-large',
      `${path}: its header announces ${header.totalBytes} bytes, more than the limit of ${MAX_IDX_BYTES}; check the file`,
    );
  }
  const content = zipped ? await gunzipBytes(stored, path, header.totalBytes) : stored;
  if (content.length !== header.totalBytes) {
    throw new InputError(
      'dataset/idx-length',
      `${path}: ${content.length} bytes, but its header (shape ${header.shape.join(' x ')}) needs ${header.totalBytes}; download or make it again`,
    );
  }
  return { shape: header.shape, values: content.subarray(header.headerBytes) };
}

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
  return (
    looksLikeIdx(file.head) || (named && (startsWith(file.head, GZIP_SIGNATURE) || /idx\d/.test(file.name)))
  );
}

/** Whether a directory holds IDX files, by content where it is not gzipped, else by name. */
export function hasIdxFiles(files: readonly SourceFile[]): boolean {
  return files.some(isIdxFile);
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
      `${directory}: several files of ${part} ${role} (${unpacked.map((file) => file.name).join(', ')}); keep one set in the directory`,
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
  const images = await readIdx(imagesPath);
  const labels = await readIdx(labelsPath);
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
export async function readIdxDirectory(path: string, files: readonly SourceFile[]): Promise<Dataset> {
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
