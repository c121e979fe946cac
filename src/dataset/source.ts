/** Files and directories as bytes, with the errors of the file system turned into messages. */

import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../errors.js';

/** `readFile` of Node refuses files from 2 GiB on; saying so beforehand gives a message that helps. */
export const MAX_FILE_BYTES = 2 ** 31 - 1;

/** Bytes looked at to recognise a format: the longest signature (`\x93NUMPY`) has 6, text needs a few more. */
const HEAD_BYTES = 512;

/** Files of a directory that are looked into: datasets have a handful, a folder of single images has thousands. */
const MAX_SNIFFED_FILES = 256;

/** One regular file and its first bytes. */
export interface SourceFile {
  /** Name within its directory. */
  name: string;
  path: string;
  /** Bytes. */
  size: number;
  /** The first bytes, at most 512. */
  head: Uint8Array;
}

/** What a data path leads to. */
export type Source =
  | { kind: 'file'; path: string; file: SourceFile }
  | { kind: 'directory'; path: string; files: SourceFile[] };

/** An InputError for an error of the file system. */
function fileError(path: string, error: unknown): InputError {
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

async function sniff(path: string, name: string, size: number): Promise<SourceFile> {
  const handle = await open(path, 'r');
  try {
    const buffer = new Uint8Array(Math.min(HEAD_BYTES, size));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return { name, path, size, head: buffer.subarray(0, bytesRead) };
  } finally {
    await handle.close();
  }
}

/**
 * Looks at a path: a file with its first bytes, or a directory with the first bytes of its regular files
 * (sorted by name, at most 256, not of its subdirectories).
 *
 * @throws InputError when the path does not exist, cannot be read or is neither file nor directory
 */
export async function openSource(path: string): Promise<Source> {
  try {
    const status = await stat(path);
    if (status.isFile()) {
      return { kind: 'file', path, file: await sniff(path, path, status.size) };
    }
    if (status.isDirectory()) {
      const files: SourceFile[] = [];
      for (const name of (await readdir(path)).sort()) {
        const filePath = join(path, name);
        const fileStatus = await stat(filePath).catch(() => null);
        if (fileStatus?.isFile()) {
          files.push(await sniff(filePath, name, fileStatus.size));
          if (files.length === MAX_SNIFFED_FILES) {
            break;
          }
        }
      }
      return { kind: 'directory', path, files };
    }
  } catch (error) {
    throw fileError(path, error);
  }
  throw new InputError(
    'dataset/not-a-file',
    `${path}: neither a file nor a directory; give one of these to --data`,
  );
}

/**
 * All bytes of a file.
 *
 * @throws InputError when it cannot be read or is larger than MAX_FILE_BYTES
 */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      throw new InputError(
        'dataset/too-large',
        `${path}: ${size} bytes, more than the ${MAX_FILE_BYTES} that can be read at once; keep fewer examples in it`,
      );
    }
    const buffer = await readFile(path);
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  } catch (error) {
    throw error instanceof InputError ? error : fileError(path, error);
  }
}

/** First bytes of a gzip file (RFC 1952). */
export const GZIP_SIGNATURE = [0x1f, 0x8b] as const;
