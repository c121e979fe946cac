/** Conditions on loss and accuracy of a pruned network, and how certain they are between pruned fractions. */
import type { Condition } from '../geometry/first-failure.js';
import type { TestMeasure, TrainMeasure } from './measurement.js';
import { fallProbability } from './paired-test.js';

/**
 * What lies between two tried fractions, measured at every 0.1 % of four
 * networks (MLPNet, mnist-dense with the right and with a wrong normalisation,
 * mnist-lomp; 200 to 10,000 examples), over intervals of 10, 5 and 1 %:
 *
 * - the loss leaves the range of its two ends by 0.1 to 0.8 (median), at most
 *   2.6 in 98 of 100 intervals below the crossing of eps, standard errors of
 *   the mean change between the ends (4 with the wrong normalisation);
 * - the accuracy by 0 to 0.7 (median), at most 1.1 (9 of 10) and 2.2 (99 of
 *   100) square roots of the number of unsure examples; where none is unsure,
 *   an example changes and changes back in up to 1 interval of 10, and in none
 *   of 3,000 where none comes within eight times of what it moves.
 *
 * So searched, 52 subsets of their examples each gave the limits of the whole
 * grid of 1 %, refined likewise, for the loss always (24 evaluations, median;
 * 47 at most), for the accuracy with a tolerance of half a point in 49, for
 * no significant fall in 50, for the rule of the paper in 52; the last pass in
 * 46, 50 and 47 (84 evaluations for the three, 119 at most).
 */
const LOSS_STANDARD_ERRORS = 2;
const UNSURE_WITHIN = 1;
const WARY_WITHIN = 8;
const PER_ROOT_OF_UNSURE = 0.7;
/** Without decision margins, those that differ at the ends stand for the unsure; a third or so of them. */
const PER_ROOT_OF_DIFFERENT = 1.2;

/** A loss as far above its tolerance, in units of eps and of the standard error of the increase, does not come back. */
const HOPELESS_INCREASE = 10;
const HOPELESS_STANDARD_ERRORS = 5;
/** Nor does the accuracy of a network that has lost this share of its test examples. */
const HOPELESS_SHARE = 0.25;

/** A fall of accuracy is a multiple of one decision; its rounding is far less. */
const ROUNDING = 1e-6;

/** Standard error of the mean change of the losses of the same examples; 0 where they are not finite. */
function changeError(from: Float64Array, to: Float64Array): number {
  let squares = 0;
  for (let i = 0; i < from.length; i++) {
    squares += (to[i] - from[i]) ** 2;
  }
  return Number.isFinite(squares) ? Math.sqrt(squares) / from.length : 0;
}

/** The mean loss is at most that of the dense network plus eps; in units of the loss. A loss that overflows is not. */
export function lossWithin(epsilon: number, dense: TrainMeasure): Condition<TrainMeasure> {
  return {
    margin: ({ meanLoss }) => epsilon - (meanLoss - dense.meanLoss),
    spread: (from, to) => LOSS_STANDARD_ERRORS * changeError(from.losses, to.losses),
    hopeless: ({ meanLoss, losses }) =>
      !(
        meanLoss - dense.meanLoss <=
        Math.max(HOPELESS_INCREASE * epsilon, HOPELESS_STANDARD_ERRORS * changeError(dense.losses, losses))
      ),
  };
}

/** The test examples of a pruned network against those of the dense one. */
export interface PairedMeasure {
  test: TestMeasure;
  /** By how many examples fewer are right than of the dense network; several decisions of an example share it. */
  fall: number;
  /** {@link fallProbability} of it. */
  probability: number;
  /** Standard deviation of the fall, in examples, if what changed were chance. */
  deviation: number;
}

/** Compares test examples one by one. */
export function paired(dense: TestMeasure, test: TestMeasure): PairedMeasure {
  const changes: number[] = [];
  let net = 0;
  let squares = 0;
  for (let example = 0; example < test.correct.length; example++) {
    const change = test.correct[example] - dense.correct[example];
    if (change !== 0) {
      changes.push(change);
      net += change;
      squares += change * change;
    }
  }
  return {
    test,
    fall: net === 0 ? 0 : -net / test.decisions,
    probability: fallProbability(changes),
    deviation: Math.sqrt(squares) / test.decisions,
  };
}

/**
 * By how many examples the accuracy between two pruned fractions may lie
 * outside of that at the two.
 *
 * An example is unsure where its decision margin changes sign between the two,
 * or is smaller than what it moves.
 */
export function hiddenChange(from: TestMeasure, to: TestMeasure): number {
  const [before, after] = [from.decisionMargins, to.decisionMargins];
  if (before === null || after === null) {
    let different = 0;
    for (let example = 0; example < from.correct.length; example++) {
      different += from.correct[example] === to.correct[example] ? 0 : 1;
    }
    return PER_ROOT_OF_DIFFERENT * Math.sqrt(different + 1);
  }
  let unsure = 0;
  let wary = false;
  for (let i = 0; i < before.length; i++) {
    const [a, b] = [before[i], after[i]];
    const nearest = a > 0 !== b > 0 ? 0 : Math.min(Math.abs(a), Math.abs(b));
    const moved = Math.abs(a - b);
    // Not a number is unsure.
    unsure += nearest >= UNSURE_WITHIN * moved ? 0 : 1;
    wary ||= !(nearest >= WARY_WITHIN * moved);
  }
  // Half an example: what has a whole one to spare does not mind a single change.
  return Math.max(wary ? 0.5 : 0, PER_ROOT_OF_UNSURE * Math.sqrt(unsure));
}

/** A condition in units of test examples. */
function accuracyCondition(
  examples: number,
  margin: (measure: PairedMeasure) => number,
): Condition<PairedMeasure> {
  return {
    margin,
    spread: (from, to) => hiddenChange(from.test, to.test),
    hopeless: (measure) => margin(measure) < -HOPELESS_SHARE * examples,
  };
}

/**
 * Test accuracy is at least that of the dense network less a tolerance; with
 * none, the rule of the paper.
 *
 * @param tolerance as a fraction
 * @param examples test examples
 */
export function accuracyWithin(tolerance: number, examples: number): Condition<PairedMeasure> {
  return accuracyCondition(examples, ({ fall }) => {
    const margin = tolerance * examples - fall;
    return Math.abs(margin) < ROUNDING ? 0 : margin;
  });
}

/** A fall of accuracy is significant when chance makes one as large in at most so many cases. */
export const SIGNIFICANCE = 0.05;
/** Quantile of the standard normal distribution that goes with it. */
const SIGNIFICANT_DEVIATIONS = 1.645;

/**
 * Test accuracy has not fallen significantly: the one-sided paired test of
 * {@link fallProbability}.
 *
 * @param examples test examples
 */
export function noSignificantFall(examples: number): Condition<PairedMeasure> {
  return accuracyCondition(examples, ({ fall, probability, deviation }) => {
    // How far from significance; on which side of it, the exact probability says.
    const margin = SIGNIFICANT_DEVIATIONS * deviation - fall;
    return probability > SIGNIFICANCE ? Math.max(0, margin) : Math.min(-ROUNDING, margin);
  });
}
