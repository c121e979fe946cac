/**
 * One IDX file, gzipped or not.
 *
 * It is a big-endian header - two zero bytes, a byte for the type (0x08 is uint8), a byte for the rank, then
 * one uint32 a dimension - and the values. See http://yann.lecun.com/exdb/mnist/.
 */

import { InputError } from '../../errors.js';
import type { SourceFile } from '../source/file.js';

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

/** What the header of an IDX file of uint8 values says. */
export interface IdxHeader {
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

function lengthError({ path }: SourceFile, bytes: number, header: IdxHeader): InputError {
  return new InputError(
    'dataset/idx-length',
    `${path}: ${bytes} bytes, but its header (shape ${header.shape.join(' x ')}) needs ${header.totalBytes}; download or make it again`,
  );
}

/**
 * Reads the header of one IDX file that is not gzipped, and compares it with the file's length.
 *
 * @throws InputError as `readIdx`, but whatever its size
 */
export function readIdxHeader(file: SourceFile): IdxHeader {
  const header = parseHeader(file.head, file.path);
  if (file.size !== header.totalBytes) {
    throw lengthError(file, file.size, header);
  }
  return header;
}

/**
 * Reads one IDX file of uint8 values.
 *
 * @param file gzipped or not (its content decides, not its name)
 * @throws InputError when it is no such file, is damaged, or its length differs from what its header says
 */
export async function readIdx(file: SourceFile): Promise<IdxArray> {
  const { path } = file;
  // Where nothing of it unpacks, reading says how it is damaged.
  const head = file.head.length > 0 ? file.head : await file.read(MAX_IDX_BYTES);
  const header = parseHeader(head, path);
  if (header.totalBytes > MAX_IDX_BYTES) {
    throw new InputError(
      'dataset/idx-too-large',
      `${path}: its header announces ${header.totalBytes} bytes, more than the limit of ${MAX_IDX_BYTES}; check the file`,
    );
  }
  const content = await file.read(header.totalBytes);
  if (content.length !== header.totalBytes) {
    throw lengthError(file, content.length, header);
  }
  return { shape: header.shape, values: content.subarray(header.headerBytes) };
}
