import { totalmem } from 'node:os';
import type { AnalyzeConfig } from '../config.js';

/** Share of the machine's memory that an analysis takes where --memory-limit is not given. */
const DEFAULT_SHARE = 1 / 2;

/** What Node and the numeric libraries take themselves, in bytes; of a small limit the share below. */
const OWN_BYTES = 128 * 2 ** 20;
const LARGEST_OWN_SHARE = 1 / 8;

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
  return limit - Math.min(OWN_BYTES, LARGEST_OWN_SHARE * limit);
}
