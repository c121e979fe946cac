/** Hands jobs of a run out through a queue, and takes in their results, each as often as it takes. */
import type { Queue } from 'bullmq';
import { InputError } from '../errors.js';
import type { ShardRange } from '../programs/shards.js';
import { jobTimes, nodesFor } from './hand-out.js';
import { prolong, QUEUE, type RunKeys, removeRun } from './keys.js';
import {
  type JobResult,
  type RunDescription,
  readMessage,
  resultSchema,
  type VectorReference,
} from './messages.js';
import {
  beginOperation,
  type JobTemplate,
  jobOf,
  kindOf,
  type Operation,
  type Part,
  seconds,
  want,
  wholeOrMissing,
} from './operation.js';
import { announceRun, type Look, type RunPatience, type StoredVector, type WorkerFacts } from './run.js';
import { ifServerFailed, loadLibraries, type Server, serverFailure } from './server.js';
import type { FirstShard } from './shard-check.js';
import { storedSums } from './stored-sums.js';
import {
  getVectors,
  MissingVectorError,
  prolongVectors,
  putVector,
  referenceTo,
  removeVectors,
} from './vectors.js';

/** Times that a node may fail on workers, for reasons of its own. */
const MOST_FAILURES = 3;
/** Times that workers' sums may be gone once all jobs of a sum are done. */
const MOST_LOSSES = 20;
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

/** Hands out one sum over all shards at a time. */
export interface Dispatcher {
  /**
   * @param inputs weights (none: the trained ones), or the vectors of products
   * @param lengths of the vectors that come of a node
   * @param onPart told of every node that is done
   * @returns outputs of nodes that cover all shards, in order; of gradient and products the sum over all
   */
  perform(
    template: JobTemplate,
    inputs: readonly Float32Array[],
    lengths: (node: ShardRange) => number[],
    onPart: (node: ShardRange) => void,
  ): Promise<Part[]>;
  facts(): WorkerFacts & { bytes: number; repeated: number };
  close(): Promise<void>;
}

/** @throws InputError when the server cannot be used */
export async function openDispatcher(
  server: Server,
  keys: RunKeys,
  { description, reference }: RemoteProblem,
  note: (message: string) => void,
  patience?: RunPatience,
): Promise<Dispatcher> {
  const { bullmq } = await loadLibraries();
  const { redis, shown } = server;
  const all = { start: 0, end: description.shards };
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
      return [{ name: 'sum', data: jobOf(current, wanted.node), opts: { jobId: name } }];
    });
    await queue.addBulk(made);
    await prolong(redis, keys, [...current.jobs.keys()], current.sums && current.name);
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
  /** Hands out again what is lost, and to idle workers what takes too long. */
  const look = async ({ members, lost }: Look): Promise<void> => {
    const current = operation;
    if (current === null) {
      return;
    }
    if (lost) {
      if (current.sums !== null) {
        // With what was added up, for which no job is waited for any more.
        await current.sums.open();
        want(current, [...current.nodes.keys()]);
      }
      await putInputs(current);
      await handOut(current, [...current.wanted.keys()]);
      return;
    }
    if (current.wanted.size === 0) {
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
      prolong: async () => {
        const vectors = operation?.inputs.map((input) => input.reference) ?? [];
        await prolongVectors(redis, keys, vectors);
        await prolong(
          redis,
          keys,
          [...(operation?.jobs.keys() ?? [])],
          operation?.sums ? operation.name : null,
        );
        await operation?.sums?.prolong();
      },
      onLook: look,
      ...(patience && { patience }),
    },
  );

  const readVectors = async (
    references: readonly VectorReference[],
    lengths: readonly number[],
  ): Promise<Float32Array[]> => {
    const vectors = await getVectors(redis, keys, references, lengths);
    bytes += vectors.reduce((sum, vector) => sum + vector.byteLength, 0);
    return vectors;
  };
  /** The part that a result tells of; null where it has none, has to be computed again, or was there before. */
  const takeIn = async (
    current: Operation,
    result: JobResult,
    lengths: (node: ShardRange) => number[],
    onPart: (node: ShardRange) => void,
  ): Promise<{ index: number; part: Part } | null> => {
    const index = current.jobs.get(result.job);
    const wanted = index === undefined ? undefined : current.wanted.get(index);
    if (index === undefined || wanted === undefined) {
      await (result.ok ? removeVectors(redis, keys, result.vectors) : null);
      return null;
    }
    const { node } = wanted;
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
    try {
      const vectors = current.sums === null ? await readVectors(result.vectors, lengths(node)) : [];
      if (result.computed) {
        times.add(kindOf(current, node), result.seconds);
      }
      current.wanted.delete(index);
      await removeVectors(redis, keys, result.vectors);
      run.heard();
      onPart(node);
      return current.sums === null ? { index, part: { node, loss: 0, vectors } } : null;
    } catch (error) {
      if (!(error instanceof MissingVectorError)) {
        throw error;
      }
      await handOut(current, [index]);
      return null;
    }
  };
  /** Best effort after a failure: what stays goes with the run. */
  const removeOperation = async (current: Operation): Promise<void> => {
    if (current.jobs.size > current.nodes.length) {
      await queue.drain();
    }
    await current.sums?.close();
    await removeVectors(
      redis,
      keys,
      current.inputs.map((input) => input.reference),
    );
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
    const name = `sum-${++operations}`;
    const sums = template.kind === 'outputs' ? null : storedSums(redis, keys, name, description.shards);
    const current = beginOperation(name, template, inputs, nodes, { sums, workers });
    const parts: Part[] = [];
    let losses = 0;
    try {
      await sums?.open();
      await putInputs(current);
      await handOut(current, [...nodes.keys()]);
      operation = current;
      for (;;) {
        if (current.wanted.size === 0) {
          if (sums === null) {
            return parts;
          }
          const found = await wholeOrMissing(current, sums, (vectors) => readVectors(vectors, lengths(all)));
          if (found.kind === 'whole') {
            return [found.part];
          }
          if (++losses > MOST_LOSSES) {
            throw new InputError(
              'workers/failed',
              `${shown}: what workers computed was gone ${MOST_LOSSES} times before it was added up; look at the server's memory limit and log`,
            );
          }
          await putInputs(current);
          await handOut(current, found.missing);
        }
        const popped = await blocking.blpop(keys.results, 1);
        const result = popped && readMessage(resultSchema, popped[1]);
        const taken = result && (await takeIn(current, result, lengths, onPart));
        if (taken) {
          parts[taken.index] = taken.part;
        }
      }
    } finally {
      operation = null;
      await removeOperation(current).catch(() => {});
    }
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
