/**
 * The one definition of what `prune-limit study` writes: tables and pictures as numbers, and the cells they come from.
 * Shares are fractions in [0, 1]; absent numbers are null.
 */
import { z } from 'zod';
import { describeIssues } from './schema-issues.js';
import { schemaVersion } from './schema-version.js';

const numberFormat = z.enum(['percent', 'points', 'quantity', 'whole', 'seconds']);

const columnSchema = z.object({
  key: z.string(),
  title: z.string(),
  format: z.union([z.literal('text'), numberFormat]),
});

const tableSchema = z.object({
  title: z.string(),
  columns: z.array(columnSchema),
  rows: z.array(z.record(z.string(), z.union([z.string(), z.number(), z.null()]))),
  notes: z.array(z.string()),
});

const axisSchema = z.object({
  label: z.string(),
  scale: z.enum(['linear', 'log']),
  format: numberFormat,
});

const pictureSchema = z.object({
  title: z.string(),
  x: axisSchema,
  y: axisSchema,
  series: z.array(
    z.object({
      name: z.string(),
      mark: z.enum(['line', 'dots']),
      points: z.array(
        z.object({
          x: z.number(),
          y: z.number(),
          low: z.number().optional().describe('the lowest of what y is the mean of'),
          high: z.number().optional().describe('the highest'),
        }),
      ),
    }),
  ),
  caption: z.string(),
});

const cellSchema = z.object({
  name: z.string(),
  key: z
    .string()
    .describe('digest of its options and of what it reads; its file in the folder is cells/KEY.json'),
  seconds: z.number().nullable(),
  reused: z.boolean().describe('it was finished before this run'),
  refused: z.string().nullable().describe('why it has no result; null where it has one'),
});

export const studyResultSchema = z.object({
  schemaVersion: z.literal(schemaVersion),
  ok: z.literal(true),
  tool: z.object({ name: z.literal('prune-limit'), version: z.string() }),
  study: z.string(),
  quick: z.boolean().describe('small settings for a first look: its numbers are no result'),
  seed: z.int(),
  summary: z.array(z.string()).describe('what was done, in sentences'),
  tables: z.array(tableSchema),
  pictures: z.array(pictureSchema),
  cells: z.array(cellSchema),
});

export type StudyResult = z.infer<typeof studyResultSchema>;
export type StudyTable = z.infer<typeof tableSchema>;
export type StudyPicture = z.infer<typeof pictureSchema>;
export type NumberFormat = z.infer<typeof numberFormat>;

/**
 * The result with exactly the fields of the schema.
 *
 * @throws Error where it breaks the schema: a defect of the caller
 */
export function validateStudy(result: StudyResult): StudyResult {
  const parsed = studyResultSchema.safeParse(result);
  if (!parsed.success) {
    throw new Error(`the study breaks its own schema: ${describeIssues(parsed.error)}`, {
      cause: parsed.error,
    });
  }
  return parsed.data;
}

/** The JSON Schema (draft 2020-12) of the result of a study. */
export function studyJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(studyResultSchema, { io: 'input' }), title: 'prune-limit study' };
}
