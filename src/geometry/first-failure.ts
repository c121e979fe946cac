/** How far a condition on the pruned fraction holds: planning which fractions to try, and reading off the limit. */

/** A pruned fraction that was tried, and what was seen there. */
export interface Tried<M> {
  readonly fraction: number;
  readonly measure: M;
}

/**
 * A condition on what is seen at a pruned fraction.
 *
 * Margin and spread are in one unit of the condition's own, in which 0 is its edge.
 */
export interface Condition<M> {
  /** By how much the condition holds; below 0, or NaN: it fails. */
  margin(measure: M): number;
  /**
   * By how much margins between two tried fractions may leave the range of the
   * margins at these two. An interval whose ends both hold, or both fail, by at
   * least as much is clear: it is not looked into.
   *
   * @param from at the smaller fraction
   */
  spread(from: M, to: M): number;
  /** It fails by so much that, at two coarse fractions in a row, no larger fraction is tried. */
  hopeless(measure: M): boolean;
}

/** How far a condition holds, as pruned fractions. */
export interface SearchedLimit {
  /** The first failure less one step: every tried fraction up to this one passes; 0 also where 0 itself fails. */
  prunedFraction: number;
  /** The largest tried fraction that passes at all; above `prunedFraction` where the condition is not monotone. */
  lastPassFraction: number;
  /** The smallest tried fraction that fails; null: none was seen. */
  firstFailureFraction: number | null;
  /** Everything passes up to the largest fraction that is tried at all. */
  capped: boolean;
}

/** Which fractions are tried. */
export interface SearchRange {
  /** Nothing beyond is tried; this fraction itself is. */
  maximumFraction: number;
}

/** Thousandths between tried fractions at first, where it is not clear what lies between, and around a crossing. */
const COARSE_STEP = 100;
const FINE_STEP = 10;
const CROSSING_STEP = 1;

/** Fractions of so many thousandths, so that the same fraction is the same number wherever it comes from. */
function thousandths(steps: number): number {
  return steps / 1000;
}

/** Rounding of a product with 1000 must not make a step of nothing. */
const ROUNDING = 1e-9;

function stepBelow(fraction: number, step: number): number {
  return step * (Math.ceil((1000 * fraction) / step - ROUNDING) - 1);
}

function stepAbove(fraction: number, step: number): number {
  return step * (Math.floor((1000 * fraction) / step + ROUNDING) + 1);
}

/** The grid point nearest to the middle of an interval, strictly inside; null where the grid has none. */
function middle(from: number, to: number, step: number): number | null {
  const [first, last] = [stepAbove(from, step), stepBelow(to, step)];
  return first > last ? null : thousandths(step * Math.round((first + last) / 2 / step));
}

function coarseFractions({ maximumFraction }: SearchRange): number[] {
  const last = stepBelow(maximumFraction, COARSE_STEP);
  const grid: number[] = [];
  for (let at = 0; at <= last; at += COARSE_STEP) {
    grid.push(thousandths(at));
  }
  return [...grid, maximumFraction];
}

function passes<M>(condition: Condition<M>, { measure }: Tried<M>): boolean {
  return condition.margin(measure) >= 0;
}

/** The next fraction of the coarse scan; null at its end, or where all hope is lost. */
function nextCoarse<M>(
  tried: readonly Tried<M>[],
  condition: Condition<M>,
  range: SearchRange,
): number | null {
  const known = new Map(tried.map(({ fraction, measure }) => [fraction, measure]));
  let hopeless = 0;
  for (const fraction of coarseFractions(range)) {
    const measure = known.get(fraction);
    if (measure === undefined) {
      return fraction;
    }
    hopeless = condition.hopeless(measure) ? hopeless + 1 : 0;
    if (hopeless === 2) {
      return null;
    }
  }
  return null;
}

/** Both ends hold, or both fail, by more than what lies between can differ from them. */
function isClear<M>(condition: Condition<M>, from: Tried<M>, to: Tried<M>): boolean {
  if (passes(condition, from) !== passes(condition, to)) {
    return false;
  }
  const distances = [from, to].map(({ measure }) => Math.abs(condition.margin(measure)));
  // A margin that is not a number fails by any distance.
  const nearest = Math.min(...distances.map((distance) => (Number.isNaN(distance) ? Infinity : distance)));
  return nearest >= condition.spread(from.measure, to.measure);
}

