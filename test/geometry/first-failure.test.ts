import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Condition,
  type SearchedLimit,
  searchedLimit,
  searchFirstFailures,
} from '../../src/geometry/first-failure.js';

type Curve = (prunedFraction: number) => number;

/** Holds where the curve is not below 0; between tried fractions it may leave their range by `spread`. */
function nonNegative(spread: number, hopeless = Number.NEGATIVE_INFINITY): Condition<number> {
  return { margin: (value) => value, spread: () => spread, hopeless: (value) => !(value >= hopeless) };
}

async function search(curve: Curve, condition: Condition<number>, maximumFraction = 1) {
  const asked: number[] = [];
  const { tried, limits } = await searchFirstFailures(
    async (p) => {
      asked.push(p);
      return curve(p);
    },
    [condition],
    { maximumFraction },
  );
  expect(tried.map(({ fraction }) => fraction)).toEqual([...new Set(asked)].sort((a, b) => a - b));
  expect(asked.length).toBe(tried.length);
  return { limit: limits[0], tried: tried.map(({ fraction }) => fraction) };
}

/** By every fraction of a grid of 1 %, and of 0.1 % in the cell of the first failure and in the one above the last pass. */
function exhaustive(curve: Curve): SearchedLimit {
  const holds = (step: number): boolean => curve(step / 1000) >= 0;
  const coarse = Array.from({ length: 101 }, (_, i) => 10 * i);
  const failure = coarse.find((step) => !holds(step));
  const last = coarse.findLast(holds);
  const cell = (first: number): number[] => Array.from({ length: 11 }, (_, i) => first + i);
  const steps = new Set([
    ...coarse,
    ...(failure === undefined || failure === 0 ? [] : cell(failure - 10)),
    ...(last === undefined || last === 1000 ? [] : cell(last)),
  ]);
  const tried = [...steps].sort((a, b) => a - b).map((step) => step / 1000);
  return searchedLimit(
    tried.map((fraction) => ({ fraction, measure: curve(fraction) })),
    nonNegative(0),
    { maximumFraction: 1 },
  );
}

