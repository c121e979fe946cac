import {
  addN,
  dispose,
  grad,
  grads,
  mul,
  type Scalar,
  sum,
  type Tensor,
  tidy,
  valueAndGrads,
} from '@tensorflow/tfjs-core';
import type { Batch, Batches } from '../network/batches.js';
import { exampleLosses, type LossName } from '../network/loss.js';
import { accumulateFlat, type Network, weightTensors } from '../network/network.js';
import type { LinearOperator } from './linear-operator.js';
import { sharedPass } from './shared-pass.js';

/** The curvature matrices prune-limit works with. */
export const CURVATURES = ['hessian', 'ggn'] as const;
export type CurvatureKind = (typeof CURVATURES)[number];

/** Loss and gradient at one weight vector. */
export interface LossGradient {
  /** Mean loss over the examples. */
  loss: number;
  /** Its gradient with respect to the flat prunable weights. */
  gradient: Float64Array;
}

/** Everything the derivatives of L(w) are computed from. */
export interface LossProblem {
  network: Network;
  loss: LossName;
  batches: Batches;
}

type TensorsToTensors = (...tensors: Tensor[]) => Tensor[];

function summedLoss(network: Network, loss: LossName, batch: Batch, weights: readonly Tensor[]): Scalar {
  return sum(exampleLosses(loss, network.logits(weights, batch.inputs), batch.targets)) as Scalar;
}

function innerProduct(left: readonly Tensor[], right: readonly Tensor[]): Scalar {
  return addN(left.map((tensor, index) => sum(mul(tensor, right[index])))) as Scalar;
}

function gradientsOf(f: (...weights: Tensor[]) => Scalar): TensorsToTensors {
  const gradient = grads(f);
  return (...weights) => gradient(weights);
}

/** Gradient of the batch's summed loss. */
function batchGradient(network: Network, loss: LossName, batch: Batch): TensorsToTensors {
  return gradientsOf((...weights) => summedLoss(network, loss, batch, weights));
}

/**
 * Product of the Hessian of the batch's summed loss with a vector, as the
 * gradient of <gradient(w), v> (Pearlmutter 1994).
 */
function batchHessianProduct(
  network: Network,
  loss: LossName,
  batch: Batch,
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
  batch: Batch,
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

/** Sums a per-batch program over all batches in float64 and divides by the number of examples. */
async function meanOverBatches(
  problem: LossProblem,
  weights: readonly Tensor[],
  program: (batch: Batch) => TensorsToTensors,
): Promise<Float64Array> {
  const { network, batches } = problem;
  const total = new Float64Array(network.dimension);
  await batches.forEach((batch) => {
    const parts = tidy(() => program(batch)(...weights));
    accumulateFlat(network, parts, total);
    dispose(parts);
  });
  for (let i = 0; i < total.length; i++) {
    total[i] /= batches.examples;
  }
  return total;
}

/**
 * Mean loss over all batches and its gradient.
 *
 * @param weights flat prunable weights, length D
 */
export async function lossGradient(
  problem: LossProblem,
  weights: Float32Array | Float64Array,
): Promise<LossGradient> {
  const { network, batches } = problem;
  const tensors = weightTensors(network, weights);
  let loss = 0;
  try {
    const gradient = await meanOverBatches(problem, tensors, (batch) => (...at) => {
      const program = valueAndGrads((...inner) => summedLoss(network, problem.loss, batch, inner));
      const { value, grads: parts } = program(at);
      loss += value.dataSync()[0] / batches.examples;
      return parts;
    });
    return { loss, gradient };
  } finally {
    dispose(tensors);
  }
}

/** Per-batch programs of the curvature products. */
export const batchProducts = { hessian: batchHessianProduct, ggn: batchGaussNewtonProduct };

/** A curvature matrix at fixed weights; holds their tensors until disposed. */
export interface CurvatureOperator extends LinearOperator {
  readonly kind: CurvatureKind;
  dispose(): void;
}

/**
 * The Hessian or generalised Gauss-Newton matrix of the mean loss over all
 * batches, with respect to the flat prunable weights, as a linear operator.
 *
 * Vectors are float64; products are computed in float32 batch by batch and
 * summed in float64.
 *
 * @param weights where the curvature is taken; default the trained weights
 */
export function curvatureOperator(
  problem: LossProblem,
  kind: CurvatureKind,
  weights: Float32Array | Float64Array = problem.network.weights,
): CurvatureOperator {
  const { network, loss } = problem;
  const at = weightTensors(network, weights);
  return {
    kind,
    dim: network.dimension,
    positiveSemidefinite: kind === 'ggn',
    apply: sharedPass(async (vectors) => {
      const products: Float64Array[] = [];
      for (const vector of vectors) {
        const direction = weightTensors(network, vector);
        try {
          products.push(
            await meanOverBatches(problem, at, (batch) =>
              batchProducts[kind](network, loss, batch, direction),
            ),
          );
        } finally {
          dispose(direction);
        }
      }
      return products;
    }),
    dispose: () => {
      dispose(at);
    },
  };
}
