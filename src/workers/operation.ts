/** One sum over all shards while it is computed, as its analysis sees it. */
import { performance } from 'node:perf_hooks';
import type { ShardRange } from '../programs/shards.js';
import type { Job, VectorReference } from './messages.js';
import type { StoredVector } from './run.js';
import type { StoredSums } from './stored-sums.js';
import { MissingVectorError, referenceTo } from './vectors.js';

/** A job without its node, and without references to what lies at the server. */
export type JobTemplate =
  | { kind: 'outputs'; set: Extract<Job, { kind: 'outputs' }>['set'] }
  | { kind: 'gradient' }
  | { kind: 'products' };

/** The sum over a node, as workers computed it; outputs have no loss. */
export interface Part {
  node: ShardRange;
  loss: number;
  vectors: Float32Array[];
}

/** A node whose job is waited for. */
export interface Wanted {
  node: ShardRange;
  failures: number;
  /** When it was handed out last, in seconds. */
  since: number;
  copies: number;
}

/** One sum that is being computed. */
export interface Operation {
  /** Distinct in its run. */
  name: string;
  template: JobTemplate;
  inputs: readonly StoredVector[];
  /** All that is handed out. */
  nodes: readonly ShardRange[];
  /** By their places in `nodes`. */
  wanted: Map<number, Wanted>;
  /** Places of nodes by the names of their jobs. */
  jobs: Map<string, number>;
  /** What workers have added up; null for outputs, which are not added. */
  sums: StoredSums | null;
  workers: number;
  lastEvent: number;
}

/** Seconds by a clock that never goes back. */
export const seconds = (): number => performance.now() / 1000;

/** Waits for nodes, by their places, as if nothing of them was known. */
export function want({ nodes, wanted }: Operation, places: readonly number[]): void {
  for (const place of places) {
    wanted.set(place, { node: nodes[place], failures: 0, since: seconds(), copies: 0 });
  }
}

/** A sum of which nothing has been computed. */
export function beginOperation(
  name: string,
  template: JobTemplate,
  inputs: readonly Float32Array[],
  nodes: readonly ShardRange[],
  { sums, workers }: Pick<Operation, 'sums' | 'workers'>,
): Operation {
  const operation: Operation = {
    ...{ name, template, nodes, sums, workers },
    inputs: inputs.map((values, i) => ({ reference: referenceTo(`input-${name}-${i}`, values), values })),
    wanted: new Map(),
    jobs: new Map(),
    lastEvent: seconds(),
  };
  want(operation, [...nodes.keys()]);
  return operation;
}

/** The job of a node. */
export function jobOf({ name, template, inputs }: Operation, node: ShardRange): Job {
  const references = inputs.map(({ reference }) => reference);
  const weights = references[0] ?? null;
  switch (template.kind) {
    case 'products':
      return { ...template, sum: name, vectors: references, node };
    case 'gradient':
      return { ...template, sum: name, weights, node };
    case 'outputs':
      return { ...template, weights, node };
  }
}

/** Kind and size of a job, for its expected time. */
export function kindOf({ template, inputs }: Operation, { start, end }: ShardRange): string {
  return `${template.kind} ${'set' in template ? template.set : inputs.length} ${end - start}`;
}

/**
 * The sum over all shards once no job is waited for any more; where workers do not have it, as the server has lost
 * some of it, the places of the nodes that are missing, which are waited for again.
 */
export async function wholeOrMissing(
  operation: Operation,
  sums: StoredSums,
  read: (vectors: readonly VectorReference[]) => Promise<Float32Array[]>,
): Promise<{ kind: 'whole'; part: Part } | { kind: 'missing'; missing: readonly number[] }> {
  const { nodes } = operation;
  const all = { start: 0, end: nodes[nodes.length - 1].end };
  const whole = await sums.whole();
  try {
    if (whole?.stored) {
      const { loss, vectors } = whole.stored;
      return { kind: 'whole', part: { node: all, loss: Number(loss ?? 0), vectors: await read(vectors) } };
    }
  } catch (error) {
    if (!(error instanceof MissingVectorError)) {
      throw error;
    }
  }
  if (whole !== null) {
    await sums.forget(all, whole.text);
  }
  let uncovered = await sums.uncovered(nodes);
  if (uncovered.length === 0) {
    // Sums that nobody adds: all begins anew.
    await sums.close();
    uncovered = [...nodes];
  }
  await sums.open();
  const missing = uncovered.map((node) => nodes.indexOf(node));
  want(operation, missing);
  return { kind: 'missing', missing };
}
