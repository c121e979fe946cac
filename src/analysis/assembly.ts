import { readFileSync } from 'node:fs';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AnalyzeConfig } from '../config.js';
import type { SelfCheck } from '../curvature/self-check.js';
import { SELF_CHECK_TOLERANCE } from '../curvature/self-check.js';
import { keptBounds } from '../geometry/bounds.js';
import { ellipsoidConeStatisticalDimension } from '../geometry/statistical-dimension.js';
import type { Evaluation } from '../network/evaluation.js';
import { type MagnitudeRanking, radiusSquared } from '../pruning/magnitude.js';
import { type ComparisonRow, type LimitEstimate, type Report, schemaVersion } from '../report/schema.js';
import { expertWarnings } from '../report/warnings.js';
import { negativeMass } from '../spectrum/spectral-measure.js';
import type { FunctionalEstimate } from '../spectrum/uncertainty.js';
import type { SpectralLimits } from './limits.js';
import type { MeasuredPruning } from './measurement.js';
import type { MeasurementFacts } from './measurement-facts.js';
import type { OpenedComputation } from './open-computation.js';
import type { Problem } from './problem.js';
import type { SlicePrediction } from './slice.js';

/** Everything an analysis found out. */
export interface Findings {
  config: AnalyzeConfig;
  checkpoint: Checkpoint;
  problem: Problem;
  computation: Pick<OpenedComputation, 'lanczos' | 'plan'>;
  selfCheck: SelfCheck;
  /** `epsilon` is null where eps is given and not computed. */
  dense: { train: Evaluation; epsilon: Evaluation | null; test: Evaluation | null };
  /** Standard deviation of the mini-batch mean loss; null where eps is given. */
  batchStd: number | null;
  epsilon: number;
  /** Gradient of the mean loss at the trained weights, length D. */
  gradient: Float64Array;
  ranking: MagnitudeRanking;
  spectral: SpectralLimits;
  slice: SlicePrediction;
  measured: MeasuredPruning;
  measurementFacts: MeasurementFacts;
  /** Seconds by stage. */
  seconds: Record<string, number>;
}

