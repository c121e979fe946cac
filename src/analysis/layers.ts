/** What each prunable weight contributes to the loss increase of pruning, in the quadratic model of the loss. */
import type { AnalyzeConfig } from '../config.js';
import { type LinearOperator, productSummary } from '../curvature/linear-operator.js';
import type { PrunableWeight } from '../network/network.js';
import type { Progress } from '../progress.js';
import { type MagnitudeRanking, pruningDisplacement, removedCount } from '../pruning/magnitude.js';
import type { IncreasePredictor, SlicePrediction } from './slice.js';
import { analysisStages } from './stages.js';

/** Where a weight lies in the flat vector. */
export type LayerPlace = Pick<PrunableWeight, 'offset' | 'size'>;

/** What removing the part d_l of a displacement d in one layer does to the loss. */
export interface LayerSensitivity {
  /** g' d_l + 1/2 d_l' H d_l */
  increaseAlone: number;
  /** g' d_l + 1/2 sum_k d_k' H d_l; over all layers these sum to g' d + 1/2 d' H d. */
  increaseWithinWhole: number;
  /** `increaseWithinWhole` over the predicted increase; null where that is 0. */
  share: number | null;
}

/** The two layers k < l with the largest |d_k' H d_l|. */
export interface LayerPair {
  first: number;
  second: number;
  /** d_k' H d_l, what the pair adds to g' d + 1/2 d' H d. */
  increase: number;
  /** Of the predicted increase; null where that is 0. */
  share: number | null;
}

/** The sensitivities of all layers to the removal at a pruned fraction. */
export interface LayerSensitivities {
  prunedFraction: number;
  /** g' d + 1/2 d' H d, of one product with the whole d. */
  predictedIncrease: number;
  /** One for each layer. */
  layers: LayerSensitivity[];
  /** Null where no two layers interact. */
  strongestPair: LayerPair | null;
  /** Curvature products that were taken. */
  products: number;
}

/** Largest number of products that are taken unasked, as a part of those of the spectrum. */
export const UNASKED_PRODUCT_SHARE = 1 / 4;

type Vector = Float32Array | Float64Array;

function innerProduct(left: Vector, right: Vector, { offset, size }: LayerPlace): number {
  let sum = 0;
  for (let i = offset; i < offset + size; i++) {
    sum += left[i] * right[i];
  }
  return sum;
}

/** The L2 norm of the part of a vector that lies in a layer. */
export function layerNorm(vector: Vector, layer: LayerPlace): number {
  return Math.sqrt(innerProduct(vector, vector, layer));
}

/** The layers in which a displacement is not 0 throughout; the others take no product. */
export function displacedLayers(displacement: Vector, layers: readonly LayerPlace[]): number[] {
  return [...layers.keys()].filter((index) => {
    const { offset, size } = layers[index];
    return displacement.subarray(offset, offset + size).some((entry) => entry !== 0);
  });
}

/**
 * M_lk = d_k' H d_l, by one product H d_l for each layer with a displacement.
 *
 * Both M_lk and M_kl are computed; they differ by the rounding of the products.
 *
 * @param displacement d, length D
 * @param onProduct told how many products were taken
 * @returns L rows of L entries
 */
export async function interactionMatrix(
  operator: LinearOperator,
  displacement: Vector,
  layers: readonly LayerPlace[],
  onProduct: (done: number) => void = () => {},
): Promise<Float64Array[]> {
  const rows: Float64Array[] = layers.map(() => new Float64Array(layers.length));
  const part = new Float32Array(displacement.length);
  for (const [done, index] of displacedLayers(displacement, layers).entries()) {
    const { offset, size } = layers[index];
    part.set(displacement.subarray(offset, offset + size), offset);
    rows[index] = await productSummary(operator, part, {
      name: 'd_k H d_l of all layers k',
      inputs: [displacement],
      of: (product) => Float64Array.from(layers, (other) => innerProduct(displacement, product, other)),
    });
    part.fill(0, offset, offset + size);
    onProduct(done + 1);
  }
  return rows;
}

