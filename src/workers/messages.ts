/** What an analysis and its workers tell each other. Everything that is read is checked by these, whoever wrote it. */
import { z } from 'zod';
import { PRODUCT_PROGRAMS } from '../curvature/product-plan.js';
import { EXAMPLE_SETS } from '../curvature/shard-sums.js';
import { CURVATURES } from '../programs/curvature-products.js';

/** Raised when a message changes its meaning: both sides must have the same. */
export const PROTOCOL = 2;

/** Largest message that is read, in bytes. */
export const MOST_MESSAGE_BYTES = 2 ** 18;
/** Vectors of one job: those of probes that share a pass. */
const MOST_VECTORS = 256;

const name = z.string().regex(/^[\w-]{1,120}$/);
const shortText = z.string().max(300);
const path = z.string().min(1).max(4096);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const length = z
  .int()
  .min(0)
  .max(2 ** 31);
const shardIndex = z.int().min(0).max(4096);

/** A float32 vector that lies beside the message, in chunks. */
export const vectorSchema = z.strictObject({ name, length, sha256 });
export type VectorReference = z.infer<typeof vectorSchema>;

const nodeSchema = z.strictObject({ start: shardIndex, end: shardIndex });
/** Null: the trained weights, which every worker has. */
const weights = vectorSchema.nullable();

/** A sum over a node of the tree of shards, to be computed; gradients and products belong to a sum over all shards. */
export const jobSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('outputs'), set: z.enum(EXAMPLE_SETS), weights, node: nodeSchema }),
  z.strictObject({ kind: z.literal('gradient'), sum: name, weights, node: nodeSchema }),
  z.strictObject({
    kind: z.literal('products'),
    sum: name,
    vectors: z.array(vectorSchema).min(1).max(MOST_VECTORS),
    node: nodeSchema,
  }),
]);
export type Job = z.infer<typeof jobSchema>;

/** A number that may be infinite. */
const numberText = z.string().max(40);

/** A gradient's loss, null for products, and vectors, summed over a node, that lie at the server. */
export const storedSumSchema = z.strictObject({
  loss: numberText.nullable(),
  vectors: z.array(vectorSchema).min(1).max(MOST_VECTORS),
});
export type StoredSum = z.infer<typeof storedSumSchema>;

/** Why a job has no result. */
export const FAILURES = ['left', 'missing-vector', 'full', 'failed'] as const;

/** What came of a job: vectors of outputs; gradients and products are among the stored sums. */
export const resultSchema = z.discriminatedUnion('ok', [
  z.strictObject({
    ok: z.literal(true),
    job: name,
    worker: name,
    seconds: z.number().min(0),
    /** False: it was there already. */
    computed: z.boolean(),
    vectors: z.array(vectorSchema).max(MOST_VECTORS),
  }),
  z.strictObject({
    ok: z.literal(false),
    job: name,
    worker: name,
    seconds: z.number().min(0),
    reason: z.enum(FAILURES),
    message: shortText,
  }),
]);
export type JobResult = z.infer<typeof resultSchema>;

/** A worker that takes part. */
export const memberSchema = z.strictObject({
  worker: name,
  host: shortText,
  state: z.enum(['idle', 'busy']),
  /** Largest relative difference of its first shard from the analysis' own; 0: the same bits. */
  drift: z.number().min(0),
});
export type Member = z.infer<typeof memberSchema>;

/** A worker that does not, and why. */
export const refusalSchema = z.strictObject({ worker: name, host: shortText, message: shortText });

const counted = z.union([z.int().min(1), z.literal('all')]);

/** The options that decide what is computed. */
const problemSchema = z.strictObject({
  labelColumn: shortText.nullable(),
  layout: z.enum(['NHWC', 'NCHW']).nullable(),
  normalize: z
    .strictObject({ mean: z.array(z.number()).max(4096), std: z.array(z.number()).max(4096) })
    .nullable(),
  loss: z.enum(['auto', 'cross-entropy', 'binary-cross-entropy', 'mse']),
  examples: counted,
  sample: z.enum(['random', 'first']),
  testExamples: counted,
  epsilon: z.discriminatedUnion('rule', [
    z.strictObject({ rule: z.literal('batch-std') }),
    z.strictObject({ rule: z.literal('absolute'), value: z.number() }),
    z.strictObject({ rule: z.literal('percent'), value: z.number() }),
  ]),
  epsilonExamples: counted,
  curvature: z.enum(CURVATURES),
  include: z.array(shortText).max(1000),
  exclude: z.array(shortText).max(1000),
  seed: z.int().min(0),
});

/** What a worker has to know of a run before it can take part. */
export const runSchema = z.strictObject({
  protocol: z.int(),
  version: shortText,
  model: z.strictObject({ path, weights: path.nullable(), sha256 }),
  data: z.strictObject({ path, sha256 }),
  problem: problemSchema,
  shards: z.int().min(1).max(4096),
  dimension: z
    .int()
    .min(1)
    .max(2 ** 31),
  arithmetic: z.strictObject({
    batchSize: z
      .int()
      .min(1)
      .max(2 ** 20),
    program: z.enum(PRODUCT_PROGRAMS).nullable(),
  }),
  backend: shortText,
  /** Of the analysis, which decide digits, too; null where the backend decides. */
  threads: z.int().min(1).max(1024).nullable(),
  allowDrift: z.boolean(),
  /** What the analysis itself computed on the first shard, as `shard-check.ts` has it. */
  reference: z.strictObject({ loss: numberText, vectors: z.array(vectorSchema).max(8) }),
});
export type RunDescription = z.infer<typeof runSchema>;

/** A message as its schema has it; null where it is no such message. */
export function readMessage<T>(schema: z.ZodType<T>, text: string | null): T | null {
  if (text === null || text.length > MOST_MESSAGE_BYTES) {
    return null;
  }
  try {
    const { data, success } = schema.safeParse(JSON.parse(text));
    return success ? data : null;
  } catch {
    return null;
  }
}
