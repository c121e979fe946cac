/** Methods of `prune` that do not train; a module of its own, which loads nothing. */
export const ONE_SHOT_METHODS = [
  'magnitude',
  'layer-magnitude',
  'random',
  'saliency',
  'snip',
  'synflow',
  'smart-ratio',
  'woodfisher',
  'chita',
  'chita++',
  'cbs',
  'obc',
  'newton',
  'compensated',
] as const;
export type OneShotMethodName = (typeof ONE_SHOT_METHODS)[number];

/** Methods that train. */
export const TRAINING_METHODS = ['gradual', 'lomp', 'imp', 'rare-gems'] as const;
export type TrainingMethodName = (typeof TRAINING_METHODS)[number];

/** All of them. */
export const PRUNING_METHODS = [...ONE_SHOT_METHODS, ...TRAINING_METHODS] as const;
export type PruningMethodName = (typeof PRUNING_METHODS)[number];

/** The name that stands for whatever method was measured to be best (`choice.ts`). */
export const AUTO_METHOD = 'auto';

/** Whether a method trains. */
export function isTrainingMethod(name: PruningMethodName | typeof AUTO_METHOD): name is TrainingMethodName {
  return (TRAINING_METHODS as readonly string[]).includes(name);
}
