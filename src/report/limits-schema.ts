/**
 * The part of the report's schema that holds limits: of theory, as measured,
 * and the one against the other. Limits are largest pruned fractions.
 */
import { z } from 'zod';
import { fraction, percentagePoints } from './schema-values.js';

const capped = z
  .boolean()
  .describe('beyond the connected limit in the model of the loss, and cut down to it here');

const estimateSchema = z
  .object({
    pruned: fraction.describe('the estimate'),
    low: fraction.describe('lower end of the interval at limits.level'),
    high: fraction.describe('upper end'),
    settled: z
      .boolean()
      .describe(
        'false: unresolved, the interval is wider than options.tolerancePoints or not yet to be trusted',
      ),
    missing: z
      .enum(['steps', 'probes', 'confirmation'])
      .nullable()
      .describe(
        'what would settle it: more Lanczos steps or more probes, whichever narrow the interval most, or, where it is within the tolerance at one check, steps to another that confirms it; null: nothing is needed',
      ),
    capped,
    uncapped: z
      .object({ pruned: fraction, low: fraction, high: fraction })
      .nullable()
      .describe('what the quadratic model alone says, where the limit is cut; null where it is not'),
  })
  .refine(({ low, pruned, high }) => low <= pruned && pruned <= high, {
    message: 'low <= pruned <= high is needed',
    path: ['pruned'],
  });

export const limitsSchema = z.object({
  level: z
    .literal(0.95)
    .describe('low and high of every limit are an interval that holds the exact value with this probability'),
  gaussianWidth: estimateSchema.describe(
    "the paper's estimate of how far a network can be pruned whose kept weights are retrained; networks beyond it do exist",
  ),
  sharp: estimateSchema.describe(
    'where random subspaces stop meeting the sublevel set of the quadratic model, exactly; says nothing of how far that model holds',
  ),
  slice: z
    .object({ pruned: fraction, capped })
    .describe('one-shot pruning without retraining, in the quadratic model: kept weights stay'),
  connected: z
    .object({
      pruned: fraction,
      exact: z
        .boolean()
        .describe(
          'false: operations of unknown structure are taken to join all they read; outputs may be cut off earlier, but not later',
        ),
    })
    .nullable()
    .describe(
      'magnitude pruning up to here leaves each output a path of kept weights from the input; every other theory limit is at most this; null where it was not found',
    ),
});

const transitionSchema = z
  .object({
    around: z.literal('sharp'),
    low: fraction.describe('of the sharp limit before it is cut to the connected one, less halfWidth'),
    high: fraction.describe('likewise, plus halfWidth'),
    halfWidth: z.number().min(0).describe('sqrt(8 log(4 / eta) / D)'),
    eta: z.literal(0.05),
    settled: z.boolean().describe('of the sharp limit'),
  })
  .describe(
    'random subspaces of the quadratic model meet its sublevel set with probability 1 - eta where less than low is pruned, and miss it where more than high is. A proven bound, about 4 times wider than simulation shows',
  );

export const theorySchema = z
  .object({
    curve: z
      .array(
        z.object({
          pruned: fraction,
          radius: z.number().min(0).describe('R: distance of the pruned from the dense weights'),
          squaredGaussianWidth: fraction.describe('over D, seen from the pruned weights'),
          statisticalDimension: fraction.describe(
            'over D, of the cone that the sublevel set spans seen from R / sqrt(pruned)',
          ),
        }),
      )
      .describe(
        'of the sublevel set, ascending in pruned; squaredGaussianWidth crosses pruned at the Gaussian-width limit and statisticalDimension at the sharp one, both before they are cut to the connected limit',
      ),
    settled: z
      .object({ gaussianWidth: z.boolean(), sharp: z.boolean() })
      .describe(
        'whether the crossings are, before they are cut to the connected limit; the curves are no surer than these',
      ),
    transition: transitionSchema,
  })
  .describe('what the limits come from');

const keptDifference = z.number().min(-1).max(1);

export const boundsSchema = z
  .object({
    source: z.enum(['gaussian-width', 'sharp']).describe('the limit that lowerKept comes from'),
    lowerKept: fraction.describe("the paper's lower bound of the kept fraction; networks below it do exist"),
    lowerKeptLow: fraction.describe('lower end of its interval at limits.level'),
    lowerKeptHigh: fraction.describe('upper end'),
    settled: z.boolean().describe('of the limit that lowerKept comes from, and so of delta'),
    upperKept: fraction.describe('1 - limits.slice.pruned'),
    delta: keptDifference.describe('upperKept - lowerKept'),
    deltaLow: keptDifference,
    deltaHigh: keptDifference,
  })
  .describe('on the kept fraction');

const measuredSchema = z.object({
  pruned: fraction.describe('largest fraction such that it and every smaller one that was tried pass'),
  lastPass: fraction.describe(
    'largest tried fraction that passes at all; above pruned where the curve comes back',
  ),
  capped: z.boolean().describe('nothing that was tried fails: the limit is where the search ends'),
});

export const actualSchema = z
  .object({
    loss: measuredSchema.describe('the loss increase is at most epsilon'),
    accuracy: measuredSchema
      .extend({ tolerance: fraction.describe('the fall of test accuracy that is tolerated') })
      .nullable()
      .describe('test accuracy falls by at most the tolerance; null without test examples or classes'),
    noSignificantFall: measuredSchema
      .extend({ confidence: z.literal(0.95) })
      .nullable()
      .describe(
        'test accuracy does not fall significantly: one-sided test of the paired differences of the same test examples (McNemar)',
      ),
    strictAccuracy: measuredSchema
      .nullable()
      .describe(
        "test accuracy is no less than dense to the letter, the paper's rule; hangs on single test examples",
      ),
  })
  .describe('this checkpoint, pruned once by global magnitude, measured');

export const comparisonRowSchema = z.object({
  theory: z.enum(['gaussianWidth', 'sharp', 'slice']),
  actual: z
    .enum(['loss', 'accuracy', 'compensated', 'tunedLoss', 'tunedAccuracy'])
    .describe('of the limits in actual, or of those in tuned'),
  kind: z
    .enum(['prediction', 'estimate'])
    .describe(
      'prediction: of this very measurement; estimate: of networks whose kept weights are retrained, which one-shot pruning may fall short of',
    ),
  theoryPruned: fraction,
  actualPruned: fraction,
  differencePoints: percentagePoints.describe('100 (theoryPruned - actualPruned)'),
  differenceLowPoints: percentagePoints
    .nullable()
    .describe('of the lower end of the interval of theoryPruned; null for slice, which has none'),
  differenceHighPoints: percentagePoints.nullable().describe('of the upper end'),
  settled: z.boolean().describe('of theoryPruned'),
});

export const curveRowSchema = z.object({
  pruned: fraction,
  kept: fraction,
  source: z.enum(['asked', 'searched']).describe('in options.ratios, or tried on the way to a limit'),
  radius: z.number().min(0).describe('R: distance of the pruned from the dense weights'),
  predictedLossIncrease: z.number().nullable().describe('of the quadratic model; null where not evaluated'),
  lossIncrease: z.number().nullable().describe('measured; null where not evaluated, or the loss overflows'),
  loss: z.number().nullable(),
  accuracy: fraction.nullable().describe('test accuracy; null where not evaluated'),
  insideSublevelSet: z
    .boolean()
    .nullable()
    .describe(
      'the measured loss increase is at most epsilon; null where not evaluated, false where it overflows',
    ),
});
