/** The keys of a run: all below one prefix, with a lifetime, removed when it ends. */
import type { Redis } from 'ioredis';

/** Seconds that keys outlive whoever made them. */
export const LIFETIME_SECONDS = 900;

/** Identifiers of the runs that take workers, by the second at which they are given up (a sorted set). */
export const RUNS = 'prune-limit:runs';

/** Seconds that the analysis counts as there after it said so: as long as its one thread may compute at a stretch. */
export const BEAT_SECONDS = 45;

/** The queue of a run, as BullMQ names it. */
export const QUEUE = 'shards';

/** BullMQ's own keys of a queue. */
const QUEUE_KEYS = [
  ...['active', 'wait', 'paused', 'id', 'delayed', 'prioritized', 'stalled-check', 'completed', 'failed'],
  ...['stalled', 'repeat', 'limiter', 'meta', 'events', 'pc', 'marker', 'de', 'waiting-children'],
];

/** Names of what belongs to a run. */
export interface RunKeys {
  readonly id: string;
  readonly prefix: string;
  /** What is computed, as `RunDescription`. */
  readonly run: string;
  /** There while the analysis is. */
  readonly beat: string;
  readonly results: string;
  /** Reasons of workers that do not take part. */
  readonly refusals: string;
  /** Identifiers of workers. */
  readonly members: string;
  member(worker: string): string;
  chunk(vector: string, index: number): string;
  /** What is known of a sum over all shards while it is computed, as `stored-sums.ts` has it. */
  sums(sum: string): string;
}

/** The keys of a run by its identifier. */
export function runKeys(id: string): RunKeys {
  const prefix = `prune-limit:${id}`;
  return {
    id,
    prefix,
    run: `${prefix}:run`,
    beat: `${prefix}:beat`,
    results: `${prefix}:results`,
    refusals: `${prefix}:refusals`,
    members: `${prefix}:members`,
    member: (worker) => `${prefix}:member:${worker}`,
    chunk: (vector, index) => `${prefix}:vector:${vector}:${index}`,
    sums: (sum) => `${prefix}:sums:${sum}`,
  };
}

/** Lets everything of a run but its vectors, which have theirs, live on; with what is known of a sum. */
export async function prolong(
  redis: Redis,
  keys: RunKeys,
  jobs: readonly string[],
  sum: string | null,
): Promise<void> {
  const pipeline = redis.pipeline();
  const queue = [...QUEUE_KEYS, ...jobs].map((name) => `${keys.prefix}:${QUEUE}:${name}`);
  const sums = sum === null ? [] : [keys.sums(sum)];
  for (const key of [keys.run, keys.results, keys.refusals, keys.members, ...queue, ...sums]) {
    pipeline.expire(key, LIFETIME_SECONDS);
  }
  await pipeline.exec();
}

/** The names of all that there is of a run below its prefix, some at a time. */
async function* namesOf(redis: Redis, { prefix }: RunKeys): AsyncGenerator<string[]> {
  let cursor = '0';
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', `${prefix}:*`, 'COUNT', 1000);
    cursor = next;
    if (found.length > 0) {
      yield found;
    }
  } while (cursor !== '0');
}

/**
 * Gives a lifetime to what has none: BullMQ makes keys without one, and whoever made them may have been killed before
 * it gave them theirs.
 */
export async function limitLifetimes(redis: Redis, keys: RunKeys): Promise<void> {
  for await (const names of namesOf(redis, keys)) {
    for (const name of names) {
      if ((await redis.ttl(name)) === -1) {
        await redis.expire(name, LIFETIME_SECONDS);
      }
    }
  }
}

/** Removes all that is left of a run. */
export async function removeRun(redis: Redis, keys: RunKeys): Promise<void> {
  await redis.zrem(RUNS, keys.id);
  await redis.unlink(keys.run);
  for await (const names of namesOf(redis, keys)) {
    await redis.unlink(...names);
  }
}
