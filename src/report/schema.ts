/**
 * The one definition of the report that `prune-limit analyze` produces. Its
 * types, its JSON Schema (`prune-limit schema`) and its checks all come from
 * here.
 *
 * Percentages are fractions in [0, 1]; fields that end in `Points` are
 * percentage points. Numbers are finite; what is absent is null. New fields may
 * be added; a change of meaning raises `schemaVersion`.
 */
import { z } from 'zod';
import { InputError } from '../errors.js';
import { schemaVersion } from './schema-version.js';

export { schemaVersion };

const count = z.int().min(0);
const fraction = z.number().min(0).max(1);

const toolSchema = z.object({ name: z.literal('prune-limit'), version: z.string() });

const engineSchema = z.object({
  backend: z.string(),
  threads: count.nullable().describe('null where the backend decides'),
  versions: z.record(z.string(), z.string()).describe('of the runtime and the numeric libraries'),
  products: z
    .object({
      plan: z
        .enum(['kept', 'recomputed', 'whole'])
        .describe('what curvature products share: computed once, once a pass over the data, or nothing'),
      batchSize: count,
      batches: count,
      keptBatches: count.describe('batches whose shared part is kept between products'),
      unfoldedBatches: count.describe('batches whose unfolded images are kept, too'),
      estimatedBytes: count.describe('of memory for products'),
    })
    .nullable()
    .optional()
    .describe('how compiled curvature products are carried out; null where tfjs computes'),
});

const modelSchema = z.object({
  path: z.string(),
  weights: z.string().optional().describe("the file of the weights, where these are not the model's own"),
  format: z.string(),
  parameters: count.describe('all weights of the model'),
  prunable: count.describe('D: the weights that may be pruned'),
  sha256: z.string().describe('of the files of the checkpoint'),
});

const splitSchema = z.object({
  examples: count.describe('used'),
  available: count.describe('in the data set'),
});

const dataSchema = z.object({
  path: z.string(),
  format: z.string(),
  train: splitSchema,
  test: splitSchema.nullable(),
});

const lossSchema = z.object({
  name: z.enum(['cross-entropy', 'binary-cross-entropy', 'mse']),
  value: z.number().describe('mean loss of the dense network over the training examples used'),
  batchStd: z
    .number()
    .min(0)
    .nullable()
    .describe('standard deviation of the mean loss of mini-batches of 128 training examples'),
  gradientNorm: z.number().min(0),
});

const accuracySchema = z.object({ train: fraction.nullable(), test: fraction.nullable() });

const epsilonSchema = z.object({
  value: z.number().min(0).describe('the loss increase that is tolerated'),
  rule: z.enum(['batch-std', 'absolute', 'percent']),
});

const curvatureSchema = z.object({
  kind: z.enum(['hessian', 'ggn']),
  negative: z.enum(['abs', 'clip']).describe('what negative eigenvalues count as: |lambda|, or 0'),
  examples: count.describe('training examples that the curvature is the mean of'),
  lambdaMax: z.number(),
  lambdaMin: z.number(),
  trace: z.number(),
  traceStdError: z.number().min(0).nullable(),
  negativeMass: fraction.describe('share of sum |lambda| that negative eigenvalues hold'),
});

const ritzSchema = z
  .object({ values: z.array(z.number()), weights: z.array(z.number().min(0)) })
  .refine((rule) => rule.values.length === rule.weights.length, {
    message: 'as many weights as values are needed',
    path: ['weights'],
  });

const spectrumSchema = z.object({
  probes: count,
  steps: count.describe('Lanczos steps taken per probe'),
  settled: z.boolean().describe('the limits were settled within the budget of steps'),
  reorthogonalization: z.enum(['full', 'none']),
  leadingEigenvalues: z.array(z.number()).describe('largest in magnitude first'),
  ritz: z.array(ritzSchema).describe('one quadrature rule per probe: nodes and weights that sum to 1'),
});

