/** Products of curvature matrices with vectors, as functions of a batch's tensors. */

import { exampleLosses, type LossName } from '../network/loss.js';
import type { Network } from '../network/network.js';
import { addN, grad, grads, mul, type Scalar, sum, type Tensor } from '../tfjs-core.js';

/** The curvature matrices prune-limit works with. */
export const CURVATURES = ['hessian', 'ggn'] as const;
export type CurvatureKind = (typeof CURVATURES)[number];

/** A batch: inputs [examples, ...shape] and targets [examples, outputs]. */
export interface TensorBatch {
  inputs: Tensor;
  targets: Tensor;
}

type TensorsToTensors = (...tensors: Tensor[]) => Tensor[];

/** Summed loss of a batch. */
export function summedLoss(
  network: Network,
  loss: LossName,
  { inputs, targets }: TensorBatch,
  weights: readonly Tensor[],
): Scalar {
  return sum(exampleLosses(loss, network.logits(weights, inputs), targets)) as Scalar;
}

function innerProduct(left: readonly Tensor[], right: readonly Tensor[]): Scalar {
  return addN(left.map((tensor, index) => sum(mul(tensor, right[index])))) as Scalar;
}

function gradientsOf(f: (...weights: Tensor[]) => Scalar): TensorsToTensors {
  const gradient = grads(f);
  return (...weights) => gradient(weights);
}

/** Gradient of the batch's summed loss. */
function batchGradient(network: Network, loss: LossName, batch: TensorBatch): TensorsToTensors {
  return gradientsOf((...weights) => summedLoss(network, loss, batch, weights));
}

/**
 * Product of the Hessian of the batch's summed loss with a vector, as the
 * gradient of <gradient(w), v> (Pearlmutter 1994).
 */
function batchHessianProduct(
  network: Network,
  loss: LossName,
  batch: TensorBatch,
  vector: readonly Tensor[],
): TensorsToTensors {
  const gradient = batchGradient(network, loss, batch);
  return gradientsOf((...weights) => innerProduct(gradient(...weights), vector));
}

/**
 * Product of the generalised Gauss-Newton matrix J' H_out J of the batch's
 * summed loss with a vector (Schraudolph 2002), J the Jacobian of the logits.
 *
 * J v comes from two reverse passes: u -> <J' u, v> is linear in u and its
 * gradient is J v, at whatever u.
 */
function batchGaussNewtonProduct(
  network: Network,
  loss: LossName,
  batch: TensorBatch,
  vector: readonly Tensor[],
): TensorsToTensors {
  return (...weights) => {
    const outputs = network.logits(weights, batch.inputs);
    const transposedProduct = (direction: Tensor): Tensor[] =>
      gradientsOf((...at) => sum(mul(network.logits(at, batch.inputs), direction)) as Scalar)(...weights);
    const jacobianProduct = grad((direction) => innerProduct(transposedProduct(direction), vector))(outputs);
    const outputGradient = grad((at) => sum(exampleLosses(loss, at, batch.targets)));
    const outputHessianProduct = grad((at) => sum(mul(outputGradient(at), jacobianProduct)))(outputs);
    return transposedProduct(outputHessianProduct);
  };
}

/** Products of the curvature of a batch's summed loss with a vector, at given weights. */
export const batchProducts = { hessian: batchHessianProduct, ggn: batchGaussNewtonProduct };
