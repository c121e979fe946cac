/** Pruning methods against one another: accuracy and cost at each pruned fraction. */
import type { StudyPicture } from '../../report/study-schema.js';
import type { StudySettings } from '../settings.js';
import { meanOf, type Outcomes, type Study } from '../study.js';
import { networksOf, trainingSentence } from './networks.js';
import {
  accuracyTable,
  denseSentence,
  measured,
  rangeTable,
  type Variant,
  variantCells,
} from './pruned-variants.js';

function variantsOf({ methods, budgetEpochs }: StudySettings): Variant[] {
  return methods.map((method) => ({ label: method, method, budgetEpochs, tuneEpochs: 0 }));
}

/** A line for each way to prune. */
export function accuracyPicture(
  settings: StudySettings,
  variants: readonly Variant[],
  outcomes: Outcomes,
): StudyPicture {
  return {
    title: 'Test accuracy by kept fraction',
    x: { label: 'kept', scale: 'log', format: 'percent' },
    y: { label: 'test accuracy', scale: 'linear', format: 'percent' },
    series: variants.map((variant) => ({
      name: variant.label,
      mark: 'line',
      points: settings.ratios.flatMap((ratio) => {
        const accuracy = meanOf(measured(settings, variant, ratio, outcomes).accuracies);
        return accuracy === null ? [] : [{ x: 1 - ratio, y: accuracy }];
      }),
    })),
    caption: 'Means over the seeds.',
  };
}

export const prunersStudy: Study = {
  title: 'every pruning method on one network: accuracy and cost',
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
        `Methods that do not train saw up to ${settings.calibration} training examples; the budget of those that train: ${settings.budgetEpochs} passes over all. No method sees test examples.`,
      ],
      tables: [accuracyTable(settings, variants, outcomes), ...rangeTable(settings, variants, outcomes)],
      pictures: [accuracyPicture(settings, variants, outcomes)],
    };
  },
};
