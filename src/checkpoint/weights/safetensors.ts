/**
 * The safetensors format: 8 bytes of header length, a JSON header, and the bytes of the tensors.
 * See https://github.com/huggingface/safetensors#format; what its reference reader refuses is refused here.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { InputError } from '../../errors.js';
import { elementCount } from '../checkpoint.js';
import { type CheckedFile, readInto, readProblem } from '../files.js';
import { parseJsonOfUniqueKeys } from '../json.js';
import { printable, quoted } from '../printable.js';

/** The limit of the reference reader: parsed JSON takes many times its size. */
export const MAX_HEADER_BYTES = 100_000_000;

/** The header length: an unsigned 64-bit integer, little-endian. */
const LENGTH_BYTES = 8;

/** Tensors that are hashed but not kept pass through a buffer of this size. */
const CHUNK_BYTES = 2 ** 20;

/** Bits of one element. */
const ELEMENT_BITS: ReadonlyMap<string, number> = new Map([
  ['F4', 4],
  ['F6_E2M3', 6],
  ['F6_E3M2', 6],
  ...['BOOL', 'U8', 'I8', 'F8_E4M3', 'F8_E5M2', 'F8_E8M0'].map((dtype) => [dtype, 8] as const),
  ...['I16', 'U16', 'F16', 'BF16'].map((dtype) => [dtype, 16] as const),
  ...['I32', 'U32', 'F32'].map((dtype) => [dtype, 32] as const),
  ...['I64', 'U64', 'F64', 'C64'].map((dtype) => [dtype, 64] as const),
]);

/** One tensor as the header declares it, checked. */
export interface SafetensorsEntry {
  name: string;
  /** As in the file, e.g. `F32`. */
  dtype: string;
  shape: readonly number[];
  /** First byte and one past the last, from the start of the data section. */
  begin: number;
  end: number;
}

/** The header of a file. */
export interface SafetensorsHeader {
  file: CheckedFile;
  /** The length field and the JSON, as read. */
  bytes: Uint8Array;
  /** In the order of their data, which they fill without holes. */
  tensors: SafetensorsEntry[];
  /** The texts of `__metadata__`. */
  metadata: ReadonlyMap<string, string>;
}

/** Whether a file may be a safetensors file: a length below 4 GiB, then an object is opened. */
export function looksLikeSafetensors(head: Uint8Array): boolean {
  return head[LENGTH_BYTES] === 0x7b && head.subarray(4, LENGTH_BYTES).every((byte) => byte === 0);
}

/**
 * Reads and checks the header; every size is checked against the file before anything of that size is allocated.
 *
 * @throws InputError that names the file and the tensor
 */
export async function readSafetensorsHeader(file: CheckedFile): Promise<SafetensorsHeader> {
  const prefix = new Uint8Array(Math.min(LENGTH_BYTES, file.size));
  await readInto(file, prefix, prefix.length);
  const bytes = new Uint8Array(LENGTH_BYTES + headerLength(prefix, file));
  await readInto(file, bytes, bytes.length);
  const json = bytes.subarray(LENGTH_BYTES);
  if (json[0] !== 0x7b) throw damaged(file.path, 'its header does not start with "{"');
  const header = parseJsonOfUniqueKeys(json, `${file.path}, header`, 'a safetensors header');
  const { __metadata__: metadata = {}, ...described } = header as Record<string, unknown>;
  requireTexts(metadata, file.path);
  const tensors = Object.entries(described).map(([name, value]) => parseEntry(name, value, file.path));
  requireTiling(tensors, file.size - bytes.length, file.path);
  return { file, bytes, tensors, metadata: new Map(Object.entries(metadata)) };
}

function headerLength(prefix: Uint8Array, { path, size }: CheckedFile): number {
  if (size < LENGTH_BYTES) {
    throw damaged(path, `it has ${size} bytes, fewer than the ${LENGTH_BYTES} of the header's length`);
  }
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw damaged(
      path,
      `it declares a header of ${length} bytes, more than the limit of ${MAX_HEADER_BYTES}`,
    );
  }
  if (Number(length) > size - LENGTH_BYTES) {
    throw damaged(path, `it declares a header of ${length} bytes, but only ${size - LENGTH_BYTES} follow`);
  }
  return Number(length);
}

