/** Pruning methods against one another: accuracy and cost at each pruned fraction. */
import type { StudyPicture } from '../../report/study-schema.js';
import type { StudySettings } from '../settings.js';
import type { Outcomes, Study } from '../study.js';
import { conditionSentences, networksOf, passesOf, trainingSentence } from './networks.js';
import {
  accuracyPoints,
  accuracyTable,
  denseSentence,
  measured,
  rangeTable,
  SPREAD_CAPTION,
  type Variant,
  variantCells,
} from './pruned-variants.js';

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
      points: settings.ratios.flatMap((ratio) =>
        accuracyPoints(1 - ratio, measured(settings, variant, ratio, outcomes).accuracies),
      ),
    })),
    caption: SPREAD_CAPTION,
  };
}

/**
 * A study of ways to prune one network: a table of accuracies, with its spread, and a picture.
 *
 * @param sentence what was allowed to each
 */
export function variantStudy(
  title: string,
  variantsOf: (settings: StudySettings) => Variant[],
  sentence: (settings: StudySettings) => string,
): Study {
  return {
    title,
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
          sentence(settings),
          ...conditionSentences(settings),
        ],
        tables: [accuracyTable(settings, variants, outcomes), ...rangeTable(settings, variants, outcomes)],
        pictures: [accuracyPicture(settings, variants, outcomes)],
      };
    },
  };
}

export const prunersStudy: Study = variantStudy(
  'every pruning method on one network: accuracy and cost',
  ({ methods, budgetEpochs }) =>
    methods.map((method) => ({ label: method, method, budgetEpochs, tuneEpochs: 0 })),
  ({ calibration, budgetEpochs }) =>
    `Methods that do not train saw up to ${calibration} training examples; the budget of those that train: ${passesOf(budgetEpochs)} over all. No method sees test examples.`,
);
