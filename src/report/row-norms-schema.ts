/** The part of the report's schema that holds rows of the curvature. */
import { z } from 'zod';
import { count, fraction } from './schema-values.js';

const deadRule = z.object({
  threshold: z.number().min(0).describe('rows of a smaller norm are dead'),
  share: fraction.describe('of the rows'),
});

export const rowNormsSchema = z
  .object({
    products: count.describe('curvature products spent on them; a weight that is taken twice costs one'),
    rows: z.array(
      z.object({
        pruned: fraction.describe('where in the order of magnitudes the weight lies'),
        weight: z.string().describe('name of the prunable weight that it is part of'),
        index: count.describe('its place in that weight, row-major'),
        magnitude: z.number().min(0),
        norm: z.number().min(0).describe('sum of |H_ij| over all prunable weights j'),
      }),
    ),
    mean: z.number().min(0).describe('of the norms'),
    dead: z.object({
      scaleFree: deadRule.describe('below a thousandth of the mean norm'),
      paper: deadRule.describe(
        'below 1.28e-5: 1e-7 of batch sums of 50,000 examples in batches of 128, over the number of examples',
      ),
    }),
  })
  .describe('L1 norms of rows of the curvature, at equally spaced quantiles of magnitude');

export type RowNormsReport = z.infer<typeof rowNormsSchema>;
