/** The numbers that a training step takes, from what the optimizers are usually told. */
import { ADAM_SECOND_DECAY, type StepScalars } from '../programs/training-step.js';

/** Weights of the penalties of a training run. */
export interface PenaltyWeights {
  l1: number;
  l2: number;
  weightDecay: number;
}

/** For stochastic gradient descent with momentum. */
export function sgdScalars(
  examples: number,
  rate: number,
  momentum: number,
  penalties: PenaltyWeights,
): StepScalars {
  return { ...penalties, inverseBatch: 1 / examples, rate, momentum, secondScale: 1 };
}

/**
 * For Adam, with the corrections of the moments' bias (Kingma & Ba 2015, algorithm 1).
 *
 * @param momentum decay of the first moments
 * @param step counted from 1
 */
export function adamScalars(
  examples: number,
  rate: number,
  momentum: number,
  step: number,
  penalties: PenaltyWeights,
): StepScalars {
  return {
    ...penalties,
    inverseBatch: 1 / examples,
    rate: rate / (1 - momentum ** step),
    momentum,
    secondScale: 1 / Math.sqrt(1 - ADAM_SECOND_DECAY ** step),
  };
}
