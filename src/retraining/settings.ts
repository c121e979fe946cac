import type { Augmentation } from '../dataset/augmentation.js';
import type { TrainableNetwork } from '../network/trainable-network.js';

/** How a mask grows to its target. */
export interface MaskGrowth {
  /** Pruned before the first step, where that is less than the target. */
  firstShare: number;
  /** The part of the steps after which the target is reached. */
  untilShare: number;
}

/** How kept weights are trained. */
export interface RetrainingSettings {
  optimizer: 'sgd' | 'adam';
  learningRate: number;
  /** Share of the rate that a step takes, of so many. */
  rateShare(step: number, steps: number): number;
  momentum: number;
  /** Weight of the penalty sum |w| over all weights. */
  l1: number;
  weightDecay: number;
  /** Whether prunable weights are clamped to [0, 1], as scores are; left out: not. */
  clamped?: boolean;
  batchSize: number;
  /** The same of methods of others, as their own code has it. */
  baselineBatchSize: number;
  growth: MaskGrowth;
  augment: Augmentation | null;
}

/**
 * Weight lambda of the penalty lambda sum p^2 over scores, as the code of Sreenivasan et al. 2022 has it for VGG16
 * (CIFAR-10) and ResNet50 (TinyImageNet); 3e-5 and 1e-4 for ResNet20, 5e-6 and 8e-6 for ResNet18.
 */
export const SCORE_L2 = 1e-6;

/** Rate at first of SGD with momentum, as the baselines' own code has it. */
export const BASELINE_RATE = 0.1;

/** Falls linearly from 1 to 0. */
export function linearShare(step: number, steps: number): number {
  return 1 - step / steps;
}

/** Falls from 1 to 0 as half a cosine (Loshchilov & Hutter 2017). */
export function cosineShare(step: number, steps: number): number {
  return (1 + Math.cos((Math.PI * step) / steps)) / 2;
}

/** Tenths at half and at three quarters of the steps. */
export function stepwiseShare(step: number, steps: number): number {
  return step < steps / 2 ? 1 : step < (3 * steps) / 4 ? 0.1 : 0.01;
}

/**
 * Settings that brought pruned networks back best of those that were tried.
 * Adam: MLPNet, training loss with 2 and 10 % kept after 1 and 5 epochs, rates
 * of 0.002 to 0.008 and batches of 16 to 128. Stochastic gradient descent:
 * ResNet20, one epoch, 80 and 90 % pruned, rates of 0.0025 to 0.1 and batches of 8
 * to 128 (`docs/results.md`).
 *
 * @param augment null: examples as they are
 */
export function defaultSettings(
  { statistics }: Pick<TrainableNetwork, 'statistics'>,
  augment: Augmentation | null,
): RetrainingSettings {
  const common = { l1: 0, weightDecay: 0, momentum: 0.9, augment };
  return statistics.length > 0
    ? {
        ...common,
        ...{ optimizer: 'sgd', learningRate: 0.01, rateShare: cosineShare },
        ...{ batchSize: 32, baselineBatchSize: 128, growth: { firstShare: 0.6, untilShare: 0.2 } },
      }
    : {
        ...common,
        ...{ optimizer: 'adam', learningRate: 4e-3, rateShare: linearShare },
        ...{ batchSize: 64, baselineBatchSize: 64, growth: { firstShare: 0.1, untilShare: 0.6 } },
      };
}

/**
 * Steps from which on Adam's default rate is halved. MLPNet, `gradual`, test accuracy in percent with a rate of 0.004 and of
 * 0.002 at 80, 95 and 98 % pruned, one seed: 5 epochs (4,690 steps) 97.17 96.56 93.84 and 97.14 96.00 93.46; 10 epochs
 * 97.30 96.59 93.57 and 97.34 96.61 94.04; 20 epochs 97.09 96.19 93.36 and 97.48 97.01 94.40.
 */
const MANY_STEPS = 9000;

/** Default settings for a training of so many steps. */
export function settingsForSteps(settings: RetrainingSettings, steps: number): RetrainingSettings {
  return settings.optimizer === 'adam' && steps >= MANY_STEPS
    ? { ...settings, learningRate: settings.learningRate / 2 }
    : settings;
}
