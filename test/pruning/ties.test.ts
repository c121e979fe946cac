import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prunedCount, rankByMagnitude } from '../../src/pruning/magnitude.js';
import { tieAt } from '../../src/pruning/ties.js';

const tie = (weights: number[], fraction: number) => {
  const values = Float32Array.from(weights);
  return tieAt(values, rankByMagnitude(values), prunedCount(fraction, values.length));
};

describe('tieAt', () => {
  const weights = [0.5, -0.25, 0.25, 1, 0.25, 0, 0, -2];
  it.each([
    ['before the tie', 2 / 8, null],
    ['in it', 3 / 8, { magnitude: 0.25, weights: 3, pruned: 1 }],
    ['in it, signs apart', 4 / 8, { magnitude: 0.25, weights: 3, pruned: 2 }],
    ['behind it', 5 / 8, null],
    ['among zeros', 1 / 8, null],
    ['nothing pruned', 0, null],
    ['everything pruned', 1, null],
  ])('%s', (_title, fraction, expected) => {
    expect(tie(weights, fraction)).toEqual(expected);
  });

  it('is every weight where all are the same', () => {
    expect(tie([3, -3, 3, 3], 0.5)).toEqual({ magnitude: 3, weights: 4, pruned: 2 });
  });

  it('counts the weights of the magnitude that is on both sides', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, fraction) => {
          const sorted = values.map(Math.abs).sort((a, b) => a - b);
          const count = prunedCount(fraction, values.length);
          const [below, above] = [sorted[count - 1], sorted[count]];
          const expected =
            below === above && above > 0
              ? {
                  magnitude: above,
                  weights: sorted.filter((value) => value === above).length,
                  pruned: count - sorted.indexOf(above),
                }
              : null;
          expect(tie(values, fraction)).toEqual(expected);
        },
      ),
      { numRuns: 200, seed: 1 },
    );
  });
});
