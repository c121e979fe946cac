import type { LanczosCoefficients, Reorthogonalization } from './lanczos.js';
import { tridiagonalEigen } from './tridiagonal.js';

/** An eigenvalue of the operator as seen by one Lanczos run. */
export interface RitzEigenvalue {
  readonly value: number;
  /** Some eigenvalue lies within this distance of `value` (Parlett 1980, theorem 4.5.1 for a Ritz pair). */
  readonly residual: number;
  /** Ritz values merged into this one: 1, or more where a run without reorthogonalisation made ghost copies. */
  readonly copies: number;
  /** Its weight in the run's quadrature rule: the squared component of the start vector along its eigenvector. */
  readonly weight: number;
}

/**
 * Ritz values closer than this share of the spectral radius are one eigenvalue.
 * Without reorthogonalisation they are ghost copies. With it every Ritz value
 * is an eigenvalue of its own, however near the next, and only rounding makes
 * two of one: two eigenvalues of 2,048 that were taken for copies moved a limit
 * by 0.06 points, 8 times the half-width of its interval.
 */
const SAME: Record<Reorthogonalization, number> = { full: 1e-12, none: 1e-6 };

/** The distance within which numbers are the same Ritz value of a run. */
export function sameWithin(run: LanczosCoefficients, radius: number): number {
  return SAME[run.reorthogonalization] * radius;
}

/** A residual up to this share of the spectral radius counts as converged. */
const CONVERGED = 1e-3;

/** An unconverged Ritz value of less weight than this is rounding: a ghost in the making. */
const GHOST_WEIGHT = 1e-12;

/**
 * A Ritz value whose residual is within this share of the distance to its
 * neighbours is one isolated eigenvalue: its vector is right to this angle
 * (Parlett 1980, theorem 11.7.1), its weight to the square of it. So small,
 * because eigenvalues of which the start vector holds next to nothing converge
 * later than their neighbours (residuals go with the inverse of the component):
 * with 0.1 those that were missed moved limits by +0.3 points, with 1e-4 one
 * in a thousand is missed.
 */
const ISOLATED = 1e-4;

/**
 * The Ritz values of a run, ascending, each eigenvalue once.
 *
 * Without reorthogonalisation converged eigenvalues reappear as copies, which
 * are merged. As one start vector sees every eigenvalue once, true
 * multiplicities cannot be told from ghosts by any single run. A ghost in the
 * making, which passes through values where no eigenvalue is, has next to no
 * weight and is left out.
 */
function mergedRitzValues(run: LanczosCoefficients): { merged: RitzEigenvalue[]; radius: number } {
  const { values, first, last } = tridiagonalEigen(run.alpha, run.beta);
  const residualNorm = run.beta[run.alpha.length - 1];
  const radius = Math.max(Math.abs(values[0]), Math.abs(values[values.length - 1]));
  const same = sameWithin(run, radius);
  const merged: RitzEigenvalue[] = [];
  for (let i = 0; i < values.length; ) {
    let best = i;
    let end = i + 1;
    let weight = first[i] * first[i];
    while (end < values.length && values[end] - values[end - 1] <= same) {
      if (Math.abs(last[end]) < Math.abs(last[best])) {
        best = end;
      }
      weight += first[end] * first[end];
      end++;
    }
    const residual = residualNorm * Math.abs(last[best]);
    if (residual <= CONVERGED * radius || weight > GHOST_WEIGHT) {
      merged.push({ value: values[best], residual, copies: end - i, weight });
    }
    i = end;
  }
  return { merged, radius };
}

/**
 * The eigenvalues of largest magnitude of one run, largest first. The list
 * ends before the first that has not converged, as nothing is known between it
 * and the next.
 *
 * @param count how many at most
 */
export function leadingEigenvalues(run: LanczosCoefficients, count: number): RitzEigenvalue[] {
  const { merged, radius } = mergedRitzValues(run);
  merged.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const unconverged = merged.findIndex(({ residual }) => !(residual <= CONVERGED * radius));
  return merged.slice(0, unconverged < 0 ? count : Math.min(count, unconverged));
}

/**
 * The eigenvalues at both ends of the spectrum that one run has found and
 * separated from their neighbours, from each end inwards to the first that it
 * has not.
 */
export function isolatedEigenvalues(run: LanczosCoefficients): RitzEigenvalue[] {
  const { merged } = mergedRitzValues(run);
  const isolated = ({ value, residual }: RitzEigenvalue, i: number): boolean => {
    const below = i > 0 ? value - merged[i - 1].value : Number.POSITIVE_INFINITY;
    const above = i + 1 < merged.length ? merged[i + 1].value - value : Number.POSITIVE_INFINITY;
    return residual <= ISOLATED * Math.min(below, above);
  };
  const fromBelow = merged.findIndex((ritz, i) => !isolated(ritz, i));
  if (fromBelow < 0) {
    return merged;
  }
  const fromAbove = merged.findLastIndex((ritz, i) => !isolated(ritz, i));
  return [...merged.slice(0, fromBelow), ...merged.slice(fromAbove + 1)];
}
