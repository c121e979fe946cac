/** Limits of single layers and allocations, as the report has them. */
import type { Network } from '../network/network.js';
import type { Report } from '../report/schema.js';
import { finiteOrNull } from './curve.js';
import type { FullLayers, LayerLimit, MeasuredRemoval, TotalAllocation } from './layers-full.js';

type FullLayersReport = Required<Pick<NonNullable<Report['layers']>, 'alone' | 'allocation'>>;
type TotalReport = FullLayersReport['allocation']['totals'][number];

/** Which of the two has the smaller loss; one that overflows has none. */
function better({ allocation, globalMagnitude }: TotalAllocation): TotalReport['better'] {
  const [own, other] = [allocation, globalMagnitude].map(({ lossIncrease }) =>
    Number.isFinite(lossIncrease) ? lossIncrease : Infinity,
  );
  return own === other ? 'same' : own < other ? 'allocation' : 'global-magnitude';
}

function removalReport(removal: MeasuredRemoval) {
  const { predictedIncrease, lossIncrease, trainAccuracy, testAccuracy, testLossIncrease } = removal;
  return {
    predictedIncrease,
    lossIncrease: finiteOrNull(lossIncrease),
    testLossIncrease: testLossIncrease === null ? null : finiteOrNull(testLossIncrease),
    accuracy: { train: trainAccuracy, test: testAccuracy },
  };
}

/** What `--layers full` adds to the layers of the report. */
export function fullLayersReport(
  { prunable, dimension }: Pick<Network, 'prunable' | 'dimension'>,
  { alone, totals, products, evaluations }: FullLayers,
): FullLayersReport {
  const limit = ({ prunedWeights, capped }: LayerLimit, size: number) => ({
    pruned: prunedWeights / size,
    capped,
  });
  return {
    alone: prunable.map(({ name, size }, layer) => ({
      name,
      predicted: limit(alone[layer].predicted, size),
      measured: limit(alone[layer].measured, size),
    })),
    allocation: {
      products,
      evaluations,
      totals: totals.map((total) => ({
        pruned: total.prunedWeights / dimension,
        prunedWeights: total.prunedWeights,
        ...removalReport(total.allocation),
        globalMagnitude: removalReport(total.globalMagnitude),
        better: better(total),
        weights: prunable.map(({ name, size }, layer) => ({
          name,
          prunedWeights: total.allocation.prunedWeights[layer],
          pruned: total.allocation.prunedWeights[layer] / size,
          globalMagnitude: total.globalMagnitude.prunedWeights[layer] / size,
        })),
      })),
    },
  };
}
