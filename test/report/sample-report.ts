import { analyzeDefaults } from '../../src/config.js';
import type { Report } from '../../src/report/schema.js';

/** A report made by hand; its numbers are plausible, not measured. */
export function sampleReport(): Report {
  const { labelColumn: _, layout: __, shards: ___, workers: ____, ...options } = analyzeDefaults;
  return {
    schemaVersion: 2,
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
    epsilon: { value: 0.0614, rule: 'batch-std', examples: 60000 },
    curvature: {
      kind: 'hessian',
      negative: 'abs',
      examples: 2048,
      lambdaMax: 17.025,
      lambdaMin: -0.106,
      trace: 151.2,
      traceStdError: 2.31,
      negativeMass: 0.214,
      negativeMassStdError: 0.019,
    },
    spectrum: {
      probes: 2,
      steps: 220,
      products: 440,
      settled: { gaussianWidth: true, sharp: true },
      reorthogonalization: 'none',
      leadingEigenvalues: [17.025, 15.123, 14.064],
      ritz: [
        { values: [-0.1, 0.2, 17], weights: [0.25, 0.74, 0.01] },
        { values: [-0.1, 0.3, 17], weights: [0.25, 0.74, 0.01] },
      ],
    },
    limits: {
      level: 0.95,
      gaussianWidth: {
        pruned: 0.9317,
        low: 0.9284,
        high: 0.9342,
        settled: true,
        missing: null,
        capped: false,
        uncapped: null,
      },
      sharp: {
        pruned: 0.9662,
        low: 0.9641,
        high: 0.968,
        settled: true,
        missing: null,
        capped: false,
        uncapped: null,
      },
      slice: { pruned: 0.8812, capped: false },
      connected: { pruned: 0.9871, exact: true },
    },
    theory: {
      curve: [
        { pruned: 0, radius: 0, squaredGaussianWidth: 1, statisticalDimension: 1 },
        { pruned: 0.9317, radius: 6.2, squaredGaussianWidth: 0.9317, statisticalDimension: 0.98 },
        { pruned: 0.9662, radius: 8.1, squaredGaussianWidth: 0.905, statisticalDimension: 0.9662 },
      ],
      settled: { gaussianWidth: true, sharp: true },
      transition: {
        around: 'sharp',
        low: 0.9312,
        high: 1,
        halfWidth: 0.0329,
        eta: 0.05,
        settled: true,
      },
    },
    bounds: {
      source: 'gaussian-width',
      lowerKept: 0.0683,
      lowerKeptLow: 0.0658,
      lowerKeptHigh: 0.0716,
      settled: true,
      upperKept: 0.1188,
      delta: 0.0505,
      deltaLow: 0.0472,
      deltaHigh: 0.053,
    },
    actual: {
      loss: { pruned: 0.8791, lastPass: 0.8791, capped: false },
      accuracy: { pruned: 0.7312, lastPass: 0.7312, capped: false, tolerance: 0.005 },
      noSignificantFall: { pruned: 0.6504, lastPass: 0.6504, capped: false, confidence: 0.95 },
      strictAccuracy: { pruned: 0.4012, lastPass: 0.4012, capped: false },
    },
    comparison: [
      {
        theory: 'slice',
        actual: 'loss',
        kind: 'prediction',
        theoryPruned: 0.8812,
        actualPruned: 0.8791,
        differencePoints: 0.21,
        differenceLowPoints: null,
        differenceHighPoints: null,
        settled: true,
      },
      {
        theory: 'gaussianWidth',
        actual: 'accuracy',
        kind: 'estimate',
        theoryPruned: 0.9317,
        actualPruned: 0.7312,
        differencePoints: 20.05,
        differenceLowPoints: 19.72,
        differenceHighPoints: 20.3,
        settled: true,
      },
    ],
    curve: [
      {
        pruned: 0.5,
        kept: 0.5,
        source: 'asked',
        radius: 0.412,
        predictedLossIncrease: 0.00012,
        lossIncrease: 0.00013,
        loss: 0.19874,
        accuracy: 0.9393,
        insideSublevelSet: true,
      },
      {
        pruned: 0.8791,
        kept: 0.1209,
        source: 'searched',
        radius: 4.02,
        predictedLossIncrease: null,
        lossIncrease: 0.0611,
        loss: 0.25971,
        accuracy: null,
        insideSublevelSet: true,
      },
      {
        pruned: 0.99,
        kept: 0.01,
        source: 'asked',
        radius: 12.3456,
        predictedLossIncrease: 4.2,
        lossIncrease: null,
        loss: null,
        accuracy: null,
        insideSublevelSet: false,
      },
    ],
    layers: {
      products: 2,
      sensitivity: {
        pruned: 0.8812,
        predictedIncrease: 0.0614,
        strongestPair: {
          first: 'dense_1/kernel',
          second: 'dense_2/kernel',
          increase: -0.0041,
          share: -0.0668,
        },
      },
      weights: [
        {
          name: 'dense_1/kernel',
          shape: [784, 40],
          size: 31360,
          norm: 17.42,
          kept: {
            slice: 0.1013,
            gaussianWidth: 0.0541,
            gaussianWidthLow: 0.0519,
            gaussianWidthHigh: 0.0571,
            sharp: 0.0212,
            sharpLow: 0.0201,
            sharpHigh: 0.0229,
            connected: 0.0063,
            loss: 0.1031,
          },
          sensitivity: { increaseAlone: 0.0654, increaseWithinWhole: 0.0634, share: 1.0326 },
        },
        {
          name: 'dense_2/kernel',
          shape: [40, 25],
          size: 1000,
          norm: 8.913,
          kept: {
            slice: 0.667,
            gaussianWidth: 0.514,
            gaussianWidthLow: 0.502,
            gaussianWidthHigh: 0.527,
            sharp: 0.429,
            sharpLow: 0.417,
            sharpHigh: 0.444,
            connected: 0.22,
            loss: 0.679,
          },
          sensitivity: { increaseAlone: 0.0001, increaseWithinWhole: -0.002, share: -0.0326 },
        },
      ],
    },
    selfCheck: { relativeError: 1.2e-5, tolerance: 0.01, resolution: 1e-4, trainedResolution: 1e-4 },
    options,
    warnings: ['epsilon comes from 16 batches; its standard deviation is about 17 %'],
    timing: { total: 12.5 },
  };
}

