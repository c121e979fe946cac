/** What cells come to, as files keep it. */
import { z } from 'zod';
import { reportSchema } from '../report/schema.js';

const networkMeasure = z.object({ loss: z.number(), accuracy: z.number().nullable() });

const trainResult = z.object({
  kind: z.literal('train'),
  epochs: z.number(),
  trainLoss: z.number(),
  trainAccuracy: z.number().nullable(),
  testLoss: z.number().nullable(),
  testAccuracy: z.number().nullable(),
  parameters: z.number(),
});

const pruneResult = z.object({
  kind: z.literal('prune'),
  prunedWeights: z.number(),
  prunableWeights: z.number(),
  epochEquivalents: z.number(),
  distinctExamples: z.number(),
  seconds: z.number(),
  before: networkMeasure,
  after: networkMeasure,
});

const distributionResult = z.object({
  kind: z.literal('distribution'),
  /** Bounds of the bins of equal width. */
  low: z.number(),
  high: z.number(),
  /** Of each model: the share of weights next to 0, and in each bin. */
  models: z.array(z.object({ nearZero: z.number(), shares: z.array(z.number()) })),
  pairs: z.array(
    z.object({ a: z.number(), b: z.number(), totalVariation: z.number(), kolmogorov: z.number() }),
  ),
});

const resultSchema = z.discriminatedUnion('kind', [
  trainResult,
  pruneResult,
  distributionResult,
  z.object({ kind: z.literal('scale') }),
  z.object({ kind: z.literal('round'), prunedWeights: z.number(), prunableWeights: z.number() }),
  z.object({ kind: z.literal('analyze'), report: reportSchema }),
]);

/** What a cell came to. */
export type CellResult = z.infer<typeof resultSchema>;
export type ResultOf<Kind extends CellResult['kind']> = Extract<CellResult, { kind: Kind }>;

/** A cell that is finished, as its file holds it. */
export const finishedCellSchema = z.object({
  key: z.string(),
  name: z.string(),
  /** Cells of one group take about as long for one unit of work each. */
  group: z.string(),
  units: z.number(),
  seconds: z.number(),
  result: resultSchema,
});
export type FinishedCell = z.infer<typeof finishedCellSchema>;
