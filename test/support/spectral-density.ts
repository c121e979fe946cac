import type { SpectralMeasure } from '../../src/spectrum/spectral-measure.js';

/** A smoothed density on a grid. For plots only: limits are computed from the measure itself. */
export interface SpectralDensity {
  readonly grid: Float64Array;
  /** Integrates to 1 over the real line; may be large at a concentration. */
  readonly density: Float64Array;
}

/**
 * A measure smoothed by Gaussians of one width, as spectra of networks are
 * usually drawn (Ghorbani, Krishnan & Xiao 2019).
 *
 * @param options.sigma standard deviation of the Gaussians; default 1 % of the
 *   span of the nodes
 * @param options.points grid points; default 512
 * @param options.from left end of the grid; default 3 sigma below the smallest node
 * @param options.to right end of the grid; default 3 sigma above the largest node
 */
export function spectralDensity(
  measure: SpectralMeasure,
  options: { sigma?: number; points?: number; from?: number; to?: number } = {},
): SpectralDensity {
  const { nodes, weights } = measure;
  const smallest = nodes.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const largest = nodes.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const span = largest - smallest || Math.abs(largest) || 1;
  const sigma = options.sigma ?? 0.01 * span;
  const points = options.points ?? 512;
  if (!(sigma > 0) || !Number.isInteger(points) || points < 2) {
    throw new RangeError(
      `spectralDensity: expected sigma > 0 and at least 2 points, got ${sigma} and ${points}`,
    );
  }
  const from = options.from ?? smallest - 3 * sigma;
  const to = options.to ?? largest + 3 * sigma;
  const grid = new Float64Array(points);
  const density = new Float64Array(points);
  const height = 1 / (sigma * Math.sqrt(2 * Math.PI));
  for (let j = 0; j < points; j++) {
    const x = from + ((to - from) * j) / (points - 1);
    let sum = 0;
    for (let i = 0; i < nodes.length; i++) {
      const z = (x - nodes[i]) / sigma;
      sum += weights[i] * Math.exp(-0.5 * z * z);
    }
    grid[j] = x;
    density[j] = height * sum;
  }
  return { grid, density };
}
