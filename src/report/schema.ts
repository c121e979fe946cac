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
import { layersSchema } from './layers-schema.js';
import {
  actualSchema,
  boundsSchema,
  comparisonRowSchema,
  curveRowSchema,
  limitsSchema,
  theorySchema,
} from './limits-schema.js';
import { patternsSchema } from './patterns-schema.js';
import { rowNormsSchema } from './row-norms-schema.js';
import { describeIssues } from './schema-issues.js';
import { count, fraction } from './schema-values.js';
import { schemaVersion } from './schema-version.js';
import { tunedSchema } from './tuned-schema.js';
import { weightScalesSchema } from './weight-scales-schema.js';
import { weightsSchema } from './weights-schema.js';

export { schemaVersion };

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
  workers: z
    .object({
      most: count.describe('at a time'),
      drifting: count.describe('whose arithmetic differs in the last digits'),
    })
    .optional()
    .describe('that computed the shards; absent where one process did. Varies from run to run'),
});

const modelSchema = z.object({
  path: z.string(),
  weights: z.string().optional().describe("the file of the weights, where these are not the model's own"),
  format: z.string(),
  parameters: count.describe('all weights of the model'),
  prunable: count.describe('D: the weights that may be pruned'),
  leftOut: z
    .array(
      z.object({ name: z.string(), weights: count, reason: z.string().describe('completes "it is .."') }),
    )
    .optional()
    .describe(
      'kernels that are no part of D, each with the reason; absent where every kernel is, or was excluded',
    ),
  notes: z
    .array(z.string())
    .optional()
    .describe('what was done to read the model that its file does not say; absent where nothing was'),
  sha256: z.string().describe('of the files of the checkpoint'),
});

const splitSchema = z.object({
  examples: count.describe('used'),
  available: count.describe('in the data set'),
});

const dataSchema = z.object({
  path: z.string(),
  format: z.string(),
  layout: z
    .enum(['NHWC', 'NCHW'])
    .nullable()
    .optional()
    .describe(
      'order in which images of several channels went into an input whose shape does not tell it, such as a flat one; null elsewhere',
    ),
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
  examples: count
    .nullable()
    .describe('training examples that batch-std comes from; null where another rule gives epsilon'),
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
  negativeMassStdError: z
    .number()
    .min(0)
    .nullable()
    .describe('one standard error; null where it is not known'),
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
  products: count.describe('curvature products spent on the spectrum'),
  settled: z
    .object({ gaussianWidth: z.boolean(), sharp: z.boolean() })
    .describe('which limits were settled within the budget'),
  reorthogonalization: z.enum(['full', 'none']),
  leadingEigenvalues: z.array(z.number()).describe('largest in magnitude first'),
  ritz: z.array(ritzSchema).describe('one quadrature rule per probe: nodes and weights that sum to 1'),
});

const selfCheckSchema = z.object({
  relativeError: z.number().min(0).describe('one product against a central difference of gradients'),
  tolerance: z.number().min(0),
  resolution: fraction.describe('relative error below which rounding hides it from this check'),
  trainedResolution: fraction.describe(
    'the same at the trained weights; above the tolerance the check is that of other weights',
  ),
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
  layers: z
    .enum(['auto', 'always', 'full'])
    .optional()
    .describe(
      'auto: sensitivities take at most a quarter of the products of the spectrum; full: layers.alone and layers.allocation, too',
    ),
  patterns: z.array(z.string()).optional(),
  weightScales: z.array(z.number()).optional(),
  rowNorms: count.optional(),
  tuneEpochs: z.number().min(0).optional(),
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  seed: z.int(),
  backend: z.enum(['auto', 'tensorflow', 'onnx', 'onnx-web', 'wasm', 'cpu']),
  threads: count.nullable(),
  memoryLimitBytes: count.nullable(),
  reorthogonalization: z.enum(['auto', 'full', 'none']),
  productPlan: z.enum(['auto', 'kept', 'recomputed', 'whole']),
  dumpGraph: z.string().nullable(),
  shards: count
    .nullable()
    .optional()
    .describe(
      'that the examples were cut into, their sums added along a fixed tree: the same digits whoever computes them',
    ),
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
    theory: theorySchema,
    bounds: boundsSchema,
    actual: actualSchema,
    comparison: z.array(comparisonRowSchema),
    curve: z
      .array(curveRowSchema)
      .describe(
        'one-shot magnitude pruning of this checkpoint, measured: every fraction that was evaluated, ascending',
      ),
    layers: layersSchema.optional(),
    patterns: patternsSchema.optional(),
    weights: weightsSchema.optional(),
    weightScales: weightScalesSchema.optional(),
    rowNorms: rowNormsSchema.optional(),
    tuned: tunedSchema.optional(),
    selfCheck: selfCheckSchema,
    options: optionsSchema.describe('the resolved options that the numbers depend on'),
    warnings: z.array(z.string()),
    timing: z.record(z.string(), z.number().min(0)).describe('seconds by stage; varies from run to run'),
  })
  .describe('Report of prune-limit analyze. Percentages are fractions in [0, 1].');

export type Report = z.infer<typeof reportSchema>;
export type EngineReport = z.infer<typeof engineSchema>;
export type LimitsReport = z.infer<typeof limitsSchema>;
export type LimitEstimate = LimitsReport['gaussianWidth'];
export type MeasuredLimitReport = z.infer<typeof actualSchema>['loss'];
export type TheoryReport = z.infer<typeof theorySchema>;
export type BoundsReport = z.infer<typeof boundsSchema>;
export type ComparisonRow = z.infer<typeof comparisonRowSchema>;
export type CurveRow = z.infer<typeof curveRowSchema>;
export type ReportOptions = z.infer<typeof optionsSchema>;

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
