/** Statistical dimensions of cones in closed form and by Monte Carlo: references (Amelunxen, Lotz, McCoy & Tropp 2014, ALMT). */
import type { RandomStream } from '../../src/random.js';

/** A subspace has its dimension (ALMT, section 2.2). */
export function subspaceStatisticalDimension(subspaceDimension: number): number {
  return subspaceDimension;
}

/** The nonnegative orthant of R^D has D/2 (ALMT, table 3.1). */
export function orthantStatisticalDimension(dimension: number): number {
  return dimension / 2;
}

/** The circular cone of half-angle a has `D sin^2 a + cos 2a`, up to O(1/D) (ALMT, proposition 3.4). */
export function circularConeStatisticalDimension(dimension: number, angle: number): number {
  return dimension * Math.sin(angle) ** 2 + Math.cos(2 * angle);
}

/** A Monte Carlo estimate with one standard error. */
export interface MonteCarloEstimate {
  readonly value: number;
  readonly standardError: number;
}

/**
 * The statistical dimension of any closed convex cone whose projection can be
 * computed, as a sample mean of `||Pi_C(g)||^2` (ALMT, definition 2.1).
 *
 * @param projection the nearest point of the cone; may reuse its argument
 */
export function monteCarloStatisticalDimension(
  dimension: number,
  projection: (point: Float64Array) => Float64Array,
  samples: number,
  random: RandomStream,
): MonteCarloEstimate {
  if (!(samples >= 2)) {
    throw new RangeError(`monteCarloStatisticalDimension: expected at least 2 samples, got ${samples}`);
  }
  let mean = 0;
  let squares = 0;
  for (let sample = 1; sample <= samples; sample++) {
    const projected = projection(Float64Array.from({ length: dimension }, () => random.normal()));
    let norm = 0;
    for (const component of projected) {
      norm += component * component;
    }
    const difference = norm - mean;
    mean += difference / sample;
    squares += difference * (norm - mean);
  }
  return { value: mean, standardError: Math.sqrt(squares / (samples - 1) / samples) };
}
