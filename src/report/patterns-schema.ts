/** The part of the report's schema that holds structured patterns. */
import { z } from 'zod';
import { count, fraction } from './schema-values.js';

export const patternsSchema = z
  .array(
    z.object({
      pattern: z.string().describe('kept:group along the inputs, or channel:SHARE of the outputs'),
      pruned: fraction.describe('of all prunable weights'),
      prunedWeights: count,
      predictedIncrease: z.number().describe("g'd + 1/2 d'Hd, by one product"),
      lossIncrease: z
        .number()
        .nullable()
        .describe('measured on the training examples; null where it overflows'),
      insideSublevelSet: z.boolean().describe('the measured increase is at most epsilon'),
      accuracy: z.object({ train: fraction.nullable(), test: fraction.nullable() }),
      leftDense: z
        .array(z.object({ name: z.string(), reason: z.string().describe('completes "it stays dense: .."') }))
        .describe('weights that the pattern does not divide'),
    }),
  )
  .describe(
    'structured removals of options.patterns, pruned once by magnitude within them, kept weights as they are',
  );

export type PatternReport = z.infer<typeof patternsSchema>[number];
