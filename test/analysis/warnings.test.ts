import { describe, expect, it } from 'vitest';
import type { Report } from '../../src/report/schema.js';
import { expertWarnings, type WarningFacts } from '../../src/report/warnings.js';
import { sampleReport } from '../report/sample-report.js';

const healthyFacts: WarningFacts = {
  gradientShare: 0.02,
  dataClasses: 10,
  outputs: 10,
  gaussNewtonRank: 18_432,
};

function healthyReport(): Report {
  const report = sampleReport();
  return { ...report, curvature: { ...report.curvature, negativeMass: 0.03 } };
}

/** Warnings of the healthy report after changes to it and to the facts. */
function warningsAfter(change: (report: Report) => void, facts: Partial<WarningFacts> = {}): string[] {
  const report = healthyReport();
  change(report);
  return expertWarnings(report, { ...healthyFacts, ...facts });
}

function curveOf(...losses: (number | null)[]): Report['curve'] {
  return losses.map((loss, i) => ({
    pruned: i / 10,
    kept: 1 - i / 10,
    source: 'asked',
    radius: i,
    predictedLossIncrease: 0,
    lossIncrease: loss,
    loss,
    accuracy: null,
    insideSublevelSet: loss !== null && loss <= 0.0614,
  }));
}

describe('expertWarnings', () => {
  it('says nothing about a healthy report', () => {
    expect(warningsAfter(() => {})).toEqual([]);
  });

  const nothing = (): void => {};
  it.each<[string, RegExp, (report: Report) => void, Partial<WarningFacts>]>([
    ['a large gradient', /not near a minimum.*gradient makes up 40\.0 %/, nothing, { gradientShare: 0.4 }],
    [
      'negative eigenvalues',
      /negative eigenvalues hold 21\.4 % of sum \|lambda\|; compare with --negative clip/,
      (report) => {
        report.curvature.negativeMass = 0.214;
      },
      {},
    ],
    [
      'a loss without curvature',
      /the curvature is zero: the loss does not depend on the prunable weights/,
      (report) => {
        report.curvature = { ...report.curvature, lambdaMax: 0, lambdaMin: 0, trace: 0, negativeMass: 0 };
      },
      {},
    ],
    [
      'an unresolved Gaussian-width limit',
      /the Gaussian-width limit is unresolved: pruned 88\.0 % to 96\.0 %.*--tolerance 0\.5 points; more --steps/,
      (report) => {
        Object.assign(report.limits.gaussianWidth, {
          ...{ pruned: 0.92, low: 0.88, high: 0.96, settled: false, missing: 'steps' },
        });
      },
      {},
    ],
    [
      'an unresolved sharp limit',
      /the sharp limit is unresolved/,
      (report) => {
        report.limits.sharp.settled = false;
      },
      {},
    ],
    [
      'an accuracy of guessing',
      /the dense accuracy, 11\.0 %, is at chance for 10 classes: check --normalize/,
      (report) => {
        report.accuracy = { train: 0.9, test: 0.11 };
      },
      {},
    ],
    [
      'an accuracy of guessing where there is no test split',
      /is at chance/,
      (report) => {
        report.accuracy = { train: 0.09, test: null };
      },
      {},
    ],
    [
      'an accuracy of guessing with one output',
      /the dense accuracy, 51\.0 %, is at chance for 2 classes/,
      (report) => {
        report.accuracy = { train: 0.9, test: 0.51 };
      },
      { outputs: 1, dataClasses: 2 },
    ],
    [
      'fewer classes than outputs',
      /the labels hold 7 classes, the model has 10 outputs/,
      nothing,
      { dataClasses: 7 },
    ],
    [
      'a Gauss-Newton matrix of low rank',
      /Gauss-Newton matrix of 2048 examples has rank 18432 at most, of 32360.*use more --examples/,
      (report) => {
        report.curvature.kind = 'ggn';
      },
      {},
    ],
    [
      'a slice limit above the Gaussian-width limit',
      /the slice limit lies above the Gaussian-width limit/,
      (report) => {
        report.limits.slice.pruned = 0.95;
      },
      {},
    ],
    [
      'a curve that comes back',
      /not monotone: at pruned 20\.0 % the loss is above its tolerance, at 30\.0 % within it again/,
      (report) => {
        report.curve = curveOf(0.01, 0.02, 0.09, 0.03, 0.2);
      },
      {},
    ],
  ])('%s', (_title, words, change, facts) => {
    const warnings = warningsAfter(change, facts);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(words);
    expect(warnings[0]).not.toMatch(/[\n\r]/);
  });

  it.each<[string, (report: Report) => void, Partial<WarningFacts>]>([
    ['no gradient share', nothing, { gradientShare: null }],
    ['one output, two classes', nothing, { outputs: 1, dataClasses: 2 }],
    ['targets instead of classes', nothing, { dataClasses: null }],
    [
      'regression',
      (report) => {
        report.accuracy = null;
      },
      {},
    ],
    [
      'more right answers than by guessing, with one output',
      (report) => {
        report.accuracy = { train: 0.6, test: 0.6 };
      },
      { outputs: 1, dataClasses: 2 },
    ],
    [
      'more right answers than by guessing, with many outputs',
      (report) => {
        report.accuracy = { train: 0.04, test: 0.03 };
      },
      { outputs: 100, dataClasses: 100 },
    ],
    [
      'a Gauss-Newton matrix of many examples',
      (report) => {
        report.curvature.kind = 'ggn';
      },
      { gaussNewtonRank: 40_000 },
    ],
    [
      'a loss that falls by rounding, and one that overflows',
      (report) => {
        report.curve = curveOf(0.01, 0.0615, 0.0613, 0.2, null);
      },
      {},
    ],
  ])('nothing to say: %s', (_title, change, facts) => {
    expect(warningsAfter(change, facts)).toEqual([]);
  });

  it('several at once, each its own line', () => {
    const warnings = warningsAfter(
      (report) => {
        report.limits.sharp.settled = false;
        report.curvature.negativeMass = 0.5;
      },
      { gradientShare: 0.9 },
    );
    expect(warnings).toHaveLength(3);
  });
});
