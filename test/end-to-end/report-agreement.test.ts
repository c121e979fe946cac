import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import type { Report } from '../../src/report/schema.js';
import { analyzed, dense, runReal, trainOnImages, writeImages, writeModel, writeVectors } from './support.js';

let trained: string;

beforeAll(async () => {
  await prepareBackend('wasm');
  trained = await trainOnImages(writeImages(), '--normalize', '0.3/0.2');
});

const ESTIMATES = ['gaussianWidth', 'sharp'] as const;

/** Limits of theory lie within the connected one, and what is cut says so. */
function expectConnected({ limits, theory: { transition } }: Report): void {
  const most = limits.connected?.pruned ?? 1;
  for (const name of ESTIMATES) {
    const { low, pruned, high, capped, uncapped } = limits[name];
    // What the quadratic model alone says is said where, and only where, some of it is cut.
    expect(uncapped === null || uncapped.high > most, name).toBe(true);
    const whole = uncapped ?? { pruned, low, high };
    const cut = [whole.low, whole.pruned, whole.high].map((fraction) => Math.min(most, fraction));
    expect([low, pruned, high], name).toEqual(cut);
    expect(capped, name).toBe(whole.pruned > most);
    expect([low <= pruned, pruned <= high, high <= most], name).toEqual([true, true, true]);
    expect(!capped || pruned === most, name).toBe(true);
    expect(!capped || most < 1, name).toBe(true);
  }
  const sharp = limits.sharp.uncapped ?? limits.sharp;
  expect(transition.low).toBeCloseTo(Math.max(0, sharp.low - transition.halfWidth), 12);
  expect(transition.high).toBeCloseTo(Math.min(1, sharp.high + transition.halfWidth), 12);
  expect(limits.slice.pruned).toBeLessThanOrEqual(most);
  expect(!limits.slice.capped || limits.slice.pruned === most).toBe(true);
}

/** What is settled is said alike wherever the number, or one made of it, appears. */
function expectSettledAlike({
  spectrum,
  limits,
  theory,
  bounds,
  comparison,
  options,
  warnings,
}: Report): void {
  expect(theory.settled).toEqual(spectrum.settled);
  expect(theory.transition.settled).toBe(spectrum.settled.sharp);
  for (const name of ESTIMATES) {
    const { settled, missing, low, high, capped } = limits[name];
    // An interval that is cut to one number is known, wherever beyond it the limit is.
    expect(settled, name).toBe(spectrum.settled[name] || (capped && low === high));
    expect(missing === null, name).toBe(settled);
    if (settled) {
      expect(50 * (high - low), name).toBeLessThanOrEqual(options.tolerancePoints + 1e-9);
    }
    const unresolved = warnings.some((warning) =>
      warning.startsWith(`the ${name === 'sharp' ? 'sharp' : 'Gaussian-width'} limit is unresolved`),
    );
    expect(unresolved, name).toBe(!settled);
  }
  const limit = limits[bounds.source === 'sharp' ? 'sharp' : 'gaussianWidth'];
  expect(bounds.settled).toBe(limit.settled);
  for (const row of comparison) {
    expect(row.settled).toBe(row.theory === 'slice' ? true : limits[row.theory].settled);
  }
}

/** Numbers that are made of others are made of those that are shown. */
function expectDerived({ limits, bounds, comparison, actual, tuned, spectrum }: Report): void {
  const limit = limits[bounds.source === 'sharp' ? 'sharp' : 'gaussianWidth'];
  const { slice } = limits;
  const near = (value: number) => expect.closeTo(value, 12);
  expect(bounds).toMatchObject({
    lowerKept: near(1 - limit.pruned),
    lowerKeptLow: near(1 - limit.high),
    lowerKeptHigh: near(1 - limit.low),
    upperKept: near(1 - slice.pruned),
    delta: near(limit.pruned - slice.pruned),
    deltaLow: near(limit.low - slice.pruned),
    deltaHigh: near(limit.high - slice.pruned),
  });
  for (const row of comparison) {
    const found = {
      ...actual,
      compensated: tuned?.compensated,
      tunedLoss: tuned?.loss,
      tunedAccuracy: tuned?.accuracy,
    };
    const measured = found[row.actual]!.pruned;
    expect(row.actualPruned).toBe(measured);
    expect(row.theoryPruned).toBe(limits[row.theory].pruned);
    expect(row.differencePoints).toBeCloseTo(100 * (row.theoryPruned - measured), 9);
    if (row.theory !== 'slice') {
      expect(row.differenceLowPoints).toBeCloseTo(100 * (limits[row.theory].low - measured), 9);
      expect(row.differenceHighPoints).toBeCloseTo(100 * (limits[row.theory].high - measured), 9);
    }
  }
  expect(spectrum.products).toBe(spectrum.ritz.reduce((sum, { values }) => sum + values.length, 0));
  expect(spectrum.ritz).toHaveLength(spectrum.probes);
  expect(Math.max(...spectrum.ritz.map(({ values }) => values.length))).toBe(spectrum.steps);
}

