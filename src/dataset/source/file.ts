/** One file of data, on disk or in an archive, gzipped or not; errors of the file system become messages. */

import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { InputError } from '../../errors.js';
import { startsWith } from '../../formats/signature.js';
import { gunzipBytes, gunzipStream, peekGunzipped } from './gzip.js';

/** `readFile` of Node refuses files from 2 GiB on; saying so beforehand gives a message that helps. */
export const MAX_FILE_BYTES = 2 ** 31 - 1;

/**
 * Bytes looked at to recognise a format: a tar header has 512, some lines of text a few hundred, and of gzip it takes a
 * Huffman table more.
 */
export const HEAD_BYTES = 4096;

/** First bytes of a gzip file (RFC 1952). */
const GZIP_SIGNATURE = [0x1f, 0x8b] as const;

/**
 * Reads pieces of one length of a file, one behind the other, in the order of their beginnings.
 *
 * @throws InputError when it cannot be read, or ends before
 */
export type ReadRecords = (starts: readonly number[], length: number) => Promise<Uint8Array>;

/** A file of bytes as they lie there. */
export interface StoredFile {
  /** Name within its folder. */
  name: string;
  /** Where it is, for messages: a path, or an archive and its member. */
  path: string;
  /** Stored bytes; of a member of an archive, unpacked ones. */
  size: number;
  /** The first bytes, at most HEAD_BYTES. */
  head: Uint8Array;
  /** All bytes, not to be written to. */
  read(): Promise<Uint8Array>;
  stream(): Readable;
  /** Null where its pieces cannot be read alone. */
  readRecords: ReadRecords | null;
}

/** A file and its content, which is what gzip unpacks to where the file is gzipped. */
export interface SourceFile {
  /** Name within its folder, also of a gzipped file as it is there. */
  name: string;
  /** Where it is, for messages. */
  path: string;
  /** Bytes as stored, gzipped or not. */
  size: number;
  gzipped: boolean;
  /** The first bytes of the content, at most HEAD_BYTES. */
  head: Uint8Array;
  /**
   * The content, not to be written to.
   *
   * @param maxBytes what gzip may unpack to; MAX_FILE_BYTES without it
   * @throws InputError when it cannot be read, is damaged or too large
   */
  read(maxBytes?: number): Promise<Uint8Array>;
  /** The content bit by bit; errors of the file system and of gzip come from the stream. */
  stream(): Readable;
  /** Pieces of the content; null of a gzipped file, and of one in an archive. */
  readRecords: ReadRecords | null;
}

/** An InputError for an error of the file system. */
export function fileError(path: string, error: unknown): InputError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new InputError(
      'dataset/missing',
      `${path}: no such file or directory; check the path given to --data`,
      {
        cause: error,
      },
    );
  }
  return new InputError('dataset/unreadable', `${path}: cannot be read (${code}); check its permissions`, {
    cause: error,
  });
}

/** The same for a file that was there when its folder was listed. */
function foundFileError(path: string, error: unknown): InputError {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
    ? new InputError('dataset/missing', `${path}: was there and is gone; put it back and start again`, {
        cause: error,
      })
    : fileError(path, error);
}

/** A file as stored, together with the start of its content where it is gzipped. */
export function sourceFile(stored: StoredFile): SourceFile {
  const { name, path, size } = stored;
  if (!startsWith(stored.head, GZIP_SIGNATURE)) {
    return {
      name,
      path,
      size,
      gzipped: false,
      head: stored.head,
      read: () => stored.read(),
      stream: () => stored.stream(),
      readRecords: stored.readRecords,
    };
  }
  return {
    name,
    path,
    size,
    gzipped: true,
    head: peekGunzipped(stored.head).slice(0, HEAD_BYTES),
    read: async (maxBytes = MAX_FILE_BYTES) => gunzipBytes(await stored.read(), path, maxBytes),
    stream: () => gunzipStream(stored.stream(), path, MAX_FILE_BYTES),
    readRecords: null,
  };
}

/** A member of an archive that is in memory. */
export function memoryFile(
  name: string,
  path: string,
  size: number,
  head: Uint8Array,
  read: () => Uint8Array,
): SourceFile {
  return sourceFile({
    name,
    path,
    size,
    head,
    read: async () => read(),
    stream: () => Readable.from([Buffer.from(read())], { objectMode: false }),
    readRecords: null,
  });
}

/**
 * A regular file on disk with its first bytes.
 *
 * @throws InputError when it cannot be read
 */
export async function diskFile(path: string, name: string): Promise<SourceFile> {
  try {
    const { size, head } = await sniff(path);
    return sourceFile({
      name,
      path,
      size,
      head,
      read: () => readBytes(path),
      stream: () => createReadStream(path),
      readRecords: (starts, length) => readPieces(path, starts, length),
    });
  } catch (error) {
    throw fileError(path, error);
  }
}

async function sniff(path: string): Promise<{ size: number; head: Uint8Array }> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const buffer = new Uint8Array(Math.min(HEAD_BYTES, size));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return { size, head: buffer.subarray(0, bytesRead) };
  } finally {
    await handle.close();
  }
}

/**
 * All bytes of a file.
 *
 * @throws InputError when it cannot be read or is larger than `maxBytes`
 */
export async function readBytes(path: string, maxBytes = MAX_FILE_BYTES): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) {
      throw new InputError(
        'dataset/too-large',
        `${path}: ${size} bytes, more than the ${maxBytes} that are read at once; make it smaller`,
      );
    }
    const buffer = await readFile(path);
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  } catch (error) {
    throw error instanceof InputError ? error : foundFileError(path, error);
  }
}

async function readPieces(path: string, starts: readonly number[], length: number): Promise<Uint8Array> {
  const pieces = new Uint8Array(starts.length * length);
  try {
    const handle = await open(path, 'r');
    try {
      // All at once: they go on while the main thread is busy.
      const read = await Promise.all(
        starts.map((start, index) => handle.read(pieces, index * length, length, start)),
      );
      if (read.some(({ bytesRead }) => bytesRead < length)) {
        throw new InputError(
          'dataset/changed',
          `${path}: is shorter than when it was opened; data must not change while it is read, start again`,
        );
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof InputError ? error : foundFileError(path, error);
  }
  return pieces;
}
