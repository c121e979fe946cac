/**
 * Quadrature rules of a Lanczos run at any number of its steps. A run that has
 * ended in an invariant subspace is exact from there on.
 */
import type { LanczosCoefficients } from './lanczos.js';
import { antiGaussRule, averagedRule, gaussRule, zeroRadauRule } from './quadrature.js';
import type { SpectralMeasure } from './spectral-measure.js';

/** Whether the Gauss rule of the run at this many steps is the run's exact measure. */
export function isExact(run: LanczosCoefficients, steps: number): boolean {
  const { length } = run.alpha;
  return run.beta[length - 1] === 0 && steps >= length;
}

/** The Gauss rule. */
export function gaussOrExact(run: LanczosCoefficients, steps: number): SpectralMeasure {
  return gaussRule(run, Math.min(steps, run.alpha.length));
}

/** The anti-Gauss rule, or the exact measure of a run that ended before. */
export function antiGaussOrExact(run: LanczosCoefficients, steps: number): SpectralMeasure {
  const used = Math.min(steps, run.alpha.length);
  return isExact(run, steps) || used < 2 ? gaussRule(run, used) : antiGaussRule(run, used);
}

/** The averaged rule, or the exact measure of a run that ended before. */
export function averagedOrExact(run: LanczosCoefficients, steps: number): SpectralMeasure {
  const used = Math.min(steps, run.alpha.length);
  return isExact(run, steps) || used < 2 ? gaussRule(run, used) : averagedRule(run, used);
}

/** The Gauss-Radau rule with a node at 0, or the exact measure of a run that ended before. */
export function radauOrExact(run: LanczosCoefficients, steps: number): SpectralMeasure {
  const used = Math.min(steps, run.alpha.length);
  return isExact(run, steps) ? gaussRule(run, used) : zeroRadauRule(run, used);
}

/** A run as it was after so many steps. */
export function headOf(run: LanczosCoefficients, steps: number): LanczosCoefficients {
  const { length } = run.alpha;
  return steps >= length
    ? run
    : {
        alpha: Array.prototype.slice.call(run.alpha, 0, steps),
        beta: Array.prototype.slice.call(run.beta, 0, steps),
        reorthogonalization: run.reorthogonalization,
      };
}
