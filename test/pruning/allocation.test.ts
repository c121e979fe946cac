import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Allocation,
  type AllocationProblem,
  allocationCost,
  bestAllocation,
  exactCounts,
  removedBy,
  separableAllocation,
} from '../../src/pruning/allocation.js';

/** All allocations of a problem. */
function everyAllocation({ counts }: AllocationProblem): Allocation[] {
  return counts.reduce<number[][]>(
    (found, choices) => found.flatMap((before) => [...choices.keys()].map((choice) => [...before, choice])),
    [[]],
  );
}

/** The least cost of all allocations that remove enough, by looking at each. */
function exhaustive(problem: AllocationProblem, least: number): number {
  return Math.min(
    ...everyAllocation(problem)
      .filter((allocation) => removedBy(problem, allocation) >= least)
      .map((allocation) => allocationCost(problem, allocation)),
  );
}

/** The quadratic model g'd + 1/2 d'Hd, where d = x of each choice along one direction of each layer. */
function quadraticProblem(
  hessian: readonly (readonly number[])[],
  gradient: readonly number[],
  lengths: readonly (readonly number[])[],
  counts: readonly (readonly number[])[],
): AllocationProblem {
  return {
    counts,
    alone: lengths.map((choices, l) =>
      choices.map((length) => gradient[l]! * length + (hessian[l]![l]! * length * length) / 2),
    ),
    together: (l, g, k, h) => hessian[l]![k]! * lengths[l]![g]! * lengths[k]![h]!,
  };
}

describe('two layers, by hand', () => {
  // H = (2 1; 1 4), g = (0, -1), each loses 0, 1 or 2 weights of size 1: d = (a, b), cost a^2 + ab + 2b^2 - b.
  const problem = quadraticProblem(
    [
      [2, 1],
      [1, 4],
    ],
    [0, -1],
    [
      [0, 1, 2],
      [0, 1, 2],
    ],
    [
      [0, 1, 2],
      [0, 1, 2],
    ],
  );

  it('costs what the arithmetic says', () => {
    expect(allocationCost(problem, [1, 1])).toBe(3);
    expect(allocationCost(problem, [2, 0])).toBe(4);
    expect(allocationCost(problem, [0, 2])).toBe(6);
    expect(allocationCost(problem, [2, 1])).toBe(7);
  });

  it('has the best allocation of each total', () => {
    // 1: a alone 1, b alone 1; 2: (1, 1) costs 3; 3: (2, 1) costs 7, (1, 2) 9.
    expect(allocationCost(problem, bestAllocation(problem, 1, []))).toBe(1);
    expect(bestAllocation(problem, 2, [])).toEqual([1, 1]);
    expect(bestAllocation(problem, 3, [])).toEqual([2, 1]);
    expect(bestAllocation(problem, 4, [])).toEqual([2, 2]);
    expect(() => bestAllocation(problem, 5, [])).toThrow('no allocation');
  });

  it('gives back what is removed beyond the total, the dearest first', () => {
    const coarse: AllocationProblem = {
      counts: [
        [0, 10],
        [0, 10],
      ],
      alone: [
        [0, 1],
        [0, 5],
      ],
      together: () => 0,
    };
    expect(exactCounts(coarse, [1, 1], 17)).toEqual([10, 7]);
    expect(exactCounts(coarse, [1, 1], 8)).toEqual([8, 0]);
    expect(exactCounts(coarse, [1, 1], 20)).toEqual([10, 10]);
  });
});

/** Three to five layers, two to four choices, a random positive semi-definite or indefinite matrix. */
const problems = fc
  .record({
    layers: fc.integer({ min: 2, max: 5 }),
    choices: fc.integer({ min: 2, max: 4 }),
    numbers: fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })),
    definite: fc.boolean(),
    share: fc.double({ min: 0.05, max: 0.95, noNaN: true }),
  })
  .map(({ layers, choices, numbers, definite, share }) => {
    const next = (): number => numbers.next().value as number;
    const square = Array.from({ length: layers }, () => Array.from({ length: layers }, next));
    const hessian = square.map((row, i) =>
      row.map((_, j) =>
        definite
          ? square.reduce((sum, other) => sum + other[i]! * other[j]!, 0)
          : square[i]![j]! + square[j]![i]!,
      ),
    );
    const ascending = (step: () => number): number[] => {
      let sum = 0;
      return Array.from({ length: choices }, (_, g) => {
        sum += g === 0 ? 0 : step();
        return sum;
      });
    };
    const lengths = Array.from({ length: layers }, () => ascending(() => 0.1 + Math.abs(next())));
    const counts = Array.from({ length: layers }, () =>
      ascending(() => 1 + Math.floor(50 * Math.abs(next()))),
    );
    const problem = quadraticProblem(hessian, Array.from({ length: layers }, next), lengths, counts);
    const most = counts.reduce((sum, row) => sum + row.at(-1)!, 0);
    return { problem, least: Math.max(1, Math.floor(share * most)) };
  });

describe('bestAllocation', () => {
  it('is the best of all allocations, on problems small enough to look at each', () => {
    fc.assert(
      fc.property(problems, ({ problem, least }) => {
        const found = bestAllocation(problem, least, []);
        expect(removedBy(problem, found)).toBeGreaterThanOrEqual(least);
        const best = exhaustive(problem, least);
        expect(allocationCost(problem, found)).toBeLessThanOrEqual(best + 1e-9);
      }),
      { seed: 11, numRuns: 300 },
    );
  });

  it('is never worse than where it starts', () => {
    fc.assert(
      fc.property(problems, fc.nat(), ({ problem, least }, pick) => {
        const starts = everyAllocation(problem).filter((start) => removedBy(problem, start) >= least);
        const start = starts[pick % starts.length]!;
        const found = bestAllocation(problem, least, [start]);
        expect(allocationCost(problem, found)).toBeLessThanOrEqual(allocationCost(problem, start) + 1e-12);
        expect(exactCounts(problem, found, least).reduce((sum, count) => sum + count, 0)).toBe(least);
      }),
    );
  });
});

describe('separableAllocation', () => {
  it('is the best of all where nothing interacts', () => {
    fc.assert(
      fc.property(problems, ({ problem, least }) => {
        const separable = { ...problem, together: () => 0 };
        const found = separableAllocation(problem.counts, problem.alone, least)!;
        expect(removedBy(problem, found)).toBeGreaterThanOrEqual(least);
        expect(allocationCost(separable, found)).toBeCloseTo(exhaustive(separable, least), 9);
      }),
    );
  });
});
