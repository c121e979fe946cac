/**
 * Deflation: what a Lanczos run has found of the spectrum is put in place of
 * what its random start vector happens to see of it.
 *
 * A start vector v weighs eigenvalue j by `(q_j' v)^2`, which is 1/D in
 * expectation and scatters by sqrt(2)/D. For the eigenvalues that the run has
 * found that weight is known, and 1/D takes its place; the rest of the measure
 * is scaled to the share of the spectrum that is left. It is the deflation of
 * Hutch++ (Meyer, Musco, Musco & Woodruff 2021) at no further product. It
 * matters wherever a sum hangs on a few large eigenvalues: traces, and
 * `1 - s(mu)` of limits near 1.
 */
import type { LanczosCoefficients } from './lanczos.js';
import { isolatedEigenvalues, type RitzEigenvalue, sameWithin } from './ritz.js';
import type { SpectralMeasure } from './spectral-measure.js';

/** Simple eigenvalues that a run has found. */
export interface Deflation {
  readonly eigenvalues: readonly number[];
  /** Their weights in the run's own measure. */
  readonly weights: readonly number[];
  /** What the rest of the run's measure is multiplied by. */
  readonly restScale: number;
  /** Nodes within this distance of a deflated eigenvalue stand for it. */
  readonly sameWithin: number;
}

/**
 * Above this, `D` times the weight of a Ritz value is not that of one simple
 * eigenvalue (chi-squared with one degree of freedom, exceeded once in 10^4):
 * it stands for several, and is left alone.
 */
const SIMPLE_WEIGHT = 15;

/** Standard deviations by which the weights of simple eigenvalues together may exceed their number. */
const CHANCE = 4;

/** A rest of less weight than this is nothing but rounding. */
const NO_REST = 1e-12;

/**
 * The eigenvalues of a run that can be deflated.
 *
 * @param dimension D, of the operator
 */
export function deflationOf(run: LanczosCoefficients, dimension: number): Deflation {
  const { length } = run.alpha;
  let found = isolatedEigenvalues(run);
  if (run.beta[length - 1] === 0 && length < dimension) {
    found = withoutTheMultiple(found, dimension);
  }
  found = found.filter(({ weight }) => dimension * weight <= SIMPLE_WEIGHT);
  const restWeight = 1 - found.reduce((sum, { weight }) => sum + weight, 0);
  const restShare = 1 - found.length / dimension;
  return {
    eigenvalues: found.map(({ value }) => value),
    weights: found.map(({ weight }) => weight),
    restScale: restWeight > NO_REST && restShare > 0 ? restShare / restWeight : 0,
    sameWithin: sameWithin(run, Math.max(0, ...found.map(({ value }) => Math.abs(value)))),
  };
}

/**
 * The simple eigenvalues of a run that has ended with fewer than D, so that
 * some must be multiple. Usually that is one of many dimensions, zero: the
 * heaviest, if it is too heavy for a simple one and the others together are
 * not too heavy for simple ones (chi-squared, with as many degrees of freedom
 * as there are). Else one probe does not tell which they are: none.
 */
function withoutTheMultiple(found: readonly RitzEigenvalue[], dimension: number): RitzEigenvalue[] {
  const heaviest = Math.max(...found.map(({ weight }) => weight));
  const others = found.filter(({ weight }) => weight < heaviest);
  const excess = dimension * (1 - heaviest) - others.length;
  const explained = dimension * heaviest > SIMPLE_WEIGHT && excess <= CHANCE * Math.sqrt(2 * others.length);
  return explained ? others : [];
}

/**
 * A rule of the run with the deflated eigenvalues at weight 1/D.
 *
 * Their weights in the run's own measure are subtracted where the rule has its
 * nodes for them, so that single weights of the result may be negative: it is
 * for sums of smooth functions.
 *
 * @param rule any quadrature rule of the run, at this many steps or fewer
 */
export function deflated(rule: SpectralMeasure, deflation: Deflation, dimension: number): SpectralMeasure {
  const { eigenvalues, weights, restScale } = deflation;
  if (eigenvalues.length === 0) {
    return rule;
  }
  const { length } = rule.nodes;
  const nodes = new Float64Array(length + eigenvalues.length);
  const shares = new Float64Array(nodes.length);
  nodes.set(rule.nodes);
  nodes.set(eigenvalues, length);
  for (let i = 0; i < length; i++) {
    shares[i] = restScale * rule.weights[i];
  }
  for (let i = 0; i < weights.length; i++) {
    shares[length + i] = 1 / dimension - restScale * weights[i];
  }
  return { nodes, weights: shares };
}

/** The nodes of the run's Gauss rule that are no deflated eigenvalue, with their weights after scaling. */
export function restOf(
  rule: SpectralMeasure,
  { eigenvalues, restScale, sameWithin: within }: Deflation,
): SpectralMeasure {
  const rest = [...rule.nodes.keys()].filter(
    (i) => !eigenvalues.some((value) => Math.abs(value - rule.nodes[i]) <= within),
  );
  return {
    nodes: Float64Array.from(rest, (i) => rule.nodes[i]),
    weights: Float64Array.from(rest, (i) => restScale * rule.weights[i]),
  };
}
