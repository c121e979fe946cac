import { totalmem } from 'node:os';
import type { AnalyzeConfig } from '../config.js';
import { InputError } from '../errors.js';

/** Share of the machine's memory that an analysis takes where --memory-limit is not given. */
const DEFAULT_SHARE = 1 / 2;

/** What Node and the numeric libraries take themselves, in bytes; of a small limit the share below. */
const OWN_BYTES = 128 * 2 ** 20;
const LARGEST_OWN_SHARE = 1 / 8;

function ownBytes(limit: number): number {
  return Math.min(OWN_BYTES, LARGEST_OWN_SHARE * limit);
}

/** `300K`, `24M`, `1.5G`, rounded up: as `--memory-limit` takes it. */
function asLimit(bytes: number): string {
  const units = [
    ['G', 2 ** 30],
    ['M', 2 ** 20],
    ['K', 2 ** 10],
  ] as const;
  // The largest unit that says it exactly, or to a tenth.
  const [unit, size] =
    units.find(([, size]) => bytes >= size && (bytes % size === 0 || bytes >= 10 * size)) ?? units[2];
  return `${Math.ceil(bytes / size)}${unit}`;
}

/**
 * Refuses a limit that was given and in which the tensors have no room however the work is cut.
 *
 * @param leastBytes what they take at least
 * @param what takes them, for the message
 * @throws InputError that says the least limit
 */
export function requireRoom(
  config: Pick<AnalyzeConfig, 'memoryLimitBytes'>,
  leastBytes: number,
  what = 'this network, even with one example at a time',
): void {
  if (config.memoryLimitBytes === null || tensorMemory(config) >= leastBytes) {
    return;
  }
  // Of a large limit the own part is a constant, of a small one a share.
  const least = Math.min(leastBytes + OWN_BYTES, leastBytes / (1 - LARGEST_OWN_SHARE));
  throw new InputError(
    'usage/memory-limit',
    `--memory-limit ${asLimit(config.memoryLimitBytes)}: too little for ${what}; give at least --memory-limit ${asLimit(least)}`,
  );
}

/**
 * Memory that an analysis may take for tensors, in bytes: the limit less what
 * the process takes itself.
 *
 * The default depends on how much memory the machine (or the container) has,
 * not on how much of it is free: how the work is cut decides the last digits,
 * and a run should repeat.
 */
export function tensorMemory({ memoryLimitBytes }: Pick<AnalyzeConfig, 'memoryLimitBytes'>): number {
  // Zero or beyond the machine's own where nothing constrains the process.
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  const limit = memoryLimitBytes ?? DEFAULT_SHARE * Math.min(totalmem(), constrained);
  return limit - ownBytes(limit);
}
