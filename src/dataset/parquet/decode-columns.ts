/**
 * Columns of a Parquet file, decoded in a process of its own.
 *
 * hyparquet trusts the counts of runs that a file declares. One flipped bit can make it grow an array beyond what V8
 * allows, which ends the process at once, and from a thread of it, too.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { InputError } from '../../errors.js';

/**
 * Heap of that process, which growing arrays may exceed for a moment. A group of rows has a million at most where pyarrow
 * writes it, so that its numbers take some tens of these; bytes of images lie outside of the heap.
 */
const MAX_HEAP_MEBIBYTES = 256;

/**
 * Sends the values of each column by row groups as they are decoded, then that the column is complete. Text, as the process begins
 * with no module of TypeScript.
 */
const PROGRAM = `
process.on('disconnect', () => process.exit());
process.once('message', async ({ bytes, columns, libraries }) => {
  try {
    const [{ parquetMetadataAsync, parquetRead }, { compressors }] = await Promise.all(libraries.map((url) => import(url)));
    const { buffer, byteOffset, byteLength } = bytes;
    const file = { byteLength, slice: (start, end) => buffer.slice(byteOffset + start, byteOffset + end) };
    const metadata = await parquetMetadataAsync(file);
    for (const name of columns) {
      const onChunk = ({ rowStart, columnData }) => process.send({ name, rowStart, values: columnData });
      await parquetRead({ file, metadata, columns: [name], compressors, utf8: false, onChunk });
      process.send({ name, isComplete: true });
    }
  } catch (error) {
    process.send({ problem: String(error && error.message) });
  }
});
`;

/** What the program sends. */
interface Message {
  name: string;
  rowStart?: number;
  values?: ArrayLike<unknown>;
  isComplete?: true;
  problem?: string;
}

/** A column: the values of its row groups, one after another. */
export interface DecodedColumn {
  name: string;
  chunks: ArrayLike<unknown>[];
}

function corrupt(path: string, reason: string): InputError {
  const shown = reason.replace(/\s+/g, ' ').slice(0, 100);
  return new InputError(
    'dataset/corrupt-parquet',
    `${path}: cannot be decoded (${shown}); download or write it again`,
  );
}

/** Calls back with each column that the program completes; resolves when it has sent as many as asked for. */
function receive(
  child: ChildProcess,
  path: string,
  count: number,
  onColumn: (column: DecodedColumn) => void,
): Promise<void> {
  let chunks: { rowStart: number; values: ArrayLike<unknown> }[] = [];
  let received = 0;
  return new Promise((resolve, reject) => {
    child.on('message', ({ name, rowStart = 0, values, isComplete, problem }: Message) => {
      if (problem !== undefined) {
        reject(corrupt(path, problem));
      } else if (values) {
        chunks.push({ rowStart, values });
      } else if (isComplete) {
        chunks.sort((a, b) => a.rowStart - b.rowStart);
        try {
          onColumn({ name, chunks: chunks.map((chunk) => chunk.values) });
        } catch (error) {
          reject(error);
        }
        chunks = [];
        received++;
        if (received === count) {
          resolve();
        }
      }
    });
    child.on('error', (error) => reject(corrupt(path, error.message)));
    child.on('exit', () => reject(corrupt(path, 'it is damaged, or unpacks to more than fits')));
  });
}

/**
 * Decodes columns of a Parquet file, one after another.
 *
 * @param onColumn is called with each column, in the order asked for; what it throws ends the reading
 * @throws InputError for a damaged file, and for compressions and encodings that hyparquet does not know
 */
export async function decodeColumns(
  bytes: Uint8Array,
  columns: readonly string[],
  path: string,
  onColumn: (column: DecodedColumn) => void,
): Promise<void> {
  const { resolve } = createRequire(import.meta.url);
  const libraries = ['hyparquet', 'hyparquet-compressors'].map((name) => pathToFileURL(resolve(name)).href);
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${MAX_HEAP_MEBIBYTES}`, '--input-type=module', '--eval', PROGRAM],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, NODE_OPTIONS: '' },
    },
  );
  try {
    const received = receive(child, path, columns.length, onColumn);
    child.send({ bytes, columns, libraries }, (error) => error && child.kill());
    await received;
  } finally {
    child.kill();
  }
}
