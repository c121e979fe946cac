import type { SearchedLimit } from '../geometry/first-failure.js';
import type { Evaluation } from '../network/evaluation.js';
import { type MagnitudeRanking, type MagnitudeTie, removedCount, tieAt } from '../pruning/magnitude.js';

/** Limits at which ties are looked for. */
const TIED_LIMITS = ['slice', 'loss', 'accuracy', 'noSignificantFall', 'strictAccuracy'] as const;
type TiedLimit = (typeof TIED_LIMITS)[number];

/** Equal magnitudes of which a limit prunes some and keeps others: by index, so in an order that means nothing. */
export interface TieAtLimit extends MagnitudeTie {
  limit: TiedLimit;
  prunedFraction: number;
}

/** What the measured numbers rest on, for whoever warns of it. */
export interface MeasurementFacts {
  /** Examples behind curvature and loss, behind accuracy, and behind eps; null where there is no such number. */
  examples: { train: number; test: number | null; epsilon: number | null };
  /** The smallest difference that test accuracy can show, as a fraction; null without it. */
  accuracyResolution: number | null;
  ties: TieAtLimit[];
}

/**
 * What the measured numbers rest on.
 *
 * @param dense evaluations of the trained network; `epsilon` null where eps was given
 * @param weights the trained weights, length D
 */
export function measurementFacts(
  dense: { train: Evaluation; epsilon: Evaluation | null; test: Evaluation | null },
  weights: Float32Array,
  ranking: MagnitudeRanking,
  limits: Readonly<Record<TiedLimit, Pick<SearchedLimit, 'prunedFraction'> | null>>,
): MeasurementFacts {
  const { train, epsilon, test } = dense;
  const ties = TIED_LIMITS.flatMap((limit): TieAtLimit[] => {
    const prunedFraction = limits[limit]?.prunedFraction ?? 0;
    const tie = tieAt(weights, ranking, removedCount(weights, ranking, prunedFraction));
    return tie === null ? [] : [{ limit, prunedFraction, ...tie }];
  });
  return {
    examples: {
      train: train.losses.length,
      test: test?.losses.length ?? null,
      epsilon: epsilon?.losses.length ?? null,
    },
    accuracyResolution:
      test === null || test.accuracy === null ? null : 1 / (test.losses.length * test.decisions),
    ties,
  };
}
