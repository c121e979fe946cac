import type { SearchedLimit } from '../geometry/first-failure.js';
import { searchFirstFailures } from '../geometry/first-failure.js';
import type { Progress } from '../progress.js';
import { accuracyWithin, lossWithin, noSignificantFall, paired } from '../pruning/conditions.js';
import type { MagnitudeRanking } from '../pruning/magnitude.js';
import type { PruningMeter } from '../pruning/measurement.js';
import { type MeasuredCurveRow, measuredCurve } from './curve.js';
import type { IncreasePredictor, SlicePrediction } from './slice.js';
import { analysisStages } from './stages.js';

/** A limit as measured: how far one-shot pruning goes before it first fails. */
export type MeasuredLimit = SearchedLimit;

/** What pruning this checkpoint really does. */
export interface MeasuredPruning {
  /** p_loss: L(w^k) <= L(w*) + eps */
  loss: MeasuredLimit;
  /** p_acc, with the asked tolerance; like the two below null without test accuracy. */
  accuracy: MeasuredLimit | null;
  /** No significant fall of test accuracy, by a one-sided paired test at 95 %. */
  noSignificantFall: MeasuredLimit | null;
  /** Test accuracy not below that of the dense network by a single example: the rule of the paper. */
  strictAccuracy: MeasuredLimit | null;
  curve: MeasuredCurveRow[];
  /** Pruned fractions that the searches tried. */
  tried: { loss: number; accuracy: number };
}

/** What a measurement works on. */
export interface MeasurementSetting {
  meter: PruningMeter;
  predict: IncreasePredictor;
  slice: Pick<SlicePrediction, 'tried'>;
  ranking: MagnitudeRanking;
  epsilon: number;
  /** Fall of accuracy tolerated, as a fraction. */
  accuracyTolerance: number;
  /** Pruned fractions asked for; measured and shown, without a part in any search. */
  ratios: readonly number[];
  /** No larger fraction is tried in a search. */
  maximumFraction: number;
}

/** Fractions that searches rarely exceed: the loss over training examples, three conditions over the test examples. */
const USUAL_TRIED = { loss: 35, accuracy: 100 };

type AccuracyLimits = Pick<MeasuredPruning, 'accuracy' | 'noSignificantFall' | 'strictAccuracy'>;

/**
 * Measures the curve at the asked fractions, and searches the measured limits.
 *
 * The limits depend on network and examples, not on the asked fractions: a
 * fraction that a search tries and that was asked for is only not measured
 * again.
 */
export async function measurePruning(
  setting: MeasurementSetting,
  progress: Progress,
): Promise<MeasuredPruning> {
  const { meter, predict, ratios, epsilon, maximumFraction } = setting;
  const asked = progress.stage(analysisStages.curve, ratios.length);
  for (const [index, ratio] of ratios.entries()) {
    await meter.train(ratio);
    await meter.test(ratio);
    await predict(ratio);
    asked.update(index + 1);
  }
  asked.end();

  const denseTest = await meter.test(0);
  const total = USUAL_TRIED.loss + (denseTest === null ? 0 : USUAL_TRIED.accuracy);
  const stage = progress.stage(analysisStages.measured, total, { atMost: true });
  const denseTrain = await meter.train(0);
  const byLoss = await searchFirstFailures(
    meter.train,
    [lossWithin(epsilon, denseTrain)],
    { maximumFraction },
    (tried) => stage.update(Math.min(tried, USUAL_TRIED.loss)),
  );
  stage.update(USUAL_TRIED.loss);
  let limits: AccuracyLimits = { accuracy: null, noSignificantFall: null, strictAccuracy: null };
  let triedOnTest: readonly number[] = [];
  if (denseTest !== null) {
    const examples = denseTest.correct.length;
    const byAccuracy = await searchFirstFailures(
      async (prunedFraction) => {
        const pruned = await meter.test(prunedFraction);
        return paired(denseTest, pruned ?? denseTest);
      },
      [
        accuracyWithin(setting.accuracyTolerance, examples),
        noSignificantFall(examples),
        accuracyWithin(0, examples),
      ],
      { maximumFraction },
      (tried) => stage.update(Math.min(USUAL_TRIED.loss + tried, total)),
    );
    const [accuracy, withoutSignificantFall, strictAccuracy] = byAccuracy.limits;
    limits = { accuracy, noSignificantFall: withoutSignificantFall, strictAccuracy };
    triedOnTest = byAccuracy.tried.map(({ fraction }) => fraction);
  }
  stage.end();
  const triedOnTrain = byLoss.tried.map(({ fraction }) => fraction);
  return {
    loss: byLoss.limits[0],
    ...limits,
    curve: await measuredCurve({ ...setting, denseLoss: denseTrain.meanLoss, triedOnTrain, triedOnTest }),
    tried: { loss: triedOnTrain.length, accuracy: triedOnTest.length },
  };
}
