/** The largest pruned fraction that retraining makes good: growing steps, bisection, warm starts, two seeds at the crossing. */
import { prunedCount } from '../pruning/magnitude.js';
import type { TriedRate } from './rate-choice.js';

/** What retraining at a pruned fraction came to. */
export interface Retrained<N> {
  network: N;
  /** Over the dense loss; not finite where it overflows or training diverges. */
  lossIncrease: number;
  /** Of test examples; null where there is none. */
  accuracy: number | null;
}

/** One training that was carried out. */
export interface TunedTry {
  prunedFraction: number;
  seed: number;
  /** Pruned fraction of the network that it began with; 0: the dense one. */
  startFraction: number;
  /** How often that was trained in all: this try, and those behind its start. */
  trainings: number;
  lossIncrease: number;
  accuracy: number | null;
}

/** How far retraining makes good what a rule asks for, as pruned fractions. */
export interface TunedLimit {
  /** The largest that passes for the first seed below its first failure. */
  prunedFraction: number;
  /** The largest that passes for both seeds. */
  low: number;
  /** The smallest that fails for both; where none is known, the end of the search. */
  high: number;
  /** The first seed passes at the end of the search. */
  capped: boolean;
  /** How often the network of `prunedFraction` was trained; 0 where it passes without. */
  trainings: number;
}

/** What is asked of a retrained network. */
export interface TunedRule {
  passes(outcome: Pick<TunedTry, 'lossIncrease' | 'accuracy'>): boolean;
  /** Passes without retraining. */
  passingFraction: number;
}

/** What is searched, and how. */
export interface TunedSearch<N> {
  /** Trains the kept weights; `start` is the network it begins with, null: the dense one. */
  retrain(prunedFraction: number, seed: number, start: N | null): Promise<Retrained<N>>;
  /**
   * A network that passes the first is where training begins at larger
   * fractions. So a first rule that looks at training examples alone keeps the
   * test split out of every training.
   */
  rules: readonly TunedRule[];
  /** Fractions to try, ascending. */
  grid: readonly number[];
  seeds: readonly [number, number];
  /** Of each rule; what another has tried is not tried again. */
  mostTries: number;
  onTry?: (done: number) => void;
}

/** From one to the next at most a hundredth more is pruned, and the kept part shrinks by at most this factor. */
const GRID_PER_WHOLE = 100;
const GRID_FACTOR = 2 ** (-1 / 8);

/** Steps over the grid until something fails: the first, and by how much each is larger than the last. */
const FIRST_STEP = 4;
const STEP_FACTOR = 2;

/** Tries of each rule that are left for the second seed. */
const SECOND_SEED_TRIES = 4;

/**
 * Pruned fractions to try: every whole percent at first, then in equal steps
 * of the logarithm of what is kept, down to one weight. No two remove the same
 * number of weights.
 */
export function tunedGrid(dimension: number): number[] {
  const grid: number[] = [];
  const most = dimension - 1;
  let kept = 1;
  for (let percent = 1; ; percent++) {
    const shrunk = kept * GRID_FACTOR;
    const fraction = shrunk < 1 - percent / GRID_PER_WHOLE ? percent / GRID_PER_WHOLE : 1 - shrunk;
    kept = 1 - fraction;
    const count = prunedCount(fraction, dimension);
    if (count >= most) {
      break;
    }
    if (count > 0 && count !== prunedCount(grid.at(-1) ?? 0, dimension)) {
      grid.push(fraction);
    }
  }
  return most > 0 ? [...grid, most / dimension] : grid;
}

/** A network that training may begin with. */
interface Start<N> {
  fraction: number;
  trainings: number;
  network: N;
}

/** Networks that training may begin with, and all that was tried. */
interface Record<N> {
  tries: TunedTry[];
  starts: Start<N>[];
}

/** The tries at one fraction with one seed. */
function triesAt({ tries }: Record<unknown>, fraction: number, seed: number): TunedTry[] {
  return tries.filter((each) => each.prunedFraction === fraction && each.seed === seed);
}

/** Passes where one try does; null where there is none. */
function outcomeAt(record: Record<unknown>, rule: TunedRule, fraction: number, seed: number): boolean | null {
  const tries = triesAt(record, fraction, seed);
  return tries.length === 0 ? null : tries.some((each) => rule.passes(each));
}

/** The network that training at a fraction begins with: the largest below that passes; null: the dense one. */
function startBelow<N>({ starts }: Record<N>, fraction: number): Start<N> | null {
  return starts.reduce<Start<N> | null>(
    (best, each) =>
      each.fraction < fraction && (best === null || each.fraction > best.fraction) ? each : best,
    null,
  );
}

/** The largest pass of a seed below its first failure, and that failure. */
function crossing<N>(
  record: Record<N>,
  rule: TunedRule,
  grid: readonly number[],
  seed: number,
): { pass: number; failure: number | null } {
  let pass = rule.passingFraction;
  for (const fraction of grid) {
    const outcome = fraction <= rule.passingFraction ? null : outcomeAt(record, rule, fraction, seed);
    if (outcome === false) {
      return { pass, failure: fraction };
    }
    pass = outcome === true ? fraction : pass;
  }
  return { pass, failure: null };
}

