import { type Condition, type FirstFailures, searchFirstFailures } from './first-failure.js';

/**
 * By how much of eps the predicted increase leaves the range of its values at
 * two tried fractions: measured at every 0.1 % of three networks, over intervals
 * of 10 %, 0.02 (median) and 0.1 (largest). Where the increase rises by much, as
 * around the limit, by less and less of that rise. Each look costs a product.
 */
const SPREAD_OF_EPSILON = 0.05;
const SPREAD_OF_DIFFERENCE = 0.5;
/** An increase of so many eps does not come back. */
const HOPELESS_INCREASE = 10;

function increaseWithin<M>(epsilon: number, increaseOf: (prediction: M) => number): Condition<M> {
  return {
    margin: (prediction) => (epsilon - increaseOf(prediction)) / epsilon,
    spread: (from, to) => {
      const difference = Math.abs(increaseOf(to) - increaseOf(from)) / epsilon;
      return Math.min(SPREAD_OF_EPSILON, SPREAD_OF_DIFFERENCE * difference);
    },
    hopeless: (prediction) => !(increaseOf(prediction) <= HOPELESS_INCREASE * epsilon),
  };
}

/**
 * The slice limit: the pruned fraction up to which the one-shot pruned network
 * itself is inside the quadratic sublevel set,
 *
 *     g' d(p) + 1/2 d(p)' H d(p) <= eps,   d(p) = w^k - w*
 *
 * so nothing needs retraining (in the quadratic model). The paper's upper
 * bound of the kept ratio; the gradient term is added here, as a network is
 * rarely trained to its exact minimum.
 *
 * @param predicted what is predicted at p; one Hessian-vector product
 * @param increaseOf the left side, of a prediction
 * @param maximumFraction no p beyond is tried
 * @param onTried called with the number of fractions tried so far
 */
export function searchSlice<M>(
  predicted: (prunedFraction: number) => Promise<M>,
  increaseOf: (prediction: M) => number,
  epsilon: number,
  maximumFraction = 1,
  onTried?: (tried: number) => void,
): Promise<FirstFailures<M>> {
  return searchFirstFailures(predicted, [increaseWithin(epsilon, increaseOf)], { maximumFraction }, onTried);
}
