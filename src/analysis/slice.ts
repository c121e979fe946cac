import type { CurvatureOperator } from '../curvature/products.js';
import { sliceLimit } from '../geometry/slice-limit.js';
import type { Progress } from '../progress.js';
import { type MagnitudeRanking, prunedCount, pruningDisplacement } from '../pruning/magnitude.js';
import type { LimitSearch } from '../pruning/measurement.js';

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
    const product = await operator.apply(displacement);
    onProduct();
    let gradientTerm = 0;
    let curvatureTerm = 0;
    for (let i = 0; i < displacement.length; i++) {
      gradientTerm += gradient[i] * displacement[i];
      curvatureTerm += (displacement[i] * product[i]) / 2;
    }
    return { gradientTerm, curvatureTerm };
  };
  return (prunedFraction) => {
    const count = prunedCount(prunedFraction, weights.length);
    const result = known.get(count) ?? predict(count);
    known.set(count, result);
    return result;
  };
}

/** The slice limit and how much the gradient has to do with it. */
export interface SlicePrediction {
  prunedFraction: number;
  /** |g' d| / (|g' d| + |1/2 d' H d|) at the limit; null at p = 0. */
  gradientShare: number | null;
}

/** p_slice: the largest pruned fraction whose predicted loss increase is within eps. */
export async function predictSlice(
  predict: IncreasePredictor,
  epsilon: number,
  search: LimitSearch,
  progress: Progress,
): Promise<SlicePrediction> {
  const stage = progress.stage('slice limit', search.grid.length);
  let tried = 0;
  const { fraction } = await sliceLimit(
    async (prunedFraction) => {
      const { gradientTerm, curvatureTerm } = await predict(prunedFraction);
      stage.update(Math.min(++tried, search.grid.length));
      return gradientTerm + curvatureTerm;
    },
    epsilon,
    search,
  );
  stage.end();
  const prunedFraction = fraction ?? 0;
  const { gradientTerm, curvatureTerm } = await predict(prunedFraction);
  const size = Math.abs(gradientTerm) + Math.abs(curvatureTerm);
  return { prunedFraction, gradientShare: size === 0 ? null : Math.abs(gradientTerm) / size };
}
