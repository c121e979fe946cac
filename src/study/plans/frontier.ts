/** What accuracy costs: methods as lines over work and over distinct training examples. */
import type { StudyPicture } from '../../report/study-schema.js';
import type { StudySettings } from '../settings.js';
import { meanOf, type Outcomes, type Study } from '../study.js';
import { conditionSentences, networksOf, trainingSentence } from './networks.js';
import {
  accuracyPoints,
  accuracyTable,
  denseSentence,
  measured,
  rangeTable,
  SPREAD_CAPTION,
  shownRatio,
  type Variant,
  variantCells,
} from './pruned-variants.js';

/** Shares of the budget, and of the calibration examples, that lines are drawn through. */
const BUDGET_SHARES = [0.25, 1, 4];
const CALIBRATION_SHARES = [0.1, 1];

const TRAINING = ['gradual', 'lomp', 'imp'] as const;
const ONE_SHOT = ['saliency', 'woodfisher', 'cbs', 'newton', 'compensated'] as const;

/** A line of the pictures. */
interface Line {
  name: string;
  variants: Variant[];
}

/** Passes over all examples of methods that train. */
const budgetsOf = ({ budgetEpochs }: StudySettings): number[] =>
  BUDGET_SHARES.map((share) => share * budgetEpochs);

/** Examples that methods see that do not train. */
const calibrationsOf = ({ calibration }: StudySettings): number[] => [
  ...new Set(CALIBRATION_SHARES.map((share) => Math.max(2, Math.round(share * calibration)))),
];

function linesOf(settings: StudySettings): Line[] {
  const { budgetEpochs } = settings;
  const budgets = budgetsOf(settings);
  const examples = calibrationsOf(settings);
  return [
    ...TRAINING.map((method) => ({
      name: method,
      variants: budgets.map((budget) => ({
        label: `${method}, budget ${budget}`,
        method,
        budgetEpochs: budget,
        tuneEpochs: 0,
      })),
    })),
    {
      name: 'magnitude, tuned',
      variants: budgets.map((budget) => ({
        label: `magnitude, tuned ${budget}`,
        method: 'magnitude' as const,
        budgetEpochs,
        tuneEpochs: budget,
      })),
    },
    ...ONE_SHOT.map((method) => ({
      name: method,
      variants: examples.map((count) => ({
        label: `${method}, ${count} examples`,
        method,
        budgetEpochs,
        tuneEpochs: 0,
        calibration: count,
      })),
    })),
  ];
}

type Cost = 'epochEquivalents' | 'distinctExamples';

function picture(settings: StudySettings, ratio: number, cost: Cost, outcomes: Outcomes): StudyPicture {
  const ofWork = cost === 'epochEquivalents';
  return {
    title: `${shownRatio(ratio)} pruned: accuracy against ${ofWork ? 'work' : 'distinct examples'}`,
    x: {
      label: ofWork ? 'epochs of gradients' : 'distinct training examples',
      scale: 'log',
      format: ofWork ? 'quantity' : 'whole',
    },
    y: { label: 'test accuracy', scale: 'linear', format: 'percent' },
    series: linesOf(settings).map(({ name, variants }) => ({
      name,
      mark: 'line',
      points: variants
        .flatMap((variant) => {
          const found = measured(settings, variant, ratio, outcomes);
          return accuracyPoints(meanOf(found[cost]), found.accuracies);
        })
        .sort((a, b) => a.x - b.x),
    })),
    caption: SPREAD_CAPTION,
  };
}

export const frontierStudy: Study = {
  title: 'accuracy against work and against distinct examples',
  plan: (settings) => {
    const [network] = networksOf(settings, ['plain']);
    const variants = linesOf(settings).flatMap((line) => line.variants);
    return [...network.cells, ...variantCells(settings, variants, network.model)];
  },
  findings: (settings, outcomes) => {
    const variants = linesOf(settings).flatMap((line) => line.variants);
    const { ratios } = settings;
    return {
      summary: [
        ...trainingSentence(settings, false),
        ...denseSentence(settings, variants, outcomes),
        `Training within ${budgetsOf(settings).join(', ')} passes over all examples; methods that do not train see ${calibrationsOf(settings).join(' and ')} examples. No method sees test examples.`,
        ...conditionSentences(settings),
      ],
      tables: [accuracyTable(settings, variants, outcomes), ...rangeTable(settings, variants, outcomes)],
      pictures: ratios.flatMap((ratio) => [
        picture(settings, ratio, 'epochEquivalents', outcomes),
        picture(settings, ratio, 'distinctExamples', outcomes),
      ]),
    };
  },
};
