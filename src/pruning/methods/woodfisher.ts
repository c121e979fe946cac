import { type GradientMatrix, gradientMatrix, pickColumns } from './gradient-matrix.js';
import { type InverseFisher, inverseFisher } from './inverse-fisher.js';
import { masked, pruneLowest } from './mask.js';
import type { MatrixProducts } from './matrix-products.js';
import type { PrunedNetwork, PruningMethod } from './method.js';

/** Damping of the empirical Fisher matrix, of the authors' scripts. */
const DAMPING = 1e-5;
/** Most weights of which the matrix is whole; larger networks are cut into blocks of so many along the diagonal. */
const BLOCK = 50_000;

/**
 * WoodFisher's mask and update for given gradients: scores w_q^2 / [F^-1]_qq, F = damping I + G'G / N, the lowest
 * pruned over all blocks together; dw = -F^-1 z, z_q = w_q / [F^-1]_qq of the pruned, which adds up the OBS steps of
 * single weights.
 *
 * @param gradients G, N x D
 * @param options.block weights in a diagonal block of F
 */
export async function woodFisherPruning(
  gradients: GradientMatrix,
  weights: Float32Array,
  prunedWeights: number,
  { damping, block, products }: { damping: number; block: number; products: MatrixProducts },
): Promise<PrunedNetwork> {
  const dimension = weights.length;
  const places: Uint32Array[] = [];
  for (let first = 0; first < dimension; first += block) {
    places.push(Uint32Array.from({ length: Math.min(block, dimension - first) }, (_, i) => first + i));
  }
  const inverses: InverseFisher[] = [];
  const diagonal = new Float64Array(dimension);
  for (const [index, picked] of places.entries()) {
    const ofBlock = picked.length === dimension ? gradients : pickColumns(gradients, picked);
    const inverse = await inverseFisher(ofBlock, damping, products);
    inverses.push(inverse);
    diagonal.set(await inverse.diagonal(), index * block);
  }
  const scores = diagonal.map((value, i) => weights[i] ** 2 / value);
  const mask = pruneLowest(scores, prunedWeights);
  const moved = weights.slice();
  inverses.forEach((inverse, index) => {
    const forces = Float64Array.from(places[index], (i) => (mask[i] === 0 ? weights[i] / diagonal[i] : 0));
    const step = inverse.apply(forces);
    places[index].forEach((i, j) => {
      moved[i] = weights[i] - step[j];
    });
  });
  return { mask, weights: masked(moved, mask) };
}

/**
 * WoodFisher (Singh & Alistarh, NeurIPS 2020), with gradients of single examples and the inverse in Woodbury's form,
 * which needs N x N and not D x D numbers.
 */
export const woodfisher: PruningMethod = async ({ weights, oracle, products }, { prunedWeights }) => {
  const gradients = await gradientMatrix(oracle, weights, { batchSize: 1, count: oracle.examples });
  return woodFisherPruning(gradients, weights, prunedWeights, { damping: DAMPING, block: BLOCK, products });
};
