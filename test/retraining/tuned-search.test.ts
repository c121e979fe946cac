import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prunedCount } from '../../src/pruning/magnitude.js';
import {
  searchTunedLimits,
  type TunedRule,
  type TunedSearch,
  tunedGrid,
} from '../../src/retraining/tuned-search.js';

const dimension = 1000;
const grid = tunedGrid(dimension);
const lossRule: TunedRule = { passes: ({ lossIncrease }) => lossIncrease <= 0, passingFraction: 0 };

/** A search in which a network is the fraction and the seed that it was trained with. */
type Network = { fraction: number; seed: number };

function search(
  increase: (fraction: number, seed: number, start: number) => number,
  changes: Partial<TunedSearch<Network>> = {},
) {
  return searchTunedLimits<Network>({
    rules: [lossRule],
    grid,
    seeds: [7, 8],
    mostTries: 100,
    retrain: async (fraction, seed, start) => ({
      network: { fraction, seed },
      lossIncrease: increase(fraction, seed, start?.fraction ?? 0),
      accuracy: null,
    }),
    ...changes,
  });
}

describe('the grid of pruned fractions', () => {
  it.each([1, 2, 3, 50, 152, 32_360])('of %i weights removes each number of weights once at most', (size) => {
    const counts = tunedGrid(size).map((fraction) => prunedCount(fraction, size));
    expect(counts).toEqual([...new Set(counts)].sort((a, b) => a - b));
    expect(counts.at(-1) ?? 0).toBe(size - 1);
    expect(counts[0] ?? 1).toBeGreaterThan(0);
  });

  it('goes by whole percents to 88 %, then by eighths of a halving of what is kept', () => {
    const large = tunedGrid(1_000_000);
    expect(large.slice(0, 3)).toEqual([0.01, 0.02, 0.03]);
    expect(large[87]).toBe(0.88);
    // 0.12 x 2^(-1/8), 0.12 x 2^(-2/8), .. 0.06
    expect(1 - large[88]).toBeCloseTo(0.11004, 5);
    expect(1 - large[95]).toBeCloseTo(0.06, 9);
    const kept = large.map((fraction) => 1e6 - prunedCount(fraction, 1e6));
    for (let i = 1; i < kept.length; i++) {
      expect(kept[i]).toBeGreaterThanOrEqual(kept[i - 1] * 2 ** (-1 / 8) - 1);
    }
  });
});

