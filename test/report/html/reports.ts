/** Reports whose pictures are hard to draw. */
import type { Report } from '../../../src/report/schema.js';
import { reportWithTuned, sampleReport, unresolvedReport } from '../sample-report.js';

const hostile = `"><img src=x onerror='alert(1)'></title></style><script>alert(2)</script>&amp;\u202e\u0000`;

/** Text of others that tries to be markup, wherever a report holds some. */
export function hostileReport(): Report {
  const report = sampleReport();
  return {
    ...report,
    tool: { ...report.tool, version: hostile },
    engine: { backend: hostile, threads: 1, versions: { [hostile]: hostile } },
    model: {
      ...report.model,
      path: hostile,
      weights: hostile,
      format: hostile,
      sha256: hostile,
      notes: [hostile],
      leftOut: [{ name: hostile, weights: 1, reason: hostile }],
    },
    data: { ...report.data, path: hostile, format: hostile },
    options: { ...report.options, include: [hostile], dumpGraph: hostile },
    warnings: [hostile],
  };
}

const { limits, theory, spectrum, curve } = sampleReport();

function withSpectrum(ritz: Report['spectrum']['ritz'], leadingEigenvalues: number[]): Report {
  return { ...sampleReport(), spectrum: { ...spectrum, ritz, leadingEigenvalues } };
}

/** The sample with so many layers, of long names. */
function withLayers(count: number): Report {
  const report = sampleReport();
  const layers = report.layers!;
  const weights = Array.from({ length: count }, (_, index) => ({
    ...layers.weights[index % layers.weights.length]!,
    name: `module.encoder.layers.${index}.self_attention.query.kernel`,
  }));
  return { ...report, layers: { ...layers, weights } };
}

/** Limits close to 1 and to each other, and a loss that grows over many decades. */
function withMostPruned(kept: number): Report {
  const limit = (times: number) => ({
    pruned: 1 - 3 * times * kept,
    low: 1 - 4 * times * kept,
    high: 1 - 2 * times * kept,
  });
  return {
    ...sampleReport(),
    limits: {
      ...limits,
      sharp: { ...limits.sharp, ...limit(1) },
      gaussianWidth: { ...limits.gaussianWidth, ...limit(1.1) },
    },
    curve: [...curve, { ...curve[1]!, pruned: 1 - kept, kept, lossIncrease: 4 / kept }],
  };
}

/** Reports with little in them, or with numbers at the ends of their ranges. */
export const reports: [string, Report][] = [
  ['of a settled analysis', sampleReport()],
  ['with unresolved limits and no classes', unresolvedReport()],
  ['with text that tries to be markup', hostileReport()],
  [
    'with negative eigenvalues alone',
    withSpectrum([{ values: [-3, -2, -1], weights: [0.1, 0.2, 0.7] }], [-3]),
  ],
  ['without curvature', withSpectrum([{ values: [0], weights: [1] }], [])],
  ['without Ritz values', withSpectrum([], [])],
  ['with a probe without Ritz values', withSpectrum([{ values: [], weights: [] }], [2])],
  ['with eigenvalues of 1e30', withSpectrum([{ values: [-1e30, 1e30], weights: [0.5, 0.5] }], [1e30])],
  [
    'with eigenvalues of 1e308',
    withSpectrum([{ values: [-1.7e308, 1.7e308], weights: [0.5, 0.5] }], [1.7e308]),
  ],
  [
    'with eigenvalues of 1e-320',
    withSpectrum([{ values: [-1e-320, 1e-320], weights: [0.5, 0.5] }], [1e-320]),
  ],
  [
    'with losses at the ends of float64',
    {
      ...sampleReport(),
      epsilon: { value: 1e-320, rule: 'absolute', examples: null },
      curve: curve.map((row, index) => ({ ...row, lossIncrease: index === 0 ? -1.7e308 : 1.7e308 })),
    },
  ],
  ['without a measured curve', { ...sampleReport(), curve: [], theory: { ...theory, curve: [] } }],
  [
    'with everything pruned',
    {
      ...sampleReport(),
      limits: {
        ...limits,
        gaussianWidth: { ...limits.gaussianWidth, pruned: 1, high: 1 },
        sharp: { ...limits.sharp, pruned: 1, high: 1 },
        slice: { pruned: 1, capped: false },
        connected: null,
      },
      curve: [...curve, { ...curve[0], pruned: 1, kept: 0 }],
    },
  ],
  [
    'with no tolerance, and losses that fall',
    {
      ...sampleReport(),
      epsilon: { value: 0, rule: 'absolute', examples: null },
      curve: curve.map((row) => ({ ...row, lossIncrease: -0.01 })),
    },
  ],
  [
    'with a loss of 1e300',
    { ...sampleReport(), curve: curve.map((row) => ({ ...row, lossIncrease: 1e300 })) },
  ],
  [
    'with limits cut to the connected one',
    {
      ...sampleReport(),
      limits: {
        ...limits,
        sharp: { ...limits.sharp, capped: true, uncapped: { pruned: 0.999, low: 0.998, high: 0.9995 } },
      },
    },
  ],
  ['with tuned limits', reportWithTuned()],
  ['with one layer', withLayers(1)],
  ['with many layers', withLayers(61)],
  ['with a hundredth kept', withMostPruned(0.01)],
  ['with 10^-6 kept', withMostPruned(1e-6)],
  ['with 10^-8 kept', withMostPruned(1e-8)],
];
