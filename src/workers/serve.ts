/** A worker: takes part in the runs that are announced at a server, one after the other. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job as QueuedJob } from 'bullmq';
import { InputError } from '../errors.js';
import { AGREEMENT_TOLERANCE } from '../programs/rounding.js';
import { carryOut, type OpenedRun, type Outcome } from './carry-out.js';
import { LIFETIME_SECONDS, limitLifetimes, QUEUE, RUNS, type RunKeys, removeRun, runKeys } from './keys.js';
import {
  type JobResult,
  jobSchema,
  type Member,
  MOST_MESSAGE_BYTES,
  PROTOCOL,
  type RunDescription,
  readMessage,
  runSchema,
} from './messages.js';
import { ifServerFailed, loadLibraries, type Server } from './server.js';
import { driftBetween, firstShard } from './shard-check.js';
import { getVector, MissingVectorError } from './vectors.js';

/** Seconds between looks for a run, and at the one that is taken part in. */
const LOOK_SECONDS = 1;
/** Seconds that a worker counts as present after it said so. */
const PRESENT_SECONDS = 20;
/** Milliseconds after which a job whose worker says nothing is given to another. */
const LOCK_MILLISECONDS = 30_000;
/** Times that a job may be taken from workers that fell silent. */
const MOST_STALLED = 20;
/** Seconds after the server came back in which a run may have been lost and be announced again. */
const RETURN_SECONDS = 30;
/** Seconds without a beat of the analysis, once it has run out, after which it counts as killed. */
const QUIET_SECONDS = 15;
/** Seconds without an answer of the server after which a line says so, and again. */
const SILENCE_SECONDS = 60;

/** Milliseconds that a worker which is to end may take to say so: less than whoever watches over it allows. */
const GOODBYE_MILLISECONDS = 1500;

/** How a worker takes part. */
export interface ServeOptions {
  /**
   * Reads model and data of a run, checks them against it, and calls `use` with what computes.
   *
   * @throws InputError where they are not those of the run
   */
  withRun(description: RunDescription, use: (run: OpenedRun) => Promise<void>): Promise<void>;
  note(message: string): void;
  /** Ends the worker; a job that it has is given to others. */
  signal: AbortSignal;
  /** Seconds between looks at the server; left out: one. */
  lookSeconds?: number;
  /** Seconds without a beat of the analysis after which its run is left; left out: 15. */
  quietSeconds?: number;
}

/** A run that a worker does not take part in. */
class RefusedError extends Error {}

/** The reason, as one line, why a run could not be opened here; other errors go on. */
function refusalOf(error: unknown): string {
  if (error instanceof MissingVectorError) {
    return 'its first shard is not at the server, or has another size here';
  }
  if (error instanceof RefusedError || error instanceof InputError) {
    return error.message.slice(0, 300);
  }
  throw error;
}

/**
 * The first of the runs that are announced, refused ones apart, whose analysis is there; null: none. Where it is not,
 * what is left of it gets a lifetime, once.
 */
async function announcedRun(
  { redis }: Server,
  refused: ReadonlySet<string>,
  silent: Set<string>,
): Promise<RunKeys | null> {
  const ids = await redis.zrangebyscore(RUNS, Math.floor(Date.now() / 1000), '+inf', 'LIMIT', 0, 1000);
  for (const id of ids.filter((id) => /^[0-9a-f]{16}$/.test(id) && !refused.has(id))) {
    const keys = runKeys(id);
    if ((await redis.exists(keys.beat)) === 1) {
      return keys;
    }
    if (!silent.has(id)) {
      silent.add(id);
      await limitLifetimes(redis, keys);
    }
  }
  return null;
}

async function readDescription({ redis }: Server, keys: RunKeys): Promise<RunDescription | null> {
  const size = await redis.strlen(keys.run).catch(() => 0);
  if (size === 0 || size > MOST_MESSAGE_BYTES) {
    return null;
  }
  return readMessage(runSchema, await redis.get(keys.run));
}

/** How far this machine's first shard is from the run's, refused where it may not take part. */
async function requireSameArithmetic(
  { redis }: Server,
  keys: RunKeys,
  description: RunDescription,
  { sums, trained, backend }: OpenedRun,
): Promise<number> {
  const own = await firstShard(sums, trained);
  const { loss, vectors: references } = description.reference;
  if (references.length !== own.vectors.length) {
    throw new RefusedError('a description that this version does not understand');
  }
  const vectors: Float32Array[] = [];
  for (const [i, vector] of own.vectors.entries()) {
    vectors.push(await getVector(redis, keys, references[i], vector.length));
  }
  const drift = driftBetween(own, { loss: Number(loss), vectors });
  if (drift === 0) {
    return drift;
  }
  const words = `its first shard differs by ${drift.toExponential(1)} (${backend} here, ${description.backend} there)`;
  if (!(drift <= AGREEMENT_TOLERANCE)) {
    throw new RefusedError(`${words}, more than rounding explains; use the same backend and version`);
  }
  if (!description.allowDrift) {
    throw new RefusedError(
      `${words}; use the same processor type, backend and threads, or give --allow-drift to analyze`,
    );
  }
  return drift;
}

