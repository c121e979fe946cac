import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AnalyzeConfig } from '../config.js';
import { type Augmentation, augmentExamples } from '../dataset/augmentation.js';
import type { Split } from '../dataset/dataset.js';
import { type Examples, prepareExamples, selectExamples } from '../dataset/examples.js';
import { randomStream } from '../random.js';
import { inputOrder, type Problem } from './problem.js';

/**
 * The training examples of a problem, each changed once at random as training changes them.
 *
 * @param config that the problem was opened by
 * @throws InputError `dataset/no-images`
 */
export function augmentedExamples(
  { train, dataset }: Pick<Problem, 'train' | 'dataset'>,
  {
    examples,
    sample,
    seed,
    normalize,
    layout,
  }: Pick<AnalyzeConfig, 'examples' | 'sample' | 'seed' | 'normalize' | 'layout'>,
  checkpoint: Pick<Checkpoint, 'format'>,
  augment: Augmentation,
): Examples {
  const split = dataset.train as Split;
  const order = selectExamples(split.count, { count: examples, sample, seed });
  const changed = augmentExamples(split, order, augment, randomStream(seed, 'recalibration'));
  return prepareExamples(changed, {
    inputShape: train.shape,
    inputOrder: inputOrder(checkpoint, layout),
    normalization: normalize,
  });
}
