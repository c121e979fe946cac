import { analyzeDefaults } from '../../src/config.js';
import type { Report } from '../../src/report/schema.js';

/** A report made by hand; its numbers are plausible, not measured. */
export function sampleReport(): Report {
  const { labelColumn: _, layout: __, ...options } = analyzeDefaults;
  return {
    schemaVersion: 1,
    ok: true,
    tool: { name: 'prune-limit', version: '0.1.0' },
    seed: 0,
    engine: { backend: 'wasm', threads: 1, versions: { node: '20.0.0', tfjs: '4.22.0' } },
    model: {
      path: 'models/mlpnet/model.json',
      format: 'tfjs-layers',
      parameters: 32430,
      prunable: 32360,
      sha256: '00ff'.repeat(16),
    },
    data: {
      path: 'data/mnist',
      format: 'idx',
      train: { examples: 2048, available: 60000 },
      test: { examples: 10000, available: 10000 },
    },
    loss: { name: 'cross-entropy', value: 0.19861, batchStd: 0.0614, gradientNorm: 0.19012 },
    accuracy: { train: 0.9431, test: 0.9397 },
    epsilon: { value: 0.0614, rule: 'batch-std' },
    curvature: {
      kind: 'hessian',
      negative: 'abs',
      examples: 2048,
      lambdaMax: 17.025,
      lambdaMin: -0.106,
      trace: 151.2,
      traceStdError: 2.31,
      negativeMass: 0.214,
    },
    spectrum: {
      probes: 2,
      steps: 220,
      settled: true,
      reorthogonalization: 'none',
      leadingEigenvalues: [17.025, 15.123, 14.064],
      ritz: [
        { values: [-0.1, 0.2, 17], weights: [0.25, 0.74, 0.01] },
        { values: [-0.1, 0.3, 17], weights: [0.25, 0.74, 0.01] },
      ],
    },
    limits: {
      gaussianWidth: { pruned: 0.9317, low: 0.9284, high: 0.9342, settled: true },
      sharp: { pruned: 0.9662, low: 0.9641, high: 0.968, settled: true },
      slice: { pruned: 0.8812 },
    },
    bounds: { source: 'gaussian-width', lowerKept: 0.0683, upperKept: 0.1188, delta: 0.0505, window: 0.0329 },
    actual: {
      loss: { pruned: 0.8791 },
      accuracy: { pruned: 0.7312, tolerance: 0.005 },
      exactAccuracy: { pruned: 0.4012, tolerance: 0 },
    },
    comparison: [
      {
        theory: 'slice',
        actual: 'loss',
        kind: 'prediction',
        theoryPruned: 0.8812,
        actualPruned: 0.8791,
        differencePoints: 0.21,
      },
      {
        theory: 'gaussianWidth',
        actual: 'accuracy',
        kind: 'existence',
        theoryPruned: 0.9317,
        actualPruned: 0.7312,
        differencePoints: 20.05,
      },
    ],
    curve: [
      {
        pruned: 0.5,
        kept: 0.5,
        radius: 0.412,
        predictedLossIncrease: 0.00012,
        lossIncrease: 0.00013,
        loss: 0.19874,
        accuracy: 0.9393,
        insideSublevelSet: true,
      },
      {
        pruned: 0.99,
        kept: 0.01,
        radius: 12.3456,
        predictedLossIncrease: 4.2,
        lossIncrease: null,
        loss: null,
        accuracy: null,
        insideSublevelSet: false,
      },
    ],
    selfCheck: { relativeError: 1.2e-5, tolerance: 0.01 },
    options,
    warnings: ['epsilon comes from 16 batches; its standard deviation is about 17 %'],
    timing: { total: 12.5 },
  };
}

/** Limits that the budget of steps did not settle, and labels that are no classes. */
export function unresolvedReport(): Report {
  const report = sampleReport();
  return {
    ...report,
    accuracy: null,
    data: { ...report.data, test: null },
    spectrum: { ...report.spectrum, settled: false },
    limits: {
      ...report.limits,
      gaussianWidth: { pruned: 0.92, low: 0.88, high: 0.96, settled: false },
      sharp: { pruned: 0.95, low: 0.9, high: 0.99, settled: false },
    },
    actual: { loss: { pruned: 0.8791 }, accuracy: null, exactAccuracy: null },
    comparison: [
      report.comparison[0]!,
      {
        theory: 'gaussianWidth',
        actual: 'loss',
        kind: 'existence',
        theoryPruned: 0.92,
        actualPruned: 0.8791,
        differencePoints: 4.09,
      },
    ],
    warnings: [],
  };
}
