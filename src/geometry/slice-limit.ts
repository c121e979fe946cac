import { type LargestFraction, largestFraction } from './largest-fraction.js';

/**
 * The slice limit: the largest pruned fraction at which the one-shot pruned
 * network itself is inside the quadratic sublevel set,
 *
 *     g' d(p) + 1/2 d(p)' H d(p) <= eps,   d(p) = w^k - w*
 *
 * so nothing needs retraining (in the quadratic model). The paper's upper
 * bound of the kept ratio; the gradient term is added here, as a network is
 * rarely trained to its exact minimum.
 *
 * @param predictedIncrease the left side at p; one Hessian-vector product
 * @param options see `largestFraction`; null fraction where no p of the grid
 *   qualifies, which p = 0 always does
 */
export function sliceLimit(
  predictedIncrease: (prunedFraction: number) => Promise<number>,
  epsilon: number,
  options: { grid?: readonly number[]; resolution?: number } = {},
): Promise<LargestFraction> {
  return largestFraction(async (p) => (await predictedIncrease(p)) <= epsilon, options);
}

/**
 * What `1/2 d' H d` is for a direction d of squared length R^2 that is
 * independent of the eigenvectors: `R^2 tr(H) / (2 D)`. It shows the paper's
 * two factors, weight magnitude (R) and sharpness (tr H).
 */
export function isotropicIncrease(radiusSquared: number, trace: number, dimension: number): number {
  return (radiusSquared * trace) / (2 * dimension);
}
