/** Atoms of a measure, as `spectrum.ritz` of a report holds them. */
interface Atoms {
  readonly nodes: ArrayLike<number>;
  /** As many as nodes; they sum to 1. */
  readonly weights: ArrayLike<number>;
}

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
 * @param options.points grid points, default 512,
 *   from 3 sigma below the smallest node to 3 sigma above the largest
 * @throws RangeError where sigma is not above 0 or there are fewer than 2 points
 */
export function spectralDensity(
  measure: Atoms,
  options: { sigma?: number; points?: number } = {},
): SpectralDensity {
  const { nodes, weights } = measure;
  let [smallest, largest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < nodes.length; i++) {
    smallest = Math.min(smallest, nodes[i]);
    largest = Math.max(largest, nodes[i]);
  }
  const span = largest - smallest || Math.abs(largest) || 1;
  const sigma = options.sigma ?? 0.01 * span;
  const points = options.points ?? 512;
  if (!(sigma > 0) || !Number.isInteger(points) || points < 2) {
    throw new RangeError(
      `spectralDensity: expected sigma > 0 and at least 2 points, got ${sigma} and ${points}`,
    );
  }
  const from = smallest - 3 * sigma;
  const to = largest + 3 * sigma;
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