function damaged(path: string, problem: string): InputError {
  return new InputError(
    'checkpoint/invalid-safetensors',
    `${printable(path)} is not a valid safetensors file: ${problem}. Is the file complete?`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function requireTexts(metadata: unknown, path: string): asserts metadata is Record<string, string> {
  if (!isRecord(metadata)) throw damaged(path, '__metadata__ is not a JSON object');
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') throw damaged(path, `__metadata__ ${quoted(key)} is not a string`);
  }
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function parseEntry(name: string, value: unknown, path: string): SafetensorsEntry {
  const fail = (problem: string) => damaged(path, `tensor ${quoted(name)} ${problem}`);
  if (!isRecord(value)) throw fail('is not described by a JSON object');
  const { dtype, shape, data_offsets: offsets } = value;
  const bits = typeof dtype === 'string' ? ELEMENT_BITS.get(dtype) : undefined;
  if (bits === undefined) {
    throw fail(typeof dtype === 'string' ? `has the unknown dtype ${quoted(dtype)}` : 'has no dtype');
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw fail('has a shape that is not a list of whole numbers from 0');
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw fail('has data_offsets that are not two whole numbers from 0');
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) throw fail(`has data_offsets that end before they begin: ${begin} to ${end}`);
  const needed = (elementCount(shape) * bits) / 8;
  if (needed !== end - begin) {
    throw fail(
      `of shape [${printable(shape.join(', '))}] and dtype ${dtype} needs ${needed} bytes, not ${end - begin}`,
    );
  }
  // -0 becomes 0
  return { name, dtype: dtype as string, shape: shape.map((size) => size + 0), begin, end };
}

/** Sorts the tensors by their data, and refuses overlaps, holes, and data that no tensor has. */
function requireTiling(tensors: SafetensorsEntry[], dataBytes: number, path: string): void {
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== position) {
      const fault = begin < position ? 'overlaps the tensor before it' : 'follows a hole';
      throw damaged(
        path,
        `tensor ${quoted(name)} begins at byte ${begin} of the data, not ${position}: it ${fault}`,
      );
    }
    if (end > dataBytes) {
      throw damaged(path, `tensor ${quoted(name)} ends at byte ${end} of the data, which has ${dataBytes}`);
    }
    position = end;
  }
  if (position !== dataBytes)
    throw damaged(path, `${dataBytes - position} bytes are left after the last tensor`);
}

/**
 * Reads the bytes of some tensors, in one pass over the file.
 *
 * @param wanted names; the other tensors are only hashed
 * @returns the bytes by name, and the hex sha256 of the whole file
 * @throws InputError when the file cannot be read or has become shorter
 */
export async function readSafetensorsData(
  { file, bytes, tensors }: SafetensorsHeader,
  wanted: ReadonlySet<string>,
): Promise<{ data: Map<string, Uint8Array>; sha256: string }> {
  const hash = createHash('sha256').update(bytes);
  const data = new Map<string, Uint8Array>();
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, file.size));
  let handle: FileHandle | undefined;
  try {
    handle = await open(file.path, 'r');
    for (const { name, begin, end } of tensors) {
      const kept = wanted.has(name) ? new Uint8Array(end - begin) : null;
      for (let done = begin; done < end; ) {
        const target = kept?.subarray(done - begin) ?? chunk.subarray(0, Math.min(chunk.length, end - done));
        const { bytesRead } = await handle.read(
          target,
          0,
          Math.min(target.length, 2 ** 30),
          bytes.length + done,
        );
        if (bytesRead === 0) throw damaged(file.path, 'it became shorter while it was read');
        hash.update(target.subarray(0, bytesRead));
        done += bytesRead;
      }
      if (kept !== null) data.set(name, kept);
    }
  } catch (error) {
    throw error instanceof InputError ? error : readProblem(error, file.path);
  } finally {
    await handle?.close();
  }
  return { data, sha256: hash.digest('hex') };
}
