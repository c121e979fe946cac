/** The part of the report's schema that holds the layers: each prunable weight by itself. */
import { z } from 'zod';
import { allocationSchema, aloneSchema } from './allocation-schema.js';
import { count, fraction } from './schema-values.js';

const keptSchema = z
  .object({
    slice: fraction,
    gaussianWidth: fraction.nullable().describe('null where the limit is unresolved'),
    gaussianWidthLow: fraction.nullable().describe('at the upper end of the interval of the limit'),
    gaussianWidthHigh: fraction.nullable().describe('at the lower end'),
    sharp: fraction.nullable().describe('null where the limit is unresolved'),
    sharpLow: fraction.nullable().describe('at the upper end of the interval of the limit'),
    sharpHigh: fraction.nullable().describe('at the lower end'),
    connected: fraction.nullable().describe('null where the limit was not found'),
    loss: fraction.describe('at the measured loss limit'),
  })
  .describe('part of this weight that is kept where all prunable weights are pruned to a limit by magnitude');

const share = (of: string) =>
  z
    .number()
    .nullable()
    .describe(`${of} over layers.sensitivity.predictedIncrease; may be negative; null where that is 0`);

export const layersSchema = z
  .object({
    products: count.describe('curvature products spent on sensitivities'),
    sensitivity: z
      .object({
        pruned: fraction.describe('the slice limit: d is the removal there, d_l its part in layer l'),
        predictedIncrease: z
          .number()
          .describe("g'd + 1/2 d'Hd, to which increaseWithinWhole of all layers sums, but for rounding"),
        strongestPair: z
          .object({
            first: z.string(),
            second: z.string(),
            increase: z.number().describe("d_k'Hd_l: what the two do to the loss only together"),
            share: share('increase'),
          })
          .nullable()
          .describe("the two layers with the largest |d_k'Hd_l|; null where no two interact"),
      })
      .nullable()
      .describe('null where sensitivities were not computed, which options.layers "always" asks for'),
    alone: z.array(aloneSchema).optional().describe('of options.layers "full"'),
    allocation: allocationSchema.optional().describe('of options.layers "full"'),
    weights: z.array(
      z.object({
        name: z.string(),
        shape: z.array(count),
        size: count,
        norm: z.number().min(0).describe('L2, before pruning'),
        kept: keptSchema,
        sensitivity: z
          .object({
            increaseAlone: z
              .number()
              .describe("g'd_l + 1/2 d_l'Hd_l: predicted loss increase where this layer alone is pruned"),
            increaseWithinWhole: z
              .number()
              .describe(
                "g'd_l + 1/2 sum_k d_k'Hd_l: with half of what it does together with each other layer",
              ),
            share: share('increaseWithinWhole'),
          })
          .nullable(),
      }),
    ),
  })
  .describe(
    'each prunable weight by itself: what global magnitude pruning keeps of it, and its part in the predicted loss increase',
  );
