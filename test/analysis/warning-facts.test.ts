import { describe, expect, it } from 'vitest';
import type { Findings } from '../../src/analysis/findings.js';
import { warningFacts } from '../../src/analysis/warning-facts.js';
import { type Evaluation, summarizeEvaluation } from '../../src/network/evaluation.js';
import type { LossName } from '../../src/network/loss.js';
import { rankByMagnitude } from '../../src/pruning/magnitude.js';
import { randomStream } from '../../src/random.js';
import type { Report } from '../../src/report/schema.js';
import { sampleReport } from '../report/sample-report.js';

const DIMENSION = 500;
const EXAMPLES = 400;

function evaluation(loss: LossName, outputs: number): Evaluation {
  return summarizeEvaluation(
    loss,
    new Float64Array(EXAMPLES),
    [new Float32Array(EXAMPLES * outputs)],
    [new Float32Array(EXAMPLES * outputs)],
    outputs,
  );
}

/** What the facts are made from, of an analysis of `outputs` outputs. */
function findings(
  weights: Float32Array,
  { loss = 'cross-entropy', outputs = 10, withTest = true } = {} as {
    loss?: LossName;
    outputs?: number;
    withTest?: boolean;
  },
): Findings {
  return {
    problem: {
      loss,
      train: { count: EXAMPLES },
      network: { weights, dimension: weights.length, outputs },
      dataset: { train: { labels: { kind: 'classes', classCount: 7 } } },
    },
    dense: {
      train: evaluation(loss, outputs),
      epsilon: null,
      test: withTest ? evaluation(loss, outputs) : null,
    },
    ranking: rankByMagnitude(weights),
    slice: { gradientShare: 0.125 },
  } as unknown as Findings;
}

function normalWeights(): Float32Array {
  const random = randomStream(8, 'tied weights');
  return Float32Array.from({ length: DIMENSION }, () => random.normal());
}

/** The sample report with limits at these numbers of pruned weights. */
function reportAt(counts: { slice: number; gaussianWidth: number; loss: number; accuracy: number }): Report {
  const report = sampleReport();
  const { limits, actual } = report;
  limits.slice.pruned = counts.slice / DIMENSION;
  limits.gaussianWidth.pruned = counts.gaussianWidth / DIMENSION;
  limits.sharp.pruned = 1;
  actual.loss.pruned = counts.loss / DIMENSION;
  actual.accuracy!.pruned = counts.accuracy / DIMENSION;
  actual.noSignificantFall!.pruned = 0;
  actual.strictAccuracy = null;
  return report;
}

const anywhere = reportAt({ slice: 1, gaussianWidth: 2, loss: 3, accuracy: 4 });

describe('warningFacts', () => {
  it('finds the ties that limits cut through, not those that they only touch', () => {
    const weights = normalWeights();
    const { order } = rankByMagnitude(weights);
    const magnitude = Math.abs(weights[order[100]]);
    for (const index of order.subarray(100, 110)) {
      weights[index] = magnitude;
    }
    const report = reportAt({ slice: 100, gaussianWidth: 109, loss: 103, accuracy: 110 });
    expect(warningFacts(findings(weights), report).ties).toEqual([
      { limit: 'Gaussian width', magnitude, weights: 10, pruned: 9 },
      { limit: 'loss', magnitude, weights: 10, pruned: 3 },
    ]);
  });

  it('leaves out ties of fewer weights than the limits are found to', () => {
    const weights = new Float32Array(20_000).map((_, i) => 1 + i);
    weights.fill(weights[400], 400, 419);
    const report = reportAt({ slice: 410 / 40, gaussianWidth: 1, loss: 1, accuracy: 1 });
    expect(warningFacts(findings(weights), report).ties).toEqual([]);
    weights.fill(weights[400], 400, 420);
    expect(warningFacts(findings(weights), report).ties).toMatchObject([{ limit: 'slice', weights: 20 }]);
  });

  it('knows the smallest difference that test accuracy can show: one decision an output for sigmoids', () => {
    const resolution = (...options: Parameters<typeof findings>) =>
      warningFacts(findings(...options), anywhere).accuracyResolution;
    const weights = normalWeights();
    expect(resolution(weights)).toBe(1 / EXAMPLES);
    expect(resolution(weights, { loss: 'binary-cross-entropy', outputs: 4 })).toBe(1 / (4 * EXAMPLES));
    expect(resolution(weights, { withTest: false })).toBeNull();
    expect(resolution(weights, { loss: 'mse' })).toBeNull();
  });

  it('bounds the rank of the Gauss-Newton matrix; a softmax does not see a common shift', () => {
    const rank = (loss: LossName) =>
      warningFacts(findings(normalWeights(), { loss }), anywhere).gaussNewtonRank;
    expect(rank('cross-entropy')).toBe(EXAMPLES * 9);
    expect(rank('binary-cross-entropy')).toBe(EXAMPLES * 10);
    expect(rank('mse')).toBe(EXAMPLES * 10);
  });

  it('a softmax whose probabilities count one by one does not see a common shift either', () => {
    const known = findings(normalWeights(), { loss: 'binary-cross-entropy' });
    Object.assign(known.problem.network, { decidesClasses: true });
    expect(warningFacts(known, anywhere).gaussNewtonRank).toBe(EXAMPLES * 9);
  });

  it('knows outputs that read like probabilities, where the loss takes logits', () => {
    const asLogits = (loss: LossName): boolean => {
      const known = findings(normalWeights(), { loss });
      known.dense.train.outputsSumToOne = true;
      return warningFacts(known, anywhere).probabilitiesAsLogits;
    };
    expect(asLogits('cross-entropy')).toBe(true);
    expect(asLogits('mse')).toBe(false);
    expect(warningFacts(findings(normalWeights()), anywhere).probabilitiesAsLogits).toBe(false);
  });

  it('hands on what is known already', () => {
    expect(warningFacts(findings(normalWeights()), anywhere)).toMatchObject({
      gradientShare: 0.125,
      dataClasses: 7,
      outputs: 10,
    });
  });
});