function toolVersion(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function asFraction(value: number): number {
  return Math.min(1, Math.max(0, value));
}

function limitEstimate(estimate: FunctionalEstimate, tolerancePoints: number): LimitEstimate {
  return {
    pruned: asFraction(estimate.value),
    low: asFraction(estimate.low),
    high: asFraction(estimate.high),
    settled: estimate.halfWidth <= tolerancePoints / 100,
  };
}

/** Which theory is held against which measurement, and as what. */
const COMPARISONS = [
  { theory: 'slice', actual: 'loss', kind: 'prediction' },
  { theory: 'slice', actual: 'accuracy', kind: 'prediction' },
  { theory: 'gaussianWidth', actual: 'loss', kind: 'existence' },
  { theory: 'gaussianWidth', actual: 'accuracy', kind: 'existence' },
  { theory: 'sharp', actual: 'loss', kind: 'existence' },
  { theory: 'sharp', actual: 'accuracy', kind: 'existence' },
] as const;

function comparisonRows(limits: Report['limits'], actual: Report['actual']): ComparisonRow[] {
  return COMPARISONS.flatMap((comparison) => {
    const theoryPruned = limits[comparison.theory].pruned;
    const actualPruned = actual[comparison.actual]?.pruned;
    return actualPruned === undefined
      ? []
      : [
          {
            ...comparison,
            theoryPruned,
            actualPruned,
            differencePoints: 100 * (theoryPruned - actualPruned),
          },
        ];
  });
}

function measuredAccuracy(pruned: number | null, tolerance: number): Report['actual']['accuracy'] {
  return pruned === null ? null : { pruned, tolerance };
}

function norm(vector: Float64Array): number {
  return Math.sqrt(vector.reduce((sum, entry) => sum + entry * entry, 0));
}

/** The report of an analysis: numbers that are all known by now, put in their places. */
export function assembleReport(findings: Findings): Report {
  const { config, checkpoint, problem, computation, selfCheck, dense, epsilon, spectral, slice, measured } =
    findings;
  const { engine, dataset, network, loss, train, test } = problem;
  const { spectrum } = spectral;
  const gaussianWidth = limitEstimate(spectral.gaussianWidth, config.tolerancePoints);
  const sharp = limitEstimate(spectral.sharp, config.tolerancePoints);
  const limits: Report['limits'] = {
    gaussianWidth,
    sharp,
    slice: { pruned: slice.prunedFraction },
    statisticalDimension: ellipsoidConeStatisticalDimension(
      spectrum.averaged,
      Math.sqrt(radiusSquared(findings.ranking, gaussianWidth.pruned)),
      epsilon,
      network.dimension,
    ),
  };
  const actual: Report['actual'] = {
    loss: { pruned: measured.loss.prunedFraction },
    accuracy: measuredAccuracy(
      measured.accuracy?.prunedFraction ?? null,
      config.accuracyTolerancePoints / 100,
    ),
    exactAccuracy: measuredAccuracy(measured.strictAccuracy?.prunedFraction ?? null, 0),
  };
  const existence = config.bound === 'sharp' ? sharp : gaussianWidth;
  const { lowerKept, upperKept, delta, window } = keptBounds(
    existence.pruned,
    slice.prunedFraction,
    network.dimension,
  );
  // A model that cannot be compiled is computed by the backend its programs would have come from.
  const { plan, lanczos } = computation;
  const fellBack = engine.native !== null && plan === null;
  const computedBy = fellBack ? ({ backend: 'wasm', threads: 1 } as const) : engine;
  const report: Report = {
    schemaVersion,
    ok: true,
    tool: { name: 'prune-limit', version: toolVersion() },
    seed: config.seed,
    engine: {
      backend: computedBy.backend,
      threads: computedBy.threads === 0 ? null : computedBy.threads,
      versions: engine.versions,
      products: plan && {
        plan: plan.name,
        batchSize: plan.batchSize,
        batches: plan.batches,
        keptBatches: plan.keptBatches,
        unfoldedBatches: plan.unfoldedBatches,
        estimatedBytes: plan.bytes,
      },
    },
    model: {
      path: config.model,
      ...(config.weights !== null && { weights: config.weights }),
      format: checkpoint.format,
      parameters: network.parameters,
      prunable: network.dimension,
      sha256: checkpoint.sha256,
    },
    data: {
      path: config.data,
      format: dataset.format,
      train: { examples: train.count, available: problem.trainingAvailable },
      test: test && { examples: test.count, available: problem.testAvailable },
    },
    loss: {
      name: loss,
      value: dense.train.meanLoss,
      batchStd: findings.batchStd,
      gradientNorm: norm(findings.gradient),
    },
    accuracy: loss === 'mse' ? null : { train: dense.train.accuracy, test: dense.test?.accuracy ?? null },
    epsilon: { value: epsilon, rule: config.epsilon.rule },
    curvature: {
      kind: config.curvature,
      negative: config.negative,
      examples: train.count,
      lambdaMax: spectrum.lambdaMax,
      lambdaMin: spectrum.lambdaMin,
      trace: spectrum.trace.value,
      traceStdError: Number.isFinite(spectrum.trace.standardError) ? spectrum.trace.standardError : null,
      // The Gauss rule: its nodes stay within the spectrum, so that a Gauss-Newton matrix has none below zero.
      negativeMass: asFraction(negativeMass(spectrum.gauss).traceNormShare),
    },
    spectrum: {
      probes: spectrum.probes,
      steps: spectrum.steps,
      settled: spectrum.settled,
      reorthogonalization: lanczos.reorthogonalization,
      leadingEigenvalues: spectrum.leading.map(({ value }) => value),
      ritz: spectrum.ritz.map(({ values, weights }) => ({ values: [...values], weights: [...weights] })),
    },
    limits,
    bounds: {
      source: config.bound,
      lowerKept,
      upperKept: upperKept ?? 1,
      delta: delta ?? 1 - lowerKept,
      window,
    },
    actual,
    comparison: comparisonRows(limits, actual),
    curve: measured.curve
      .filter(({ source }) => source === 'asked')
      .map((row) => ({ ...row, insideSublevelSet: row.insideSublevelSet === true })),
    selfCheck: {
      relativeError: Math.max(selfCheck.productError, selfCheck.gradientError),
      tolerance: SELF_CHECK_TOLERANCE,
    },
    options: config,
    warnings: [],
    timing: findings.seconds,
  };
  const { labels } = dataset.train ?? { labels: null };
  report.warnings = [
    ...dataset.warnings,
    ...expertWarnings(report, {
      gradientShare: slice.gradientShare,
      dataClasses: labels?.kind === 'classes' ? labels.classCount : null,
      outputs: network.outputs,
      gaussNewtonRank: train.count * Math.max(1, network.outputs - 1),
    }),
  ];
  return report;
}
