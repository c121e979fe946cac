import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LinearOperator } from '../../src/curvature/linear-operator.js';
import { gaussianWidthLimit } from '../../src/geometry/gaussian-width.js';
import { estimateSpectrum, type SpectrumOptions } from '../../src/spectrum/slq.js';
import { type SpectralMeasure, spectralAverage } from '../../src/spectrum/spectral-measure.js';
import { absoluteMeasure, measureFromEigenvalues } from '../support/spectral-measures.js';
import { diagonalOperator, rotatedOperator, syntheticProblem } from './operators.js';

const resolvent =
  (mu: number) =>
  (measure: SpectralMeasure): number =>
    spectralAverage(absoluteMeasure(measure), (x) => 1 / (1 + mu * x));

/** Smooth over its spectrum, so that 30 steps leave nothing but the randomness of probes. */
const smooth = Float64Array.from({ length: 256 }, (_, i) => 1 + Math.cos(i));
const smoothTruth = resolvent(2)(measureFromEigenvalues(smooth));

/** One of which every step count shows something else. */
const rough = syntheticProblem(400, 4096);
const roughLimit = (measure: SpectralMeasure): number =>
  gaussianWidthLimit(measure, rough.radiusSquared, rough.epsilon);

/** Estimates one functional, `value`. */
async function estimate(
  operator: LinearOperator,
  functional: (measure: SpectralMeasure) => number,
  options: Partial<SpectrumOptions<'value'>>,
) {
  const spectrum = await estimateSpectrum(operator, {
    seed: 1,
    tolerance: 0.01,
    minimumSteps: 30,
    maximumSteps: 100,
    ...options,
    functionals: { value: functional },
    decisive: 'value',
  });
  return { ...spectrum, value: spectrum.estimates.value };
}

/** An operator that counts its products with vectors of unit norm: a few others measure rounding. */
function counting(operator: LinearOperator): { operator: LinearOperator; products: () => number } {
  let products = 0;
  return {
    operator: {
      ...operator,
      apply: (vector) => {
        products += Math.abs(Math.hypot(...vector) - 1) < 1e-3 ? 1 : 0;
        return operator.apply(vector);
      },
    },
    products: () => products,
  };
}

describe('where probes are what is missing', () => {
  it('they are added until the interval is within the tolerance, which then holds the truth', async () => {
    const { operator, products } = counting(rotatedOperator(smooth, 1));
    const result = await estimate(operator, resolvent(2), { tolerance: 0.02, maximumProducts: 2000 });
    expect(result.value).toMatchObject({ settled: true, missing: null });
    expect(result.value.halfWidth).toBeLessThanOrEqual(0.02);
    expect(Math.abs(result.value.value - smoothTruth)).toBeLessThan(result.value.halfWidth);
    expect(result.probes).toBeGreaterThan(2);
    expect(result.runs.every(({ alpha }) => alpha.length === result.steps)).toBe(true);
    expect(result.products).toBe(result.probes * result.steps);
    expect(products()).toBe(result.products);
    // About as many as it takes: the interval falls with the square root of their number.
    const two = await estimate(rotatedOperator(smooth, 1), resolvent(2), {
      addProbes: false,
      maximumSteps: 40,
    });
    const needed = 2 * (two.value.probeHalfWidth / 0.02) ** 2;
    expect(result.probes).toBeGreaterThan(needed);
    expect(result.probes).toBeLessThan(3 * needed);
  });

  it('and may not be added, the estimate says so and spends its steps', async () => {
    const result = await estimate(rotatedOperator(smooth, 1), resolvent(2), {
      ...{ tolerance: 0.004, addProbes: false, maximumSteps: 60 },
    });
    expect(result).toMatchObject({ probes: 2, steps: 60, products: 120 });
    expect(result.value).toMatchObject({ settled: false, missing: 'probes' });
    expect(result.value.probeHalfWidth).toBeGreaterThan(10 * result.value.quadratureHalfWidth);
  });

  it('and the budget is too small for them, the estimate says so', async () => {
    const result = await estimate(rotatedOperator(smooth, 1), resolvent(2), {
      ...{ tolerance: 0.004, maximumProducts: 100 },
    });
    // They would not suffice: steps find more of the spectrum.
    expect(result).toMatchObject({ probes: 2, steps: 50, products: 100 });
    expect(result.value).toMatchObject({ settled: false, missing: 'probes' });
  });

  it('one that is added later is the one that would have been there from the beginning', async () => {
    const options = { tolerance: 0.02, maximumProducts: 1000 };
    const late = await estimate(rotatedOperator(smooth, 1), resolvent(2), options);
    expect(late.probes).toBeGreaterThan(3);
    const { probes } = late;
    const early = await estimate(rotatedOperator(smooth, 1), resolvent(2), { ...options, probes });
    expect(early.runs).toEqual(late.runs);
    expect(early.value).toEqual(late.value);
  });

  it('they are added to runs that have found all that their start vectors see', async () => {
    // Two eigenvalues of 128 dimensions each: a run is over after two steps, its weights are random.
    const twoValued = Float64Array.from({ length: 256 }, (_, i) => (i % 2 === 0 ? 0 : 1));
    const result = await estimate(rotatedOperator(twoValued, 1), resolvent(1), {
      ...{ tolerance: 0.01, maximumProducts: 600 },
    });
    expect(result).toMatchObject({ exhausted: true, steps: 2 });
    expect(result.probes).toBeGreaterThan(5);
    expect(result.value.settled).toBe(true);
    expect(Math.abs(result.value.value - 0.75)).toBeLessThan(0.01);
  });
});

