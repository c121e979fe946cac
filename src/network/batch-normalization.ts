import { add, customGrad, keep, mul, rsqrt, square, sub, sum, type Tensor } from '../tfjs-core.js';

/** A normalised batch, and the statistics that it was normalised with. */
export interface NormalizedBatch {
  output: Tensor;
  /** Of the shape of the scale; kept, to be disposed of by the caller. */
  mean: Tensor;
  /** Biased, divided by the count and not by one less; kept, to be disposed of by the caller. */
  variance: Tensor;
}

/**
 * Batch normalisation with the statistics of the batch (Ioffe & Szegedy 2015):
 * (x - mean) / sqrt(variance + epsilon) * scale + offset, where the variance is
 * biased.
 *
 * The first derivative is written out; the second is not defined.
 *
 * @param scale of the rank of `x`, 1 along the axes that are summed over
 * @param offset likewise
 * @param inverseCount scalar, 1 / how many numbers a channel has in the batch
 */
export function normalizeBatch(
  x: Tensor,
  scale: Tensor,
  offset: Tensor,
  inverseCount: Tensor,
  epsilon: number,
): NormalizedBatch {
  const axes = scale.shape.flatMap((extent, axis) => (extent === 1 && x.shape[axis] !== 1 ? [axis] : []));
  const total = (values: Tensor): Tensor => sum(values, axes, true);
  const statistics: Tensor[] = [];
  const normalize = customGrad((...given) => {
    const [images, factor, shift] = given as Tensor[];
    const save = given[3] as unknown as (tensors: Tensor[]) => void;
    const mean = mul(total(images), inverseCount);
    const centred = sub(images, mean);
    const variance = mul(total(square(centred)), inverseCount);
    const inverseDeviation = rsqrt(add(variance, epsilon));
    statistics.push(keep(mean), keep(variance));
    save([centred, inverseDeviation, factor, inverseCount]);
    return {
      // What is as large as the batch is passed over as seldom as can be: numbers of a channel are multiplied first.
      value: add(mul(centred, mul(inverseDeviation, factor)), shift),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [deviations, inverse, scaling, share] = saved;
        const offsetGradient = total(dy);
        const scaleGradient = mul(total(mul(dy, deviations)), inverse);
        const constant = mul(offsetGradient, share);
        const slope = mul(mul(scaleGradient, share), inverse);
        // A factor at the end: compiled programs take it into the filters of the convolution before.
        const gradient = mul(sub(sub(dy, mul(deviations, slope)), constant), mul(scaling, inverse));
        return [gradient, scaleGradient, offsetGradient];
      },
    };
  });
  const output = normalize(x, scale, offset);
  return { output, mean: statistics[0], variance: statistics[1] };
}
