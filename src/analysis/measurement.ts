import type { Progress } from '../progress.js';
import { type MagnitudeRanking, radiusSquared } from '../pruning/magnitude.js';
import {
  type LimitSearch,
  measuredAccuracyLimit,
  measuredLossLimit,
  type PruningMeter,
} from '../pruning/measurement.js';
import type { CurveRow } from '../report/schema.js';
import type { IncreasePredictor } from './slice.js';

/** What pruning this checkpoint really does, as pruned fractions. */
export interface MeasuredPruning {
  /** p_loss */
  loss: number;
  /** p_acc with the asked tolerance and with none; null without test accuracy. */
  accuracy: number | null;
  exactAccuracy: number | null;
  curve: CurveRow[];
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/**
 * Measures the curve at the given fractions and searches the measured limits.
 *
 * @param denseLoss L(w*) over the examples the meter measures the loss on
 * @param accuracyTolerance fall of accuracy tolerated, as a fraction
 */
export async function measurePruning(
  setting: {
    meter: PruningMeter;
    predict: IncreasePredictor;
    ranking: MagnitudeRanking;
    denseLoss: number;
    denseAccuracy: number | null;
    epsilon: number;
    accuracyTolerance: number;
    ratios: readonly number[];
    search: LimitSearch;
  },
  progress: Progress,
): Promise<MeasuredPruning> {
  const { meter, predict, ranking, denseLoss, denseAccuracy, epsilon, search } = setting;
  const stage = progress.stage('pruning curve', setting.ratios.length);
  const curve: CurveRow[] = [];
  for (const pruned of setting.ratios) {
    const loss = await meter.loss(pruned);
    const accuracy = await meter.accuracy(pruned);
    const { gradientTerm, curvatureTerm } = await predict(pruned);
    curve.push({
      pruned,
      kept: 1 - pruned,
      source: 'asked',
      radius: Math.sqrt(radiusSquared(ranking, pruned)),
      predictedLossIncrease: finiteOrNull(gradientTerm + curvatureTerm),
      lossIncrease: finiteOrNull(loss - denseLoss),
      loss: finiteOrNull(loss),
      accuracy,
      insideSublevelSet: loss <= denseLoss + epsilon,
    });
    stage.update(curve.length);
  }
  stage.end();
  const limits = progress.stage('measured limits', 3);
  const loss = await measuredLossLimit(meter, denseLoss + epsilon, search);
  limits.update(1);
  const accuracyLimit = async (tolerance: number): Promise<number | null> =>
    denseAccuracy === null
      ? null
      : ((await measuredAccuracyLimit(meter, denseAccuracy - tolerance, search)).fraction ?? 0);
  const accuracy = await accuracyLimit(setting.accuracyTolerance);
  limits.update(2);
  const exactAccuracy = await accuracyLimit(0);
  limits.end();
  return { loss: loss.fraction ?? 0, accuracy, exactAccuracy, curve };
}
