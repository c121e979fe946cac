/** Sums over the spectrum from a few Lanczos runs, the eigenvalues that were found deflated. */
import { deflated, deflationOf, restOf } from './deflation.js';
import type { LanczosCoefficients } from './lanczos.js';
import { BOUND_WEIGHT } from './probe-error.js';
import { gaussRule } from './quadrature.js';
import { mixMeasures, spectralAverage } from './spectral-measure.js';

/** An estimate with one standard error. */
export interface SumEstimate {
  readonly value: number;
  readonly standardError: number;
}

/**
 * The trace, by Hutchinson's estimate with deflation.
 *
 * `D v' H v = D alpha_0` (Hutchinson 1990) weighs eigenvalue j by
 * `D (q_j' v)^2`, which is 1 in expectation and scatters by as much. For the
 * eigenvalues that the run has found that weight is known and is replaced by
 * 1; only the rest of the spectrum is left to chance (see `deflation.ts`).
 *
 * The variance of one probe is at most `2 ||H_rest||_F^2`, estimated by the
 * run's own second moment `D (alpha_0^2 + beta_0^2)` less the deflated part.
 * The standard error combines that bound, weighted as in `probe-error.ts`,
 * with the scatter over probes.
 *
 * @param dimension D
 */
export function estimateTrace(dimension: number, runs: readonly LanczosCoefficients[]): SumEstimate {
  const count = runs.length;
  const traces: number[] = [];
  let bound = 0;
  for (const run of runs) {
    let trace = dimension * run.alpha[0];
    let squares = dimension * (run.alpha[0] ** 2 + (run.beta[0] ?? 0) ** 2);
    const { eigenvalues, weights } = deflationOf(run, dimension);
    eigenvalues.forEach((value, index) => {
      trace += value * (1 - dimension * weights[index]);
      squares -= dimension * weights[index] * value ** 2;
    });
    traces.push(trace);
    bound += (2 * Math.max(0, squares)) / count;
  }
  const value = traces.reduce((sum, trace) => sum + trace, 0) / count;
  const scatter = traces.reduce((sum, trace) => sum + (trace - value) ** 2, 0);
  const variance = (BOUND_WEIGHT * bound + scatter) / (BOUND_WEIGHT + count - 1);
  return { value, standardError: Math.sqrt(variance / count) };
}

/**
 * The share of sum |lambda| that negative eigenvalues hold, in [0, 1]; 0 for a
 * spectrum that is zero throughout.
 *
 * From the Gauss rules, whose nodes stay within the spectrum, so that a
 * positive semi-definite matrix has no negative mass; with deflation, as a few
 * large eigenvalues hold most of the sum. Its standard error is that of the
 * ratio to first order, over probes: at most `2 Var(f(lambda)) / D` a probe,
 * with f the ratio's influence function (Avron & Toledo 2011).
 *
 * @param dimension D
 */
export function estimateNegativeShare(dimension: number, runs: readonly LanczosCoefficients[]): SumEstimate {
  const rules = runs.map((run) => gaussRule(run));
  const deflations = runs.map((run) => deflationOf(run, dimension));
  const measure = mixMeasures(rules.map((rule, index) => deflated(rule, deflations[index], dimension)));
  const total = spectralAverage(measure, Math.abs);
  if (!(total > 0)) {
    return { value: 0, standardError: 0 };
  }
  const share = spectralAverage(measure, (node) => Math.max(0, -node)) / total;
  const value = Math.min(1, Math.max(0, share));
  const influence = (node: number): number => (Math.max(0, -node) - value * Math.abs(node)) / total;
  const rest = mixMeasures(rules.map((rule, index) => restOf(rule, deflations[index])));
  const mass = spectralAverage(rest, () => 1);
  const mean = mass > 0 ? spectralAverage(rest, influence) / mass : 0;
  const squares = spectralAverage(rest, (node) => (influence(node) - mean) ** 2);
  return { value, standardError: Math.sqrt((2 * squares) / (dimension * runs.length)) };
}
