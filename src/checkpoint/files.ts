/** The file system as the checkpoint readers and writers use it: hostile paths, one-line errors, atomic writes. */
import { type FileHandle, open, realpath, stat, statfs } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { InputError } from '../errors.js';
import { UnwrittenFileError, writeFault, writeWholeFiles } from '../whole-files.js';
import { printable, quoted } from './printable.js';

/** Largest single read; read(2) transfers at most 2^31 - 4096 bytes. */
const READ_CHUNK_BYTES = 2 ** 30;

/** A file that exists, is a regular file and had this size. */
export interface CheckedFile {
  path: string;
  size: number;
}

/**
 * Size of a regular file.
 *
 * @throws InputError when it is missing, unreadable or anything but a regular file
 */
export async function checkFile(path: string): Promise<CheckedFile> {
  const found = await stat(path).catch((error) => Promise.reject(readProblem(error, path)));
  if (!found.isFile()) {
    throw new InputError('checkpoint/not-a-file', `${printable(path)} is not a regular file.`);
  }
  return { path, size: found.size };
}

/**
 * Reads a checked file into the start of `target`, which is at least as long.
 *
 * @param length bytes to read, all of the file unless given
 * @throws InputError when the file has become shorter or cannot be read
 */
export async function readInto(file: CheckedFile, target: Uint8Array, length = file.size): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file.path, 'r');
    for (let done = 0; done < length; ) {
      const { bytesRead } = await handle.read(target, done, Math.min(READ_CHUNK_BYTES, length - done), done);
      if (bytesRead === 0) {
        throw new InputError(
          'checkpoint/size-mismatch',
          `${printable(file.path)} ended after ${done} of ${length} bytes: it changed while it was read; try again.`,
        );
      }
      done += bytesRead;
    }
  } catch (error) {
    throw error instanceof InputError ? error : readProblem(error, file.path);
  } finally {
    await handle?.close();
  }
}

/** The InputError for a failed stat, open or read; anything without an errno code is passed through. */
export function readProblem(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) return error;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new InputError('checkpoint/missing-file', `${printable(path)} does not exist.`, { cause: error });
  }
  const hint = code === 'EACCES' || code === 'EPERM' ? 'no permission to read it' : code;
  return new InputError('checkpoint/unreadable-file', `${printable(path)} cannot be read: ${hint}.`, {
    cause: error,
  });
}

/**
 * Where a relative path from a file leads, provided that it cannot leave the folder.
 *
 * The path is refused if it is absolute, has a `..` step, a backslash, a colon (drive, URL, stream) or a
 * control character; and, links followed, if what it leads to lies outside the folder.
 *
 * @param folder real path of the folder
 * @param path what the file says
 * @param source the file that says it, for the message
 * @param what the path is of, for the message
 * @throws InputError `checkpoint/unsafe-path`, or as `checkFile`
 */
export async function resolveInside(
  folder: string,
  path: string,
  source: string,
  what = 'weight file',
): Promise<CheckedFile> {
  const unsafePath = (fault: string) =>
    new InputError(
      'checkpoint/unsafe-path',
      `${printable(source)}: the ${what} ${quoted(path)} is ${fault}; it must lie in the folder of the model or below.`,
    );
  const fault = pathFault(path);
  if (fault) throw unsafePath(fault);
  const joined = join(folder, path);
  const real = await realpath(joined).catch((error) => Promise.reject(readProblem(error, joined)));
  const inside = relative(folder, real);
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw unsafePath('a link that leaves the folder of the model; copy the file there');
  }
  return checkFile(real);
}

function pathFault(path: string): string | null {
  if (path === '') return 'empty';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'a name with control characters';
  if (path.startsWith('/')) return 'absolute';
  if (path.includes('\\')) return 'a name with a backslash';
  if (path.includes(':')) return 'a URL, a drive or a name with a colon';
  if (path.split('/').includes('..')) return 'a path with a ".." step';
  return null;
}

/**
 * Where a file goes that `output` says: there, or under its usual name in that folder where `output` is one or
 * ends like one.
 *
 * @throws InputError when it cannot be looked at
 */
export async function fileToWrite(output: string, name: string): Promise<string> {
  if (/[/\\]$/.test(output)) return join(output, name);
  const found = await stat(output).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw readProblem(error, output);
  });
  return found?.isDirectory() ? join(output, name) : output;
}

/** Those of some paths that lead to anything. */
export async function existing(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map((path) => stat(path).catch(() => null)));
  return paths.filter((_, index) => found[index] !== null);
}

/**
 * Refuses, before long work, a folder on a disk that has no room for what is to be written there.
 *
 * @param folder made later if need be
 * @param bytes about what will be written
 * @throws InputError `output/no-space`
 */
export async function requireSpace(folder: string, bytes: number): Promise<void> {
  const free = await statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  );
  if (free === null) {
    const parent = dirname(folder);
    if (parent !== folder) await requireSpace(parent, bytes);
  } else if (free < bytes) {
    throw new InputError(
      'output/no-space',
      `${printable(folder)}: ${free} bytes are free on its disk, and the output takes about ${bytes}; make room, or name another place.`,
    );
  }
}

/** A file to be written. */
export interface NewFile {
  /** May lead into a folder below, with slashes; that is made, too. */
  name: string;
  data: Uint8Array | string;
  /** As of a `WholeFile`. */
  flushed?: true;
}

/**
 * Writes files into a directory, which is made if need be, as `writeWholeFiles` does.
 *
 * @returns the paths written, in order
 * @throws InputError `checkpoint/cannot-write`
 */
export async function writeFilesAtomically(directory: string, files: readonly NewFile[]): Promise<string[]> {
  const whole = files.map(({ name, ...file }) => ({ path: join(directory, name), ...file }));
  try {
    await writeWholeFiles(whole);
  } catch (error) {
    if (!(error instanceof UnwrittenFileError)) throw error;
    throw new InputError(
      'checkpoint/cannot-write',
      `${printable(error.path)} cannot be written: ${writeFault(error.cause)}.`,
      { cause: error },
    );
  }
  return whole.map(({ path }) => path);
}
