/** Methods of `prune`; a module of its own, which loads nothing. */
export const PRUNING_METHODS = [
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
export type PruningMethodName = (typeof PRUNING_METHODS)[number];
