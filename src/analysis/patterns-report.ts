/** Patterns as the report has them. */
import type { Report } from '../report/schema.js';
import { finiteOrNull } from './curve.js';
import type { MeasuredPattern } from './patterns.js';

/** @param dimension D */
export function patternsReport(
  patterns: readonly MeasuredPattern[],
  epsilon: number,
  dimension: number,
): NonNullable<Report['patterns']> {
  return patterns.map((measured) => ({
    pattern: measured.name,
    pruned: measured.prunedWeights / dimension,
    prunedWeights: measured.prunedWeights,
    predictedIncrease: measured.predictedIncrease,
    lossIncrease: finiteOrNull(measured.lossIncrease),
    insideSublevelSet: measured.lossIncrease <= epsilon,
    accuracy: { train: measured.trainAccuracy, test: measured.testAccuracy },
    leftDense: measured.leftDense,
  }));
}
