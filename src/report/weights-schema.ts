/** The part of the report's schema that holds the distribution of the prunable weights. */
import { z } from 'zod';
import { count, fraction } from './schema-values.js';

/** Limits that have a magnitude; as they are called in `limits` and `actual`. */
export const thresholdLimits = [
  'slice',
  'gaussianWidth',
  'sharp',
  'connected',
  'loss',
  'accuracy',
  'noSignificantFall',
  'strictAccuracy',
] as const;

export const weightsSchema = z
  .object({
    histogram: z
      .object({
        zeros: count.describe('weights that are exactly 0, in no bin'),
        edges: z
          .array(z.number())
          .describe('log10 of the magnitudes between bins of equal width; empty where all weights are 0'),
        counts: z.array(count),
      })
      .refine(({ edges, counts }) => edges.length === (counts.length === 0 ? 0 : counts.length + 1), {
        message: 'one edge more than counts is needed',
        path: ['edges'],
      }),
    thresholds: z
      .array(
        z.object({
          limit: z.enum(thresholdLimits),
          pruned: fraction,
          magnitude: z.number().min(0).describe('the largest that is removed there; 0: none but zeros are'),
          settled: z.boolean().describe('of the limit'),
        }),
      )
      .describe('of global magnitude pruning at each limit'),
  })
  .describe('magnitudes of the prunable weights');

export type WeightsReport = z.infer<typeof weightsSchema>;