/** The curve holds what was asked for and what was searched, and bears out the measured limits. */
function expectCurve({ curve, actual, options, epsilon, limits, accuracy }: Report): void {
  const fractions = curve.map(({ pruned }) => pruned);
  expect(fractions).toEqual([...new Set(fractions)].sort((a, b) => a - b));
  const asked = curve.filter(({ source }) => source === 'asked');
  expect(asked.map(({ pruned }) => pruned)).toEqual(options.ratios);
  expect(curve.some(({ source }) => source === 'searched')).toBe(true);
  for (const row of asked) {
    expect([row.loss, row.predictedLossIncrease].every(Number.isFinite)).toBe(true);
  }
  for (const row of curve) {
    expect(row.insideSublevelSet).toBe(row.lossIncrease === null ? null : row.lossIncrease <= epsilon.value);
  }
  const most = limits.connected?.pruned ?? 1;
  const { pruned, lastPass, capped } = actual.loss;
  expect(pruned).toBeLessThanOrEqual(lastPass);
  expect(lastPass).toBeLessThanOrEqual(most);
  const searched = curve.filter(({ source, loss }) => source === 'searched' && loss !== null);
  const inside = (from: number, to: number) =>
    searched.filter((row) => row.pruned > from && row.pruned <= to).map((row) => row.insideSublevelSet);
  expect(inside(-1, pruned)).not.toContain(false);
  expect(inside(lastPass, 1)).not.toContain(true);
  if (capped) {
    expect(pruned).toBe(most);
  } else {
    expect(inside(pruned, pruned + 0.002)).toContain(false);
  }
  if (actual.accuracy !== null) {
    const least = accuracy!.test! - actual.accuracy.tolerance - 1e-9;
    const below = searched.filter((row) => row.accuracy !== null && row.pruned <= actual.accuracy!.pruned);
    expect(below.every((row) => row.accuracy! >= least)).toBe(true);
  }
}

function expectAgreement(report: Report): void {
  expectConnected(report);
  expectSettledAlike(report);
  expectDerived(report);
  expectCurve(report);
}

const base = ['--backend', 'wasm', '--quiet', '--examples', '256', '--ratios', '0.25,0.5,0.9'];

describe('a report agrees with itself', () => {
  it.each<[string, string[], Partial<Report['spectrum']['settled']>]>([
    ['by default', [], { gaussianWidth: true }],
    ['unresolved', ['--steps', '12', '--probes', '1'], { gaussianWidth: false, sharp: false }],
    ['with a wide tolerance', ['--tolerance', '10', '--probes', '2'], { gaussianWidth: true }],
    ['of one check', ['--tolerance', '10', '--probes', '2', '--steps', '44'], { gaussianWidth: false }],
    ['of two checks', ['--tolerance', '10', '--probes', '2', '--steps', '45'], { gaussianWidth: true }],
    ['of two steps', ['--tolerance', '100', '--steps', '2'], { gaussianWidth: false, sharp: false }],
    ['bounded by the sharp limit', ['--bound', 'sharp', '--tolerance', '1'], {}],
    ['of the Gauss-Newton matrix', ['--curvature', 'ggn'], { gaussianWidth: true }],
    ['with negative eigenvalues as zero', ['--negative', 'clip', '--epsilon', '0.05'], {}],
    ['without reorthogonalisation', ['--reorthogonalization', 'none', '--steps', '40'], {}],
  ])('%s', async (_, options, settled) => {
    const report = await analyzed(trained, ...base, ...options);
    expect(report.spectrum.settled).toMatchObject(settled);
    expect(report.limits.connected).not.toBeNull();
    expectAgreement(report);
  });

  it('where the connected limit cuts', async () => {
    // All that joins input and output are weights of the smallest magnitudes.
    const tiny = (count: number) => Array.from({ length: count }, (_, i) => 1e-3 * (i + 1));
    const large = (count: number) => Array.from({ length: count }, (_, i) => 1 + Math.cos(i) / 2);
    const model = writeModel(
      [dense('first', 8, 'tanh', 5), dense('second', 4, 'tanh'), dense('out', 3, 'softmax')],
      [
        { name: 'first/kernel', shape: [5, 8], values: large(40) },
        { name: 'first/bias', shape: [8] },
        { name: 'second/kernel', shape: [8, 4], values: tiny(32) },
        { name: 'second/bias', shape: [4] },
        { name: 'out/kernel', shape: [4, 3], values: large(12) },
        { name: 'out/bias', shape: [3] },
      ],
    );
    const report = await analyzed(model, '--data', writeVectors(5, 3), ...base, '--epsilon', '1');
    expect(report.limits.connected).toEqual({ pruned: 31 / 84, exact: true });
    for (const name of [...ESTIMATES, 'slice'] as const) {
      expect(report.limits[name], name).toMatchObject({ pruned: 31 / 84, capped: true });
    }
    for (const name of ESTIMATES) {
      expect(report.limits[name].uncapped!.pruned, name).toBeGreaterThan(31 / 84);
    }
    expect(report.actual.loss).toEqual({ pruned: 31 / 84, lastPass: 31 / 84, capped: true });
    expect(report.theory.transition.high).toBeGreaterThan(31 / 84);
    expectAgreement(report);
    const { stdout } = await runReal(
      ...['analyze', model, '--data', report.data.path, ...base, '--epsilon', '1'],
    );
    expect(stdout).toMatch(/cut to connected/);
  });

  it('where no output hangs on the input, dense or pruned', async () => {
    const model = writeModel(
      [dense('first', 4, 'tanh', 5), dense('out', 3, 'softmax')],
      [
        { name: 'first/kernel', shape: [5, 4], values: new Array(20).fill(0) },
        { name: 'first/bias', shape: [4] },
        { name: 'out/kernel', shape: [4, 3] },
        { name: 'out/bias', shape: [3] },
      ],
    );
    const report = await analyzed(model, '--data', writeVectors(5, 3), ...base, '--epsilon', '0.01');
    expect(report.limits.connected).toBeNull();
    expectAgreement(report);
  });
});
