import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selectExamples } from '../../src/dataset/selection.js';
import { expectInputError } from './support.js';

describe('selectExamples', () => {
  it.each([
    ['all', { count: 'all' as const, sample: 'random' as const }, [0, 1, 2, 3, 4]],
    ['the first', { count: 2, sample: 'first' as const }, [0, 1]],
    ['every one, when more are asked for', { count: 9, sample: 'random' as const }, [0, 1, 2, 3, 4]],
    [
      'every one, when more of the first are asked for',
      { count: 9, sample: 'first' as const },
      [0, 1, 2, 3, 4],
    ],
  ])('selects %s', (_title, options, expected) => {
    expect(selectExamples(5, { ...options, seed: 1 })).toEqual(Int32Array.from(expected));
  });

  it('draws distinct examples in file order, the same ones for the same seed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer(),
        (available, count, seed) => {
          const options = { count, sample: 'random' as const, seed };
          const selected = selectExamples(available, options);
          expect(selected.length).toBe(Math.min(count, available));
          expect(
            selected.every(
              (value, i) => value >= 0 && value < available && (i === 0 || value > selected[i - 1]),
            ),
          ).toBe(true);
          expect(selectExamples(available, options)).toEqual(selected);
        },
      ),
    );
  });

  it('draws other examples for another seed, and every example equally often', () => {
    const drawn = new Float64Array(10);
    for (let seed = 0; seed < 2000; seed++) {
      for (const example of selectExamples(10, { count: 3, sample: 'random', seed })) {
        drawn[example]++;
      }
    }
    // Expected 600 each with a standard deviation of 20.5.
    expect(drawn.every((times) => Math.abs(times - 600) < 100)).toBe(true);
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses a count of %d', async (count) => {
    await expectInputError(
      () => selectExamples(5, { count, sample: 'first', seed: 0 }),
      'dataset/example-count',
      /--examples/,
    );
  });
});
