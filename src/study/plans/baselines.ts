/** What pruning reaches with training at equal sparsity and equal budget, by the methods that the paper compares with. */
import type { StudySettings } from '../settings.js';
import type { Study } from '../study.js';
import { networksOf, trainingSentence } from './networks.js';
import { accuracyTable, denseSentence, rangeTable, type Variant, variantCells } from './pruned-variants.js';
import { accuracyPicture } from './pruners.js';

/** Methods that train have the budget themselves; masks are trained for as long. */
function variantsOf({ budgetEpochs }: StudySettings): Variant[] {
  const trains = { budgetEpochs, tuneEpochs: 0 };
  const masks = { budgetEpochs, tuneEpochs: budgetEpochs };
  return [
    { label: 'lomp', method: 'lomp', ...trains },
    { label: 'imp', method: 'imp', ...trains },
    { label: 'gradual', method: 'gradual', ...trains },
    { label: 'smart-ratio, tuned', method: 'smart-ratio', ...masks },
    { label: 'layer-magnitude, tuned', method: 'layer-magnitude', ...masks },
    { label: 'magnitude, tuned', method: 'magnitude', ...masks },
  ];
}

export const baselinesStudy: Study = {
  title: 'pruning with training at equal sparsity and budget: lomp, imp, gradual, and masks that are tuned',
  plan: (settings) => {
    const [network] = networksOf(settings, ['plain']);
    return [...network.cells, ...variantCells(settings, variantsOf(settings), network.model)];
  },
  findings: (settings, outcomes) => {
    const variants = variantsOf(settings);
    return {
      summary: [
        ...trainingSentence(settings, false),
        ...denseSentence(settings, variants, outcomes),
        `Each pruning starts from the trained network and may train for ${settings.budgetEpochs} passes over the training examples; masks are chosen first and trained for as long. This is not training from the initial weights, as the publications of these methods do it.`,
      ],
      tables: [accuracyTable(settings, variants, outcomes), ...rangeTable(settings, variants, outcomes)],
      pictures: [accuracyPicture(settings, variants, outcomes)],
    };
  },
};
