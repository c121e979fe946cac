import type { TunedReport } from '../report/tuned-schema.js';
import type { TunedLimit, TunedLimits } from '../retraining/tuned-search.js';
import type { CompensatedLimit } from './compensated-limit.js';
import { finiteOrNull } from './curve.js';

function limitReport({ prunedFraction, trainings, ...rest }: TunedLimit, epochs: number) {
  return { pruned: prunedFraction, ...rest, epochs: trainings * epochs };
}

/**
 * What retraining reaches, as the report has it.
 *
 * @param found its limits are those of the loss and, where it is measured, of the accuracy
 * @param compensated what the kept weights make up for without training
 * @param setting.accuracyTolerance fall of accuracy tolerated, as a fraction
 */
export function tunedReport(
  { limits: [loss, accuracy], tries, learningRate, triedRates, seconds }: TunedLimits,
  compensated: CompensatedLimit | null,
  setting: { epochs: number; examples: number; seed: number; accuracyTolerance: number },
): TunedReport {
  const { epochs, examples, seed, accuracyTolerance } = setting;
  return {
    ...{ epochs, examples, seed, learningRate },
    triedRates: triedRates.map((each) => ({ ...each, loss: finiteOrNull(each.loss) })),
    loss: limitReport(loss, epochs),
    accuracy:
      accuracy === undefined ? null : { ...limitReport(accuracy, epochs), tolerance: accuracyTolerance },
    ...(compensated && {
      compensated: {
        pruned: compensated.prunedFraction,
        capped: compensated.capped,
        tries: compensated.tries.map(({ prunedFraction, lossIncrease }) => ({
          pruned: prunedFraction,
          lossIncrease: finiteOrNull(lossIncrease),
        })),
      },
    }),
    tries: tries.map(({ prunedFraction, startFraction, trainings, lossIncrease, ...rest }) => ({
      pruned: prunedFraction,
      start: startFraction,
      epochs: trainings * epochs,
      ...rest,
      lossIncrease: finiteOrNull(lossIncrease),
    })),
    seconds,
  };
}
