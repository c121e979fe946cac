import { describe, expect, it } from 'vitest';
import type { Report } from '../../src/report/schema.js';
import { verdict } from '../../src/report/verdict.js';
import { sampleReport } from './sample-report.js';

function verdictAfter(change: (report: Report) => void): string {
  const report = sampleReport();
  change(report);
  return verdict(report);
}

/** What is measured: the loss holds to `loss`, accuracy to `accuracy`. */
function measured(report: Report, loss: number, accuracy: number | null): void {
  report.actual.loss = { pruned: loss, lastPass: loss, capped: false };
  report.actual.accuracy =
    accuracy === null ? null : { pruned: accuracy, lastPass: accuracy, capped: false, tolerance: 0.005 };
}

describe('the verdict', () => {
  it.each<[string, (report: Report) => void, string]>([
    [
      'accuracy holds longer',
      (report) => measured(report, 0.9, 0.92),
      "Prune 90.0 % at once; accuracy holds within 0.5 points to 92.0 %. With retraining, the paper's estimate is 93.2 %.",
    ],
    [
      'the loss holds longer',
      () => {},
      "Prune 73.1 % at once, as far as accuracy holds within 0.5 points; the loss stays within its tolerance to 87.9 %. With retraining, the paper's estimate is 93.2 %.",
    ],
    [
      'no tolerance of accuracy',
      (report) => {
        measured(report, 0.9, 0.92);
        report.actual.accuracy!.tolerance = 0;
      },
      "Prune 90.0 % at once; accuracy holds to 92.0 %. With retraining, the paper's estimate is 93.2 %.",
    ],
    [
      'no test data',
      (report) => {
        measured(report, 0.9, null);
        report.data.test = null;
      },
      "Prune 90.0 % at once; without test data, what accuracy does is not known. With retraining, the paper's estimate is 93.2 %.",
    ],
    [
      'regression',
      (report) => {
        measured(report, 0.9, null);
        report.accuracy = null;
      },
      "Prune 90.0 % at once. With retraining, the paper's estimate is 93.2 %.",
    ],
    [
      'nothing holds',
      (report) => measured(report, 0, 0),
      "Pruned at once, nothing that was tried keeps the loss or the accuracy within its tolerance. With retraining, the paper's estimate is 93.2 %.",
    ],
    [
      'the loss does not hold',
      (report) => measured(report, 0, 0.3),
      "Pruned at once, the loss leaves its tolerance from the start; accuracy holds within 0.5 points to 30.0 %. With retraining, the paper's estimate is 93.2 %.",
    ],
    [
      'accuracy does not hold',
      (report) => measured(report, 0.3, 0),
      "Pruned at once, the loss stays within its tolerance to 30.0 %, but accuracy falls from the start. With retraining, the paper's estimate is 93.2 %.",
    ],
    [
      'the loss does not hold, regression',
      (report) => {
        measured(report, 0, null);
        report.accuracy = null;
      },
      "Pruned at once, nothing that was tried keeps the loss within its tolerance. With retraining, the paper's estimate is 93.2 %.",
    ],
    [
      'nothing fails, regression',
      (report) => {
        measured(report, 0.99, null);
        report.actual.loss.capped = true;
        report.accuracy = null;
        report.limits.gaussianWidth.pruned = 1;
      },
      'Prune 99.0 % at once: the loss stayed within its tolerance as far as was tried. For retraining, theory sets no limit here: this loss has no curvature that pruning meets.',
    ],
    [
      'an unresolved estimate',
      (report) => {
        measured(report, 0.9, 0.92);
        Object.assign(report.limits.gaussianWidth, { low: 0.88, high: 0.96, settled: false });
      },
      "Prune 90.0 % at once; accuracy holds within 0.5 points to 92.0 %. With retraining, the paper's estimate is unresolved: between 88.0 % and 96.0 %.",
    ],
    [
      'an estimate beyond what is connected',
      (report) => {
        measured(report, 0.9, 0.92);
        Object.assign(report.limits.gaussianWidth, { pruned: 0.97, high: 0.97, capped: true });
        report.limits.connected = { pruned: 0.97, exact: true };
      },
      "Prune 90.0 % at once; accuracy holds within 0.5 points to 92.0 %. Beyond 97.0 % no retraining helps: outputs lose their last path from the input, and the paper's estimate lies beyond that.",
    ],
    [
      'an estimate below what is measured',
      (report) => measured(report, 0.95, 0.96),
      "Prune 95.0 % at once; accuracy holds within 0.5 points to 96.0 %. The paper's estimate for retraining, 93.2 %, lies below what pruning at once reaches.",
    ],
    [
      'no curvature',
      (report) => {
        measured(report, 0.9, 0.92);
        Object.assign(report.curvature, { lambdaMax: 0, lambdaMin: 0 });
      },
      'Prune 90.0 % at once; accuracy holds within 0.5 points to 92.0 %. For retraining, theory sets no limit here: this loss has no curvature that pruning meets.',
    ],
  ])('%s', (_title, change, words) => {
    expect(verdictAfter(change)).toBe(words);
  });
});
