/** External data of ONNX models: files beside the model that hold the bytes of tensors. */
import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputError } from '../../errors.js';
import { readInto, readProblem, resolveInside } from '../files.js';
import { printable } from '../printable.js';
import { externalBytes, invalidTensor, type TensorHead } from './tensors.js';

/** Model and external data together: half a billion float32, as for other formats. */
export const MAX_TOTAL_BYTES = 2 * 2 ** 30;

/** A file of external data. */
export interface ExternalFile {
  /** As the model says it, without repeats, in order of first use. */
  locations: string[];
  /** Its real path. */
  path: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Where a tensor's bytes lie. */
export interface ExternalRange {
  file: ExternalFile;
  start: number;
  end: number;
}

/** The files of external data in order of first use, and the range of each tensor. */
export interface ExternalFiles {
  files: ExternalFile[];
  ranges: Map<TensorHead, ExternalRange>;
}

/**
 * Reads the external data of tensors. Ranges are checked against the files' sizes before anything is read.
 *
 * @param modelBytes size of the model's own file
 * @throws InputError for a path that leaves the folder, a range outside its file or one that overlaps another
 */
export async function readExternalFiles(
  path: string,
  heads: readonly TensorHead[],
  modelBytes: number,
): Promise<ExternalFiles> {
  const outside = heads.filter(({ external }) => external !== null);
  const byPath = new Map<string, ExternalFile>();
  const ranges = new Map<TensorHead, ExternalRange>();
  if (outside.length === 0) return { files: [], ranges };
  const directory = dirname(path);
  const folder = await realpath(directory).catch((error) => Promise.reject(readProblem(error, directory)));
  const byLocation = new Map<string, ExternalFile>();
  let total = modelBytes;
  for (const head of outside) {
    const { location } = head.external!;
    let file = byLocation.get(location);
    if (file === undefined) {
      const found = await resolveInside(folder, location, path, 'external data');
      file = byPath.get(found.path);
      if (file === undefined) {
        total += found.size;
        requireTotal(path, total);
        file = { locations: [], path: found.path, bytes: new Uint8Array(found.size) };
        await readInto(found, file.bytes);
        byPath.set(found.path, file);
      }
      file.locations.push(location);
      byLocation.set(location, file);
    }
    ranges.set(head, rangeOf(path, head, file));
  }
  requireApart(path, ranges);
  return { files: [...byPath.values()], ranges };
}

function requireTotal(path: string, total: number): void {
  if (total <= MAX_TOTAL_BYTES) return;
  throw new InputError(
    'checkpoint/too-large',
    `${printable(path)} and its external data have more than the ${MAX_TOTAL_BYTES} bytes that are read.`,
  );
}

function rangeOf(path: string, head: TensorHead, file: ExternalFile): ExternalRange {
  const { offset, length } = head.external!;
  const expected = externalBytes(head);
  const found = length ?? Math.max(0, file.bytes.length - offset);
  if (found !== expected || offset + found > file.bytes.length) {
    throw invalidTensor(
      path,
      head.name,
      `[${head.shape.join(', ')}] of type ${head.type} needs ${expected} bytes; its external data is ${found} bytes ` +
        `from ${offset} of the ${file.bytes.length} in ${printable(head.external!.location)}; is that file complete?`,
      'checkpoint/size-mismatch',
    );
  }
  return { file, start: offset, end: offset + found };
}

/** Tensors may have the same range, tied weights do; those that share a part of it are a damaged file. */
function requireApart(path: string, ranges: ReadonlyMap<TensorHead, ExternalRange>): void {
  const sorted = [...ranges]
    .filter(([, { start, end }]) => end > start)
    .sort(([, a], [, b]) => compare(a.file.path, b.file.path) || a.start - b.start || a.end - b.end);
  for (const [i, [head, range]] of sorted.entries()) {
    const [previousHead, previous] = sorted[i - 1] ?? [];
    if (!previous || !previousHead || previous.file !== range.file || previous.end <= range.start) continue;
    const same =
      previous.start === range.start && previous.end === range.end && previousHead.type === head.type;
    if (same) continue;
    throw invalidTensor(
      path,
      head.name,
      `has external data that overlaps that of tensor ${printable(JSON.stringify(previousHead.name))}.`,
    );
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
