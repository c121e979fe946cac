import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bisect } from '../../src/analysis/compensated-limit.js';

describe('bisection of a grid', () => {
  it('finds the last that passes in logarithmically many tries', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(200), fc.nat(200), async (size, passing) => {
        const grid = Array.from({ length: size }, (_, i) => i / 200);
        let tries = 0;
        const found = await bisect(grid, async (value) => {
          tries++;
          return value < passing / 200;
        });
        const passed = Math.min(size, passing);
        expect(found).toEqual({ largest: grid[passed - 1] ?? null, anyFailed: passed < size });
        expect(tries).toBeLessThanOrEqual(Math.ceil(Math.log2(size + 1)));
      }),
      { seed: 3, numRuns: 60 },
    );
  });
});