/** The first above a fraction of places 4, 4 + 8, 4 + 8 + 16, .. of a grid, or its end; null at that. */
function stepAbove(grid: readonly number[], pass: number): number | null {
  const last = grid.length - 1;
  for (let place = FIRST_STEP - 1, step = FIRST_STEP; place < last; place += step) {
    if (grid[place] > pass) {
      return grid[place];
    }
    step *= STEP_FACTOR;
  }
  return last >= 0 && grid[last] > pass ? grid[last] : null;
}

/**
 * What the first seed is to try next; null where the crossing is found. Up to
 * a failure, steps that grow: more networks to begin with, and fewer trainings
 * that fail for want of one, than bisection of the whole grid. A failure counts
 * only where training began with the largest network below that passes.
 */
function nextTry<N>(
  record: Record<N>,
  rule: TunedRule,
  grid: readonly number[],
  seed: number,
): number | null {
  const { pass, failure } = crossing(record, rule, grid, seed);
  if (failure === null) {
    return stepAbove(
      grid.filter((fraction) => fraction > rule.passingFraction),
      pass,
    );
  }
  const between = grid.filter((fraction) => fraction > pass && fraction < failure);
  if (between.length > 0) {
    return between[Math.floor((between.length - 1) / 2)];
  }
  const began = Math.max(...triesAt(record, failure, seed).map(({ startFraction }) => startFraction));
  return (startBelow(record, failure)?.fraction ?? 0) > began ? failure : null;
}

/**
 * What the second seed is to try next, outwards from the crossing of the first
 * over what that has tried: down to a pass of both, then up to a failure of
 * both; null where both are known.
 */
function nextConfirmation<N>(
  record: Record<N>,
  rule: TunedRule,
  grid: readonly number[],
  [first, second]: readonly [number, number],
): number | null {
  const { pass, failure } = crossing(record, rule, grid, first);
  const tried = grid.filter(
    (fraction) => fraction > rule.passingFraction && outcomeAt(record, rule, fraction, first) !== null,
  );
  const unconfirmed = (fractions: number[], wanted: boolean): number | null => {
    for (const fraction of fractions) {
      const outcome = outcomeAt(record, rule, fraction, second);
      if (outcome !== !wanted) {
        return outcome === null ? fraction : null;
      }
    }
    return null;
  };
  const below = tried.filter((fraction) => fraction <= pass).reverse();
  const above = tried.filter(
    (fraction) => failure !== null && fraction >= failure && !outcomeAt(record, rule, fraction, first),
  );
  return unconfirmed(below, true) ?? unconfirmed(above, false);
}

function limitOf<N>(
  record: Record<N>,
  rule: TunedRule,
  grid: readonly number[],
  [first, second]: readonly [number, number],
): TunedLimit {
  const { pass, failure } = crossing(record, rule, grid, first);
  const both = (fraction: number, outcome: boolean): boolean =>
    [first, second].every((seed) => outcomeAt(record, rule, fraction, seed) === outcome);
  const end = Math.max(pass, grid.at(-1) ?? pass);
  return {
    prunedFraction: pass,
    low: grid.findLast((fraction) => fraction <= pass && both(fraction, true)) ?? rule.passingFraction,
    trainings: triesAt(record, pass, first).find((each) => rule.passes(each))?.trainings ?? 0,
    high: grid.find((fraction) => failure !== null && fraction >= failure && both(fraction, false)) ?? end,
    capped: failure === null && pass === end,
  };
}

/** What a search found. */
export interface TunedLimits {
  /** In the order of the rules. */
  limits: TunedLimit[];
  /** In the order in which they were carried out. */
  tries: TunedTry[];
  /** Of all tries. */
  learningRate: number;
  /** It was chosen among these. */
  triedRates: TriedRate[];
  seconds: number;
}

/**
 * Searches how far each rule holds. Every training begins with the network of
 * the largest smaller fraction that passes the first rule with the first seed,
 * so that weights at the crossing have been trained in several tries. Rules
 * share what is tried.
 */
export async function searchTunedLimits<N>(
  search: TunedSearch<N>,
): Promise<Pick<TunedLimits, 'limits' | 'tries'>> {
  const { rules, grid, seeds, mostTries, onTry } = search;
  const record: Record<N> = { tries: [], starts: [] };
  const attempt = async (fraction: number, seed: number): Promise<void> => {
    const start = startBelow(record, fraction);
    const found = await search.retrain(fraction, seed, start?.network ?? null);
    const { lossIncrease, accuracy } = found;
    const trainings = 1 + (start?.trainings ?? 0);
    if (seed === seeds[0] && rules[0]?.passes(found)) {
      record.starts.push({ fraction, trainings, network: found.network });
    }
    record.tries.push({
      ...{ prunedFraction: fraction, seed, startFraction: start?.fraction ?? 0 },
      ...{ trainings, lossIncrease, accuracy },
    });
    onTry?.(record.tries.length);
  };
  for (const rule of rules) {
    const before = record.tries.length;
    while (record.tries.length - before < mostTries) {
      const searching = record.tries.length - before < mostTries - SECOND_SEED_TRIES;
      const next = searching ? nextTry(record, rule, grid, seeds[0]) : null;
      const confirmed = next === null ? nextConfirmation(record, rule, grid, seeds) : null;
      if (next !== null) {
        await attempt(next, seeds[0]);
      } else if (confirmed !== null) {
        await attempt(confirmed, seeds[1]);
      } else {
        break;
      }
    }
  }
  return { limits: rules.map((rule) => limitOf(record, rule, grid, seeds)), tries: record.tries };
}
