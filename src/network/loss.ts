import {
  add,
  cast,
  customGrad,
  equal,
  exp,
  log1p,
  mean,
  mul,
  neg,
  softplus,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor1d,
  zerosLike,
} from '../tfjs-core.js';
import { constantMaximum } from './constant-maximum.js';

/** Loss functions of a network's logits and its targets; the mean over examples is L(w). */
export const LOSS_NAMES = ['cross-entropy', 'binary-cross-entropy', 'mse'] as const;
export type LossName = (typeof LOSS_NAMES)[number];

/** 1 at the largest element of each row of a matrix, the first of equals, 0 elsewhere; constant. */
export const largestInRow = customGrad((x) => {
  const matrix = x as Tensor2D;
  const attained = cast(equal(matrix, constantMaximum(matrix, 1)), 'float32');
  const width = matrix.shape[1];
  const rank = mul(attained, tensor1d(Array.from({ length: width }, (_, column) => width - column)));
  return {
    value: cast(equal(rank, constantMaximum(rank, 1)), 'float32'),
    gradFunc: () => zerosLike(matrix),
  };
});

/**
 * Cross-entropy with a softmax, from logits: log sum exp(z) - sum t z.
 *
 * With m the largest logit of an example and T = sum t, that is
 *
 *     T log(1 + sum over j other than m of exp(z_j - z_m)) + sum_j (T [j = m] - t_j) (z_j - z_m)
 *
 * where nothing overflows and, for an example that is right and sure, nothing
 * cancels: loss, gradient and curvature keep their relative precision down to
 * the smallest float32. The last z_m cancels in value and derivatives and is
 * held constant.
 *
 * Composed from primitives because the softmax cross-entropy and log-softmax
 * of tfjs have wrong second derivatives.
 */
function crossEntropy(logits: Tensor2D, targets: Tensor2D): Tensor1D {
  const largest = largestInRow(logits);
  const total = sum(targets, 1, true);
  const others = mul(sub(1, largest), exp(sub(logits, sum(mul(logits, largest), 1, true))));
  const missed = mul(sub(mul(largest, total), targets), sub(logits, constantMaximum(logits, 1)));
  return add(mul(log1p(sum(others, 1)), sum(targets, 1)), sum(missed, 1));
}

/**
 * Cross-entropy with a sigmoid on every output, from logits; the mean over
 * outputs: t log(1 + exp -z) + (1 - t) log(1 + exp z), in which nothing
 * cancels where t is 0 or 1.
 */
function binaryCrossEntropy(logits: Tensor2D, targets: Tensor2D): Tensor1D {
  return mean(add(mul(targets, softplus(neg(logits))), mul(sub(1, targets), softplus(logits))), 1);
}

/** Mean squared error over outputs. */
function meanSquaredError(outputs: Tensor2D, targets: Tensor2D): Tensor1D {
  return mean(square(sub(outputs, targets)), 1);
}

/**
 * The loss of every example.
 *
 * @param logits [examples, outputs]: the network's output before a final
 *   softmax (`cross-entropy`) or sigmoid (`binary-cross-entropy`), or the
 *   output itself (`mse`)
 * @param targets [examples, outputs], one-hot for classes
 * @returns [examples]
 */
export function exampleLosses(name: LossName, logits: Tensor, targets: Tensor): Tensor1D {
  const losses = {
    'cross-entropy': crossEntropy,
    'binary-cross-entropy': binaryCrossEntropy,
    mse: meanSquaredError,
  };
  return losses[name](logits as Tensor2D, targets as Tensor2D);
}