/** Limits that the budget of steps did not settle, and labels that are no classes. */
export function unresolvedReport(): Report {
  const report = sampleReport();
  const settled = { gaussianWidth: false, sharp: false };
  return {
    ...report,
    accuracy: null,
    data: { ...report.data, test: null },
    spectrum: { ...report.spectrum, settled },
    limits: {
      ...report.limits,
      gaussianWidth: {
        pruned: 0.92,
        low: 0.88,
        high: 0.96,
        settled: false,
        missing: 'steps',
        capped: false,
        uncapped: null,
      },
      sharp: {
        pruned: 0.95,
        low: 0.9,
        high: 0.9871,
        settled: false,
        missing: 'probes',
        capped: false,
        uncapped: null,
      },
    },
    theory: {
      ...report.theory,
      settled,
      transition: { ...report.theory.transition, low: 0.8671, settled: false },
    },
    bounds: {
      source: 'gaussian-width',
      lowerKept: 0.08,
      lowerKeptLow: 0.04,
      lowerKeptHigh: 0.12,
      settled: false,
      upperKept: 0.1188,
      delta: 0.0388,
      deltaLow: -0.0012,
      deltaHigh: 0.0788,
    },
    layers: report.layers && {
      products: 0,
      sensitivity: null,
      weights: report.layers.weights.map(({ kept, ...weight }) => ({
        ...weight,
        kept: {
          ...kept,
          gaussianWidth: null,
          gaussianWidthLow: null,
          gaussianWidthHigh: null,
          sharp: null,
          sharpLow: null,
          sharpHigh: null,
        },
        sensitivity: null,
      })),
    },
    actual: {
      loss: { pruned: 0.8791, lastPass: 0.8791, capped: false },
      accuracy: null,
      noSignificantFall: null,
      strictAccuracy: null,
    },
    comparison: [
      report.comparison[0]!,
      {
        theory: 'gaussianWidth',
        actual: 'loss',
        kind: 'estimate',
        theoryPruned: 0.92,
        actualPruned: 0.8791,
        differencePoints: 4.09,
        differenceLowPoints: 0.09,
        differenceHighPoints: 8.09,
        settled: false,
      },
    ],
    warnings: [],
  };
}

/** The sample with tuned limits, one of which the second seed did not confirm. */
export function reportWithTuned(): Report {
  const report = sampleReport();
  const attempt = (
    pruned: number,
    seed: number,
    start: number,
    epochs: number,
    found: [number | null, number],
  ) => ({
    ...{ pruned, seed, start, epochs, lossIncrease: found[0], accuracy: found[1] },
  });
  return {
    ...report,
    tuned: {
      ...{ epochs: 0.5, examples: 60_000, seed: 0, seconds: 12.5 },
      loss: { pruned: 0.965, low: 0.965, high: 0.97, epochs: 1, capped: false },
      accuracy: { pruned: 0.95, low: 0.91, high: 0.999, epochs: 0.5, capped: false, tolerance: 0.005 },
      compensated: {
        pruned: 0.89,
        capped: false,
        tries: [
          { pruned: 0.9, lossIncrease: null },
          { pruned: 0.89, lossIncrease: 0.06 },
        ],
      },
      tries: [
        attempt(0.95, 0, 0, 0.5, [-0.01, 0.941]),
        attempt(0.98, 0, 0.95, 1, [null, 0.1]),
        attempt(0.965, 0, 0.95, 1, [0.05, 0.921]),
        attempt(0.97, 0, 0.965, 1.5, [0.0801, 0.914]),
        attempt(0.965, 1, 0.95, 1, [0.0612, 0.92]),
        attempt(0.97, 1, 0.965, 1.5, [0.075, 0.913]),
      ],
    },
  };
}
