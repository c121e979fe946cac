import { describe, expect, it } from 'vitest';
import type { ConnectedPruning } from '../../src/analysis/connectivity.js';
import {
  actualReport,
  boundsReport,
  comparisonRows,
  theoryLimits,
  transitionReport,
} from '../../src/analysis/limits-report.js';
import type { MeasuredLimit } from '../../src/analysis/measurement.js';
import type { SettledEstimate } from '../../src/spectrum/settlement.js';

const estimate = (value: number, low: number, high: number, missing: SettledEstimate['missing'] = null) => ({
  ...{ value, low, high, halfWidth: (high - low) / 2, missing, settled: missing === null },
  ...{ quadratureHalfWidth: 0.01, probeHalfWidth: 0.01, outer: high, inner: low, steps: 60 },
});
const sliceAt = (prunedFraction: number, capped = false) => ({ prunedFraction, capped });
const gaussianWidth = estimate(0.93, 0.92, 0.94);
const sharp = estimate(0.98, 0.95, 1.01, 'probes');
const connected = (prunedFraction: number, rest: Partial<ConnectedPruning> = {}): ConnectedPruning => ({
  prunedFraction,
  prunedCount: Math.round(1000 * prunedFraction),
  exact: true,
  unknownKernels: [],
  connectedWhenDense: true,
  disconnectedOutputs: [],
  prunedCounts: Int32Array.of(Math.round(1000 * prunedFraction)),
  ...rest,
});
const disconnected = connected(0, { connectedWhenDense: false, disconnectedOutputs: [0] });
const measured = (prunedFraction: number, rest: Partial<MeasuredLimit> = {}): MeasuredLimit => ({
  prunedFraction,
  lastPassFraction: prunedFraction,
  firstFailureFraction: prunedFraction + 0.001,
  capped: false,
  ...rest,
});

describe('theoryLimits', () => {
  it('stay as they are where nothing cuts them, ends within [0, 1]', () => {
    const limits = theoryLimits(gaussianWidth, sharp, sliceAt(0.88), connected(1));
    expect(limits).toEqual({
      level: 0.95,
      gaussianWidth: {
        ...{ pruned: 0.93, low: 0.92, high: 0.94, capped: false, uncapped: null },
        ...{ settled: true, missing: null },
      },
      sharp: {
        ...{ pruned: 0.98, low: 0.95, high: 1, capped: false, uncapped: null },
        ...{ settled: false, missing: 'probes' },
      },
      slice: { pruned: 0.88, capped: false },
      connected: { pruned: 1, exact: true },
    });
  });

  it('are cut down to the connected limit, every end, and say so', () => {
    const limits = theoryLimits(gaussianWidth, sharp, sliceAt(0.9), connected(0.925, { exact: false }));
    expect(limits.gaussianWidth).toMatchObject({ pruned: 0.925, low: 0.92, high: 0.925, capped: true });
    expect(limits.sharp).toEqual({
      ...{ pruned: 0.925, low: 0.925, high: 0.925, capped: true },
      ...{ settled: true, missing: null }, // wherever beyond it is
      uncapped: { pruned: 0.98, low: 0.95, high: 1 },
    });
    expect(limits.slice).toEqual({ pruned: 0.9, capped: false });
    expect(limits.connected).toEqual({ pruned: 0.925, exact: false });
    expect(theoryLimits(gaussianWidth, sharp, sliceAt(0.9), connected(0.8)).slice).toEqual({
      pruned: 0.8,
      capped: true,
    });
  });

  it('a slice limit whose search ended at the connected limit is cut; not one that ended where all is pruned', () => {
    const at = (fraction: number) =>
      theoryLimits(gaussianWidth, sharp, sliceAt(fraction, true), connected(fraction)).slice;
    expect(at(0.8)).toEqual({ pruned: 0.8, capped: true });
    expect(at(1)).toEqual({ pruned: 1, capped: false });
  });

  it('an interval that is cut in part stays unresolved', () => {
    expect(theoryLimits(gaussianWidth, sharp, sliceAt(0.9), connected(0.97)).sharp).toEqual({
      ...{ pruned: 0.97, low: 0.95, high: 0.97, capped: true },
      ...{ settled: false, missing: 'probes' },
      uncapped: { pruned: 0.98, low: 0.95, high: 1 },
    });
  });

  it('an upper end that is cut alone is no capped limit', () => {
    expect(theoryLimits(gaussianWidth, sharp, sliceAt(0.9), connected(0.935)).gaussianWidth).toMatchObject({
      pruned: 0.93,
      high: 0.935,
      capped: false,
    });
  });

  it('say what the quadratic model alone says wherever some of it is cut, and only there', () => {
    const uncapped = (most: number) => {
      const limits = theoryLimits(gaussianWidth, sharp, sliceAt(0.9), connected(most));
      return [limits.gaussianWidth.uncapped, limits.sharp.uncapped];
    };
    const whole = { pruned: 0.93, low: 0.92, high: 0.94 };
    const wholeSharp = { pruned: 0.98, low: 0.95, high: 1 };
    expect(uncapped(0.9)).toEqual([whole, wholeSharp]);
    expect(uncapped(0.925)).toEqual([whole, wholeSharp]);
    expect(uncapped(0.935)).toEqual([whole, wholeSharp]); // the upper end alone
    expect(uncapped(0.94)).toEqual([null, wholeSharp]); // cut to where it is
    expect(uncapped(0.999)).toEqual([null, wholeSharp]);
    expect(uncapped(1)).toEqual([null, null]); // an end of 1.01 is rounding, which nothing cuts
  });

  it('a network whose outputs never hang on its input has no connected limit', () => {
    expect(theoryLimits(gaussianWidth, sharp, sliceAt(0.88), disconnected)).toEqual({
      ...theoryLimits(gaussianWidth, sharp, sliceAt(0.88), connected(1)),
      connected: null,
    });
  });
});

