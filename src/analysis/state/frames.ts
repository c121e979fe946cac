/**
 * The bytes of a state file: frames one after the other, each a batch of records that is there whole or not at all.
 *
 *     frame    mark (8 bytes), version (u32), 0 (u32), bytes of the records (u64), records, SHA-256 of all before
 *     record   key (32 bytes), length (u64), content
 *
 * All numbers are little-endian. Of records with the same key the last one counts.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

const MARK = Buffer.from('PLstate\n');
/** Raised with the format. */
export const FORMAT_VERSION = 1;

const HEAD_BYTES = 24;
const HASH_BYTES = 32;
const KEY_BYTES = 32;
export const RECORD_HEAD_BYTES = KEY_BYTES + 8;
/** What a frame takes besides its records. */
export const FRAME_BYTES = HEAD_BYTES + HASH_BYTES;
const CHUNK_BYTES = 2 ** 22;

/** A record to be written. */
export interface NewRecord {
  /** 64 hexadecimal digits. */
  key: string;
  bytes: number;
  /** The content in parts; they must not change until it is written. */
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Where the content of a record lies in its file. */
export interface PlacedRecord {
  key: string;
  offset: number;
  bytes: number;
}

function frameHead(payloadBytes: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  MARK.copy(head);
  head.writeUInt32LE(FORMAT_VERSION, MARK.length);
  head.writeBigUInt64LE(BigInt(payloadBytes), HEAD_BYTES - 8);
  return head;
}

/** The bytes that records take in a frame. */
export function payloadBytes(records: readonly Pick<NewRecord, 'bytes'>[]): number {
  return records.reduce((sum, { bytes }) => sum + RECORD_HEAD_BYTES + bytes, 0);
}

/** The bytes of a frame, in parts. */
export async function* frameParts(records: readonly NewRecord[]): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  const hashed = (part: Uint8Array): Uint8Array => {
    hash.update(part);
    return part;
  };
  yield hashed(frameHead(payloadBytes(records)));
  for (const { key, bytes, parts } of records) {
    const head = Buffer.alloc(RECORD_HEAD_BYTES);
    head.write(key, 'hex');
    head.writeBigUInt64LE(BigInt(bytes), KEY_BYTES);
    yield hashed(head);
    for await (const part of parts) {
      yield hashed(part);
    }
  }
  yield hash.digest();
}

/** Where the contents of records come to lie in a frame that is written at an offset. */
export function placesIn(
  records: readonly Pick<NewRecord, 'key' | 'bytes'>[],
  frameOffset: number,
): PlacedRecord[] {
  let offset = frameOffset + HEAD_BYTES;
  return records.map(({ key, bytes }) => {
    const place = { key, bytes, offset: offset + RECORD_HEAD_BYTES };
    offset += RECORD_HEAD_BYTES + bytes;
    return place;
  });
}

/** Reads bytes of a file; fewer where it ends. */
export async function readBytes(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, Math.min(CHUNK_BYTES, length - done), offset + done);
    if (bytesRead === 0) {
      break;
    }
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

/** Parts of a file, read when they are wanted. */
export async function* partsOfFile(file: FileHandle, offset: number, length: number): AsyncGenerator<Buffer> {
  for (let done = 0; done < length; ) {
    const part = await readBytes(file, offset + done, Math.min(CHUNK_BYTES, length - done));
    if (part.length === 0) {
      throw new Error('the file has become shorter');
    }
    done += part.length;
    yield part;
  }
}

/** The bytes of the records of a frame by its head; null where it is none, or the file is too short for it. */
function readHead(head: Buffer, left: number): number | null {
  if (head.length < HEAD_BYTES || !head.subarray(0, MARK.length).equals(MARK)) {
    return null;
  }
  const bytes = head.readBigUInt64LE(HEAD_BYTES - 8);
  return head.readUInt32LE(MARK.length) === FORMAT_VERSION && bytes <= BigInt(Math.max(0, left - FRAME_BYTES))
    ? Number(bytes)
    : null;
}

/** The records of a frame whose hash is right; null for one that is torn or damaged. */
async function readFrame(
  file: FileHandle,
  offset: number,
  size: number,
): Promise<{ end: number; records: PlacedRecord[] } | null> {
  const head = await readBytes(file, offset, HEAD_BYTES);
  const payload = readHead(head, size - offset);
  if (payload === null) {
    return null;
  }
  const hash = createHash('sha256');
  const hashAt = offset + HEAD_BYTES + payload;
  for await (const part of partsOfFile(file, offset, hashAt - offset)) {
    hash.update(part);
  }
  if (!hash.digest().equals(await readBytes(file, hashAt, HASH_BYTES))) {
    return null;
  }
  const records: PlacedRecord[] = [];
  for (let at = offset + HEAD_BYTES; at < hashAt; ) {
    const record = await readBytes(file, at, RECORD_HEAD_BYTES);
    const left = hashAt - at - RECORD_HEAD_BYTES;
    if (left < 0 || record.readBigUInt64LE(KEY_BYTES) > BigInt(left)) {
      return null;
    }
    const bytes = Number(record.readBigUInt64LE(KEY_BYTES));
    records.push({ key: record.toString('hex', 0, KEY_BYTES), offset: at + RECORD_HEAD_BYTES, bytes });
    at += RECORD_HEAD_BYTES + bytes;
  }
  return { end: hashAt + HASH_BYTES, records };
}

/** Whether a frame begins somewhere behind an offset. */
async function frameBehind(file: FileHandle, offset: number, size: number): Promise<boolean> {
  for (let start = offset; start < size; start += CHUNK_BYTES) {
    // A head that begins at the end of a chunk is seen whole.
    const chunk = await readBytes(file, start, CHUNK_BYTES + HEAD_BYTES);
    for (let at = chunk.indexOf(MARK); at >= 0; at = chunk.indexOf(MARK, at + 1)) {
      if (readHead(chunk.subarray(at, at + HEAD_BYTES), size - start - at) !== null) {
        return true;
      }
    }
  }
  return false;
}

/** What a file holds. */
export type ScannedFile =
  /** Frames up to `end`; what lies behind was torn while it was written. */
  | { kind: 'state'; records: PlacedRecord[]; end: number }
  /** Frames of another version of the format. */
  | { kind: 'version'; version: number }
  /** A frame is damaged, and not as a run leaves it that ends while writing. */
  | { kind: 'damaged' }
  | { kind: 'foreign' };

/**
 * Reads all frames of a file and checks their hashes. Every frame is flushed to the disk before the next one is
 * written, so only the last can be torn: one that is bad with another behind it is damaged.
 */
export async function scanFrames(file: FileHandle, size: number): Promise<ScannedFile> {
  const head = await readBytes(file, 0, HEAD_BYTES);
  if (!head.subarray(0, MARK.length).equals(MARK)) {
    return { kind: 'foreign' };
  }
  const version = head.length < HEAD_BYTES ? FORMAT_VERSION : head.readUInt32LE(MARK.length);
  if (version !== FORMAT_VERSION) {
    return { kind: 'version', version };
  }
  const records: PlacedRecord[] = [];
  let end = 0;
  while (end < size) {
    const frame = await readFrame(file, end, size);
    if (frame === null) {
      // The first is written whole before the file has its name.
      return end === 0 || (await frameBehind(file, end + 1, size))
        ? { kind: 'damaged' }
        : { kind: 'state', records, end };
    }
    records.push(...frame.records);
    end = frame.end;
  }
  return { kind: 'state', records, end };
}