describe('the search of tuned limits', () => {
  it('finds what trying the whole grid finds, where what passes hangs on the fraction alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0, max: 1, noNaN: true }), async (threshold) => {
        const { limits, tries } = await search((fraction) => fraction - threshold);
        const passing = grid.filter((fraction) => fraction <= threshold);
        const failing = grid.filter((fraction) => fraction > threshold);
        expect(limits).toEqual([
          {
            prunedFraction: passing.at(-1) ?? 0,
            low: passing.at(-1) ?? 0,
            high: failing[0] ?? grid.at(-1),
            capped: failing.length === 0,
            trainings: expect.any(Number),
          },
        ]);
        // Five steps to a failure, bisection of the last, one failure again at most, and the second seed on both sides.
        expect(tries.length).toBeLessThanOrEqual(5 + 6 + 1 + 2);
      }),
    );
  });

  it('spans what two seeds differ by, with ends that were tried with both', async () => {
    const thresholds = fc.tuple(fc.integer({ min: 0, max: 99 }), fc.integer({ min: 0, max: 99 }));
    await fc.assert(
      fc.asyncProperty(thresholds, async ([first, second]) => {
        const threshold = (seed: number) => (seed === 7 ? first : second) / 100;
        const { limits, tries } = await search((fraction, seed) => fraction - threshold(seed));
        const [{ prunedFraction, low, high }] = limits;
        expect(prunedFraction).toBe(grid.findLast((fraction) => fraction <= first / 100) ?? 0);
        const smaller = Math.min(first, second) / 100;
        expect(low).toBeLessThanOrEqual(smaller);
        expect(low === 0 || grid.includes(low)).toBe(true);
        expect(high === grid.at(-1) || high > Math.max(first, second) / 100).toBe(true);
        const seedsAt = (at: number) =>
          new Set(tries.filter((each) => each.prunedFraction === at).map(({ seed }) => seed)).size;
        expect(low === 0 || seedsAt(low) === 2).toBe(true);
        expect(high === grid.at(-1) || seedsAt(high) === 2).toBe(true);
        // No pair between the ends and the crossing says otherwise.
        const both = (at: number, pass: boolean) =>
          [7, 8].every((seed) =>
            tries.some(
              (each) => each.prunedFraction === at && each.seed === seed && at <= threshold(seed) === pass,
            ),
          );
        expect(grid.some((at) => at > low && at <= prunedFraction && both(at, true))).toBe(false);
        expect(grid.some((at) => at < high && at > prunedFraction && both(at, false))).toBe(false);
      }),
    );
  });

  it('begins at the network of the largest smaller fraction that the first seed passed', async () => {
    const begun: [number, number][] = [];
    const { tries } = await search((fraction) => fraction - 0.777, {
      retrain: async (fraction, seed, start) => {
        begun.push([fraction, start?.fraction ?? 0]);
        expect(start?.seed ?? 7).toBe(7);
        return { network: { fraction, seed }, lossIncrease: fraction - 0.777, accuracy: null };
      },
    });
    expect(begun).toEqual(tries.map(({ prunedFraction, startFraction }) => [prunedFraction, startFraction]));
    const passed = [0];
    for (const { prunedFraction, seed, startFraction, trainings, lossIncrease } of tries) {
      expect(startFraction).toBe(Math.max(...passed.filter((fraction) => fraction < prunedFraction)));
      const behind = tries.find((each) => each.prunedFraction === startFraction && each.seed === 7);
      expect(trainings).toBe(1 + (behind?.trainings ?? 0));
      if (seed === 7 && lossIncrease <= 0) {
        passed.push(prunedFraction);
      }
    }
    expect(passed.length).toBeGreaterThan(3);
  });

  it('tries a failure again from a better start, so that early failures of bisection do not stay', async () => {
    // One training takes the network five points further, up to 90 %, whatever the seed.
    const reach = (fraction: number, _: number, start: number) => fraction - Math.min(0.9, start + 0.05);
    const { limits, tries } = await search(reach);
    expect(limits[0]).toMatchObject({ prunedFraction: grid.findLast((at) => at <= 0.9), capped: false });
    const again = tries.filter(({ seed }) => seed === 7).map(({ prunedFraction }) => prunedFraction);
    expect(new Set(again).size).toBeLessThan(again.length);
  });

  it('takes the first failure where a seed passes again beyond', async () => {
    const islands = (fraction: number) => (fraction <= 0.3 || (fraction > 0.4 && fraction < 0.5) ? -1 : 1);
    const [{ prunedFraction, high }] = (await search(islands)).limits;
    expect([0.3, grid.findLast((at) => at < 0.5)]).toContain(prunedFraction);
    expect(high).toBeGreaterThan(prunedFraction);
  });

  it('begins above what passes without retraining, which is the least it answers', async () => {
    const rules = [{ ...lossRule, passingFraction: 0.805 }];
    const failing = await search(() => 1, { rules });
    expect(failing.limits).toEqual([
      { prunedFraction: 0.805, low: 0.805, high: grid.find((at) => at > 0.805), capped: false, trainings: 0 },
    ]);
    expect(Math.min(...failing.tries.map(({ prunedFraction }) => prunedFraction))).toBeGreaterThan(0.805);
    const passing = await search(() => -1, { rules });
    const end = grid.at(-1);
    expect(passing.limits).toEqual([
      { prunedFraction: end, low: end, high: end, capped: true, trainings: passing.tries.length - 1 },
    ]);
  });

  it('takes what is not a number for a failure', async () => {
    const { limits } = await search((fraction) => (fraction <= 0.5 ? -1 : Number.NaN));
    expect(limits[0]).toMatchObject({ prunedFraction: 0.5, low: 0.5 });
  });

  it('shares what was tried between rules, and starts pass the first', async () => {
    const accuracyRule: TunedRule = {
      passes: ({ accuracy }) => accuracy !== null && accuracy >= 0.9,
      passingFraction: 0.1,
    };
    const { limits, tries } = await search(() => 0, {
      rules: [lossRule, accuracyRule],
      retrain: async (fraction, seed) => ({
        network: { fraction, seed },
        lossIncrease: fraction - 0.5,
        accuracy: fraction <= 0.7 ? 0.95 : 0.1,
      }),
    });
    expect(limits.map(({ prunedFraction }) => prunedFraction)).toEqual([0.5, 0.7]);
    expect(Math.max(...tries.map(({ startFraction }) => startFraction))).toBe(0.5);
    const keys = tries.map(({ prunedFraction, seed, startFraction }) =>
      [prunedFraction, seed, startFraction].join(),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('stops at the tries it may take, with an interval that holds all it does not know', async () => {
    const { limits, tries } = await search((fraction) => fraction - 0.62, { mostTries: 7 });
    expect(tries.map(({ seed }) => seed)).toEqual([7, 7, 7, 8]);
    const [{ prunedFraction, low, high }] = limits;
    expect([prunedFraction, low, high]).toEqual([0.28, 0.28, grid.at(-1)]);
  });

  it('has nothing to try in a network of one weight', async () => {
    const { limits, tries } = await search(() => -1, { grid: tunedGrid(1) });
    expect(tries).toEqual([]);
    expect(limits).toEqual([{ prunedFraction: 0, low: 0, high: 0, capped: true, trainings: 0 }]);
  });
});
