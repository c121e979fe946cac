/** Limits that `prune --at-limit` takes; `:low` is the safe end of the interval of an estimate. */
export const limitChoices = [
  'slice',
  'gaussian-width',
  'gaussian-width:low',
  'sharp',
  'sharp:low',
  'loss',
  'accuracy',
  'no-significant-fall',
] as const;

export type LimitChoice = (typeof limitChoices)[number];