/**
 * The sensitivities that an interaction matrix stands for.
 *
 * @param gradientTerms g' d_l for each layer
 * @param matrix M_lk = d_k' H d_l
 * @param predictedIncrease what shares are of
 */
export function sensitivitiesOf(
  gradientTerms: readonly number[],
  matrix: readonly Float64Array[],
  predictedIncrease: number,
): Pick<LayerSensitivities, 'layers' | 'strongestPair'> {
  const shareOf = (increase: number): number | null =>
    predictedIncrease === 0 ? null : increase / predictedIncrease;
  const layers = gradientTerms.map((gradientTerm, index): LayerSensitivity => {
    const row = matrix[index];
    const increaseWithinWhole = gradientTerm + row.reduce((sum, entry) => sum + entry, 0) / 2;
    return {
      increaseAlone: gradientTerm + row[index] / 2,
      increaseWithinWhole,
      share: shareOf(increaseWithinWhole),
    };
  });
  let strongestPair: LayerPair | null = null;
  for (let first = 0; first < matrix.length; first++) {
    for (let second = first + 1; second < matrix.length; second++) {
      const increase = (matrix[first][second] + matrix[second][first]) / 2;
      if (Math.abs(increase) > Math.abs(strongestPair?.increase ?? 0)) {
        strongestPair = { first, second, increase, share: shareOf(increase) };
      }
    }
  }
  return { layers, strongestPair };
}

/** What the sensitivities are computed from. */
export interface LayerSetting {
  curvature: LinearOperator;
  layers: readonly LayerPlace[];
  weights: Float32Array;
  ranking: MagnitudeRanking;
  /** g at the trained weights, length D. */
  gradient: Float64Array;
  predict: IncreasePredictor;
  slice: Pick<SlicePrediction, 'prunedFraction'>;
  /** Products that the spectrum took. */
  spectrumProducts: number;
}

/**
 * The sensitivities of all layers to the removal at the slice limit; null where they would take more than a quarter
 * of the spectrum's products and were not asked for.
 */
export async function measureLayers(
  setting: LayerSetting,
  asked: AnalyzeConfig['layers'],
  progress: Progress,
): Promise<LayerSensitivities | null> {
  const { layers, weights, ranking, gradient } = setting;
  const { prunedFraction } = setting.slice;
  const count = removedCount(weights, ranking, prunedFraction);
  const displacement = pruningDisplacement(weights, ranking, count);
  const products = displacedLayers(displacement, layers).length;
  if (asked === 'auto' && products > UNASKED_PRODUCT_SHARE * setting.spectrumProducts) {
    return null;
  }
  const stage = progress.stage(analysisStages.layers, products);
  const matrix = await interactionMatrix(setting.curvature, displacement, layers, stage.update);
  stage.end();
  const { gradientTerm, curvatureTerm } = await setting.predict(prunedFraction);
  const predictedIncrease = gradientTerm + curvatureTerm;
  const gradientTerms = layers.map((layer) => innerProduct(gradient, displacement, layer));
  return {
    prunedFraction,
    predictedIncrease,
    ...sensitivitiesOf(gradientTerms, matrix, predictedIncrease),
    products,
  };
}

/**
 * The part of each layer that global magnitude pruning keeps.
 *
 * @param layers ascending by offset, without gaps
 * @param counts how many weights are pruned, in any order
 * @returns for each count the kept part of each layer, in [0, 1]
 */
export function keptShares(
  layers: readonly LayerPlace[],
  { order }: Pick<MagnitudeRanking, 'order'>,
  counts: readonly number[],
): number[][] {
  const shares = counts.map((): number[] => []);
  const removed = layers.map(() => 0);
  let pruned = 0;
  for (const index of [...counts.keys()].sort((a, b) => counts[a] - counts[b])) {
    for (; pruned < counts[index]; pruned++) {
      removed[layerAt(layers, order[pruned])]++;
    }
    shares[index] = layers.map(({ size }, layer) => (size - removed[layer]) / size);
  }
  return shares;
}

/** The layer that an entry of the flat vector belongs to. */
function layerAt(layers: readonly LayerPlace[], entry: number): number {
  let low = 0;
  let high = layers.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (layers[middle].offset <= entry) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}
