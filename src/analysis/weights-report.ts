/** The distribution of the prunable weights as the report has it. */
import type { Network } from '../network/network.js';
import type { MagnitudeRanking } from '../pruning/magnitude.js';
import { removedMagnitude, weightHistogram } from '../pruning/weight-histogram.js';
import type { Report } from '../report/schema.js';
import { thresholdLimits } from '../report/weights-schema.js';

type WeightsReport = NonNullable<Report['weights']>;

/** Histogram of the magnitudes, and where the limits cut it. */
export function weightsReport(
  { weights }: Pick<Network, 'weights'>,
  ranking: MagnitudeRanking,
  limits: Report['limits'],
  actual: Report['actual'],
): WeightsReport {
  const known = { ...actual, ...limits };
  return {
    histogram: weightHistogram(weights, ranking),
    thresholds: thresholdLimits.flatMap((limit) => {
      const found = known[limit];
      return found === null
        ? []
        : [
            {
              limit,
              pruned: found.pruned,
              magnitude: removedMagnitude(weights, ranking, found.pruned),
              settled: 'settled' in found ? found.settled : true,
            },
          ];
    }),
  };
}
