/** The part of the report's schema that holds what retraining reaches. */
import { z } from 'zod';
import { count, fraction } from './schema-values.js';

const limitSchema = z.object({
  pruned: fraction.describe(
    'largest fraction that passes for the first seed below its first failure; at least the limit without retraining',
  ),
  low: fraction.describe('largest that passes for both seeds; else the limit without retraining'),
  high: fraction.describe('smallest that fails for both seeds; else where the search ends'),
  epochs: z
    .number()
    .min(0)
    .describe('that the network of pruned was trained in all, over several tries; 0 where none was needed'),
  capped: z.boolean().describe('nothing fails: the limit is where the search ends'),
});

export const tunedSchema = z
  .object({
    epochs: z.number().min(0).describe('of each try, over the training split; may be a part of one'),
    examples: count.describe('training examples that were trained on'),
    seed: z.int().describe('of the first seed; the second is the next number'),
    learningRate: z.number().positive().optional().describe('of every try, falling to 0'),
    triedRates: z
      .array(
        z.object({
          learningRate: z.number().positive(),
          loss: z.number().nullable().describe('training loss; null where training diverges'),
        }),
      )
      .optional()
      .describe('the rate is that of the lowest training loss, where half of what is kept at once is pruned'),
    loss: limitSchema.describe(
      'the loss on the examples of actual.loss comes back to at most epsilon over the dense loss',
    ),
    accuracy: limitSchema
      .extend({ tolerance: fraction.describe('the fall of test accuracy that is tolerated') })
      .nullable()
      .describe('likewise for test accuracy, which no training looks at; null where it is not measured'),
    compensated: z
      .object({
        pruned: fraction.describe(
          'largest that passed in a bisection; at least the limit without compensation',
        ),
        capped: z.boolean().describe('nothing that was tried fails'),
        tries: z
          .array(
            z.object({
              pruned: fraction,
              lossIncrease: z.number().nullable().describe('over the dense loss; null where it overflows'),
            }),
          )
          .describe('in the order in which they were carried out'),
      })
      .optional()
      .describe(
        'absent where programs are not compiled; the same without training: masks and kept weights by second-order steps towards the outputs of the dense network, without labels (the method compensated), on the examples of actual.loss, whose loss stays within epsilon',
      ),
    tries: z
      .array(
        z.object({
          pruned: fraction,
          seed: z.int(),
          start: fraction.describe(
            'pruned fraction of the network that training began with, which had been trained likewise; 0: the dense one',
          ),
          epochs: z.number().min(0).describe('in all: of this try, and behind its start'),
          lossIncrease: z
            .number()
            .nullable()
            .describe('over the dense loss; null where training diverges, or the loss overflows'),
          accuracy: fraction.nullable().describe('on the test examples'),
        }),
      )
      .describe('in the order in which they were carried out'),
    seconds: z.number().min(0).describe('varies from run to run'),
  })
  .describe(
    'how far this checkpoint can be pruned by magnitude when the kept weights are trained meanwhile, with a mask that grows by the cubic rule of Zhu & Gupta 2017; what these trainings reach, and no bound on what others do',
  );

export type TunedReport = z.infer<typeof tunedSchema>;
