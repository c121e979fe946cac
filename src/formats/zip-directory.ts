/**
 * The central directory of a zip archive, checked against the header that stands before each member.
 *
 * Both say the same of a member, so damage to either is seen; and members that the directory does not list are looked
 * for, as a reader that follows the directory alone would lose them without a word.
 * See https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, section 4.3.
 */

import { InputError } from '../errors.js';
import { quoted } from './quoted.js';

/** A member of an archive, as the directory and its own header say. */
export interface ZipMember {
  name: string;
  method: number;
  crc32: number;
  /** Its bytes in the archive. */
  stored: Uint8Array;
  /** Unpacked bytes that it declares. */
  declaredBytes: number;
}

const END = { signature: 0x06054b50, bytes: 22 };
const CENTRAL = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };
const END64 = { signature: 0x06064b50, bytes: 56 };
const LOCATOR64 = { signature: 0x07064b50, bytes: 20 };

/** A field whose value stands in the zip64 record or extra field. */
const ELSEWHERE_16 = 0xffff;
const ELSEWHERE_32 = 0xffffffff;
const ZIP64_EXTRA = 1;

/** General purpose bits: encrypted; sizes follow the data, as they were not known before; the name is UTF-8. */
const ENCRYPTED = 1;
const STREAMED = 8;
const UTF8 = 0x800;

interface Archive {
  view: DataView;
  bytes: Uint8Array;
  path: string;
}

/** Where the directory is, and how many members it lists. */
interface Directory {
  start: number;
  end: number;
  members: number;
}

interface Header {
  flags: number;
  method: number;
  crc32: number;
  storedBytes: number;
  declaredBytes: number;
  name: Uint8Array;
  /** Of the local header; of the local one itself where that begins. */
  offset: number;
  end: number;
}

function damaged(path: string, what: string): never {
  throw new InputError(
    'format/corrupt-zip',
    `${path}: damaged zip archive (${what}); download or save it again`,
  );
}

/** Whether a record of that kind begins there and is not cut short. */
function isAt({ view }: Archive, at: number, record: { signature: number; bytes: number }): boolean {
  return at >= 0 && at + record.bytes <= view.byteLength && view.getUint32(at, true) === record.signature;
}

function uint64(view: DataView, at: number): number {
  return view.getUint32(at, true) + 2 ** 32 * view.getUint32(at + 4, true);
}

/** The end record: it is as long as it says, which tells it from such a signature within a comment. */
function findEnd(archive: Archive): number {
  const { view, path } = archive;
  const last = view.byteLength - END.bytes;
  for (let at = last; at >= Math.max(0, last - 0xffff); at--) {
    if (isAt(archive, at, END) && view.getUint16(at + 20, true) === last - at) {
      return at;
    }
  }
  return damaged(path, 'it has no end record, so it is cut short or overwritten');
}

function findDirectory(archive: Archive): Directory {
  const { view, path } = archive;
  const end = findEnd(archive);
  const locator = end - LOCATOR64.bytes;
  const locatedAt = isAt(archive, locator, LOCATOR64) ? uint64(view, locator + 8) : null;
  if (locatedAt !== null && !isAt(archive, locatedAt, END64)) {
    damaged(path, 'its zip64 end record is not where it should be');
  }
  const field = (at: number, bytes: 2 | 4, at64: number): number => {
    const value = bytes === 2 ? view.getUint16(end + at, true) : view.getUint32(end + at, true);
    if (locatedAt === null) return value;
    const value64 = at64 < 24 ? view.getUint32(locatedAt + at64, true) : uint64(view, locatedAt + at64);
    if (value !== (bytes === 2 ? ELSEWHERE_16 : ELSEWHERE_32) && value !== value64) {
      damaged(path, 'its end records differ');
    }
    return value64;
  };
  const disk = field(4, 2, 16);
  const directoryDisk = field(6, 2, 20);
  const membersHere = field(8, 2, 24);
  const members = field(10, 2, 32);
  const bytes = field(12, 4, 40);
  const start = field(16, 4, 48);
  if (disk !== 0 || directoryDisk !== 0 || membersHere !== members) {
    damaged(path, 'it says to be one part of several');
  }
  if (start + bytes !== (locatedAt ?? end)) {
    damaged(path, 'its directory does not reach to its end record');
  }
  return { start, end: start + bytes, members };
}

/** What the zip64 extra field says of sizes and offset that do not stand in the header, in this order. */
function zip64Values({ view, path }: Archive, start: number, end: number, wanted: number): number[] {
  for (let at = start; wanted > 0 && at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
    const bytes = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === ZIP64_EXTRA) {
      if (bytes < 8 * wanted || at + 4 + bytes > end) break;
      return Array.from({ length: wanted }, (_, index) => uint64(view, at + 4 + 8 * index));
    }
  }
  return wanted === 0 ? [] : damaged(path, 'the zip64 size of a member is missing');
}

