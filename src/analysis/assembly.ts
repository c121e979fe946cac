import { SELF_CHECK_TOLERANCE } from '../curvature/self-check.js';
import { continuousRadiusSquared } from '../pruning/magnitude.js';
import { type Report, schemaVersion } from '../report/schema.js';
import { expertWarnings } from '../report/warnings.js';
import { toolVersion } from '../tool-version.js';
import type { Findings } from './findings.js';
import { fullLayersReport } from './layers-full-report.js';
import { layersReport } from './layers-report.js';
import { countedMeasure } from './limits.js';
import {
  actualReport,
  asFraction,
  boundsReport,
  comparisonRows,
  theoryLimits,
  transitionReport,
} from './limits-report.js';
import { patternsReport } from './patterns-report.js';
import { rowNormsReport } from './row-norms.js';
import { type TheoryCurveSetting, theoryCurve } from './theory-curve.js';
import { tunedReport } from './tuned-report.js';
import { warningFacts } from './warning-facts.js';
import { weightScales } from './weight-scales.js';
import { weightsReport } from './weights-report.js';

function norm(vector: Float64Array): number {
  return Math.sqrt(vector.reduce((sum, entry) => sum + entry * entry, 0));
}

/** The report of an analysis: numbers that are all known by now, put in their places. */
export function assembleReport(findings: Findings): Report {
  const { config, checkpoint, problem, computation, selfCheck, dense, epsilon, slice, measured } = findings;
  const { engine, dataset, network, loss, train, test } = problem;
  const { spectrum } = findings;
  // Without the address of workers: no number depends on it, and it may hold a password.
  const { workers: _, ...options } = config;
  const { gaussianWidth, sharp } = spectrum.estimates;
  const limits = theoryLimits(gaussianWidth, sharp, slice, findings.connected);
  const settled = { gaussianWidth: gaussianWidth.settled, sharp: sharp.settled };
  const accuracyTolerance = config.accuracyTolerancePoints / 100;
  const actual = actualReport(measured, accuracyTolerance);
  const tuned =
    findings.tuned &&
    tunedReport(findings.tuned, findings.compensated, {
      epochs: config.tuneEpochs,
      examples: problem.trainingAvailable,
      seed: config.seed,
      accuracyTolerance,
    });
  // A model that cannot be compiled is computed by the backend its programs would have come from.
  const { plan, lanczos, sharding } = computation;
  const helpers = sharding?.workers?.();
  const drifting = helpers?.drifting.length ?? 0;
  const fellBack = engine.onnx !== null && plan === null;
  const computedBy = fellBack ? ({ backend: 'wasm', threads: 1 } as const) : engine;
  const theorySetting: TheoryCurveSetting = {
    rules: spectrum.rules.map((rule) => countedMeasure(rule, config.negative)),
    radiusSquared: (fraction) => continuousRadiusSquared(findings.ranking, fraction),
    epsilon,
    dimension: network.dimension,
    gaussianWidth: asFraction(gaussianWidth.value),
    sharp: asFraction(sharp.value),
  };
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
      ...(helpers && { workers: { most: helpers.most, drifting } }),
    },
    model: {
      path: config.model,
      ...(config.weights !== null && { weights: config.weights }),
      format: checkpoint.format,
      parameters: network.parameters,
      prunable: network.dimension,
      ...(network.leftOut?.length && { leftOut: [...network.leftOut] }),
      ...(network.notes?.length && { notes: [...network.notes] }),
      sha256: checkpoint.sha256,
    },
    data: {
      path: config.data,
      format: dataset.format,
      layout: problem.imageOrder,
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
    epsilon: {
      value: epsilon,
      rule: config.epsilon.rule,
      examples: dense.epsilon?.losses.length ?? null,
    },
    curvature: {
      kind: config.curvature,
      negative: config.negative,
      examples: train.count,
      lambdaMax: spectrum.lambdaMax,
      lambdaMin: spectrum.lambdaMin,
      trace: spectrum.trace.value,
      traceStdError: Number.isFinite(spectrum.trace.standardError) ? spectrum.trace.standardError : null,
      negativeMass: spectrum.negativeShare.value,
      negativeMassStdError: spectrum.negativeShare.standardError,
    },
    spectrum: {
      probes: spectrum.probes,
      steps: spectrum.steps,
      products: spectrum.products,
      settled,
      reorthogonalization: lanczos.reorthogonalization,
      leadingEigenvalues: spectrum.leading.map(({ value }) => value),
      ritz: spectrum.ritz.map(({ values, weights }) => ({ values: [...values], weights: [...weights] })),
    },
    limits,
    theory: {
      curve: theoryCurve(theorySetting),
      settled,
      transition: transitionReport(sharp, network.dimension),
    },
    bounds: boundsReport(config.bound, limits),
    actual,
    comparison: comparisonRows(limits, actual, tuned),
    curve: measured.curve,
    layers: {
      ...layersReport(network, findings.ranking, limits, actual, findings.layers),
      ...(findings.fullLayers && fullLayersReport(network, findings.fullLayers)),
    },
    ...(config.patterns.length > 0 && {
      patterns: patternsReport(findings.patterns, epsilon, network.dimension),
    }),
    weights: weightsReport(network, findings.ranking, limits, actual),
    ...(config.weightScales.length > 0 && {
      weightScales: weightScales(theorySetting, config.weightScales, limits.connected?.pruned ?? 1),
    }),
    ...(findings.rowNorms.length > 0 && { rowNorms: rowNormsReport(network, findings.rowNorms) }),
    ...(tuned && { tuned }),
    selfCheck: {
      relativeError: Math.max(selfCheck.productError, selfCheck.gradientError),
      tolerance: SELF_CHECK_TOLERANCE,
      resolution: selfCheck.resolution,
      trainedResolution: selfCheck.trainedResolution,
    },
    options: { ...options, ...(sharding && { shards: sharding.sums.shards }) },
    warnings: [],
    timing: findings.seconds,
  };
  report.warnings = [
    ...(drifting > 0
      ? [
          `${drifting === 1 ? 'a worker computes' : `${drifting} workers compute`} with another arithmetic: another run may differ in the last digits`,
        ]
      : []),
    ...dataset.warnings,
    ...problem.lossNotes,
    ...expertWarnings(report, warningFacts(findings, report)),
  ];
  return report;
}