/** Takes part in a run until it has ended or the worker is to end. */
async function takePart(
  server: Server,
  keys: RunKeys,
  description: RunDescription,
  run: OpenedRun,
  self: Pick<Member, 'worker' | 'host'>,
  { note, signal, lookSeconds = LOOK_SECONDS, quietSeconds = QUIET_SECONDS }: ServeOptions,
): Promise<void> {
  const { redis, shown } = server;
  const { bullmq } = await loadLibraries();
  const drift = await requireSameArithmetic(server, keys, description, run);
  let running: string | null = null;
  let jobs = 0;
  const present = async (): Promise<void> => {
    const member: Member = { ...self, state: running === null ? 'idle' : 'busy', drift };
    await redis
      .pipeline()
      .set(keys.member(self.worker), JSON.stringify(member), 'EX', PRESENT_SECONDS)
      .sadd(keys.members, self.worker)
      .expire(keys.members, LIFETIME_SECONDS)
      .exec();
  };
  const answer = async (job: string, start: number, outcome: Outcome): Promise<void> => {
    const seconds = (performance.now() - start) / 1000;
    const result: JobResult = { ...outcome, job, worker: self.worker, seconds };
    await redis
      .pipeline()
      .rpush(keys.results, JSON.stringify(result))
      .expire(keys.results, LIFETIME_SECONDS)
      .exec();
  };
  const process = async ({ id = '', data }: QueuedJob): Promise<void> => {
    running = id;
    const start = performance.now();
    try {
      const job = readMessage(jobSchema, JSON.stringify(data));
      await answer(id, start, await carryOut(redis, keys, description, run, job, `${id}-${self.worker}`));
      jobs++;
    } finally {
      running = null;
    }
  };
  await present();
  note(`takes part in run ${keys.id} of ${shown}: ${description.model.path}, ${description.shards} shards`);
  const blocking = server.duplicate();
  const worker = new bullmq.Worker(QUEUE, process, {
    connection: blocking,
    prefix: keys.prefix,
    skipVersionCheck: true,
    lockDuration: LOCK_MILLISECONDS,
    stalledInterval: LOCK_MILLISECONDS / 3,
    maxStalledCount: MOST_STALLED,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  worker.on('error', () => {}); // of a connection that comes back, or of a job that is another's by now
  let returnedAt = Number.NEGATIVE_INFINITY;
  const onReady = (): void => {
    returnedAt = performance.now();
  };
  redis.on('ready', onReady);
  let beatAt = performance.now();
  try {
    while (!signal.aborted) {
      await present();
      const isThere = (await redis.exists(keys.run)) === 1;
      if (!isThere && performance.now() - returnedAt > 1000 * RETURN_SECONDS) {
        break;
      }
      if ((await redis.exists(keys.beat)) === 1) {
        beatAt = performance.now();
      } else if (isThere && performance.now() - Math.max(beatAt, returnedAt) > 1000 * quietSeconds) {
        note(`the analysis of run ${keys.id} is silent: this worker takes part again where it comes back`);
        break;
      }
      await sleep(1000 * lookSeconds, undefined, { signal }).catch(() => {});
    }
  } finally {
    redis.off('ready', onReady);
    if (signal.aborted && running !== null) {
      await answer(running, performance.now(), { ok: false, reason: 'left', message: 'left' });
    }
    await redis.pipeline().del(keys.member(self.worker)).srem(keys.members, self.worker).exec();
    await worker.close(true).catch(() => {});
    blocking.disconnect();
    if (!signal.aborted && (await redis.exists(keys.run)) === 0) {
      await removeRun(redis, keys);
    }
    note(`left run ${keys.id} after ${jobs} jobs`);
  }
}

/** Takes part in runs until the signal; what it has to say to a server that does not answer is left unsaid. */
export async function serve(server: Server, options: ServeOptions): Promise<void> {
  const { signal } = options;
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => setTimeout(resolve, GOODBYE_MILLISECONDS), { once: true });
  });
  const { redis, shown } = server;
  let isAnswered = true;
  const timer = setInterval(() => {
    if (!isAnswered) {
      options.note(`${shown} has not answered for ${SILENCE_SECONDS} s or more: this worker waits for it`);
      return;
    }
    isAnswered = false;
    redis.ping().then(
      () => {
        isAnswered = true;
      },
      () => {},
    );
  }, 1000 * SILENCE_SECONDS);
  try {
    await Promise.race([serveRuns(server, options), aborted]);
  } finally {
    clearInterval(timer);
  }
}

async function serveRuns(server: Server, options: ServeOptions): Promise<void> {
  const { note, signal, withRun, lookSeconds = LOOK_SECONDS } = options;
  const { redis, shown } = server;
  const host = `${hostname().slice(0, 100)} (process ${globalThis.process.pid})`;
  const self = { worker: randomBytes(6).toString('hex'), host };
  const refused = new Set<string>();
  const silent = new Set<string>();
  note(`waits for runs at ${shown}`);
  while (!signal.aborted) {
    const keys = await announcedRun(server, refused, silent);
    const description = keys && (await readDescription(server, keys));
    if (keys === null || description === null) {
      await sleep(1000 * lookSeconds, undefined, { signal }).catch(() => {});
      continue;
    }
    try {
      if (description.protocol !== PROTOCOL) {
        throw new RefusedError(`another version of prune-limit (${description.version}); use the same one`);
      }
      await withRun(description, (run) => takePart(server, keys, description, run, self, options));
    } catch (error) {
      const failure = ifServerFailed(shown, error);
      if (failure !== error) {
        throw failure;
      }
      const message = refusalOf(error);
      refused.add(keys.id);
      note(`does not take part in run ${keys.id}: ${message}`);
      await redis
        .pipeline()
        .rpush(keys.refusals, JSON.stringify({ ...self, message }))
        .expire(keys.refusals, LIFETIME_SECONDS)
        .exec();
    }
  }
}
