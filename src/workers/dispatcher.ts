/** Hands jobs of a run out through a queue, and takes in their results, each as often as it takes. */
import { performance } from 'node:perf_hooks';
import type { Queue } from 'bullmq';
import { InputError } from '../errors.js';
import type { ShardRange } from '../programs/shards.js';
import { jobTimes, nodesFor } from './hand-out.js';
import { prolong, QUEUE, type RunKeys, removeRun } from './keys.js';
import { type Job, type JobResult, type RunDescription, readMessage, resultSchema } from './messages.js';
import { announceRun, type Look, type StoredVector } from './run.js';
import { ifServerFailed, loadLibraries, type Server, serverFailure } from './server.js';
import type { FirstShard } from './shard-check.js';
import { getVector, MissingVectorError, putVector, referenceTo, removeVectors } from './vectors.js';

/** Times that a node may fail on workers, for reasons of its own. */
const MOST_FAILURES = 3;
/** Seconds without job and result after which what is missing is handed out again. */
const LOST_JOB_SECONDS = 5;
/** Entries of the event log that BullMQ keeps. */
const EVENTS_KEPT = 100;

/** What the workers of a run are to compute, and how its results are shaped. */
export interface RemoteProblem {
  description: Omit<RunDescription, 'reference'>;
  /** What this process computed on the first shard. */
  reference: FirstShard;
  /** The trained weights: workers have them. */
  trained: Float32Array;
  /** Numbers that an example's forward pass gives: its loss and the network's outputs. */
  outputs: number;
  /** Examples of a set in shards [start, end). */
  examplesIn(set: 'train' | 'epsilonTrain' | 'test', node: ShardRange): number;
}

/** The sum over a node, as a worker computed it. */
export interface Part {
  node: ShardRange;
  loss: number;
  vectors: Float32Array[];
}

/** A job without its node, and without references to its vectors. */
export type JobTemplate =
  | { kind: 'outputs'; set: Extract<Job, { kind: 'outputs' }>['set'] }
  | { kind: 'gradient' }
  | { kind: 'products' };

/** Hands out one sum over all shards at a time. */
export interface Dispatcher {
  /**
   * @param inputs weights (none: the trained ones), or the vectors of products
   * @param lengths of the vectors that come of a node
   */
  perform(
    template: JobTemplate,
    inputs: readonly Float32Array[],
    lengths: (node: ShardRange) => number[],
    onPart: (node: ShardRange) => void,
  ): Promise<Part[]>;
  facts(): { most: number; drifting: number; bytes: number; repeated: number };
  close(): Promise<void>;
}

/** A node whose sum is waited for. */
interface Wanted {
  node: ShardRange;
  failures: number;
  /** When it was handed out last, in seconds. */
  since: number;
  copies: number;
}

/** One sum that is being computed. */
interface Operation {
  template: JobTemplate;
  inputs: readonly StoredVector[];
  wanted: Map<number, Wanted>;
  /** Nodes by the names of their jobs. */
  jobs: Map<string, number>;
  workers: number;
  lastEvent: number;
}

const seconds = (): number => performance.now() / 1000;

function jobOf(template: JobTemplate, inputs: readonly StoredVector[], node: ShardRange): Job {
  const references = inputs.map(({ reference }) => reference);
  return template.kind === 'products'
    ? { ...template, vectors: references, node }
    : { ...template, weights: references[0] ?? null, node };
}

