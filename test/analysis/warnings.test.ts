import { describe, expect, it } from 'vitest';
import type { Report } from '../../src/report/schema.js';
import { expertWarnings, type WarningFacts } from '../../src/report/warnings.js';
import { sampleReport } from '../report/sample-report.js';

const healthyFacts: WarningFacts = {
  gradientShare: 0.02,
  dataClasses: 10,
  outputs: 10,
  gaussNewtonRank: 40_000,
  accuracyResolution: 1e-4,
  betterOrder: null,
  ties: [],
  probabilitiesAsLogits: false,
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

describe('expertWarnings', () => {
  it('says nothing about a healthy report', () => {
    expect(warningsAfter(() => {})).toEqual([]);
  });

  const nothing = (): void => {};
  it.each<[string, RegExp, (report: Report) => void, Partial<WarningFacts>]>([
    [
      'a kernel that is left out',
      /^kernel u \(8 weights\) is left out of the prunable weights: it is computed by Mul from "v"$/,
      (report) => {
        report.model.leftOut = [{ name: 'u', weights: 8, reason: 'computed by Mul from "v"' }];
      },
      {},
    ],
    ['a large gradient', /not near a minimum.*gradient makes up 40\.0 %/, nothing, { gradientShare: 0.4 }],
    [
      'probabilities that are taken for logits',
      /takes for logits lie between 0 and 1 and sum to 1.*softmax as its last layer/,
      nothing,
      { probabilitiesAsLogits: true },
    ],
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
      /the Gaussian-width limit is unresolved: pruned 88\.0 to 96\.0 %.*--tolerance asks for 1 point; more --steps would/,
      (report) => {
        Object.assign(report.limits.gaussianWidth, {
          ...{ pruned: 0.92, low: 0.88, high: 0.96, settled: false, missing: 'steps' },
        });
      },
      {},
    ],
    [
      'a Gaussian-width limit that one check alone finds narrow enough',
      /unresolved: pruned 91\.5 to 92\.5 %, which is within --tolerance of 1 point but not confirmed by a second look; more --steps would take one$/,
      (report) => {
        Object.assign(report.limits.gaussianWidth, {
          ...{ pruned: 0.92, low: 0.915, high: 0.925, settled: false, missing: 'confirmation' },
        });
      },
      {},
    ],
    [
      'an unresolved sharp limit',
      /the sharp limit is unresolved: .*; more --probes would narrow it$/,
      (report) => {
        Object.assign(report.limits.sharp, { settled: false, missing: 'probes' });
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
      /^the Gauss-Newton matrix of 2,048 examples has rank 18,432 at most, of 32,360: .*use more --examples$/,
      (report) => {
        report.curvature.kind = 'ggn';
      },
      { gaussNewtonRank: 18_432 },
    ],
    [
      'a Gauss-Newton matrix of low rank, of all examples',
      /Gauss-Newton matrix of 2,048 examples .* its limits are too high$/,
      (report) => {
        report.curvature.kind = 'ggn';
        report.data.train.available = 2048;
      },
      { gaussNewtonRank: 18_432 },
    ],
    [
      'a Hessian of few examples',
      /^few examples for so many weights: the Gauss-Newton part of the Hessian of 2,048 examples has rank 18,432 at most/,
      nothing,
      { gaussNewtonRank: 18_432 },
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
      /not monotone: the loss is within its tolerance up to pruned 39\.0 % and, after failing, again up to 41\.2 %; the limit is the first failure/,
      (report) => {
        report.actual.loss = { pruned: 0.39, lastPass: 0.412, capped: false };
      },
      {},
    ],
    [
      'an accuracy that comes back',
      /not monotone: accuracy is within its tolerance up to pruned 73\.1 % and, after failing, again up to 80\.0 %/,
      (report) => {
        report.actual.accuracy!.lastPass = 0.8;
      },
      {},
    ],
    [
      'few training examples',
      /^only 15 training examples behind the curvature and the measured loss/,
      (report) => {
        report.curvature.examples = 15;
      },
      {},
    ],
    [
      'few examples of epsilon',
      /^only 1 training example behind epsilon/,
      (report) => {
        report.epsilon.examples = 1;
      },
      {},
    ],
    [
      'an accuracy that is coarser than its tolerance',
      /test accuracy moves in steps of 0\.67 points, more than --accuracy-tolerance 0\.5 points/,
      nothing,
      { accuracyResolution: 1 / 150 },
    ],
    [
      'ties',
      /^ties in magnitude: .* at these limits: slice: 1,200 of magnitude 0\.0125; loss: 300 of magnitude 0\.025$/,
      nothing,
      {
        ties: [
          { limit: 'slice', magnitude: 0.0125, weights: 1200 },
          { limit: 'loss', magnitude: 0.025, weights: 300 },
        ],
      },
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
      'a Hessian of all the examples there are',
      (report) => {
        report.data.train.available = report.data.train.examples;
      },
      { gaussNewtonRank: 100 },
    ],
    [
      'a last pass next to the first failure, and accuracy to the letter that comes back',
      (report) => {
        report.actual.loss.lastPass = report.actual.loss.pruned + 5e-4;
        report.actual.strictAccuracy!.lastPass = 0.9;
      },
      {},
    ],
    [
      'no tolerance of accuracy on few test examples',
      (report) => {
        report.actual.accuracy!.tolerance = 0;
      },
      { accuracyResolution: 1 / 50 },
    ],
    [
      'no test split',
      (report) => {
        report.data.test = null;
        report.actual.accuracy = null;
      },
      {},
    ],
  ])('nothing to say: %s', (_title, change, facts) => {
    expect(warningsAfter(change, facts)).toEqual([]);
  });

  it('an order of images in which the network is right much more often', () => {
    const better = { order: 'NCHW', accuracy: 0.9625, takenAccuracy: 0.09, examples: 400 } as const;
    expect(warningsAfter(() => {}, { betterOrder: better })).toEqual([
      'the images are likely in the wrong order: with channels first 96.3 % of 400 training examples are right, with channels last, as taken, 9.0 %; use --layout NCHW',
    ]);
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