describe('where steps are what is missing', () => {
  it('because they come to an end soon, none but the first probes are taken: then all is known', async () => {
    const few = smooth.subarray(0, 64);
    const result = await estimate(rotatedOperator(few, 1), resolvent(2), { tolerance: 1e-9 });
    expect(result).toMatchObject({ probes: 2, exhausted: true });
    expect(result.products).toBeLessThanOrEqual(128);
    expect(result.value).toMatchObject({ settled: true, missing: null, probeHalfWidth: 0 });
    expect(result.value.value).toBeCloseTo(resolvent(2)(measureFromEigenvalues(few)), 9);
    // Unless a few more probes are the cheaper cure.
    const many = await estimate(rotatedOperator(smooth, 1), resolvent(2), {
      ...{ tolerance: 0.02, maximumSteps: 300, maximumProducts: 2000 },
    });
    expect(many.probes).toBeGreaterThan(2);
    expect(many.products).toBeLessThan(2 * smooth.length);
    expect(many).toMatchObject({ exhausted: false, value: { settled: true } });
  });

  it('no probe is added, and the estimate says so', async () => {
    const result = await estimate(rotatedOperator(rough.eigenvalues, 1), roughLimit, {
      ...{ tolerance: 0.002, maximumSteps: 40, maximumProducts: 1000 },
    });
    expect(result).toMatchObject({ probes: 2, steps: 40, products: 80 });
    expect(result.value).toMatchObject({ settled: false, missing: 'steps' });
    expect(result.value.quadratureHalfWidth).toBeGreaterThan(result.value.probeHalfWidth);
  });

  it('they are added', async () => {
    const result = await estimate(rotatedOperator(rough.eigenvalues, 1), roughLimit, {
      ...{ tolerance: 0.01, maximumSteps: 300 },
    });
    expect(result.value).toMatchObject({ settled: true, missing: null });
    expect(result.steps).toBeGreaterThan(40);
    const truth = roughLimit(measureFromEigenvalues(rough.eigenvalues));
    expect(Math.abs(result.value.value - truth)).toBeLessThan(0.01);
  });
});

describe('the budget of products', () => {
  it('is never exceeded, and what was spent is what is said', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 4, max: 250 }),
        fc.integer({ min: 1, max: 60 }),
        fc.constantFrom(0, 0.003, 0.02, 0.1),
        async (probes, maximumProducts, maximumSteps, tolerance) => {
          const { operator, products } = counting(rotatedOperator(smooth.subarray(0, 64), 1));
          const seen: number[] = [];
          const result = await estimate(operator, resolvent(2), {
            ...{ probes, maximumProducts, maximumSteps, tolerance, minimumSteps: 8, checkEvery: 4 },
            onProducts: (done, budget) => {
              seen.push(done);
              expect(budget).toBe(maximumProducts);
            },
          });
          expect(result.products).toBeLessThanOrEqual(maximumProducts);
          expect(result.products).toBe(products());
          expect(result.steps).toBeLessThanOrEqual(maximumSteps);
          expect(result.value.settled).toBe(result.value.missing === null);
          expect(!result.value.settled || result.value.halfWidth <= tolerance).toBe(true);
          expect(seen).toEqual([...seen].sort((a, b) => a - b));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is the steps of the first probes unless it is given', async () => {
    const result = await estimate(rotatedOperator(smooth, 1), resolvent(2), {
      ...{ tolerance: 1e-6, probes: 3, maximumSteps: 40 },
    });
    expect(result.products).toBeLessThanOrEqual(120);
    expect(result.value.missing).toBe('probes');
  });
});