/** @throws InputError when the server cannot be used */
export async function openDispatcher(
  server: Server,
  keys: RunKeys,
  { description, reference }: RemoteProblem,
  note: (message: string) => void,
): Promise<Dispatcher> {
  const { bullmq } = await loadLibraries();
  const { redis, shown } = server;
  const blocking = server.duplicate();
  const queue: Queue = new bullmq.Queue(QUEUE, {
    connection: redis,
    prefix: keys.prefix,
    skipVersionCheck: true,
    streams: { events: { maxLen: EVENTS_KEPT } },
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: MOST_FAILURES },
  });
  queue.on('error', () => {});
  const times = jobTimes();
  let operation: Operation | null = null;
  let turn: Promise<unknown> = Promise.resolve();
  let operations = 0;
  let handedOut = 0;
  let repeated = 0;
  let bytes = 0;

  const handOut = async (current: Operation, indices: readonly number[]): Promise<void> => {
    const made = indices.flatMap((index) => {
      const wanted = current.wanted.get(index);
      if (wanted === undefined) {
        return [];
      }
      const name = `job-${++handedOut}`;
      current.jobs.set(name, index);
      repeated += wanted.copies++ === 0 ? 0 : 1;
      wanted.since = seconds();
      return [
        { name: 'sum', data: jobOf(current.template, current.inputs, wanted.node), opts: { jobId: name } },
      ];
    });
    await queue.addBulk(made);
    await prolong(redis, keys, [...current.jobs.keys()]);
  };
  const putInputs = async ({ inputs }: Operation): Promise<void> => {
    for (const {
      reference: { name },
      values,
    } of inputs) {
      await putVector(redis, keys, name, values);
      bytes += values.byteLength;
    }
  };
  /** Kind and size of a job, for its expected time. */
  const kindOf = ({ template, inputs }: Operation, { start, end }: ShardRange): string =>
    `${template.kind} ${'set' in template ? template.set : inputs.length} ${end - start}`;

  /** Hands out again what is lost, and to idle workers what takes too long. */
  const look = async ({ members, lost }: Look): Promise<void> => {
    const current = operation;
    if (current === null || current.wanted.size === 0) {
      return;
    }
    if (lost) {
      await putInputs(current);
      await handOut(current, [...current.wanted.keys()]);
      return;
    }
    const { wait = 0, active = 0, delayed = 0 } = await queue.getJobCounts('wait', 'active', 'delayed');
    const answers = await redis.llen(keys.results);
    if (wait + active + delayed + answers === 0 && seconds() - current.lastEvent > LOST_JOB_SECONDS) {
      current.lastEvent = seconds();
      await handOut(current, [...current.wanted.keys()]);
      return;
    }
    let idle = wait > 0 ? 0 : members.filter(({ state }) => state === 'idle').length;
    for (const [index, { node, since, copies }] of current.wanted) {
      const rounds = Math.ceil(current.wanted.size / Math.max(1, current.workers));
      if (
        idle > 0 &&
        copies <= members.length &&
        seconds() - since > rounds * times.patience(kindOf(current, node))
      ) {
        idle--;
        await handOut(current, [index]);
      }
    }
  };
  const stored: StoredVector[] = reference.vectors.map((values, i) => ({
    reference: referenceTo(`reference-${i}`, values),
    values,
  }));
  const run = await announceRun(
    server,
    keys,
    {
      ...description,
      reference: { loss: String(reference.loss), vectors: stored.map((vector) => vector.reference) },
    },
    stored,
    {
      note,
      alive: () => ({
        jobs: [...(operation?.jobs.keys() ?? [])],
        vectors: operation?.inputs.map((input) => input.reference) ?? [],
      }),
      onLook: look,
    },
  );

  /** The part that a result tells of; null where it has to be computed again, or was there before. */
  const takeIn = async (
    current: Operation,
    result: JobResult,
    lengths: (node: ShardRange) => number[],
  ): Promise<{ index: number; part: Part } | null> => {
    const index = current.jobs.get(result.job);
    const wanted = index === undefined ? undefined : current.wanted.get(index);
    if (index === undefined || wanted === undefined) {
      await (result.ok ? removeVectors(redis, keys, result.vectors) : null);
      return null;
    }
    current.lastEvent = seconds();
    if (!result.ok) {
      if (result.reason === 'full') {
        throw serverFailure(shown, new Error('OOM'));
      }
      if (result.reason === 'failed' && ++wanted.failures >= MOST_FAILURES) {
        throw new InputError('workers/failed', `a worker failed ${MOST_FAILURES} times: ${result.message}`);
      }
      if (result.reason === 'missing-vector') {
        await putInputs(current);
      }
      await handOut(current, [index]);
      return null;
    }
    const expected = lengths(wanted.node);
    if (result.vectors.length !== expected.length) {
      throw new InputError(
        'workers/protocol',
        `worker ${result.worker} answers with something else than was asked for; use the same version of prune-limit`,
      );
    }
    try {
      const vectors: Float32Array[] = [];
      for (const [i, vector] of result.vectors.entries()) {
        vectors.push(await getVector(redis, keys, vector, expected[i]));
        bytes += 4 * vector.length;
      }
      times.add(kindOf(current, wanted.node), result.seconds);
      current.wanted.delete(index);
      await removeVectors(redis, keys, result.vectors);
      return { index, part: { node: wanted.node, loss: Number(result.loss ?? 0), vectors } };
    } catch (error) {
      if (!(error instanceof MissingVectorError)) {
        throw error;
      }
      await handOut(current, [index]);
      return null;
    }
  };
  const firstMembers = async (): Promise<number> => {
    while (run.members().length === 0) {
      await Promise.race([run.failed, new Promise((resolve) => setTimeout(resolve, 100))]);
    }
    return run.members().length;
  };

  const compute = async (
    template: JobTemplate,
    inputs: readonly Float32Array[],
    lengths: (node: ShardRange) => number[],
    onPart: (node: ShardRange) => void,
  ): Promise<Part[]> => {
    const workers = await firstMembers();
    const nodes = nodesFor(workers, description.shards);
    const id = ++operations;
    const current: Operation = {
      template,
      inputs: inputs.map((values, i) => ({ reference: referenceTo(`input-${id}-${i}`, values), values })),
      wanted: new Map(
        nodes.map((node, index) => [index, { node, failures: 0, since: seconds(), copies: 0 }]),
      ),
      jobs: new Map(),
      workers,
      lastEvent: seconds(),
    };
    const parts: Part[] = [];
    try {
      await putInputs(current);
      await handOut(current, [...current.wanted.keys()]);
      operation = current;
      while (current.wanted.size > 0) {
        const popped = await blocking.blpop(keys.results, 1);
        const result = popped && readMessage(resultSchema, popped[1]);
        const taken = result && (await takeIn(current, result, lengths));
        if (taken) {
          run.heard();
          parts[taken.index] = taken.part;
          onPart(taken.part.node);
        }
      }
    } finally {
      operation = null;
    }
    if (current.jobs.size > nodes.length) {
      await queue.drain();
    }
    await removeVectors(
      redis,
      keys,
      current.inputs.map((input) => input.reference),
    );
    return parts;
  };
  return {
    perform: async (...asked) => {
      try {
        // One after the other: results are told apart by the jobs of one sum.
        const computing = turn.then(() => compute(...asked));
        turn = computing.catch(() => {});
        return await Promise.race([computing, run.failed]);
      } catch (error) {
        const failure = ifServerFailed(shown, error);
        run.fail(failure);
        throw failure;
      }
    },
    facts: () => ({ ...run.facts(), bytes, repeated }),
    close: async () => {
      blocking.disconnect();
      // What cannot be removed in this time goes by its lifetime.
      await Promise.race([
        run
          .stop()
          .then(() => removeRun(redis, keys))
          .catch(() => {}),
        new Promise((resolve) => setTimeout(resolve, 1500).unref()),
      ]);
      await queue.close().catch(() => {});
    },
  };
}