/**
 * Where to look next for the largest fraction up to which a condition holds;
 * null when there is nothing left to look at.
 *
 * A coarse scan from 0 upwards; then below the first failure, from the left,
 * and above it as far down as the last pass, from the right, every interval
 * that is not clear is halved down to a grid of 1 %; then the cell of that
 * grid that holds the first failure, and the one above the last pass, down to
 * 0.1 %. What is tried depends on what was seen at the fractions given here
 * and on nothing else.
 *
 * @param tried in ascending order; nothing or what earlier answers led to
 */
export function nextFraction<M>(
  tried: readonly Tried<M>[],
  condition: Condition<M>,
  range: SearchRange,
): number | null {
  const coarse = nextCoarse(tried, condition, range);
  if (coarse !== null) {
    return coarse;
  }
  /** The middle of the interval behind a tried fraction, unless it is clear what lies there. */
  const inside = (index: number, step: number): number | null => {
    const [from, to] = [tried[index], tried[index + 1]];
    const between = middle(from.fraction, to.fraction, step);
    return between === null || isClear(condition, from, to) ? null : between;
  };
  const failure = tried.findIndex((point) => !passes(condition, point));
  const lastPass = tried.findLastIndex((point) => passes(condition, point));
  const end = failure < 0 ? tried.length - 1 : failure;
  const searched = (step: number, lowest: number, highest: number): number | null => {
    for (let i = 0; i < end; i++) {
      const next = tried[i].fraction < lowest ? null : inside(i, step);
      if (next !== null) {
        return next;
      }
    }
    for (let i = tried.length - 2; i >= Math.max(lastPass, end); i--) {
      const next = tried[i].fraction >= highest ? null : inside(i, step);
      if (next !== null) {
        return next;
      }
    }
    return null;
  };
  const fine = searched(FINE_STEP, 0, Infinity);
  if (fine !== null || failure < 0) {
    return fine;
  }
  return searched(
    CROSSING_STEP,
    thousandths(stepBelow(tried[failure].fraction, FINE_STEP)),
    thousandths(stepAbove(tried[Math.max(lastPass, 0)].fraction, FINE_STEP)),
  );
}

/**
 * The limit that tried fractions show.
 *
 * @param tried in ascending order
 */
export function searchedLimit<M>(
  tried: readonly Tried<M>[],
  condition: Condition<M>,
  { maximumFraction }: SearchRange,
): SearchedLimit {
  const failure = tried.findIndex((point) => !passes(condition, point));
  const last = tried.findLast((point) => passes(condition, point));
  const below = failure < 0 ? tried.at(-1) : tried[failure - 1];
  return {
    prunedFraction: below?.fraction ?? 0,
    lastPassFraction: last?.fraction ?? 0,
    firstFailureFraction: failure < 0 ? null : tried[failure].fraction,
    capped: failure < 0 && below?.fraction === maximumFraction,
  };
}

/** The same condition, which looks at each pair of measures once: a spread may be a sum over all examples. */
function remembered<M>(condition: Condition<M>): Condition<M> {
  const spreads = new Map<M, Map<M, number>>();
  return {
    ...condition,
    spread: (from, to) => {
      const known = spreads.get(from) ?? new Map<M, number>();
      spreads.set(from, known);
      const spread = known.get(to) ?? condition.spread(from, to);
      known.set(to, spread);
      return spread;
    },
  };
}

/** The limits of several conditions, and all that was tried for them. */
export interface FirstFailures<M> {
  tried: readonly Tried<M>[];
  /** In the order of the conditions. */
  limits: readonly SearchedLimit[];
}

/**
 * Searches the limits of several conditions on the same measurement; each
 * fraction that one of them asks for is looked at by all.
 *
 * @param measure what is seen at a pruned fraction; asked once for each
 * @param onTried called with the number of fractions tried so far
 */
export async function searchFirstFailures<M>(
  measure: (prunedFraction: number) => Promise<M>,
  conditions: readonly Condition<M>[],
  range: SearchRange,
  onTried: (tried: number) => void = () => {},
): Promise<FirstFailures<M>> {
  const tried: Tried<M>[] = [];
  const searched = conditions.map(remembered);
  const next = (): number | null => {
    for (const condition of searched) {
      const fraction = nextFraction(tried, condition, range);
      if (fraction !== null) {
        return fraction;
      }
    }
    return null;
  };
  for (let fraction = next(); fraction !== null; fraction = next()) {
    const point = { fraction, measure: await measure(fraction) };
    const after = tried.findIndex((other) => other.fraction > fraction);
    tried.splice(after < 0 ? tried.length : after, 0, point);
    onTried(tried.length);
  }
  return { tried, limits: conditions.map((condition) => searchedLimit(tried, condition, range)) };
}
