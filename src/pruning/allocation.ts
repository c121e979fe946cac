/** The best allocation of a total removal to layers, on a grid of counts for each layer. */

/** What is known of every choice of counts. Choice g of layer l removes `counts[l][g]` weights. */
export interface AllocationProblem {
  /** For each layer the counts that it may lose, ascending from 0. */
  counts: readonly (readonly number[])[];
  /** What each choice adds to the objective alone. */
  alone: readonly ArrayLike<number>[];
  /**
   * What two choices of different layers add only together: d_k(g)' H d_l(h), symmetric.
   */
  together(layer: number, choice: number, other: number, otherChoice: number): number;
}

/** One choice for each layer. */
export type Allocation = readonly number[];

/** Rounds of improvement; each lowers the objective, and a few were enough wherever it was seen. */
const MOST_ROUNDS = 200;

/** How many weights an allocation removes. */
export function removedBy({ counts }: AllocationProblem, allocation: Allocation): number {
  return allocation.reduce((sum, choice, layer) => sum + counts[layer][choice], 0);
}

/** The objective: sum_l alone_l + sum_{k<l} together_kl, the quadratic model g'd + 1/2 d'Hd of a removal. */
export function allocationCost(problem: AllocationProblem, allocation: Allocation): number {
  let cost = 0;
  for (const [layer, choice] of allocation.entries()) {
    cost += problem.alone[layer][choice];
    for (let other = 0; other < layer; other++) {
      cost += problem.together(layer, choice, other, allocation[other]);
    }
  }
  return cost;
}

/** For each choice of each layer, what it costs besides the present choices of all other layers. */
function costsOfChoices(problem: AllocationProblem, allocation: Allocation): Float64Array[] {
  return problem.counts.map((choices, layer) =>
    Float64Array.from(choices, (_, choice) =>
      allocation.reduce(
        (sum, otherChoice, other) =>
          other === layer ? sum : sum + problem.together(layer, choice, other, otherChoice),
        problem.alone[layer][choice],
      ),
    ),
  );
}

/** The change of one or two layers that lowers the cost most and still removes enough; null where none lowers it. */
function bestExchange(
  problem: AllocationProblem,
  allocation: Allocation,
  least: number,
): Map<number, number> | null {
  const { counts, together } = problem;
  const costs = costsOfChoices(problem, allocation);
  const spare = removedBy(problem, allocation) - least;
  const scale = Math.abs(allocationCost(problem, allocation));
  // Rounding is no improvement: the search must end.
  let best = -1e-12 * scale;
  let found: Map<number, number> | null = null;
  const gainOf = (layer: number, choice: number): number =>
    costs[layer][choice] - costs[layer][allocation[layer]];
  const lossOf = (layer: number, choice: number): number =>
    counts[layer][allocation[layer]] - counts[layer][choice];
  for (const [layer, choices] of counts.entries()) {
    for (const choice of choices.keys()) {
      if (choice === allocation[layer]) continue;
      const change = gainOf(layer, choice);
      const lost = lossOf(layer, choice);
      if (lost <= spare && change < best) {
        best = change;
        found = new Map([[layer, choice]]);
      }
      for (let other = 0; other < layer; other++) {
        const now = allocation[other];
        for (const otherChoice of counts[other].keys()) {
          if (otherChoice === now || lost + lossOf(other, otherChoice) > spare) continue;
          // Each cost counts the other layer as it was: put right what the two do together.
          const correction =
            together(layer, choice, other, otherChoice) -
            together(layer, choice, other, now) -
            together(layer, allocation[layer], other, otherChoice) +
            together(layer, allocation[layer], other, now);
          const both = change + gainOf(other, otherChoice) + correction;
          if (both < best) {
            best = both;
            found = new Map([
              [layer, choice],
              [other, otherChoice],
            ]);
          }
        }
      }
    }
  }
  return found;
}

/** Exchanges of one and two layers until none lowers the cost. */
function improved(problem: AllocationProblem, start: Allocation, least: number): Allocation {
  let allocation = [...start];
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const exchange = bestExchange(problem, allocation, least);
    if (exchange === null) break;
    allocation = allocation.map((choice, layer) => exchange.get(layer) ?? choice);
  }
  return allocation;
}

