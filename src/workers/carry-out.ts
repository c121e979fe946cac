/** A worker's job, carried out. */
import type { Redis } from 'ioredis';
import type { ShardSums } from '../curvature/shard-sums.js';
import { isTreeNode } from '../programs/shards.js';
import { addUpwards, type NodeSum } from './add-upwards.js';
import type { RunKeys } from './keys.js';
import type { Job, JobResult, RunDescription, VectorReference } from './messages.js';
import { storedSums } from './stored-sums.js';
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

async function compute(
  job: Exclude<Job, { kind: 'outputs' }>,
  { sums, trained }: OpenedRun,
  read: (vector: VectorReference) => Promise<Float32Array>,
): Promise<NodeSum> {
  const { node } = job;
  if (job.kind === 'products') {
    const vectors: Float32Array[] = [];
    for (const vector of job.vectors) {
      vectors.push(await read(vector));
    }
    return { loss: null, vectors: await sums.products(vectors, node) };
  }
  const { loss, gradient } = await sums.gradient(
    job.weights === null ? trained : await read(job.weights),
    node,
  );
  return { loss, vectors: [gradient] };
}

/**
 * Computes what a job asks for. Outputs are stored; gradients and products are added to what other workers have, and
 * not computed where they are there.
 *
 * @param job null where it was no such message
 * @param name of what is stored
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
  const { node } = job;
  const read = (vector: VectorReference): Promise<Float32Array> => getVector(redis, keys, vector, dimension);
  try {
    if (job.kind === 'outputs') {
      const weights = job.weights === null ? run.trained : await read(job.weights);
      const { losses, logits } = await run.sums.outputs(job.set, weights, node);
      const vectors: VectorReference[] = [];
      for (const [i, vector] of [losses, logits].entries()) {
        vectors.push(referenceTo(`${name}-${i}`, vector));
        await putVector(redis, keys, vectors[i].name, vector);
      }
      return { ok: true, computed: true, vectors };
    }
    const { sum } = job;
    if (!(await storedSums(redis, keys, sum, shards).wants(node))) {
      return { ok: true, computed: false, vectors: [] };
    }
    const own = { node, sum: await compute(job, run, read) };
    await addUpwards({ redis, keys, sum, shards, dimension }, own, name);
    return { ok: true, computed: true, vectors: [] };
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).slice(0, 300);
    const reason =
      error instanceof MissingVectorError ? 'missing-vector' : /^OOM\b/.test(message) ? 'full' : 'failed';
    return { ok: false, reason, message };
  }
}
