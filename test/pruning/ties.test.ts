import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prunedCount, rankByMagnitude } from '../../src/pruning/magnitude.js';
import { tieAt } from '../../src/pruning/ties.js';

const SMALLEST_DENORMAL = 2 ** -149;

/** Finite float32 vectors with many ties, zeros of both signs and denormals. */
const weightVectors = fc
  .array(
    fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(0, -0, 1, -1, 2, SMALLEST_DENORMAL, -SMALLEST_DENORMAL, 2 ** -130, 3.4e38),
    ),
    { maxLength: 60 },
  )
  .map((values) => Float32Array.from(values));

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

  it('is what the definition says, at every count', () => {
    fc.assert(
      fc.property(weightVectors, (weights) => {
        const ranking = rankByMagnitude(weights);
        const sorted = [...weights].map(Math.abs).sort((a, b) => a - b);
        for (let count = 0; count <= weights.length; count++) {
          const [pruned, kept] = [sorted.slice(0, count), sorted.slice(count)];
          const cut = count > 0 && kept.length > 0 && pruned.at(-1) === kept[0] && kept[0] !== 0;
          const shared = (values: number[]) => values.filter((value) => value === kept[0]).length;
          expect(tieAt(weights, ranking, count)).toEqual(
            cut ? { magnitude: kept[0], weights: shared(sorted), pruned: shared(pruned) } : null,
          );
        }
      }),
    );
  });
});
