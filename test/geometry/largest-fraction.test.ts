import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { largestFraction } from '../../src/geometry/largest-fraction.js';

describe('largestFraction', () => {
  it('finds any threshold to the resolution, from below', async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0, max: 1, noNaN: true }), async (threshold) => {
        const { fraction } = await largestFraction((p) => p <= threshold, { resolution: 1e-5 });
        expect(fraction).toBeLessThanOrEqual(threshold);
        expect(fraction).toBeGreaterThanOrEqual(threshold - 1e-5);
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('takes the last good interval of a condition that is not monotone, and shows what it saw', async () => {
    const holds = (p: number): boolean => p < 0.2 || (p > 0.5 && p < 0.63);
    const { fraction, evaluated } = await largestFraction(holds, { resolution: 1e-3 });
    expect(fraction).toBeGreaterThan(0.629);
    expect(fraction).toBeLessThan(0.63);
    expect(evaluated.every((tried) => tried.holds === holds(tried.fraction))).toBe(true);
  });

  it('is null where nothing qualifies, and does not take p = 0 for granted', async () => {
    expect((await largestFraction(() => false)).fraction).toBeNull();
    expect((await largestFraction(() => false)).evaluated).toHaveLength(21);
    expect((await largestFraction((p) => p === 0)).fraction).toBe(0);
  });

  it('returns the end of the grid where everything qualifies, with one evaluation', async () => {
    const all = await largestFraction(() => true, { grid: [0, 0.5, 0.98] });
    expect(all).toEqual({ fraction: 0.98, evaluated: [{ fraction: 0.98, holds: true }] });
  });

  it('accepts a grid in any order and an asynchronous condition', async () => {
    const { fraction } = await largestFraction(async (p) => p <= 0.3, {
      grid: [1, 0, 0.5],
      resolution: 0.01,
    });
    expect(fraction).toBeCloseTo(0.3, 1);
    await expect(largestFraction(() => true, { resolution: 0 })).rejects.toThrow('resolution');
  });
});
