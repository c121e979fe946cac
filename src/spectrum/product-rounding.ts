import type { LinearOperator } from '../curvature/linear-operator.js';
import type { LanczosVector } from './vector-loops.js';

/**
 * A vector times this rounds differently in every operation. No power of two,
 * which would change exponents only.
 */
const OTHER_SCALE = 0.7;

/**
 * The rounding of a product with a Lanczos vector, measured by one more that rounds differently: the norm of their
 * difference.
 *
 * @param coupling what the previous vector was subtracted with
 * @param residual product with the current vector, less the previous vector's part
 */
export async function productRounding(
  operator: LinearOperator,
  current: LanczosVector,
  previous: LanczosVector,
  coupling: number,
  residual: Float64Array,
): Promise<number> {
  const other = await operator.apply(current.map((entry) => OTHER_SCALE * entry));
  let squares = 0;
  for (let i = 0; i < other.length; i++) {
    const difference = other[i] / OTHER_SCALE - coupling * previous[i] - residual[i];
    squares += difference * difference;
  }
  return Math.sqrt(squares);
}
