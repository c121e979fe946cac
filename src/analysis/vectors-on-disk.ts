/** Lanczos vectors in a file, where they do not fit into memory: read once in every orthogonalisation, front to back. */

import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.js';
import { type VectorRows, vectorsInBlock } from '../spectrum/lanczos-vectors.js';
import { writeFault } from '../whole-files.js';
import type { Disposable } from './resources.js';

/** The Lanczos recurrence uses the newest three. */
const RECENT_ROWS = 3;
/** What one call reads or writes at most. */
const CALL_BYTES = 2 ** 28;
/** File systems that lie in memory (Linux: tmpfs, ramfs). */
const MEMORY_FILE_SYSTEMS = new Set([0x01021994, 0x858458f6]);

/** Where there is room for a file. */
export interface DiskRoom {
  folder: string;
  /** That may be taken. */
  bytes: number;
}

/**
 * The folder for what does not fit into memory: that of the file of `--resume`, else the system's for temporary files;
 * null where none is on a disk.
 *
 * A run that was stopped has to find as much room as at its beginning, as digits hang on how its vectors are treated:
 * beside a state, which comes to hold the same vectors, half of what that and the free space are together.
 *
 * @param state the file of `--resume`; null: there is none
 */
export async function diskRoom(state: { file: string; bytes: number } | null): Promise<DiskRoom | null> {
  const folders = state !== null ? [dirname(state.file)] : [tmpdir(), '/var/tmp'];
  for (const folder of folders) {
    const found = await statfs(folder).catch(() => null);
    if (found !== null && !MEMORY_FILE_SYSTEMS.has(found.type)) {
      const free = found.bavail * found.bsize;
      return { folder, bytes: state === null ? free : (free + state.bytes) / 2 };
    }
  }
  return null;
}

/** What vectors of a length take in memory while they lie on the disk, in bytes. */
export function memoryOfDiskVectors(length: number): number {
  return 4 * length * (RECENT_ROWS + vectorsInBlock(length));
}

function bytesOf(array: Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/**
 * Rows in a file of its own, which has no name: whatever ends the process, the system removes it. Only the newest rows
 * and one block are in memory.
 *
 * @param stride length of a row
 * @param blockRows most rows of a block
 * @throws InputError where the file cannot be made; so do its functions where it cannot be written or read
 */
export function fileRows(folder: string, stride: number, blockRows: number): VectorRows & Disposable {
  const path = join(folder, `.prune-limit-vectors-${randomUUID()}`);
  const guarded = <T>(what: string, work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw new InputError(
        'usage/vectors-on-disk',
        `the Lanczos vectors cannot be ${what} in ${folder} (${writeFault(cause)}); make room there, raise --memory-limit, or give --reorthogonalization none`,
        { cause },
      );
    }
  };
  const file = guarded('kept', () => openSync(path, 'wx+', 0o600));
  let named = true;
  const unlink = (): void => {
    try {
      rmSync(path);
      named = false;
    } catch {
      // A system on which a file that is open keeps its name.
    }
  };
  unlink();
  const recent = Array.from({ length: RECENT_ROWS }, () => new Float32Array(stride));
  let block: Float32Array | null = null;
  let added = 0;
  const rowBytes = 4 * stride;
  /** Carries `call` out on all bytes, from an offset of the file on. */
  const throughout = (
    bytes: Uint8Array,
    offset: number,
    call: (part: Uint8Array, at: number) => number,
  ): void => {
    for (let done = 0; done < bytes.length; ) {
      const count = call(bytes.subarray(done, done + CALL_BYTES), offset + done);
      if (count === 0) {
        throw new Error('it has become shorter');
      }
      done += count;
    }
  };
  const read = (into: Float32Array, first: number): Float32Array => {
    guarded('read', () =>
      throughout(bytesOf(into), first * rowBytes, (part, at) => readSync(file, part, 0, part.length, at)),
    );
    return into;
  };
  return {
    add: () => {
      if (added > 0) {
        const newest = added - 1;
        guarded('kept', () =>
          throughout(bytesOf(recent[newest % RECENT_ROWS]), newest * rowBytes, (part, at) =>
            writeSync(file, part, 0, part.length, at),
          ),
        );
      }
      return recent[added++ % RECENT_ROWS];
    },
    row: (index) =>
      index >= added - RECENT_ROWS
        ? recent[index % RECENT_ROWS].slice()
        : read(new Float32Array(stride), index),
    block: (first, count) => {
      block ??= new Float32Array(blockRows * stride);
      return read(block.subarray(0, count * stride), first);
    },
    dispose: () => {
      closeSync(file);
      if (named) {
        unlink();
      }
    },
  };
}
