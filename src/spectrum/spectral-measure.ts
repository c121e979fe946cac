/**
 * A probability measure with finitely many atoms that stands for the
 * distribution of an operator's eigenvalues, and what is computed from it.
 */
export interface SpectralMeasure {
  /** Eigenvalues, or quadrature nodes in their place. Any order. */
  readonly nodes: Float64Array;
  /** The share of the spectrum at each node: not negative, sum 1. */
  readonly weights: Float64Array;
}

/** A quantity computed from a spectral measure. */
export type SpectralFunctional = (measure: SpectralMeasure) => number;

/** What negative eigenvalues count as in a functional: their magnitude, or 0. */
export type NegativeEigenvalues = 'abs' | 'clip';

/** The spectral average `<f> = (1/D) tr f(H)`, as the sum of weight times f(node). */
export function spectralAverage(measure: SpectralMeasure, f: (node: number) => number): number {
  const { nodes, weights } = measure;
  let sum = 0;
  for (let i = 0; i < nodes.length; i++) {
    sum += weights[i] * f(nodes[i]);
  }
  return sum;
}

/**
 * A mixture of measures.
 *
 * @param coefficients one a measure, not negative, sum 1; equal shares if omitted
 */
export function mixMeasures(
  measures: readonly SpectralMeasure[],
  coefficients?: readonly number[],
): SpectralMeasure {
  if (measures.length === 0) {
    throw new RangeError('mixMeasures: expected at least one measure, got none');
  }
  if (coefficients !== undefined && coefficients.length !== measures.length) {
    throw new RangeError(
      `mixMeasures: expected ${measures.length} coefficients, one a measure, got ${coefficients.length}`,
    );
  }
  const length = measures.reduce((sum, measure) => sum + measure.nodes.length, 0);
  const nodes = new Float64Array(length);
  const weights = new Float64Array(length);
  let offset = 0;
  measures.forEach((measure, index) => {
    const share = coefficients === undefined ? 1 / measures.length : coefficients[index];
    const own = measure.weights;
    nodes.set(measure.nodes, offset);
    for (let i = 0; i < own.length; i++) {
      weights[offset + i] = share * own[i];
    }
    offset += own.length;
  });
  return { nodes, weights };
}

/** The measure of max(lambda, 0): directions of negative curvature count as free. */
export function clippedMeasure(measure: SpectralMeasure): SpectralMeasure {
  return { nodes: measure.nodes.map((node) => Math.max(node, 0)), weights: measure.weights };
}
