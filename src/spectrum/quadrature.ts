/**
 * Quadrature rules for the spectral measure seen by one Lanczos run. A rule of
 * a few hundred nodes stands for a measure of millions of eigenvalues.
 *
 * The rule "at m steps" uses the first m columns of the run: alpha_0 ..
 * alpha_{m-1} and beta_0 .. beta_{m-1} (the last one is the residual norm).
 */
import type { LanczosCoefficients } from './lanczos.js';
import { mixMeasures, type SpectralMeasure } from './spectral-measure.js';
import { tridiagonalEigen } from './tridiagonal.js';

/** A Radau coefficient beyond this multiple of the largest one has no weight in double precision: drop its node. */
const RUNAWAY_NODE = 1e9;

function ruleOf(diagonal: ArrayLike<number>, offDiagonal: ArrayLike<number>): SpectralMeasure {
  const { values, first } = tridiagonalEigen(diagonal, offDiagonal);
  const weights = first.map((component) => component * component);
  // The squares sum to 1 up to rounding; make it exact, so that no probability is lost.
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return { nodes: values, weights: weights.map((weight) => weight / total) };
}

function head(values: ArrayLike<number>, count: number): Float64Array {
  const result = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    result[i] = values[i];
  }
  return result;
}

function checkSteps(run: LanczosCoefficients, steps: number, least: number): void {
  if (!(steps >= least && steps <= run.alpha.length)) {
    throw new RangeError(
      `quadrature: expected between ${least} and ${run.alpha.length} Lanczos steps, got ${steps}`,
    );
  }
}

/**
 * The Gauss rule with `steps` nodes, exact for polynomials of degree
 * 2 steps - 1 (Golub & Welsch 1969). For a positive semi-definite operator it
 * is a lower bound of `<1/(1 + mu lambda)>` (Golub & Meurant, "Matrices,
 * Moments and Quadrature", chapter 6).
 */
export function gaussRule(run: LanczosCoefficients, steps = run.alpha.length): SpectralMeasure {
  checkSteps(run, steps, 1);
  return ruleOf(head(run.alpha, steps), run.beta);
}

/**
 * The anti-Gauss rule with `steps` nodes: its error on polynomials of degree
 * up to 2 steps - 1 is the exact opposite of that of the Gauss rule with
 * `steps - 1` nodes (Laurie 1996, "Anti-Gaussian quadrature formulas"). Its
 * Jacobi matrix is Gauss's with the last off-diagonal entry times sqrt(2).
 */
export function antiGaussRule(run: LanczosCoefficients, steps = run.alpha.length): SpectralMeasure {
  checkSteps(run, steps, 2);
  const offDiagonal = head(run.beta, steps - 1);
  offDiagonal[steps - 2] *= Math.SQRT2;
  return ruleOf(head(run.alpha, steps), offDiagonal);
}

/** The mean of the anti-Gauss rule at `steps` and the Gauss rule it pairs with, at `steps - 1` (Laurie 1996). */
export function averagedRule(run: LanczosCoefficients, steps = run.alpha.length): SpectralMeasure {
  return mixMeasures([gaussRule(run, steps - 1), antiGaussRule(run, steps)]);
}

/**
 * The Gauss-Radau rule with `steps + 1` nodes, one of them at 0, exact for
 * polynomials of degree 2 steps (Golub 1973, "Some modified matrix eigenvalue
 * problems"; Golub & Meurant, chapter 6).
 *
 * For a positive semi-definite operator it is an upper bound of
 * `<1/(1 + mu lambda)>`, falling with every step. For an indefinite one and
 * `|lambda|` the bound is proved for a measure symmetric about 0 (substitute
 * lambda^2); for others it is what is observed. As its node nearest to the
 * kink of `1/(1 + mu |lambda|)` cannot move, it is free of the oscillation
 * with the number of steps that the Gauss rule suffers from.
 */
export function zeroRadauRule(run: LanczosCoefficients, steps = run.alpha.length): SpectralMeasure {
  checkSteps(run, steps, 1);
  // Last pivot of the LDL' factorisation of T.
  let pivot = run.alpha[0];
  let scale = Math.abs(pivot);
  for (let i = 1; i < steps; i++) {
    pivot = run.alpha[i] - (run.beta[i - 1] * run.beta[i - 1]) / pivot;
    scale = Math.max(scale, Math.abs(run.alpha[i]), run.beta[i - 1]);
  }
  const residual = run.beta[steps - 1];
  const added = (residual * residual) / pivot;
  if (residual === 0 || !(Math.abs(added) <= RUNAWAY_NODE * scale)) {
    return gaussRule(run, steps); // 0 is a node of the Gauss rule already, or the rule is exact
  }
  const diagonal = new Float64Array(steps + 1);
  diagonal.set(head(run.alpha, steps));
  diagonal[steps] = added;
  return ruleOf(diagonal, run.beta);
}
