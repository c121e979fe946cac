/** Pruning methods against one another: accuracy and cost at each pruned fraction. */
import { isTrainingMethod, type PruningMethodName } from '../../pruning/methods/names.js';
import type { StudyTable } from '../../report/study-schema.js';
import type { PruneCell } from '../cell.js';
import type { StudySettings } from '../settings.js';
import { meanOf, type Outcomes, type Study } from '../study.js';
import { networksOf, trainingSentence } from './networks.js';

/** Masks that hang on the weights alone: the seed moves nothing. */
const SEEDLESS: readonly PruningMethodName[] = ['magnitude', 'layer-magnitude', 'synflow'];

function seedsOf({ seed, seeds }: StudySettings, method: PruningMethodName): number[] {
  return SEEDLESS.includes(method) ? [seed] : Array.from({ length: seeds }, (_, run) => seed + run);
}

function cellName(method: PruningMethodName, ratio: number, seed: number): string {
  return `prune ${method}, ${Number((100 * ratio).toPrecision(6))} %, seed ${seed}`;
}

function cellOf(settings: StudySettings, method: PruningMethodName, ratio: number, seed: number): PruneCell {
  const { analysis, budgetEpochs, calibration } = settings;
  const trains = isTrainingMethod(method);
  const examples = trains ? 'all' : calibration;
  return {
    kind: 'prune',
    name: cellName(method, ratio, seed),
    model: networksOf(settings, ['plain'])[0].model,
    prunedFraction: ratio,
    config: {
      name: method,
      problem: { ...analysis, examples, epsilonExamples: examples, seed },
      budgetEpochs,
      tuneEpochs: 0,
      tuneExamples: 'all',
      augment: null,
      learningRate: null,
    },
  };
}

/** One method at one pruned fraction, over its seeds. */
interface Measured {
  accuracies: number[];
  epochEquivalents: number[];
  distinctExamples: number[];
  seconds: number[];
}

function measured(
  settings: StudySettings,
  method: PruningMethodName,
  ratio: number,
  outcomes: Outcomes,
): Measured {
  const results = seedsOf(settings, method)
    .map((seed) => outcomes.get(cellName(method, ratio, seed), 'prune'))
    .filter((result) => result !== null);
  return {
    accuracies: results.map(({ after }) => after.accuracy).filter((accuracy) => accuracy !== null),
    epochEquivalents: results.map(({ epochEquivalents }) => epochEquivalents),
    distinctExamples: results.map(({ distinctExamples }) => distinctExamples),
    seconds: results.map(({ seconds }) => seconds),
  };
}

/** The range in points; null of fewer than two. */
function spreadOf(values: readonly number[]): number | null {
  return values.length < 2 ? null : 100 * (Math.max(...values) - Math.min(...values));
}

const percentTitle = (ratio: number): string => `${Number((100 * ratio).toPrecision(6))} %`;

function accuracyTable(settings: StudySettings, outcomes: Outcomes): StudyTable {
  const { methods, ratios } = settings;
  const largest = (values: readonly number[]): number | null =>
    values.length === 0 ? null : Math.max(...values);
  const refused = methods
    .map((method) => ({
      method,
      why: outcomes.refused(cellName(method, ratios[0], settings.seed)),
    }))
    .filter(({ why }) => why !== null);
  return {
    title: 'Test accuracy by pruned fraction, and cost',
    columns: [
      { key: 'method', title: 'method', format: 'text' },
      ...ratios.map((ratio) => ({
        key: String(ratio),
        title: percentTitle(ratio),
        format: 'percent' as const,
      })),
      { key: 'seeds', title: 'seeds', format: 'whole' },
      { key: 'epochEquivalents', title: 'epochs of gradients', format: 'quantity' },
      { key: 'distinctExamples', title: 'distinct examples', format: 'whole' },
      { key: 'seconds', title: 'seconds', format: 'seconds' },
    ],
    rows: methods.map((method) => {
      const cells = ratios.map((ratio) => measured(settings, method, ratio, outcomes));
      return {
        method,
        ...Object.fromEntries(ratios.map((ratio, i) => [String(ratio), meanOf(cells[i].accuracies)])),
        seeds: seedsOf(settings, method).length,
        epochEquivalents: largest(cells.flatMap((cell) => cell.epochEquivalents)),
        distinctExamples: largest(cells.flatMap((cell) => cell.distinctExamples)),
        seconds: largest(cells.flatMap((cell) => cell.seconds)),
      };
    }),
    notes: [
      'Accuracies are means over the seeds; costs are the largest over pruned fractions and seeds.',
      'An epoch of gradients is one gradient of every training example; seconds hang on the machine and on what else it does.',
      ...refused.map(({ method, why }) => `${method}: ${why}`),
    ],
  };
}

function spreadTable(settings: StudySettings, outcomes: Outcomes): StudyTable[] {
  const { methods, ratios, seeds } = settings;
  const random = methods.filter((method) => seedsOf(settings, method).length > 1);
  if (seeds < 2 || random.length === 0) {
    return [];
  }
  return [
    {
      title: 'Range of the test accuracy over the seeds, in points',
      columns: [
        { key: 'method', title: 'method', format: 'text' },
        ...ratios.map((ratio) => ({
          key: String(ratio),
          title: percentTitle(ratio),
          format: 'points' as const,
        })),
      ],
      rows: random.map((method) => ({
        method,
        ...Object.fromEntries(
          ratios.map((ratio) => [
            String(ratio),
            spreadOf(measured(settings, method, ratio, outcomes).accuracies),
          ]),
        ),
      })),
      notes: ['Largest less smallest.'],
    },
  ];
}

/** Dense test accuracy, as the first cell that has one measured it. */
function denseSentence(settings: StudySettings, outcomes: Outcomes): string[] {
  const { methods, ratios } = settings;
  for (const method of methods) {
    const dense = outcomes.get(cellName(method, ratios[0], settings.seed), 'prune')?.before.accuracy ?? null;
    if (dense !== null) {
      return [`Test accuracy of the dense network: ${(100 * dense).toFixed(2)} %.`];
    }
  }
  return [];
}

export const prunersStudy: Study = {
  title: 'every pruning method on one network: accuracy and cost',
  plan: (settings) => [
    ...networksOf(settings, ['plain']).flatMap(({ cells }) => cells),
    ...settings.methods.flatMap((method) =>
      settings.ratios.flatMap((ratio) =>
        seedsOf(settings, method).map((seed) => cellOf(settings, method, ratio, seed)),
      ),
    ),
  ],
  findings: (settings, outcomes) => ({
    summary: [
      ...trainingSentence(settings, false),
      ...denseSentence(settings, outcomes),
      `Methods that do not train saw up to ${settings.calibration} training examples; those that train had ${settings.budgetEpochs} epochs of all. No method sees test examples.`,
    ],
    tables: [accuracyTable(settings, outcomes), ...spreadTable(settings, outcomes)],
    pictures: [
      {
        title: 'Test accuracy by kept fraction',
        x: { label: 'kept', scale: 'log', format: 'percent' },
        y: { label: 'test accuracy', scale: 'linear', format: 'percent' },
        series: settings.methods.map((method) => ({
          name: method,
          mark: 'line',
          points: settings.ratios.flatMap((ratio) => {
            const accuracy = meanOf(measured(settings, method, ratio, outcomes).accuracies);
            return accuracy === null ? [] : [{ x: 1 - ratio, y: accuracy }];
          }),
        })),
        caption: 'Means over the seeds.',
      },
    ],
  }),
};
