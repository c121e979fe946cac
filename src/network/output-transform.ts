import { add, exp, log, mul, neg, softplus, sub, sum, type Tensor2D } from '../tfjs-core.js';
import { constantMaximum } from './constant-maximum.js';
import { largestInRow } from './loss.js';

/** Activations that are taken off the output, so that the loss is computed from logits. */
export type RemovedActivation = 'softmax' | 'sigmoid';

/** What takes the place of a last activation whose loss is not of its own kind. */
export type OutputTransform = 'log-sigmoid' | 'softmax-log-odds';

/** log(1 / (1 + exp -z)) */
function logSigmoid(z: Tensor2D): Tensor2D {
  return neg(softplus(neg(z)));
}

/** Taken off the largest logit, so that its exponential is 0; far beyond logits, far below the largest float32. */
const OUT_OF_REACH = 1e30;

/**
 * log(p / (1 - p)) of the softmax p of each row: z_j - log sum over k other than j of exp z_k.
 *
 * For all but the largest logit m the sum holds exp z_m, and taking exp z_j
 * off the sum of all cancels at most half of it; for the largest one the sum
 * is that of the others, relative to their own largest. So nothing overflows,
 * and the log-odds of a probability near 1 keep their precision.
 */
function softmaxLogOdds(z: Tensor2D): Tensor2D {
  const largest = largestInRow(z);
  const smaller = sub(1, largest);
  const top = constantMaximum(z, 1);
  const exponentials = exp(sub(z, top));
  // 1 is added where the largest stands, whose logarithm is masked below.
  const rest = add(sub(sum(exponentials, 1, true), exponentials), largest);
  const masked = sub(z, mul(largest, OUT_OF_REACH)) as Tensor2D;
  const second = constantMaximum(masked, 1);
  const belowTop = add(log(sum(exp(sub(masked, second)), 1, true)), second);
  return sub(z, add(mul(smaller, add(log(rest), top)), mul(largest, belowTop)));
}

/**
 * Logits of a loss for a network that ends in the other loss' activation.
 *
 * @param z [examples, outputs], the numbers before the activation; two outputs or more for `softmax-log-odds`
 * @returns [examples, outputs]: `log-sigmoid` for `cross-entropy`, `softmax-log-odds` for `binary-cross-entropy`
 */
export function transformOutputs(transform: OutputTransform, z: Tensor2D): Tensor2D {
  return transform === 'log-sigmoid' ? logSigmoid(z) : softmaxLogOdds(z);
}