/** A header of a member. Where its flags stand, fields begin that both kinds share. */
function readHeader(archive: Archive, at: number, kind: 'central' | 'local'): Header {
  const { view, bytes, path } = archive;
  const record = kind === 'central' ? CENTRAL : LOCAL;
  if (!isAt(archive, at, record)) {
    damaged(path, `no ${kind === 'central' ? 'entry of its directory' : 'member'} at byte ${at}`);
  }
  const fields = at + (kind === 'central' ? 8 : 6);
  const nameStart = at + record.bytes;
  const extraStart = nameStart + view.getUint16(fields + 20, true);
  const extraEnd = extraStart + view.getUint16(fields + 22, true);
  const end = extraEnd + (kind === 'central' ? view.getUint16(at + 32, true) : 0);
  if (end > view.byteLength) {
    damaged(path, `the header at byte ${at} is cut short`);
  }
  const values = [
    view.getUint32(fields + 16, true),
    view.getUint32(fields + 12, true),
    kind === 'central' ? view.getUint32(at + 42, true) : at,
  ];
  const elsewhere = values.map((value, index) => value === ELSEWHERE_32 && (index < 2 || kind === 'central'));
  const values64 = zip64Values(archive, extraStart, extraEnd, elsewhere.filter(Boolean).length);
  const [declaredBytes, storedBytes, offset] = values.map((value, index) =>
    elsewhere[index] ? values64.shift()! : value,
  );
  return {
    flags: view.getUint16(fields, true),
    method: view.getUint16(fields + 2, true),
    crc32: view.getUint32(fields + 8, true),
    storedBytes,
    declaredBytes,
    name: bytes.subarray(nameStart, extraStart),
    offset,
    end,
  };
}

function nameOf({ name, flags }: Header): string {
  return Buffer.from(name).toString((flags & UTF8) === 0 ? 'latin1' : 'utf8');
}

/** Which field differs between directory and member, or null. Sizes that were not known before the data are 0 there. */
function difference(central: Header, local: Header): string | null {
  const agree = (value: number, here: number): boolean =>
    value === here || ((local.flags & STREAMED) !== 0 && here === 0);
  if (Buffer.compare(central.name, local.name) !== 0) return `is ${quoted(nameOf(local))} in its own header`;
  if (central.method !== local.method) return 'has two kinds of compression';
  if (((central.flags ^ local.flags) & (ENCRYPTED | UTF8)) !== 0) return 'has two sets of flags';
  if (!agree(central.crc32, local.crc32)) return 'has two checksums';
  if (!agree(central.storedBytes, local.storedBytes)) return 'has two sizes';
  return agree(central.declaredBytes, local.declaredBytes) ? null : 'has two unpacked sizes';
}

/** Refuses members that share bytes, and members between the others that the directory does not list. */
function checkOccupied(
  { bytes, path }: Archive,
  occupied: [start: number, end: number][],
  end: number,
): void {
  let reached = 0;
  for (const [start, next] of [...occupied, [end, end]].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (start < reached) {
      damaged(path, `two members share byte ${start}`);
    }
    const gap = Buffer.from(bytes.buffer, bytes.byteOffset + reached, start - reached);
    const unlisted = gap.indexOf(Buffer.of(0x50, 0x4b, 0x03, 0x04));
    if (unlisted >= 0) {
      damaged(path, `its directory does not list the member at byte ${reached + unlisted}`);
    }
    reached = next;
  }
}

/**
 * The members of a zip archive (zip64, too), in the order of its directory.
 *
 * @param maxMembers the count is a field of the file, and a crafted one keeps a reader busy
 * @throws InputError when directory and members do not say the same, share bytes or are not all listed, when there are
 *   too many, and for encrypted members and archives in parts
 */
export function readZipDirectory(bytes: Uint8Array, path: string, maxMembers: number): ZipMember[] {
  const archive = { bytes, path, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  const directory = findDirectory(archive);
  if (directory.members > maxMembers) {
    throw new InputError(
      'format/zip-members',
      `${path}: more than ${maxMembers} members; this is no data archive`,
    );
  }
  const members: ZipMember[] = [];
  const occupied: [number, number][] = [];
  let at = directory.start;
  for (let index = 0; index < directory.members; index++) {
    const central = readHeader(archive, at, 'central');
    const where = quoted(nameOf(central));
    const local = readHeader(archive, central.offset, 'local');
    const differs = difference(central, local);
    if (differs !== null) {
      damaged(path, `${where} ${differs}`);
    }
    if ((central.flags & ENCRYPTED) !== 0) {
      throw new InputError(
        'format/zip-encrypted',
        `${path}, ${where}: is encrypted; save it without password`,
      );
    }
    const end = local.end + central.storedBytes;
    if (end > directory.start) {
      damaged(path, `${where} reaches beyond its place`);
    }
    occupied.push([central.offset, end]);
    members.push({
      name: nameOf(central),
      method: central.method,
      crc32: central.crc32,
      stored: bytes.subarray(local.end, end),
      declaredBytes: central.declaredBytes,
    });
    at = central.end;
  }
  if (at !== directory.end) {
    damaged(path, 'its directory does not have the length that it declares');
  }
  checkOccupied(archive, occupied, directory.start);
  return members;
}
