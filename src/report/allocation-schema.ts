/** The part of the report's schema that holds limits of single layers and allocations to layers. */
import { z } from 'zod';
import { count, fraction } from './schema-values.js';

const limitAlone = (how: string) =>
  z
    .object({
      pruned: fraction.describe('of this weight, to a hundredth of it'),
      capped: z.boolean().describe('within epsilon up to here, and no more was tried'),
    })
    .describe(how);

export const aloneSchema = z
  .object({
    name: z.string(),
    predicted: limitAlone("g'd_l + 1/2 d_l'Hd_l stays within epsilon: the slice limit of this weight alone"),
    measured: limitAlone('the measured loss increase stays within epsilon'),
  })
  .describe('how far a weight can be pruned by magnitude where all others stay dense');

const removalSchema = z.object({
  predictedIncrease: z.number().describe("g'd + 1/2 d'Hd"),
  lossIncrease: z.number().nullable().describe('measured on the training examples; null where it overflows'),
  testLossIncrease: z
    .number()
    .nullable()
    .describe(
      'measured on the test examples, by which nothing was chosen; null without any, or where it overflows',
    ),
  accuracy: z.object({ train: fraction.nullable(), test: fraction.nullable() }),
});

export const totalSchema = removalSchema.extend({
  pruned: fraction.describe('of all prunable weights'),
  prunedWeights: count,
  globalMagnitude: removalSchema.describe('pruning as many weights by magnitude over all layers'),
  better: z
    .enum(['allocation', 'global-magnitude', 'same'])
    .describe('which has the smaller measured loss; same: the two prune the same weights, or do equally'),
  weights: z.array(
    z.object({
      name: z.string(),
      prunedWeights: count,
      pruned: fraction.describe('of this weight: those of smallest magnitude'),
      globalMagnitude: fraction.describe('what global magnitude pruning prunes of it'),
    }),
  ),
});

export const allocationSchema = z
  .object({
    products: count.describe('curvature products spent on limits of single layers and allocations'),
    evaluations: count.describe('of the training examples, likewise'),
    totals: z.array(totalSchema).describe('ascending in pruned'),
  })
  .describe(
    'totals pruned of all layers, given to the layers so that their increases alone (predicted or measured, whichever is worse, and at least 0) and, by the quadratic model, their interactions sum to the least, on a grid of parts of each layer',
  );

export type TotalReport = z.infer<typeof totalSchema>;
