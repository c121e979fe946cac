/** Which nodes of the tree of shards are handed out as jobs, and when one is handed out again. */
import { nodesAtDepth, type ShardRange } from '../programs/shards.js';

/** Part of the time of all workers that may be lost because jobs do not divide among them evenly. */
const LARGEST_LOSS = 0.2;
/** A job that takes this many times as long as such a job is expected to is given to an idle worker, too. */
const PATIENCE = 2;
/** Seconds that every job may take on top of that: of handing it out and back. */
const GRACE_SECONDS = 3;
/** Seconds after which a job is given to an idle worker, too, where nothing is known of how long such jobs take. */
const UNKNOWN_SECONDS = 30;

/**
 * The fewest nodes that keep so many workers busy: every node costs a vector
 * on its way back, and too few of them leave workers idle at the end.
 */
export function nodesFor(workers: number, shards: number): ShardRange[] {
  for (let depth = Math.ceil(Math.log2(workers)); ; depth++) {
    const nodes = nodesAtDepth(shards, depth);
    const rounds = Math.ceil(nodes.length / workers);
    if (nodes.length === shards || 1 - nodes.length / (rounds * workers) <= LARGEST_LOSS) {
      return nodes;
    }
  }
}

/** How long jobs of the same kind and size took lately. */
export interface JobTimes {
  add(kind: string, seconds: number): void;
  /** Seconds after which a job is given to a second worker that is idle. */
  patience(kind: string): number;
}

/** Keeps the last few durations of each kind of job. */
export function jobTimes(): JobTimes {
  const known = new Map<string, number[]>();
  return {
    add: (kind, seconds) => known.set(kind, [...(known.get(kind) ?? []).slice(-8), seconds]),
    patience: (kind) => {
      const times = [...(known.get(kind) ?? [])].sort((a, b) => a - b);
      return times.length === 0
        ? UNKNOWN_SECONDS
        : GRACE_SECONDS + PATIENCE * times[Math.floor(times.length / 2)];
    },
  };
}
