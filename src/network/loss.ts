import {
  customGrad,
  exp,
  log,
  max,
  mean,
  mul,
  softplus,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  zerosLike,
} from '@tensorflow/tfjs-core';

/** Loss functions of a network's logits and its targets; the mean over examples is L(w). */
export const LOSS_NAMES = ['cross-entropy', 'binary-cross-entropy', 'mse'] as const;
export type LossName = (typeof LOSS_NAMES)[number];

/** Row maxima of a matrix as constants: no derivative flows through them. */
const constantRowMaximum = customGrad((x) => ({
  value: max(x as Tensor2D, 1, true) as Tensor2D,
  gradFunc: () => zerosLike(x as Tensor2D),
}));

/**
 * Cross-entropy with a softmax, from logits: log sum exp(z) - sum t z.
 *
 * Composed from primitives because the softmax cross-entropy and log-softmax
 * of tfjs have wrong second derivatives. The row maximum, subtracted against
 * overflow, cancels in value and derivatives and is held constant.
 */
function crossEntropy(logits: Tensor2D, targets: Tensor2D): Tensor1D {
  const shifted = sub(logits, constantRowMaximum(logits));
  const logNormalizer = mul(log(sum(exp(shifted), 1)), sum(targets, 1));
  return sub(logNormalizer, sum(mul(targets, shifted), 1));
}

/** Cross-entropy with a sigmoid on every output, from logits; the mean over outputs. */
function binaryCrossEntropy(logits: Tensor2D, targets: Tensor2D): Tensor1D {
  return mean(sub(softplus(logits), mul(targets, logits)), 1);
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