describe('what settles', () => {
  const positive = { ...rotatedOperator(smooth, 1), positiveSemidefinite: true };

  it.each([
    ['two steps', 2],
    ['one step', 1],
    ['fewer steps than the first check takes', 29],
  ])('%s never do, whatever the tolerance', async (_, maximumSteps) => {
    for (const operator of [rotatedOperator(smooth, 1), positive]) {
      const { value } = await estimate(operator, resolvent(2), { tolerance: 1e9, maximumSteps });
      expect(value.settled).toBe(false);
      expect(value.missing).not.toBeNull();
    }
  });

  it('two do where they are all there are', async () => {
    const { value } = await estimate(diagonalOperator([1, 2]), resolvent(2), { tolerance: 1e-9 });
    expect(value).toMatchObject({ steps: 2, settled: true, value: expect.closeTo((1 / 3 + 1 / 5) / 2, 12) });
  });

  it('two checks in a row, one where the interval is a theorem', async () => {
    const tolerance = 0.1;
    expect((await estimate(rotatedOperator(smooth, 1), resolvent(2), { tolerance })).steps).toBe(40);
    expect((await estimate(positive, resolvent(2), { tolerance })).steps).toBe(30);
    const once = await estimate(rotatedOperator(smooth, 1), resolvent(2), { tolerance, maximumSteps: 30 });
    expect(once.value.settled).toBe(false);
  });

  it.each([
    [30, false], // the first check, and the last
    [31, false],
    [34, false],
    [35, true],
    [39, true],
    [40, true],
    [300, true],
  ])(
    'the last of %i steps is a check of its own where it is half a way to the next',
    async (maximumSteps, settled) => {
      const options = { tolerance: 0.1, maximumSteps };
      const { value, steps } = await estimate(rotatedOperator(smooth, 1), resolvent(2), options);
      expect(steps).toBe(Math.min(maximumSteps, 40));
      expect(value.halfWidth).toBeLessThanOrEqual(0.1);
      expect(value.probeHalfWidth).toBeGreaterThan(value.quadratureHalfWidth);
      // No probe is missing where the interval is narrow enough: another check is.
      expect(value).toMatchObject({ settled, missing: settled ? null : 'confirmation' });
    },
  );

  it('not the last steps, where the check before was not within the tolerance', async () => {
    const limits = { addProbes: false, maximumSteps: 36 };
    const operator = rotatedOperator(rough.eigenvalues, 1);
    const [at30, at36] = await Promise.all(
      [30, 36].map(async (maximumSteps) => {
        const { value } = await estimate(operator, roughLimit, { ...limits, maximumSteps, tolerance: 0 });
        return value.halfWidth;
      }),
    );
    expect(at36).toBeLessThan(at30);
    const tolerance = (at30 + at36) / 2;
    const { value } = await estimate(operator, roughLimit, { ...limits, tolerance });
    expect(value.halfWidth).toBe(at36);
    expect(value).toMatchObject({ settled: false, missing: 'confirmation' });
  });

  it('is said of each functional, and the decisive one ends it', async () => {
    const functionals = { easy: resolvent(2), hard: resolvent(1e5) };
    const run = (decisive: 'easy' | 'hard') =>
      estimateSpectrum(rotatedOperator(rough.eigenvalues, 1), {
        ...{ seed: 1, functionals, decisive, tolerance: 0.02, minimumSteps: 30, maximumSteps: 60 },
      });
    const byEasy = await run('easy');
    expect(byEasy.steps).toBe(40);
    expect(byEasy.estimates).toMatchObject({ easy: { settled: true }, hard: { settled: false } });
    const byHard = await run('hard');
    expect(byHard.steps).toBe(60);
    expect(byHard.estimates).toMatchObject({
      easy: { settled: true, missing: null },
      hard: { settled: false },
    });
  });

  it('is the same in every run', async () => {
    const run = () =>
      estimate(rotatedOperator(smooth, 1), resolvent(2), { tolerance: 0.02, maximumProducts: 900 });
    const first = await run();
    expect(first.probes).toBeGreaterThan(2);
    expect(JSON.stringify(await run())).toBe(JSON.stringify(first));
  });
});
