/** Files that are written whole or not at all, and leave nothing behind when the run is stopped. */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';

/** A file to be written. */
export interface WholeFile {
  path: string;
  /** All of it, or parts that are asked for one after the other. */
  data: Uint8Array | string | AsyncIterable<Uint8Array>;
  /** It is on the disk before it takes the place of another one, so that a power failure leaves one of the two. */
  flushed?: true;
}

/** The file that could not be written; `cause` is the error of the file system. */
export class UnwrittenFileError extends Error {
  readonly path: string;

  constructor(path: string, cause: unknown) {
    super(`${path} cannot be written: ${writeFault(cause)}`, { cause });
    this.name = 'UnwrittenFileError';
    this.path = path;
  }
}

const FAULTS: Readonly<Record<string, string>> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left',
  EDQUOT: 'the quota is used up',
  EFBIG: 'it would be larger than the file system or ulimit -f allows',
  EEXIST: 'a file is in the way of the directory',
  ENOTDIR: 'a file is in the way of the directory',
  EISDIR: 'a directory is in the way',
  ENOENT: 'its folder does not exist',
  ENAMETOOLONG: 'the name is too long',
};

/** Why something could not be written, in a few words. */
export function writeFault(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined ? message : (FAULTS[code] ?? code);
}

/** Signals that end a run; temporary files go with it. */
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A temporary file of a process that cannot be seen from here is left for so long: it may be of another machine. */
const FOREIGN_AGE_MILLISECONDS = 24 * 60 * 60 * 1000;

const TEMPORARY_NAME = /^\.prune-limit-([0-9a-f]{8})-(\d+)-[0-9a-f]{12}\.tmp$/;

/** Tells machines, and containers on one, apart: only within them does a process id mean something. */
function processSpace(): string {
  let space = hostname();
  try {
    space += readlinkSync('/proc/self/ns/pid');
  } catch {
    // elsewhere than on Linux the name of the machine has to do
  }
  return createHash('sha256').update(space).digest('hex').slice(0, 8);
}

function temporaryName(): string {
  return `.prune-limit-${processSpace()}-${process.pid}-${randomBytes(6).toString('hex')}.tmp`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether a file is a temporary one of a run that was killed: named like one, and its process is gone. */
function isStale(folder: string, name: string): boolean {
  const [, space, pid] = TEMPORARY_NAME.exec(name) ?? [];
  if (space === undefined) {
    return false;
  }
  const found = statSync(join(folder, name), { throwIfNoEntry: false });
  return (
    (found?.isFile() ?? false) &&
    ((space === processSpace() && !isAlive(Number(pid))) ||
      Date.now() - found!.mtimeMs > FOREIGN_AGE_MILLISECONDS)
  );
}

/** Removes what killed runs left in a folder; a folder that cannot be read is left as it is. */
function removeStale(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      if (isStale(folder, name)) {
        rmSync(join(folder, name), { force: true });
      }
    }
  } catch {
    // what is left there is in nobody's way
  }
}

/**
 * Does something with temporary files or folders, and removes those that are left: when it is done, fails, the process
 * exits, or a signal ends it. That signal is raised again, for its usual effect.
 */
export async function withTemporaryFiles<Result>(
  paths: readonly string[],
  work: () => Promise<Result>,
): Promise<Result> {
  const remove = (): void => {
    for (const path of paths) {
      try {
        rmSync(path, { recursive: true, force: true });
      } catch {
        // where its folder is no folder it was never made
      }
    }
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    release();
    remove();
    // Whoever else listens has heard it already.
    if (process.listenerCount(signal) === 0) {
      process.kill(process.pid, signal);
    }
  };
  const release = (): void => {
    process.off('exit', remove);
    for (const signal of ENDING_SIGNALS) {
      process.off(signal, onSignal);
    }
  };
  process.on('exit', remove);
  for (const signal of ENDING_SIGNALS) {
    process.on(signal, onSignal);
  }
  try {
    return await work();
  } finally {
    release();
    remove();
  }
}

async function writeNewFile(path: string, { data, flushed }: Omit<WholeFile, 'path'>): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await writeFile(file, data);
    if (flushed) {
      await file.sync();
    }
  } finally {
    await file.close();
  }
}

/**
 * Writes files: all under temporary names beside them first, then renamed in the order given. A reader never sees
 * half a file, and a failure while writing leaves the old files and no temporary ones. Folders are made if need be;
 * temporary files of killed runs in them are removed. A link at a file's place is replaced, never written through.
 *
 * @throws UnwrittenFileError
 */
export async function writeWholeFiles(files: readonly WholeFile[]): Promise<void> {
  const moves = files.map((file) => ({ ...file, temporary: join(dirname(file.path), temporaryName()) }));
  let current = '';
  await withTemporaryFiles(
    moves.map(({ temporary }) => temporary),
    async () => {
      try {
        for (const folder of new Set(moves.map(({ path }) => dirname(path)))) {
          current = folder;
          await mkdir(folder, { recursive: true });
          removeStale(folder);
        }
        for (const { path, temporary, ...content } of moves) {
          current = path;
          await writeNewFile(temporary, content);
        }
        for (const { path, temporary } of moves) {
          current = path;
          await rename(temporary, path);
        }
      } catch (error) {
        throw new UnwrittenFileError(current, error);
      }
    },
  );
}
