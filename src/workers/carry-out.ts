/** A worker's job, carried out. */
import type { Redis } from 'ioredis';
import type { ShardSums } from '../curvature/shard-sums.js';
import { isTreeNode } from '../programs/shards.js';
import type { RunKeys } from './keys.js';
import type { Job, JobResult, RunDescription, VectorReference } from './messages.js';
import { getVector, MissingVectorError, putVector, referenceTo } from './vectors.js';

/** A run that was opened on this machine. */
export interface OpenedRun {
  sums: ShardSums;
  /** The trained weights, length D. */
  trained: Float32Array;
  /** What computes, for messages. */
  backend: string;
}

/** What is told of a job: all of a result but who has it and how long it took. */
export type Outcome =
  | Omit<Extract<JobResult, { ok: true }>, 'job' | 'worker' | 'seconds'>
  | Omit<Extract<JobResult, { ok: false }>, 'job' | 'worker' | 'seconds'>;

interface Computed {
  loss: number | null;
  vectors: readonly Float32Array[];
}

async function compute(
  job: Job,
  { sums, trained }: OpenedRun,
  read: (vector: VectorReference) => Promise<Float32Array>,
): Promise<Computed> {
  const { node } = job;
  if (job.kind === 'products') {
    const vectors: Float32Array[] = [];
    for (const vector of job.vectors) {
      vectors.push(await read(vector));
    }
    return { loss: null, vectors: await sums.products(vectors, node) };
  }
  const weights = job.weights === null ? trained : await read(job.weights);
  if (job.kind === 'gradient') {
    const { loss, gradient } = await sums.gradient(weights, node);
    return { loss, vectors: [gradient] };
  }
  const { losses, logits } = await sums.outputs(job.set, weights, node);
  return { loss: null, vectors: [losses, logits] };
}

/**
 * Computes what a job asks for and stores the vectors that come of it.
 *
 * @param job null where it was no such message
 * @param name of the vectors, together with their place
 */
export async function carryOut(
  redis: Redis,
  keys: RunKeys,
  { shards, dimension }: RunDescription,
  run: OpenedRun,
  job: Job | null,
  name: string,
): Promise<Outcome> {
  if (job === null || !isTreeNode(job.node, shards)) {
    return { ok: false, reason: 'failed', message: 'a job that this version does not understand' };
  }
  try {
    const { loss, vectors } = await compute(job, run, (vector) => getVector(redis, keys, vector, dimension));
    const references: VectorReference[] = [];
    for (const [i, vector] of vectors.entries()) {
      const reference = referenceTo(`${name}-${i}`, vector);
      await putVector(redis, keys, reference.name, vector);
      references.push(reference);
    }
    return { ok: true, loss: loss === null ? null : String(loss), vectors: references };
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).slice(0, 300);
    const reason =
      error instanceof MissingVectorError ? 'missing-vector' : /^OOM\b/.test(message) ? 'full' : 'failed';
    return { ok: false, reason, message };
  }
}
