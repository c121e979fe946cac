import { productSummary } from '../curvature/linear-operator.js';
import type { CurvatureOperator } from '../curvature/products.js';
import type { SearchedLimit, Tried } from '../geometry/first-failure.js';
import { searchSlice } from '../geometry/slice-limit.js';
import type { Progress } from '../progress.js';
import { type MagnitudeRanking, pruningDisplacement, removedCount } from '../pruning/magnitude.js';
import { analysisStages } from './stages.js';

/** The two terms of the quadratic model of the loss along a displacement d. */
export interface PredictedIncrease {
  /** g' d */
  gradientTerm: number;
  /** 1/2 d' H d */
  curvatureTerm: number;
}

/** Predicts the loss increase of pruning; one curvature product per fraction, none twice. */
export type IncreasePredictor = (prunedFraction: number) => Promise<PredictedIncrease>;

/**
 * The quadratic model of the loss along d(p) = w^k - w*.
 *
 * @param gradient g at w*
 */
export function increasePredictor(
  operator: CurvatureOperator,
  gradient: Float64Array,
  weights: Float32Array,
  ranking: MagnitudeRanking,
  onProduct: () => void = () => {},
): IncreasePredictor {
  const known = new Map<number, Promise<PredictedIncrease>>();
  const predict = async (count: number): Promise<PredictedIncrease> => {
    if (count === 0) {
      return { gradientTerm: 0, curvatureTerm: 0 };
    }
    const displacement = pruningDisplacement(weights, ranking, count);
    const [curvatureTerm] = await productSummary(operator, displacement, {
      name: 'half of d H d',
      of: (product) =>
        Float64Array.of(displacement.reduce((sum, entry, i) => sum + (entry * product[i]) / 2, 0)),
    });
    onProduct();
    const gradientTerm = displacement.reduce((sum, entry, i) => sum + gradient[i] * entry, 0);
    return { gradientTerm, curvatureTerm };
  };
  return (prunedFraction) => {
    const count = removedCount(weights, ranking, prunedFraction);
    const result = known.get(count) ?? predict(count);
    known.set(count, result);
    return result;
  };
}

/** The slice limit and how much the gradient has to do with it. */
export interface SlicePrediction extends SearchedLimit {
  /** |g' d| / (|g' d| + |1/2 d' H d|) at the limit; null at p = 0. */
  gradientShare: number | null;
  /** Every fraction that was tried, ascending, and what is predicted there. */
  tried: readonly Tried<PredictedIncrease>[];
}

/** Fractions that a search rarely exceeds; on three networks and three eps it tried 18 to 20. */
const USUAL_PRODUCTS = 25;

/** p_slice: the pruned fraction up to which the predicted loss increase stays within eps. */
export async function predictSlice(
  predict: IncreasePredictor,
  epsilon: number,
  maximumFraction: number,
  progress: Progress,
): Promise<SlicePrediction> {
  const stage = progress.stage(analysisStages.slice, USUAL_PRODUCTS, { atMost: true });
  const { tried, limits } = await searchSlice(
    predict,
    ({ gradientTerm, curvatureTerm }) => gradientTerm + curvatureTerm,
    epsilon,
    maximumFraction,
    (count) => stage.update(Math.min(count, USUAL_PRODUCTS)),
  );
  stage.end();
  const { gradientTerm, curvatureTerm } = await predict(limits[0].prunedFraction);
  const size = Math.abs(gradientTerm) + Math.abs(curvatureTerm);
  return { ...limits[0], gradientShare: size === 0 ? null : Math.abs(gradientTerm) / size, tried };
}
