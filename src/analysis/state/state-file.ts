/** A file that results are added to while a run goes on, and read from by the next. */
import { constants, fstatSync } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { InputError } from '../../errors.js';
import { UnwrittenFileError, writeFault, writeWholeFiles } from '../../whole-files.js';
import {
  FORMAT_VERSION,
  FRAME_BYTES,
  frameParts,
  type NewRecord,
  type PlacedRecord,
  partsOfFile,
  payloadBytes,
  placesIn,
  RECORD_HEAD_BYTES,
  readBytes,
  scanFrames,
} from './frames.js';

/** A file is written anew once what has been replaced in it takes this much, and more than what counts. */
const LEAST_WASTE_BYTES = 2 ** 26;

/** Results by key, in a file. */
export interface StateFile {
  readonly path: string;
  /** Whether what lay at the end of the file was torn, and is left out. */
  readonly torn: boolean;
  /** Bytes of a result; null where there is none. */
  sizeOf(key: string): number | null;
  /** A result; null where there is none. */
  read(key: string): Promise<Uint8Array | null>;
  /** A result to be written, in place of that of the same key; its parts must not change until it is. */
  put(key: string, parts: readonly Uint8Array[]): void;
  /** A result is not wanted any more. */
  forget(key: string): void;
  /** Of the file on the disk. */
  readonly bytes: number;
  /** Bytes of what was put and is not written. */
  readonly pendingBytes: number;
  /** Whether `write` is going to write the file anew, in many small steps. */
  readonly rewrites: boolean;
  /**
   * Writes all that was put, flushed to the disk. One call at a time.
   *
   * @throws UnwrittenFileError where that is not possible; what was put stays, to be written another time
   */
  write(): Promise<void>;
  close(): Promise<void>;
}

/** What to do about a file that cannot be gone on from. */
const REMEDY = 'name another file, or remove it to begin anew';

function fault(path: string, reason: string): InputError {
  return new InputError('resume/state', `--resume ${path}: ${reason}; ${REMEDY}`);
}

/** Writes are on the disk when they are done; 0 where the system has no such flag. */
const SYNCHRONOUS = constants.O_DSYNC ?? 0;

function openForWriting(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | SYNCHRONOUS);
}

async function openExisting(path: string): Promise<FileHandle | null> {
  try {
    return await openForWriting(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      return null;
    }
    const reason = code === 'EISDIR' ? 'is a folder' : `cannot be opened for writing (${writeFault(error)})`;
    throw new InputError('resume/state', `--resume ${path}: ${reason}; name another file`, { cause: error });
  }
}

/** The records of a file that is there. */
async function scan(
  file: FileHandle,
  path: string,
): Promise<{ records: PlacedRecord[]; end: number; size: number }> {
  const found = await file.stat();
  if (!found.isFile()) {
    throw new InputError('resume/state', `--resume ${path}: is no regular file; name another one`);
  }
  if (found.size === 0) {
    return { records: [], end: 0, size: 0 };
  }
  const scanned = await scanFrames(file, found.size);
  switch (scanned.kind) {
    case 'state':
      return { records: scanned.records, end: scanned.end, size: found.size };
    case 'version':
      throw fault(
        path,
        `was written by another version of prune-limit (format ${scanned.version}, this one has ${FORMAT_VERSION})`,
      );
    case 'damaged':
      throw fault(path, 'is damaged or cut short');
    case 'foreign':
      throw new InputError(
        'resume/state',
        `--resume ${path}: is no state of prune-limit and is left as it is; name another file`,
      );
  }
}

async function collected(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const part of parts) {
    all.push(part);
  }
  return all;
}

/**
 * Writes parts from an offset on, in as few calls as the system lets: each takes a turn of the event loop, of which a
 * process that computes has few.
 *
 * @returns the offset behind them
 */
async function writeParts(file: FileHandle, parts: readonly Uint8Array[], offset: number): Promise<number> {
  let at = offset;
  for (let left = parts.filter(({ length }) => length > 0); left.length > 0; ) {
    let { bytesWritten } = await file.writev(left, at);
    at += bytesWritten;
    const written = left.findIndex(({ length }) => {
      bytesWritten -= length;
      return bytesWritten < 0;
    });
    left = written < 0 ? [] : [left[written].subarray(bytesWritten), ...left.slice(written + 1)];
  }
  return at;
}

