/** Picks members out of zip archives that may be damaged or made to exhaust memory. */

import { type UnzipFileInfo, unzipSync } from 'fflate';
import { InputError } from '../errors.js';
import { quoted } from './quoted.js';

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
  /** Unpacked bytes of the wanted members together; members of a crafted archive can share their stored bytes. */
  totalBytes: number;
}

/** A data archive has a handful of members. */
const DATA_LIMITS: ArchiveLimits = { members: 1024, totalBytes: 4 * MAX_MEMBER_BYTES };

const STORED = 0;

function checkMember(info: UnzipFileInfo, where: string): void {
  if (info.originalSize > MAX_MEMBER_BYTES) {
    throw new InputError(
      'format/zip-too-large',
      `${where}: unpacks to ${info.originalSize} bytes, more than the limit of ${MAX_MEMBER_BYTES}; store fewer examples or a smaller type`,
    );
  }
  const largest = info.compression === STORED ? info.size : (info.size + 1) * MAX_DEFLATE_RATIO;
  if (info.originalSize > largest) {
    throw new InputError(
      'format/zip-bomb',
      `${where}: declares ${info.originalSize} bytes, which its ${info.size} stored bytes cannot hold; the archive is damaged, save it again`,
    );
  }
}

/**
 * Unpacks some members of a zip archive.
 *
 * @param wanted whether a member of that name is to be unpacked
 * @param path for messages
 * @returns the members that are present, by name
 * @throws InputError when the archive is damaged, holds more than the limits allow, or a declared size is impossible
 */
export function unzipMembers(
  bytes: Uint8Array,
  wanted: (name: string) => boolean,
  path: string,
  limits: ArchiveLimits = DATA_LIMITS,
): Map<string, Uint8Array> {
  const declaredSizes = new Map<string, number>();
  let members = 0;
  let totalBytes = 0;
  const filter = (info: UnzipFileInfo): boolean => {
    if (++members > limits.members) {
      throw new InputError(
        'format/zip-members',
        `${path}: more than ${limits.members} members; this is no data archive`,
      );
    }
    if (!wanted(info.name)) {
      return false;
    }
    if (declaredSizes.has(info.name)) {
      throw new InputError('format/zip-members', `${path}: holds ${quoted(info.name)} twice; save it again`);
    }
    declaredSizes.set(info.name, info.originalSize);
    checkMember(info, `${path}, ${quoted(info.name)}`);
    totalBytes += info.originalSize;
    if (totalBytes > limits.totalBytes) {
      throw new InputError(
        'format/zip-too-large',
        `${path}: its arrays unpack to more than the limit of ${limits.totalBytes} bytes together; store fewer or a smaller type`,
      );
    }
    return true;
  };
  const unpacked = unzip(bytes, filter, path);
  for (const [name, content] of unpacked) {
    if (content.length !== declaredSizes.get(name)) {
      throw new InputError(
        'format/corrupt-zip',
        `${path}, ${quoted(name)}: unpacks to ${content.length} bytes, but declares ${declaredSizes.get(name)}; download or save it again`,
      );
    }
  }
  return unpacked;
}

function unzip(
  bytes: Uint8Array,
  filter: (info: UnzipFileInfo) => boolean,
  path: string,
): Map<string, Uint8Array> {
  try {
    return new Map(Object.entries(unzipSync(bytes, { filter })));
  } catch (error) {
    if (error instanceof InputError) {
      throw error;
    }
    throw new InputError(
      'format/corrupt-zip',
      `${path}: damaged zip archive (${(error as Error).message}); download or save it again`,
      { cause: error },
    );
  }
}
