/** The limits of a report: theory, measurement, and the one against the other. */
import { type KeptBounds, keptBounds, TRANSITION_ETA, transition } from '../geometry/bounds.js';
import type { ComparisonRow, LimitEstimate, MeasuredLimitReport, Report } from '../report/schema.js';
import type { TunedReport } from '../report/tuned-schema.js';
import type { SettledEstimate } from '../spectrum/settlement.js';
import { INTERVAL_LEVEL } from '../spectrum/uncertainty.js';
import type { ConnectedPruning } from './connectivity.js';
import type { MeasuredLimit, MeasuredPruning } from './measurement.js';
import type { SlicePrediction } from './slice.js';

/** A number in [0, 1]: rounding must not carry a fraction outside. */
export function asFraction(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/**
 * The limits of theory; each is cut down to the connected one, where that is known.
 *
 * @param slice as searched up to the connected limit, or all the way
 */
export function theoryLimits(
  gaussianWidth: SettledEstimate,
  sharp: SettledEstimate,
  slice: Pick<SlicePrediction, 'prunedFraction' | 'capped'>,
  connected: ConnectedPruning,
): Report['limits'] {
  const known = connected.connectedWhenDense ? connected : null;
  const most = known?.prunedFraction ?? 1;
  const cut = (fraction: number): number => Math.min(most, asFraction(fraction));
  const estimate = ({ value, low, high, settled, missing }: SettledEstimate): LimitEstimate => {
    // All of an interval that lies beyond the connected limit is cut to one number, which is known.
    const allCut = most < 1 && low > most;
    return {
      pruned: cut(value),
      low: cut(low),
      high: cut(high),
      settled: settled || allCut,
      missing: allCut ? null : missing,
      capped: asFraction(value) > most,
      uncapped:
        asFraction(high) > most
          ? { pruned: asFraction(value), low: asFraction(low), high: asFraction(high) }
          : null,
    };
  };
  return {
    level: INTERVAL_LEVEL,
    gaussianWidth: estimate(gaussianWidth),
    sharp: estimate(sharp),
    slice: {
      pruned: cut(slice.prunedFraction),
      // A search that ends at the connected limit has not failed there.
      capped: most < 1 && (slice.capped || slice.prunedFraction > most),
    },
    connected: known && { pruned: known.prunedFraction, exact: known.exact },
  };
}

/** Where the phase transition lies. The connected limit is none of the quadratic model's, and does not cut it. */
export function transitionReport(sharp: SettledEstimate, dimension: number): Report['theory']['transition'] {
  const interval = {
    pruned: asFraction(sharp.value),
    low: asFraction(sharp.low),
    high: asFraction(sharp.high),
  };
  return {
    around: 'sharp',
    ...transition(interval, dimension),
    eta: TRANSITION_ETA,
    settled: sharp.settled,
  };
}

/** The bounds of the kept fraction, from limits that are cut already. */
export function boundsReport(
  source: Report['bounds']['source'],
  { gaussianWidth, sharp, slice }: Report['limits'],
): Report['bounds'] {
  const limit = source === 'sharp' ? sharp : gaussianWidth;
  const { upperKept, delta, deltaLow, deltaHigh, ...lower }: KeptBounds = keptBounds(limit, slice.pruned);
  return { source, ...lower, settled: limit.settled, upperKept, delta, deltaLow, deltaHigh };
}

function measuredReport({ prunedFraction, lastPassFraction, capped }: MeasuredLimit): MeasuredLimitReport {
  return { pruned: prunedFraction, lastPass: lastPassFraction, capped };
}

/** @param accuracyTolerance fall of accuracy tolerated, as a fraction */
export function actualReport(measured: MeasuredPruning, accuracyTolerance: number): Report['actual'] {
  const { loss, accuracy, noSignificantFall, strictAccuracy } = measured;
  return {
    loss: measuredReport(loss),
    accuracy: accuracy && { ...measuredReport(accuracy), tolerance: accuracyTolerance },
    noSignificantFall: noSignificantFall && { ...measuredReport(noSignificantFall), confidence: 0.95 },
    strictAccuracy: strictAccuracy && measuredReport(strictAccuracy),
  };
}

/**
 * Which theory is held against which measurement, and as what. The slice limit
 * predicts the loss; against accuracy, which epsilon says nothing of, it was 4
 * to 20 points off on four networks.
 */
const COMPARISONS = [
  { theory: 'slice', actual: 'loss', kind: 'prediction' },
  { theory: 'gaussianWidth', actual: 'loss', kind: 'estimate' },
  { theory: 'gaussianWidth', actual: 'accuracy', kind: 'estimate' },
  { theory: 'sharp', actual: 'loss', kind: 'estimate' },
  { theory: 'sharp', actual: 'accuracy', kind: 'estimate' },
  { theory: 'gaussianWidth', actual: 'compensated', kind: 'estimate' },
  { theory: 'sharp', actual: 'compensated', kind: 'estimate' },
  { theory: 'gaussianWidth', actual: 'tunedLoss', kind: 'estimate' },
  { theory: 'gaussianWidth', actual: 'tunedAccuracy', kind: 'estimate' },
  { theory: 'sharp', actual: 'tunedLoss', kind: 'estimate' },
  { theory: 'sharp', actual: 'tunedAccuracy', kind: 'estimate' },
] as const;

/** Theory less measurement, in percentage points. */
export function comparisonRows(
  limits: Report['limits'],
  actual: Report['actual'],
  tuned: TunedReport | null = null,
): ComparisonRow[] {
  const found: Record<ComparisonRow['actual'], { pruned: number } | null | undefined> = {
    ...actual,
    compensated: tuned?.compensated,
    tunedLoss: tuned?.loss,
    tunedAccuracy: tuned?.accuracy,
  };
  return COMPARISONS.flatMap((comparison): ComparisonRow[] => {
    const actualPruned = found[comparison.actual]?.pruned;
    if (actualPruned === undefined) {
      return [];
    }
    const difference = (theoryPruned: number): number => 100 * (theoryPruned - actualPruned);
    const interval = comparison.theory === 'slice' ? null : limits[comparison.theory];
    const theoryPruned = limits[comparison.theory].pruned;
    return [
      {
        ...comparison,
        theoryPruned,
        actualPruned,
        differencePoints: difference(theoryPruned),
        differenceLowPoints: interval && difference(interval.low),
        differenceHighPoints: interval && difference(interval.high),
        settled: interval?.settled ?? true,
      },
    ];
  });
}
