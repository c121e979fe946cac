/** Picks members out of zip archives that may be damaged or made to exhaust memory. */

import { constants, inflateRawSync } from 'node:zlib';
import { inflateSync } from 'fflate';
import { InputError } from '../errors.js';
import { crc32 } from './crc32.js';
import { quoted } from './quoted.js';
import { startsWith } from './signature.js';
import { readZipDirectory, type ZipMember } from './zip-directory.js';

/** First bytes of a zip archive that is not empty. */
export const ZIP_SIGNATURE = [0x50, 0x4b, 0x03, 0x04] as const;

/**
 * One unpacked member. CIFAR-10 as float64, the largest set in reach, has 1.2 GB; beyond 2 GiB there is likely a
 * mistake or a zip bomb.
 */
export const MAX_MEMBER_BYTES = 2 ** 31;

/** Deflate cannot expand by more than this, so a larger declared size is a lie (and would be allocated). */
const MAX_DEFLATE_RATIO = 1032;

/** What an archive may hold. */
export interface ArchiveLimits {
  /** The count is a field of the file, and a crafted one keeps a reader busy. */
  members: number;
  /** Unpacked bytes of the wanted members together. */
  totalBytes: number;
}

/** A member that is unpacked when it is asked for. */
export interface ZipEntry {
  /** Path within the archive, as the archive has it. */
  name: string;
  /** Unpacked bytes. */
  size: number;
  /** The first unpacked bytes, at most `bytes`; fewer where the member is damaged, which `read` tells. */
  peek(bytes: number): Uint8Array;
  /** All unpacked bytes; throws an InputError when they are damaged. */
  read(): Uint8Array;
}

/** A data archive has a handful of members. */
const DATA_LIMITS: ArchiveLimits = { members: 1024, totalBytes: 4 * MAX_MEMBER_BYTES };

const STORED = 0;
const DEFLATED = 8;

function checkMember({ declaredBytes, method, stored }: ZipMember, where: string): void {
  if (method !== STORED && method !== DEFLATED) {
    throw new InputError(
      'format/corrupt-zip',
      `${where}: compression ${method} is not read; zip it with deflate (for arrays: numpy.savez or numpy.savez_compressed)`,
    );
  }
  if (declaredBytes > MAX_MEMBER_BYTES) {
    throw new InputError(
      'format/zip-too-large',
      `${where}: unpacks to ${declaredBytes} bytes, more than the limit of ${MAX_MEMBER_BYTES}; store fewer examples or a smaller type`,
    );
  }
  const largest = method === STORED ? stored.length : (stored.length + 1) * MAX_DEFLATE_RATIO;
  if (declaredBytes > largest) {
    throw new InputError(
      'format/zip-bomb',
      `${where}: declares ${declaredBytes} bytes, which its ${stored.length} stored bytes cannot hold; the archive is damaged, save it again`,
    );
  }
}

/**
 * Unpacks some members of a zip archive.
 *
 * @param wanted whether a member of that name is to be unpacked
 * @param path for messages
 * @returns the members that are present, by name; they share no memory with `bytes` where they were compressed
 * @throws InputError when the archive is damaged (see `readZipDirectory`), a member differs from its CRC-32, or it holds
 *   more than the limits allow
 */
export function unzipMembers(
  bytes: Uint8Array,
  wanted: (name: string) => boolean,
  path: string,
  limits: ArchiveLimits = DATA_LIMITS,
): Map<string, Uint8Array> {
  const chosen = new Map<string, ZipMember>();
  let totalBytes = 0;
  for (const member of readZipDirectory(bytes, path, limits.members)) {
    if (!wanted(member.name)) {
      continue;
    }
    if (chosen.has(member.name)) {
      throw new InputError(
        'format/zip-members',
        `${path}: holds ${quoted(member.name)} twice; save it again`,
      );
    }
    chosen.set(member.name, member);
    checkMember(member, `${path}, ${quoted(member.name)}`);
    totalBytes += member.declaredBytes;
    if (totalBytes > limits.totalBytes) {
      throw new InputError(
        'format/zip-too-large',
        `${path}: its arrays unpack to more than the limit of ${limits.totalBytes} bytes together; store fewer or a smaller type`,
      );
    }
  }
  return new Map([...chosen].map(([name, member]) => [name, unpack(member, `${path}, ${quoted(name)}`)]));
}

/** Name of the member that stands first in an archive, from its first bytes; empty for other files. */
export function firstMemberName(head: Uint8Array): string {
  if (!startsWith(head, ZIP_SIGNATURE) || head.length < 30) {
    return '';
  }
  const length = head[26] + 256 * head[27];
  return Buffer.from(head.subarray(30, 30 + length)).toString('latin1');
}

/**
 * The files of a zip archive, in the order of its directory; folders have no entry of their own.
 *
 * @param bytes kept by the entries, and not to be changed
 * @param maxMembers the count is a field of the file, and a crafted one keeps a reader busy
 * @throws InputError when the archive is damaged (see `readZipDirectory`), lists a name twice, or has a member that is
 *   too large or compressed in another way
 */
export function openZip(bytes: Uint8Array, path: string, maxMembers: number): ZipEntry[] {
  const names = new Set<string>();
  const entries: ZipEntry[] = [];
  for (const member of readZipDirectory(bytes, path, maxMembers)) {
    if (member.name.endsWith('/')) {
      continue;
    }
    const where = `${path}, ${quoted(member.name)}`;
    if (names.has(member.name)) {
      throw new InputError('format/zip-members', `${where}: is in the archive twice; save it again`);
    }
    names.add(member.name);
    checkMember(member, where);
    entries.push({
      name: member.name,
      size: member.declaredBytes,
      peek: (count) => peek(member, count),
      read: () => unpack(member, where),
    });
  }
  return entries;
}

function peek({ method, stored, declaredBytes }: ZipMember, count: number): Uint8Array {
  const start = stored.subarray(0, count);
  if (method === STORED) {
    return start;
  }
  try {
    const unpacked = inflateRawSync(start, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: (start.length + 1) * MAX_DEFLATE_RATIO,
    });
    return unpacked.subarray(0, Math.min(count, declaredBytes));
  } catch {
    return new Uint8Array(0);
  }
}

function unpack(member: ZipMember, where: string): Uint8Array {
  const content = member.method === STORED ? member.stored : inflate(member, where);
  if (content.length !== member.declaredBytes) {
    throw new InputError(
      'format/corrupt-zip',
      `${where}: unpacks to ${content.length} bytes, but declares ${member.declaredBytes}; download or save it again`,
    );
  }
  if (crc32(content) !== member.crc32) {
    throw new InputError(
      'format/corrupt-zip',
      `${where}: its bytes do not match their CRC-32, so the archive is damaged; download or save it again`,
    );
  }
  return content;
}

/** At most the declared bytes: what a damaged member has beyond them is cut off, and the checksum tells. */
function inflate({ stored, declaredBytes }: ZipMember, where: string): Uint8Array {
  try {
    return inflateSync(stored, { out: new Uint8Array(declaredBytes) });
  } catch (error) {
    throw new InputError(
      'format/corrupt-zip',
      `${where}: damaged zip archive (${(error as Error).message}); download or save it again`,
      { cause: error },
    );
  }
}