/** Cells that a count is rounded to in dynamic programming. */
const CELLS = 2000;

/**
 * The best allocation where layers do not interact, by dynamic programming (the multiple-choice knapsack). Counts are
 * rounded down to cells, so that it removes enough.
 *
 * @returns null where no allocation removes so many
 */
export function separableAllocation(
  counts: AllocationProblem['counts'],
  costs: readonly ArrayLike<number>[],
  least: number,
): Allocation | null {
  const cell = Math.max(1, Math.ceil(least / CELLS));
  const last = Math.ceil(least / cell);
  let table = new Float64Array(last + 1).fill(Infinity);
  table[0] = 0;
  const chosen: Int32Array[] = [];
  for (const [layer, choices] of counts.entries()) {
    const next = new Float64Array(last + 1).fill(Infinity);
    const from = new Int32Array(last + 1).fill(-1);
    for (let before = 0; before <= last; before++) {
      if (table[before] === Infinity) continue;
      for (const [choice, count] of choices.entries()) {
        const after = Math.min(last, before + Math.floor(count / cell));
        const cost = table[before] + costs[layer][choice];
        if (cost < next[after]) {
          next[after] = cost;
          from[after] = before * choices.length + choice;
        }
      }
    }
    table = next;
    chosen.push(from);
  }
  if (table[last] === Infinity) return null;
  const allocation: number[] = [];
  for (let layer = counts.length - 1, at = last; layer >= 0; layer--) {
    const step = chosen[layer][at];
    allocation[layer] = step % counts[layer].length;
    at = Math.floor(step / counts[layer].length);
  }
  return allocation;
}

/**
 * The best allocation found that removes at least so many weights.
 *
 * The problem is a quadratic program over a product of grids, for which no exact method is quick; exchanges of one and
 * of two layers are carried out from several starts until none helps: the given ones, and the exact optimum without
 * interactions. So the result is never worse than a given start, and is exact where nothing interacts but for the
 * rounding of counts; on random problems that were searched completely it was the optimum (`allocation.test.ts`).
 *
 * @param starts allocations that remove enough
 * @throws Error where there is no start and none can be found
 */
export function bestAllocation(
  problem: AllocationProblem,
  least: number,
  starts: readonly Allocation[],
): Allocation {
  const separable = separableAllocation(problem.counts, problem.alone, least);
  const candidates = separable === null ? [...starts] : [...starts, separable];
  for (const start of [...candidates]) {
    // The layers see each other as they are in a start: the optimum of what is then separable.
    const mean = separableAllocation(problem.counts, costsOfChoices(problem, start), least);
    if (mean !== null) candidates.push(mean);
  }
  const results = candidates.map((start) => improved(problem, start, least));
  const [first] = results;
  if (first === undefined) {
    throw new Error('no allocation removes so many weights');
  }
  return results.reduce((best, other) =>
    allocationCost(problem, other) < allocationCost(problem, best) ? other : best,
  );
}

/**
 * The counts of an allocation, with exactly as many weights removed as asked: what it removes beyond is given back, to
 * the layers first whose last step on the grid costs most by the weight.
 */
export function exactCounts(problem: AllocationProblem, allocation: Allocation, total: number): number[] {
  const { counts } = problem;
  const costs = costsOfChoices(problem, allocation);
  const result = allocation.map((choice, layer) => counts[layer][choice]);
  const level = [...allocation];
  const priceOf = (layer: number): number => {
    const [below, at] = [level[layer] - 1, level[layer]];
    return (costs[layer][at] - costs[layer][below]) / (counts[layer][at] - counts[layer][below]);
  };
  for (let excess = result.reduce((sum, count) => sum + count, 0) - total; excess > 0; ) {
    const dearest = [...level.keys()]
      .filter((layer) => level[layer] > 0)
      .reduce((best, layer) => (priceOf(layer) > priceOf(best) ? layer : best));
    const back = Math.min(excess, result[dearest] - counts[dearest][level[dearest] - 1]);
    result[dearest] -= back;
    excess -= back;
    level[dearest]--;
  }
  return result;
}