const estimateSchema = z.object({
  pruned: fraction,
  low: fraction,
  high: fraction,
  settled: z.boolean().describe('false: unresolved, only low and high are to be relied on'),
});

const limitsSchema = z.object({
  gaussianWidth: estimateSchema.describe('existence limit of the paper: kept weights may move'),
  sharp: estimateSchema.describe('existence limit, exact for random subspaces of the quadratic model'),
  slice: z
    .object({ pruned: fraction })
    .describe('reachable without retraining, in the quadratic model: kept weights stay'),
  statisticalDimension: z.number().min(0).optional().describe('of the cone at the Gaussian-width limit'),
});

const boundsSchema = z.object({
  source: z.enum(['gaussian-width', 'sharp']).describe('the limit that lowerKept comes from'),
  lowerKept: fraction,
  upperKept: fraction,
  delta: z.number().min(-1).max(1).describe('upperKept - lowerKept'),
  window: z.number().min(0).describe('half width of the phase transition, as a fraction of D'),
});

const measuredAccuracySchema = z.object({
  pruned: fraction,
  tolerance: fraction.describe('the fall of test accuracy that is tolerated'),
});

const actualSchema = z.object({
  loss: z.object({ pruned: fraction }).describe('largest pruned fraction with a loss increase <= epsilon'),
  accuracy: measuredAccuracySchema.nullable().describe('with the asked tolerance'),
  exactAccuracy: measuredAccuracySchema.nullable().describe('with tolerance 0'),
});

const comparisonRowSchema = z.object({
  theory: z.enum(['gaussianWidth', 'sharp', 'slice']),
  actual: z.enum(['loss', 'accuracy', 'exactAccuracy']),
  kind: z
    .enum(['prediction', 'existence'])
    .describe(
      'prediction: of this very measurement; existence: some sparse network exists, retraining may be needed',
    ),
  theoryPruned: fraction,
  actualPruned: fraction,
  differencePoints: z.number().min(-100).max(100).describe('100 (theoryPruned - actualPruned)'),
});

const curveRowSchema = z.object({
  pruned: fraction,
  kept: fraction,
  radius: z.number().min(0).describe('R: distance of the pruned from the dense weights'),
  predictedLossIncrease: z.number().nullable().describe('of the quadratic model'),
  lossIncrease: z.number().nullable().describe('measured; null where the loss overflows'),
  loss: z.number().nullable(),
  accuracy: fraction.nullable().describe('test accuracy'),
  insideSublevelSet: z.boolean().describe('the measured loss increase is at most epsilon'),
});

const selfCheckSchema = z.object({
  relativeError: z.number().min(0).describe('one product against a central difference of gradients'),
  tolerance: z.number().min(0),
});

const optionsSchema = z.object({
  normalize: z.object({ mean: z.array(z.number()), std: z.array(z.number()) }).nullable(),
  loss: z.enum(['auto', 'cross-entropy', 'binary-cross-entropy', 'mse']),
  examples: z.union([count, z.literal('all')]),
  sample: z.enum(['random', 'first']),
  testExamples: z.union([count, z.literal('all')]),
  epsilon: z.discriminatedUnion('rule', [
    z.object({ rule: z.literal('batch-std') }),
    z.object({ rule: z.literal('absolute'), value: z.number() }),
    z.object({ rule: z.literal('percent'), value: z.number() }),
  ]),
  epsilonExamples: z
    .union([count, z.literal('all')])
    .describe('training examples that batch-std is measured on'),
  curvature: z.enum(['hessian', 'ggn']),
  negative: z.enum(['abs', 'clip']),
  bound: z.enum(['gaussian-width', 'sharp']),
  probes: count.nullable().describe('null: as many as --tolerance takes; spectrum.probes says how many'),
  steps: count.describe('budget'),
  tolerancePoints: z.number(),
  accuracyTolerancePoints: z.number(),
  ratios: z.array(fraction),
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  seed: z.int(),
  backend: z.enum(['auto', 'tensorflow', 'onnx', 'wasm', 'cpu']),
  threads: count.nullable(),
  memoryLimitBytes: count.nullable(),
  reorthogonalization: z.enum(['auto', 'full', 'none']),
  productPlan: z.enum(['auto', 'kept', 'recomputed', 'whole']),
  dumpGraph: z.string().nullable(),
});

