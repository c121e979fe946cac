import { type MagnitudeRanking, radiusSquared } from '../pruning/magnitude.js';
import type { PruningMeter } from '../pruning/measurement.js';
import type { IncreasePredictor, PredictedIncrease, SlicePrediction } from './slice.js';

/** One pruned fraction at which something was evaluated; what was not, or is no finite number, is null. */
export interface MeasuredCurveRow {
  pruned: number;
  kept: number;
  /** Asked for by `--ratios`, which has everything evaluated, or tried by the search of a limit. */
  source: 'asked' | 'searched';
  /** R, the distance of the pruned from the dense weights. */
  radius: number;
  /** Of the quadratic model. */
  predictedLossIncrease: number | null;
  lossIncrease: number | null;
  /** Mean over the training examples; null with `insideSublevelSet` false where it overflows. */
  loss: number | null;
  /** On the test examples. */
  accuracy: number | null;
  /** The measured loss increase is at most eps; null where the loss was not evaluated. */
  insideSublevelSet: boolean | null;
}

/** Null in place of what JSON has no number for. */
export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/**
 * Everything that was evaluated, by ascending pruned fraction; nothing new is.
 *
 * @param setting.triedOnTrain, triedOnTest fractions at which searches evaluated loss and accuracy
 */
export async function measuredCurve(setting: {
  meter: PruningMeter;
  predict: IncreasePredictor;
  slice: Pick<SlicePrediction, 'tried'>;
  ranking: MagnitudeRanking;
  denseLoss: number;
  epsilon: number;
  ratios: readonly number[];
  triedOnTrain: readonly number[];
  triedOnTest: readonly number[];
}): Promise<MeasuredCurveRow[]> {
  const { meter, predict, ranking, denseLoss, epsilon, triedOnTrain, triedOnTest } = setting;
  const asked = new Set(setting.ratios);
  const onTrain = new Set([...asked, ...triedOnTrain]);
  const onTest = new Set([...asked, ...triedOnTest]);
  const predictions = new Map<number, PredictedIncrease>(
    setting.slice.tried.map(({ fraction, measure }) => [fraction, measure]),
  );
  for (const ratio of asked) {
    predictions.set(ratio, await predict(ratio));
  }
  const fractions = [...new Set([...onTrain, ...onTest, ...predictions.keys()])].sort((a, b) => a - b);
  const rows: MeasuredCurveRow[] = [];
  for (const pruned of fractions) {
    const loss = onTrain.has(pruned) ? (await meter.train(pruned)).meanLoss : null;
    const test = onTest.has(pruned) ? await meter.test(pruned) : null;
    const predicted = predictions.get(pruned);
    rows.push({
      pruned,
      kept: 1 - pruned,
      source: asked.has(pruned) ? 'asked' : 'searched',
      radius: Math.sqrt(radiusSquared(ranking, pruned)),
      predictedLossIncrease:
        predicted === undefined ? null : finiteOrNull(predicted.gradientTerm + predicted.curvatureTerm),
      lossIncrease: loss === null ? null : finiteOrNull(loss - denseLoss),
      loss: loss === null ? null : finiteOrNull(loss),
      accuracy: test === null ? null : test.accuracy,
      insideSublevelSet: loss === null ? null : loss - denseLoss <= epsilon,
    });
  }
  return rows;
}
