/** What was tried, in the order in which it was tried. */
export interface TriedFraction {
  readonly fraction: number;
  readonly holds: boolean;
}

export interface LargestFraction {
  /** The largest fraction found at which the condition holds; null where it holds at no grid point. */
  readonly fraction: number | null;
  /** Every evaluation; a condition that is not monotone shows here. */
  readonly evaluated: readonly TriedFraction[];
}

/**
 * The largest fraction at which a condition holds: a coarse scan, then
 * bisection between the last grid point where it holds and the next one.
 *
 * The scan runs from the largest grid point down and stops at the first that
 * holds, so a condition that fails and holds again is answered by its last
 * good interval, and costs no evaluations below it. Fraction 0 is not taken
 * for granted: it counts if it is in the grid and holds.
 *
 * @param options.grid fractions to scan; default 0, 0.05, .., 0.95, 1
 * @param options.resolution bisection stops at intervals this wide; default 1e-3
 */
export async function largestFraction(
  holds: (fraction: number) => boolean | Promise<boolean>,
  options: { grid?: readonly number[]; resolution?: number } = {},
): Promise<LargestFraction> {
  const grid = [...(options.grid ?? Array.from({ length: 21 }, (_, i) => i / 20))].sort((a, b) => a - b);
  const resolution = options.resolution ?? 1e-3;
  if (!(resolution > 0)) {
    throw new RangeError(`largestFraction: expected a positive resolution, got ${resolution}`);
  }
  const evaluated: TriedFraction[] = [];
  const evaluate = async (fraction: number): Promise<boolean> => {
    const result = await holds(fraction);
    evaluated.push({ fraction, holds: result });
    return result;
  };
  let index = grid.length - 1;
  while (index >= 0 && !(await evaluate(grid[index]))) {
    index--;
  }
  if (index < 0) {
    return { fraction: null, evaluated };
  }
  let good = grid[index];
  let bad = grid[index + 1];
  while (bad !== undefined && bad - good > resolution) {
    const middle = (good + bad) / 2;
    if (middle <= good || middle >= bad) {
      break; // no number in between is left
    }
    if (await evaluate(middle)) {
      good = middle;
    } else {
      bad = middle;
    }
  }
  return { fraction: good, evaluated };
}
