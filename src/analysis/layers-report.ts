/** The layers of a report: what pruning keeps of each, and what its removal costs. */
import type { Network } from '../network/network.js';
import { type MagnitudeRanking, prunedCount } from '../pruning/magnitude.js';
import type { LimitEstimate, Report } from '../report/schema.js';
import { keptShares, type LayerSensitivities, layerNorm } from './layers.js';

type LayersReport = NonNullable<Report['layers']>;
type KeptReport = LayersReport['weights'][number]['kept'];

/** The pruned fractions of all limits by the names of the kept parts; null where a limit is not known. */
function fractionsOf(
  limits: Report['limits'],
  actual: Report['actual'],
): Record<keyof KeptReport, number | null> {
  const known = ({ settled }: LimitEstimate, fraction: number): number | null => (settled ? fraction : null);
  const { slice, gaussianWidth, sharp, connected } = limits;
  return {
    slice: slice.pruned,
    gaussianWidth: known(gaussianWidth, gaussianWidth.pruned),
    gaussianWidthLow: known(gaussianWidth, gaussianWidth.high),
    gaussianWidthHigh: known(gaussianWidth, gaussianWidth.low),
    sharp: known(sharp, sharp.pruned),
    sharpLow: known(sharp, sharp.high),
    sharpHigh: known(sharp, sharp.low),
    connected: connected?.pruned ?? null,
    loss: actual.loss.pruned,
  };
}

/**
 * The layers of the report.
 *
 * @param sensitivities null where they were not computed
 */
export function layersReport(
  { prunable, weights, dimension }: Pick<Network, 'prunable' | 'weights' | 'dimension'>,
  ranking: MagnitudeRanking,
  limits: Report['limits'],
  actual: Report['actual'],
  sensitivities: LayerSensitivities | null,
): LayersReport {
  const fractions = Object.entries(fractionsOf(limits, actual));
  const shares = keptShares(
    prunable,
    ranking,
    fractions.map(([, fraction]) => prunedCount(fraction ?? 0, dimension)),
  );
  const pair = sensitivities?.strongestPair ?? null;
  return {
    products: sensitivities?.products ?? 0,
    sensitivity: sensitivities && {
      pruned: sensitivities.prunedFraction,
      predictedIncrease: sensitivities.predictedIncrease,
      strongestPair: pair && {
        first: prunable[pair.first].name,
        second: prunable[pair.second].name,
        increase: pair.increase,
        share: pair.share,
      },
    },
    weights: prunable.map(({ name, shape, offset, size }, layer) => ({
      name,
      shape: [...shape],
      size,
      norm: layerNorm(weights, { offset, size }),
      kept: Object.fromEntries(
        fractions.map(([limit, fraction], index) => [limit, fraction === null ? null : shares[index][layer]]),
      ) as KeptReport,
      sensitivity: sensitivities?.layers[layer] ?? null,
    })),
  };
}
