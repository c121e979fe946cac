import { add, mul, sign, sub, type Tensor, tidy, zerosLike } from '@tensorflow/tfjs-core';
import type { TrainableWeight } from './trainable-model.js';

/**
 * What is added to the mean loss: `l1 ||w||_1 + l2/2 ||w||_2^2` over the
 * prunable kernels w, not over biases. The paper's LOMP is the l1 term alone.
 */
export interface Penalties {
  l1: number;
  l2: number;
}

/**
 * Gradient of the penalised loss in one weight: `g + l1 sign(w) + l2 w` for a
 * prunable kernel, where sign(0) = 0 is the subgradient; `g` for others.
 *
 * @param gradient of the plain loss; disposed of by the caller
 * @returns owned by the caller
 */
function penalizedGradient(weight: TrainableWeight, gradient: Tensor, penalties: Penalties): Tensor {
  const { variable, prunable } = weight;
  return tidy(() => {
    let sum = gradient.clone();
    if (prunable && penalties.l1 > 0) {
      sum = add(sum, mul(sign(variable), penalties.l1));
    }
    if (prunable && penalties.l2 > 0) {
      sum = add(sum, mul(variable, penalties.l2));
    }
    return sum;
  });
}

/**
 * Stochastic gradient descent with heavy-ball momentum (Polyak 1964) in the
 * form of PyTorch and Sutskever et al. 2013, section 2: `v <- m v + g`, `w <- w - r v`.
 *
 * The rate r acts on v, so a change of it takes effect at once.
 */
export interface MomentumOptimizer {
  /**
   * Takes one step and disposes of the gradients.
   *
   * @param gradients of the plain loss, one for each weight, in order
   */
  step(gradients: readonly Tensor[], learningRate: number): void;
  dispose(): void;
}

/** An optimizer of these weights; its velocities start at zero. */
export function createMomentumOptimizer(
  weights: readonly TrainableWeight[],
  options: Penalties & { momentum: number },
): MomentumOptimizer {
  let velocities: Tensor[] = weights.map(({ variable }) => zerosLike(variable));
  return {
    step: (gradients, learningRate) => {
      velocities = weights.map((weight, index) => {
        const previous = velocities[index];
        const velocity = tidy(() =>
          add(mul(previous, options.momentum), penalizedGradient(weight, gradients[index], options)),
        );
        tidy(() => weight.variable.assign(sub(weight.variable, mul(velocity, learningRate))));
        previous.dispose();
        gradients[index].dispose();
        return velocity;
      });
    },
    dispose: () => {
      for (const velocity of velocities) {
        velocity.dispose();
      }
    },
  };
}
