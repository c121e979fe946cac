import { type LinearOperator, productSummary } from '../curvature/linear-operator.js';
import { displacementTo } from '../pruning/layer-removal.js';

/**
 * g'd + 1/2 d'Hd where weights become others: one product.
 *
 * @param gradient g at `weights`
 */
export async function removalIncrease(
  operator: LinearOperator,
  gradient: Float64Array,
  weights: Float32Array,
  pruned: Float32Array,
): Promise<number> {
  const displacement = displacementTo(weights, pruned);
  const [increase] = await productSummary(operator, displacement, {
    name: 'g d and half of d H d',
    of: (product) =>
      Float64Array.of(
        displacement.reduce((sum, entry, i) => sum + entry * (gradient[i] + product[i] / 2), 0),
      ),
  });
  return increase;
}
