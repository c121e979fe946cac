/** What pruning reaches with training at equal sparsity and equal budget, by the methods that the paper compares with. */
import type { StudySettings } from '../settings.js';
import type { Study } from '../study.js';
import { passesOf } from './networks.js';
import type { Variant } from './pruned-variants.js';
import { variantStudy } from './pruners.js';

/** Methods that train have the budget themselves; masks are trained for as long. */
function variantsOf({ budgetEpochs, scoreL2 }: StudySettings): Variant[] {
  const trains = { budgetEpochs, tuneEpochs: 0 };
  const masks = { budgetEpochs, tuneEpochs: budgetEpochs };
  return [
    { label: 'lomp', method: 'lomp', ...trains },
    { label: 'imp', method: 'imp', ...trains },
    { label: 'rare-gems', method: 'rare-gems', ...trains, scoreL2 },
    { label: 'gradual', method: 'gradual', ...trains },
    { label: 'smart-ratio, tuned', method: 'smart-ratio', ...masks },
    { label: 'layer-magnitude, tuned', method: 'layer-magnitude', ...masks },
    { label: 'magnitude, tuned', method: 'magnitude', ...masks },
  ];
}

export const baselinesStudy: Study = variantStudy(
  'pruning with training at equal sparsity and budget: lomp, imp, rare-gems, gradual, and masks that are tuned',
  variantsOf,
  ({ budgetEpochs }) =>
    `Each pruning may train for ${passesOf(budgetEpochs)} over the training examples; masks are chosen first and trained for as long. imp and rare-gems train from new initial weights, all others from the trained network, not from initial weights as the publications of some of them do.`,
);
