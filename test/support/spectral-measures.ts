import type { SpectralMeasure } from '../../src/spectrum/spectral-measure.js';

/** The measure of a known spectrum: every eigenvalue has the same weight. */
export function measureFromEigenvalues(eigenvalues: ArrayLike<number>): SpectralMeasure {
  const nodes = Float64Array.from(eigenvalues);
  return { nodes, weights: new Float64Array(nodes.length).fill(1 / nodes.length) };
}

/** The measure of |lambda|: the paper's treatment of negative curvature. */
export function absoluteMeasure(measure: SpectralMeasure): SpectralMeasure {
  return { nodes: measure.nodes.map(Math.abs), weights: measure.weights };
}