/** The report of `analyze`. */
export const reportSchema = z
  .object({
    schemaVersion: z.literal(schemaVersion),
    ok: z.literal(true).describe('false in the object that a failure prints in place of a report'),
    tool: toolSchema,
    seed: z.int(),
    engine: engineSchema,
    model: modelSchema,
    data: dataSchema,
    loss: lossSchema,
    accuracy: accuracySchema.nullable().describe('of the dense network; null where labels are no classes'),
    epsilon: epsilonSchema,
    curvature: curvatureSchema,
    spectrum: spectrumSchema,
    limits: limitsSchema,
    bounds: boundsSchema,
    actual: actualSchema,
    comparison: z.array(comparisonRowSchema),
    curve: z.array(curveRowSchema).describe('one-shot magnitude pruning of this checkpoint, measured'),
    selfCheck: selfCheckSchema,
    options: optionsSchema.describe('the resolved options that the numbers depend on'),
    warnings: z.array(z.string()),
    timing: z.record(z.string(), z.number().min(0)).describe('seconds by stage; varies from run to run'),
  })
  .describe('Report of prune-limit analyze. Percentages are fractions in [0, 1].');

export type Report = z.infer<typeof reportSchema>;
export type EngineReport = z.infer<typeof engineSchema>;
export type LimitEstimate = z.infer<typeof estimateSchema>;
export type LimitsReport = z.infer<typeof limitsSchema>;
export type ComparisonRow = z.infer<typeof comparisonRowSchema>;
export type CurveRow = z.infer<typeof curveRowSchema>;
export type ReportOptions = z.infer<typeof optionsSchema>;

function describeIssue(issue: z.core.$ZodIssue): string {
  const location = issue.path.length > 0 ? z.core.toDotPath(issue.path) : 'top level';
  const { expected } = issue as { expected?: string };
  return expected === undefined
    ? `${issue.message} (${location})`
    : `${issue.message} (${location}, expected ${expected})`;
}

function describeIssues(error: z.ZodError): string {
  const shown = error.issues.slice(0, 3).map(describeIssue).join('; ');
  const more = error.issues.length - 3;
  return more > 0 ? `${shown}; and ${more} more` : shown;
}

/**
 * Reads a report back.
 *
 * @param json the text of the report
 * @param source where it came from, for messages
 */
export function parseReport(json: string, source: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new InputError('report/not-json', `${source} is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof value === 'object' && value !== null && (value as { ok?: unknown }).ok === false) {
    throw new InputError('report/failed-run', `${source} is the error object of a failed run, not a report`);
  }
  const result = reportSchema.safeParse(value);
  if (!result.success) {
    throw new InputError(
      'report/wrong-shape',
      `${source} is not a report of prune-limit analyze: ${describeIssues(result.error)}`,
      { cause: result.error },
    );
  }
  return result.data;
}

/**
 * The report with exactly the fields of the schema, in the schema's order.
 *
 * @throws Error where it breaks the schema: a defect of the caller, not of the input
 */
export function validateReport(report: Report): Report {
  const result = reportSchema.safeParse(report);
  if (!result.success) {
    throw new Error(`the report breaks its own schema: ${describeIssues(result.error)}`, {
      cause: result.error,
    });
  }
  return result.data;
}

/** The JSON Schema (draft 2020-12) of the report. Further fields are allowed: new ones may be added. */
export function reportJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(reportSchema, { io: 'input' }), title: 'prune-limit report' };
}
