/** What `gate` and `compare` print as JSON: the one definition. */
import { z } from 'zod';
import { reportJsonSchema } from '../report/schema.js';
import { schemaVersion } from '../report/schema-version.js';

const knownNumber = {
  value: z.number(),
  low: z.number().describe('lower end of the interval at limits.level; the value where it has none'),
  high: z.number().describe('upper end'),
  settled: z.boolean().describe('false: the report calls it unresolved'),
};

const verdictSchema = z
  .enum(['pass', 'fail', 'inconclusive'])
  .describe('inconclusive: the interval straddles the threshold, or the number is unresolved');

const gateResultSchema = z.object({
  kind: z.enum(['require', 'max-drop', 'max-rise']),
  gate: z.string().describe('as written'),
  level: z.enum(['error', 'warn']).describe('warn: told, without a part in the verdict'),
  name: z.string().describe('of the field'),
  unit: z.enum(['fraction', 'points', 'number']),
  ...knownNumber,
  relation: z.enum(['>=', '<=', '>', '<']).nullable().describe('null for changes'),
  threshold: z
    .number()
    .describe('in the unit of the field; for changes, the largest that is allowed, from 0 on'),
  baseline: z.object(knownNumber).nullable().describe('the same field of the baseline; null for require'),
  verdict: verdictSchema,
  reason: z.string().nullable(),
});

const fraction = z.number().min(0).max(1);
const fractionDifference = z.number().min(-1).max(1);

const headroomSchema = z.object({
  headroom: fractionDifference.describe('the limit less sparsity; negative beyond the limit'),
  headroomLow: fractionDifference.describe('lower end of the interval at limits.level'),
  headroomHigh: fractionDifference.describe('upper end'),
  settled: z.boolean().describe('of the limit'),
});

const prunedSchema = z
  .object({
    path: z.string(),
    weights: z.int().min(1).describe('prunable weights of the dense network'),
    zeros: z.int().min(0).describe('of them that are 0 in the compressed network'),
    sparsity: fraction.describe('zeros / weights'),
    loss: z
      .number()
      .nullable()
      .describe('mean over the training examples of the dense report; null where it is not finite'),
    lossIncrease: z.number().nullable().describe('loss less that of the dense network'),
    accuracy: fraction
      .nullable()
      .describe('on the test examples of the dense report; null without any, or for regression'),
    headroom: fractionDifference.describe('limits.slice.pruned less sparsity; negative beyond the limit'),
    gaussianWidth: headroomSchema,
    sharp: headroomSchema,
  })
  .describe('the compressed network of --pruned, beside the dense one of the report');

/** The result of `gate`. */
export const gateReportSchema = z
  .object({
    schemaVersion: z.literal(schemaVersion),
    ok: z.literal(true).describe('the gates were judged; false in the object that a failure prints instead'),
    verdict: verdictSchema.describe('of all gates of level error together'),
    report: z.string().describe('the report or the model that was judged'),
    baseline: z.string().nullable(),
    pruned: prunedSchema.nullable().describe('null without --pruned'),
    inconclusive: z
      .enum(['fail', 'pass', 'warn'])
      .describe('what an inconclusive gate of level error counts as'),
    gates: z.array(gateResultSchema),
  })
  .describe('Result of prune-limit gate. Percentages are fractions in [0, 1].');

const movedNumberSchema = z.object({
  name: z.string(),
  unit: z.enum(['fraction', 'points', 'number']),
  before: z.object(knownNumber).nullable().describe('null where that report has no such number'),
  after: z.object(knownNumber).nullable(),
  movement: z
    .enum(['same', 'within', 'up', 'down', 'unresolved', 'appeared', 'gone'])
    .describe('up and down: beyond the intervals of both; within: not beyond them'),
});

/** The result of `compare`. */
export const comparisonSchema = z
  .object({
    schemaVersion: z.literal(schemaVersion),
    ok: z.literal(true),
    before: z.string(),
    after: z.string(),
    settings: z
      .array(z.object({ name: z.string(), before: z.string(), after: z.string() }))
      .describe('what the reports were made with that differs; values as JSON'),
    numbers: z.array(movedNumberSchema),
  })
  .describe('Result of prune-limit compare.');

export type GateReport = z.infer<typeof gateReportSchema>;
export type PrunedFindings = z.infer<typeof prunedSchema>;
export type GateResult = z.infer<typeof gateResultSchema>;
export type GateVerdict = GateResult['verdict'];
export type GateLevel = GateResult['level'];
export type ReportComparison = z.infer<typeof comparisonSchema>;
export type MovedNumber = z.infer<typeof movedNumberSchema>;

/** JSON Schema of what gates are judged on: a report, and `pruned` beside its fields. */
export function gateSubjectJsonSchema(): Record<string, unknown> {
  const report = reportJsonSchema() as { properties: Record<string, unknown> };
  const pruned = z.toJSONSchema(prunedSchema, { io: 'input' });
  return { ...report, properties: { ...report.properties, pruned } };
}

/** The JSON Schema (draft 2020-12) of the result of `gate`. */
export function gateJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(gateReportSchema, { io: 'input' }), title: 'prune-limit gate' };
}

/** The JSON Schema (draft 2020-12) of the result of `compare`. */
export function comparisonJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(comparisonSchema, { io: 'input' }), title: 'prune-limit compare' };
}