/**
 * Opens a state file, or prepares one that is made by the first `write`.
 *
 * Results are appended, each batch with its hash and an fsync, and a batch that was cut off by the end of a run is left
 * out. That costs no more than the new bytes - a run that keeps its Lanczos vectors has gigabytes of them - and what is
 * on the disk is never in danger. The file is made, and written anew where much of it is outdated, under a temporary
 * name that is renamed.
 *
 * @throws InputError `resume/state` for a file that is none, damaged, or of another version
 */
export async function openStateFile(named: string): Promise<StateFile> {
  const path = await realpath(named).catch(() => named);
  let file = await openExisting(path);
  const placed = new Map<string, PlacedRecord>();
  const pending = new Map<string, readonly Uint8Array[]>();
  let { end, size, torn } = { end: 0, size: 0, torn: false };
  if (file !== null) {
    const scanned = await scan(file, named).catch(async (error: unknown) => {
      await file?.close();
      throw error;
    });
    ({ end, size } = scanned);
    torn = end < size;
    for (const record of scanned.records) {
      placed.set(record.key, record);
    }
  }
  const sizeOfParts = (parts: readonly Uint8Array[]): number =>
    parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const pendingRecords = (): NewRecord[] =>
    Array.from(pending, ([key, parts]) => ({ key, parts, bytes: sizeOfParts(parts) }));
  /** Keys that were given up while a batch was being written. */
  const forgotten = new Set<string>();
  const place = (records: readonly PlacedRecord[]): void => {
    for (const record of records.filter(({ key }) => !forgotten.has(key))) {
      placed.set(record.key, record);
    }
  };

  /** Writes the file under another name first: all that counts, in one frame. */
  const writeAnew = async (records: readonly NewRecord[]): Promise<void> => {
    const old = file;
    const kept = [...placed.values()]
      .filter(({ key }) => !pending.has(key))
      .map(({ key, bytes, offset }) => ({
        key,
        bytes,
        parts: partsOfFile(old as FileHandle, offset, bytes),
      }));
    const all = [...kept, ...records];
    await writeWholeFiles([{ path, data: frameParts(all), flushed: true }]);
    file = await openForWriting(path);
    await old?.close();
    place(placesIn(all, 0));
    end = payloadBytes(all) + FRAME_BYTES;
    size = end;
  };
  const append = async (to: FileHandle, records: readonly NewRecord[]): Promise<void> => {
    if (fstatSync(to.fd).size !== size) {
      throw new Error('another process writes to it');
    }
    try {
      if (size > end) {
        await to.truncate(end);
      }
      const at = await writeParts(to, await collected(frameParts(records)), end);
      if (SYNCHRONOUS === 0) {
        await to.datasync();
      }
      place(placesIn(records, end));
      end = at;
      size = at;
    } catch (error) {
      // Half a frame would be left out by the next run; this one may still write another.
      await to.truncate(end).catch(() => {});
      size = fstatSync(to.fd).size;
      throw error;
    }
  };
  const rewrites = (): boolean => {
    const live = [...placed.values()].reduce((sum, { bytes }) => sum + RECORD_HEAD_BYTES + bytes, 0);
    return end === 0 || end - live > Math.max(LEAST_WASTE_BYTES, live);
  };
  return {
    path: named,
    torn,
    get bytes() {
      return size;
    },
    get rewrites() {
      return rewrites();
    },
    get pendingBytes() {
      return pending.size === 0 ? 0 : payloadBytes(pendingRecords()) + FRAME_BYTES;
    },
    sizeOf: (key) => {
      const parts = pending.get(key);
      return parts === undefined ? (placed.get(key)?.bytes ?? null) : sizeOfParts(parts);
    },
    read: async (key) => {
      const parts = pending.get(key);
      if (parts !== undefined) {
        return Buffer.concat(parts);
      }
      const record = placed.get(key);
      if (record === undefined || file === null) {
        return null;
      }
      const content = await readBytes(file, record.offset, record.bytes);
      return content.length === record.bytes ? content : null;
    },
    put: (key, parts) => {
      pending.set(key, parts);
      forgotten.delete(key);
    },
    forget: (key) => {
      forgotten.add(key);
      pending.delete(key);
      placed.delete(key);
    },
    write: async () => {
      const records = pendingRecords();
      if (records.length === 0) {
        return;
      }
      forgotten.clear();
      try {
        await (file === null || rewrites() ? writeAnew(records) : append(file, records));
      } catch (error) {
        throw error instanceof UnwrittenFileError ? error : new UnwrittenFileError(path, error);
      }
      for (const { key, parts } of records) {
        if (pending.get(key) === parts) {
          pending.delete(key);
        }
      }
    },
    close: async () => {
      await file?.close();
      file = null;
    },
  };
}