describe('searchFirstFailures', () => {
  it('finds any threshold of a monotone curve to 0.1 %, in few evaluations', async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0, max: 0.999, noNaN: true }), async (threshold) => {
        const { limit, tried } = await search((p) => threshold - p, nonNegative(0));
        const step = Array.from({ length: 1000 }, (_, k) => k).findLast((k) => k / 1000 <= threshold)!;
        expect(limit).toEqual({
          prunedFraction: step / 1000,
          lastPassFraction: step / 1000,
          firstFailureFraction: (step + 1) / 1000,
          capped: false,
        });
        expect(tried.length).toBeLessThanOrEqual(11 + 4 + 4);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it('is the exhaustive answer for any curve, where nothing is ever clear', async () => {
    // Sums of waves, some shorter than a cell of the grid.
    const wave = fc.record({
      size: fc.double({ min: 0.1, max: 1, noNaN: true }),
      frequency: fc.double({ min: 1, max: 900, noNaN: true }),
      phase: fc.double({ min: 0, max: 6, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(wave, { minLength: 1, maxLength: 4 }),
        fc.double({ min: -1, max: 3, noNaN: true }),
        async (waves, offset) => {
          const curve: Curve = (p) =>
            waves.reduce(
              (sum, { size, frequency, phase }) => sum + size * Math.sin(frequency * p + phase),
              offset - 3 * p,
            );
          const { limit, tried } = await search(curve, nonNegative(Number.POSITIVE_INFINITY));
          const expected = exhaustive(curve);
          expect(limit).toEqual(expected);
          expect(tried.length).toBeLessThanOrEqual(101 + 2 * 18);
        },
      ),
      { numRuns: 100, seed: 2 },
    );
  });

  it('sees a failure as narrow as 1 % where margins are not clear, and not where they are', async () => {
    const narrow: Curve = (p) => (Math.abs(p - 0.34) < 0.004 ? -1 : 0.9 - p);
    const careful = await search(narrow, nonNegative(1));
    expect(careful.limit).toEqual({
      prunedFraction: 0.336,
      lastPassFraction: 0.9,
      firstFailureFraction: 0.337,
      capped: false,
    });
    const sure = await search(narrow, nonNegative(0.01));
    expect(sure.limit).toMatchObject({ prunedFraction: 0.9, firstFailureFraction: 0.901 });
    expect(sure.tried.length).toBeLessThan(careful.tried.length / 2);
  });

  it('tells the last pass from the first failure', async () => {
    const { limit } = await search((p) => (p < 0.2 || (p > 0.5 && p < 0.6295) ? 1 : -1), nonNegative(0));
    expect(limit).toEqual({
      prunedFraction: 0.199,
      lastPassFraction: 0.629,
      firstFailureFraction: 0.2,
      capped: false,
    });
  });

  it('stops at a cap, which itself is tried, and beyond which nothing is', async () => {
    for (const cap of [1, 0.7303, 0.3, 1e-5, 0]) {
      const { limit, tried } = await search(() => 1, nonNegative(0), cap);
      expect(limit).toEqual({
        prunedFraction: cap,
        lastPassFraction: cap,
        firstFailureFraction: null,
        capped: true,
      });
      expect(tried.at(-1)).toBe(cap);
      expect(tried.length).toBe(Math.ceil(cap / 0.1 - 1e-9) + 1);
    }
    const below = await search((p) => 0.7301 - p, nonNegative(0), 0.7303);
    expect(below.limit).toEqual({
      prunedFraction: 0.73,
      lastPassFraction: 0.73,
      firstFailureFraction: 0.7303,
      capped: false,
    });
    expect(Math.max(...below.tried)).toBe(0.7303);
  });

  it('is 0 where nothing passes, and where 0 itself fails', async () => {
    const none = { prunedFraction: 0, lastPassFraction: 0, firstFailureFraction: 0, capped: false };
    expect((await search(() => -1, nonNegative(0))).limit).toEqual(none);
    expect((await search(() => Number.NaN, nonNegative(0))).limit).toEqual(none);
    const { limit } = await search((p) => (p === 0 ? -1 : 0.5 - p), nonNegative(0));
    expect(limit).toEqual({ ...none, lastPassFraction: 0.5 });
    expect((await search((p) => -p, nonNegative(0))).limit).toMatchObject({
      prunedFraction: 0,
      firstFailureFraction: 0.001,
    });
  });

  it('takes what is not a number for a failure, with any spread', async () => {
    for (const spread of [0, 0.1, Number.POSITIVE_INFINITY]) {
      const { limit } = await search((p) => (p > 0.4235 ? Number.NaN : 1), nonNegative(spread));
      expect(limit).toMatchObject({ prunedFraction: 0.423, lastPassFraction: 0.423 });
    }
  });

  it('gives up after two hopeless coarse fractions', async () => {
    const { limit, tried } = await search((p) => 0.25 - p, nonNegative(0, -0.1));
    expect(limit.prunedFraction).toBe(0.25);
    expect(Math.max(...tried)).toBe(0.5);
    expect(Math.max(...(await search((p) => 0.25 - p, nonNegative(0))).tried)).toBe(1);
  });

  it('lets conditions see what was tried for others', async () => {
    const dip: Curve = (p) => (Math.abs(p - 0.337) < 5e-4 ? -1 : 0.9 - p);
    const shifted = (by: number): Condition<number> => ({
      margin: (value) => value + by,
      spread: () => 0,
      hopeless: () => false,
    });
    const conditions = [shifted(0), shifted(-0.5632)];
    const { tried, limits } = await searchFirstFailures(async (p) => dip(p), conditions, {
      maximumFraction: 1,
    });
    for (const [index, condition] of conditions.entries()) {
      expect(limits[index]).toEqual(searchedLimit(tried, condition, { maximumFraction: 1 }));
    }
    // The second crosses at 0.3368: only its refinement meets the dip of the first.
    expect(tried.map(({ fraction }) => fraction)).toContain(0.337);
    expect(limits[0]).toMatchObject({ prunedFraction: 0.336, lastPassFraction: 0.9 });
  });

  it('counts what was tried', async () => {
    const counts: number[] = [];
    const { tried } = await searchFirstFailures(
      async (p) => 0.5 - p,
      [nonNegative(0)],
      { maximumFraction: 1 },
      (count) => counts.push(count),
    );
    expect(counts).toEqual(tried.map((_, index) => index + 1));
  });
});
