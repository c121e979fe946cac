/** A run at a server, from the side of the analysis: announced, watched over, and removed at its end. */
import { performance } from 'node:perf_hooks';
import { InputError } from '../errors.js';
import { BEAT_SECONDS, LIFETIME_SECONDS, RUNS, type RunKeys } from './keys.js';
import {
  type Member,
  memberSchema,
  type RunDescription,
  readMessage,
  refusalSchema,
  type VectorReference,
} from './messages.js';
import { ifServerFailed, type Server } from './server.js';
import { prolongVectors, putVector } from './vectors.js';

/** Looks in whose time the server is to answer one. */
const SLOW_LOOKS = 4;
/** Times the run's keys are prolonged in their lifetime. */
const PROLONGED = 30;

/** How long a run waits, in seconds. */
export interface RunPatience {
  /** Between looks at the server. */
  look: number;
  /** Of silence after which a line says so, and again. */
  silence: number;
  /** After which a server that does not answer is given up. */
  lost: number;
}

const USUAL_PATIENCE: RunPatience = { look: 1, silence: 60, lost: 600 };

/** A vector that lies at the server, to be put there again where it is lost. */
export interface StoredVector {
  reference: VectorReference;
  values: Float32Array;
}

/** What a look at the server found. */
export interface Look {
  members: readonly Member[];
  /** The server had lost the run, which was announced again: jobs and their vectors may be gone, too. */
  lost: boolean;
}

/** Who computed. */
export interface WorkerFacts {
  /** Most workers at a time. */
  most: number;
  /** Identifiers of those whose last digits differ. */
  drifting: readonly string[];
}

/** A run that is announced. */
export interface AnnouncedRun {
  /** Workers that took part at the last look. */
  members(): readonly Member[];
  /** Most workers at a time, and which of all differ in the last digits. */
  facts(): WorkerFacts;
  /** Says that a worker has answered. */
  heard(): void;
  /** Rejects once the run cannot go on. */
  readonly failed: Promise<never>;
  fail(error: unknown): void;
  /** Ends the looks; none is under way afterwards. */
  stop(): Promise<void>;
}

/**
 * Announces a run to workers, and looks after it: who takes part, who refuses and why, and whether the
 * server still has it.
 *
 * @param reference vectors that every worker reads
 * @param prolong lets jobs and their vectors live on
 * @param onLook called after every look, which it may wait for
 * @throws InputError when the server cannot be used
 */
export async function announceRun(
  server: Server,
  keys: RunKeys,
  description: RunDescription,
  reference: readonly StoredVector[],
  {
    note,
    prolong,
    onLook,
    patience = USUAL_PATIENCE,
  }: {
    note: (message: string) => void;
    prolong: () => Promise<void>;
    onLook: (look: Look) => Promise<void>;
    patience?: RunPatience;
  },
): Promise<AnnouncedRun> {
  const { redis, shown } = server;
  const startCommand = `start one with: prune-limit worker ${shown}`;
  const announce = async (): Promise<void> => {
    for (const {
      reference: { name },
      values,
    } of reference) {
      await putVector(redis, keys, name, values);
    }
    await redis.set(keys.run, JSON.stringify(description), 'EX', LIFETIME_SECONDS);
  };
  const enlist = async (): Promise<void> => {
    await redis.set(keys.beat, '', 'EX', BEAT_SECONDS);
    await redis.zadd(RUNS, Math.floor(Date.now() / 1000) + LIFETIME_SECONDS, keys.id);
    await redis.expire(RUNS, LIFETIME_SECONDS);
  };
  let reject: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, refuse) => {
    reject = refuse;
  });
  failed.catch(() => {});
  const seconds = (): number => performance.now() / 1000;
  let present: readonly Member[] = [];
  let most = 0;
  const drifting = new Set<string>();
  const told = new Set<string>();
  let heardAt = seconds();
  let silenceToldAt = seconds();
  let answeredAt = seconds();
  let prolongedAt = seconds();
  // The first look comes after the announcement, which may have to wait for the server like a look.
  let looking = true;
  let stopped = false;
  let lastLook: Promise<void> = Promise.resolve();

  const readMembers = async (): Promise<readonly Member[]> => {
    const names = await redis.smembers(keys.members);
    const members: Member[] = [];
    for (const name of names.filter((name) => /^[\w-]{1,120}$/.test(name))) {
      const member = readMessage(memberSchema, await redis.get(keys.member(name)));
      if (member === null) {
        await redis.srem(keys.members, name);
      } else {
        members.push(member);
      }
    }
    return members;
  };
  const readRefusals = async (): Promise<void> => {
    for (let text = await redis.lpop(keys.refusals); text !== null; text = await redis.lpop(keys.refusals)) {
      const refusal = readMessage(refusalSchema, text);
      if (refusal !== null && !told.has(refusal.worker)) {
        told.add(refusal.worker);
        note(`worker ${refusal.host} does not take part: ${refusal.message}`);
      }
    }
  };
  const look = async (): Promise<void> => {
    const lost = (await redis.exists(keys.run)) === 0;
    if (stopped) {
      return;
    }
    if (lost) {
      note(`${shown}: the server has lost what was there; it is sent again`);
      await announce();
    }
    await enlist();
    if (seconds() - prolongedAt > LIFETIME_SECONDS / PROLONGED) {
      prolongedAt = seconds();
      await prolongVectors(
        redis,
        keys,
        reference.map((vector) => vector.reference),
      );
      await prolong();
    }
    present = await readMembers();
    most = Math.max(most, present.length);
    for (const { worker, host, drift } of present) {
      if (drift > 0 && !drifting.has(worker)) {
        drifting.add(worker);
        note(
          `worker ${host} differs in the last digits (by up to ${drift.toExponential(1)}), as --allow-drift allows`,
        );
      }
    }
    await readRefusals();
    await onLook({ members: present, lost });
  };
  /** Says what has been silent for how long, once a minute. */
  const tellSilence = (): void => {
    const now = seconds();
    const [since, words] =
      looking && now - answeredAt > SLOW_LOOKS * patience.look
        ? [answeredAt, `${shown} has not answered`]
        : [heardAt, `no worker has answered`];
    if (looking && now - answeredAt > patience.lost) {
      reject(
        new InputError(
          'workers/lost',
          `${shown} has not answered for ${patience.lost} s; start the server again, and the analysis`,
        ),
      );
    }
    if (now - Math.max(since, silenceToldAt) >= patience.silence) {
      silenceToldAt = now;
      const advice = since === heardAt ? startCommand : 'this run waits for it';
      note(`${words} for ${Math.round(now - since)} s: ${advice}`);
    }
  };
  const timer = setInterval(() => {
    tellSilence();
    if (looking) {
      return;
    }
    looking = true;
    lastLook = look()
      .then(
        () => {
          answeredAt = seconds();
          if (present.length > 0) {
            heardAt = seconds();
          }
        },
        (error: unknown) => reject(ifServerFailed(shown, error)),
      )
      .finally(() => {
        looking = false;
      });
  }, 1000 * patience.look);
  try {
    await Promise.race([failed, announce().then(enlist)]);
  } catch (error) {
    clearInterval(timer);
    throw ifServerFailed(shown, error);
  }
  looking = false;
  note(`waiting for workers at ${shown}; ${startCommand}`);
  return {
    members: () => present,
    facts: () => ({ most, drifting: [...drifting] }),
    heard: () => {
      heardAt = seconds();
    },
    failed,
    fail: reject,
    stop: () => {
      stopped = true;
      clearInterval(timer);
      return lastLook;
    },
  };
}
