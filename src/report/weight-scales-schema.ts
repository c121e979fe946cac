/** The part of the report's schema that holds the limits of scaled weights. */
import { z } from 'zod';
import { fraction } from './schema-values.js';

const scaledLimit = z.object({
  pruned: fraction,
  capped: z.boolean().describe('it is the connected limit, below what the quadratic model gives'),
  crossing: fraction.describe('before it is cut to the connected limit'),
});

export const weightScalesSchema = z
  .array(
    z.object({
      factor: z.number().gt(0),
      gaussianWidth: scaledLimit,
      sharp: scaledLimit,
      curve: z
        .array(
          z.object({
            pruned: fraction,
            radius: z.number().min(0).describe('factor times R'),
            squaredGaussianWidth: fraction.describe('over D'),
            statisticalDimension: fraction.describe('over D'),
          }),
        )
        .describe('ascending in pruned'),
    }),
  )
  .describe(
    'what the limits would be if all weights were multiplied by a factor and the curvature stayed as it is; no surer than the limits at factor 1',
  );

export type WeightScale = z.infer<typeof weightScalesSchema>[number];