it('the transition is around the interval of the sharp limit, cut by nothing', () => {
  const halfWidth = Math.sqrt(8 * Math.log(80)) / Math.sqrt(40_000);
  expect(transitionReport(sharp, 40_000)).toEqual({
    around: 'sharp',
    low: expect.closeTo(0.95 - halfWidth, 12),
    high: 1,
    halfWidth: expect.closeTo(halfWidth, 12),
    eta: 0.05,
    settled: false,
  });
});

describe('boundsReport', () => {
  const limits = theoryLimits(gaussianWidth, sharp, sliceAt(0.88), disconnected);
  it.each([
    ['gaussian-width', [0.07, 0.06, 0.08], true, [0.05, 0.04, 0.06]],
    ['sharp', [0.02, 0, 0.05], false, [0.1, 0.07, 0.12]],
  ] as const)('%s', (source, lower, isSettled, delta) => {
    const bounds = boundsReport(source, limits);
    expect(bounds).toMatchObject({ source, settled: isSettled });
    const near = (value: number) => expect.closeTo(value, 12);
    expect([bounds.lowerKept, bounds.lowerKeptLow, bounds.lowerKeptHigh]).toEqual(lower.map(near));
    expect(bounds.upperKept).toBeCloseTo(0.12, 12);
    expect([bounds.delta, bounds.deltaLow, bounds.deltaHigh]).toEqual(delta.map(near));
  });
});

describe('actualReport and comparisonRows', () => {
  const limits = theoryLimits(gaussianWidth, sharp, sliceAt(0.88), disconnected);
  const actual = actualReport(
    {
      loss: measured(0.87, { lastPassFraction: 0.89 }),
      accuracy: measured(0.9, { capped: true, firstFailureFraction: null }),
      noSignificantFall: measured(0.85),
      strictAccuracy: measured(0.4),
      curve: [],
      tried: { loss: 30, accuracy: 60 },
    },
    0.005,
  );

  it('keep first failure and last pass apart', () => {
    expect(actual).toEqual({
      loss: { pruned: 0.87, lastPass: 0.89, capped: false },
      accuracy: { pruned: 0.9, lastPass: 0.9, capped: true, tolerance: 0.005 },
      noSignificantFall: { pruned: 0.85, lastPass: 0.85, capped: false, confidence: 0.95 },
      strictAccuracy: { pruned: 0.4, lastPass: 0.4, capped: false },
    });
  });

  it('hold the estimates against what retraining reaches, where that was measured', () => {
    const limit = { pruned: 0.95, low: 0.94, high: 0.96, epochs: 3, capped: false };
    const tuned = { epochs: 1, examples: 100, seed: 0, loss: limit, accuracy: null, tries: [], seconds: 1 };
    const rows = comparisonRows(limits, actual, tuned).slice(5);
    expect(rows).toMatchObject([
      { theory: 'gaussianWidth', actual: 'tunedLoss', kind: 'estimate', actualPruned: 0.95 },
      { theory: 'sharp', actual: 'tunedLoss', kind: 'estimate', actualPruned: 0.95 },
    ]);
    expect(rows[0].differencePoints).toBeCloseTo(-2, 9);
    expect(rows[1].differencePoints).toBeCloseTo(3, 9);
  });

  it('hold slice against the loss only, and carry what is settled', () => {
    const rows = comparisonRows(limits, actual);
    expect(rows.map(({ theory, actual, kind }) => `${theory} ${actual} ${kind}`)).toEqual([
      'slice loss prediction',
      'gaussianWidth loss estimate',
      'gaussianWidth accuracy estimate',
      'sharp loss estimate',
      'sharp accuracy estimate',
    ]);
    expect(rows[0]).toMatchObject({
      differencePoints: expect.closeTo(1, 9),
      differenceLowPoints: null,
      differenceHighPoints: null,
      settled: true,
    });
    expect(rows[4]).toMatchObject({
      theoryPruned: 0.98,
      actualPruned: 0.9,
      differencePoints: expect.closeTo(8, 9),
      differenceLowPoints: expect.closeTo(5, 9),
      differenceHighPoints: expect.closeTo(10, 9),
      settled: false,
    });
    const withoutAccuracy = { ...actual, accuracy: null };
    expect(comparisonRows(limits, withoutAccuracy).map((row) => row.actual)).toEqual([
      'loss',
      'loss',
      'loss',
    ]);
  });
});
