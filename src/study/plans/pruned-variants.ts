/** Prunings of one network that are compared: what is planned of them, and their tables. */
import { isTrainingMethod, type PruningMethodName } from '../../pruning/methods/names.js';
import type { StudyPicture, StudyTable } from '../../report/study-schema.js';
import type { ModelSource, PruneCell } from '../cell.js';
import type { StudySettings } from '../settings.js';
import { meanOf, type Outcomes } from '../study.js';

/** A way to prune. */
export interface Variant {
  /** As tables name it, unique in its study. */
  label: string;
  method: PruningMethodName;
  /** Epochs of a method that trains. */
  budgetEpochs: number;
  /** Epochs of training with the mask held afterwards. */
  tuneEpochs: number;
  /** Distinct examples that a method may see that does not train; those of the study unless given. */
  calibration?: number;
  /** Weight of the penalty over scores, of `rare-gems`. */
  scoreL2?: number;
}

/** Masks that hang on the weights alone: without training afterwards, the seed moves nothing. */
const SEEDLESS: readonly PruningMethodName[] = ['magnitude', 'layer-magnitude', 'synflow'];

/** Methods of others that train weights by stochastic gradient descent. */
const BASELINES: readonly PruningMethodName[] = ['lomp', 'imp', 'rare-gems'];

/** The seeds that a way to prune is carried out with. */
export function seedsOf({ seed, seeds }: StudySettings, { method, tuneEpochs }: Variant): number[] {
  return SEEDLESS.includes(method) && tuneEpochs === 0
    ? [seed]
    : Array.from({ length: seeds }, (_, run) => seed + run);
}

/** A pruned fraction as heads of columns have it. */
export function shownRatio(ratio: number): string {
  return `${Number((100 * ratio).toPrecision(6))} %`;
}

/** The name of the cell of a way to prune, at one pruned fraction with one seed. */
export function cellName({ label }: Variant, ratio: number, seed: number): string {
  return `prune ${label}, ${shownRatio(ratio)}, seed ${seed}`;
}

function cellOf(
  { analysis, calibration, training, baselineRate }: StudySettings,
  variant: Variant,
  model: ModelSource,
  ratio: number,
  seed: number,
): PruneCell {
  const { method, budgetEpochs, tuneEpochs, scoreL2 } = variant;
  const examples = isTrainingMethod(method) ? 'all' : (variant.calibration ?? calibration);
  return {
    kind: 'prune',
    name: cellName(variant, ratio, seed),
    model,
    prunedFraction: ratio,
    config: {
      name: method,
      problem: { ...analysis, examples, epsilonExamples: examples, seed },
      budgetEpochs,
      tuneEpochs,
      tuneExamples: 'all',
      augment: training.augment,
      learningRate: BASELINES.includes(method) ? baselineRate : null,
      ...(scoreL2 !== undefined && { scoreL2 }),
    },
  };
}

/** A cell for each way to prune, pruned fraction and seed. */
export function variantCells(
  settings: StudySettings,
  variants: readonly Variant[],
  model: ModelSource,
): PruneCell[] {
  return variants.flatMap((variant) =>
    settings.ratios.flatMap((ratio) =>
      seedsOf(settings, variant).map((seed) => cellOf(settings, variant, model, ratio, seed)),
    ),
  );
}

/** One way to prune at one pruned fraction, over its seeds. */
export interface Measured {
  accuracies: number[];
  epochEquivalents: number[];
  distinctExamples: number[];
  seconds: number[];
}

/** What cells of one way to prune came to at one pruned fraction. */
export function measured(
  settings: StudySettings,
  variant: Variant,
  ratio: number,
  outcomes: Outcomes,
): Measured {
  const results = seedsOf(settings, variant)
    .map((seed) => outcomes.get(cellName(variant, ratio, seed), 'prune'))
    .filter((result) => result !== null);
  return {
    accuracies: results.map(({ after }) => after.accuracy).filter((accuracy) => accuracy !== null),
    epochEquivalents: results.map(({ epochEquivalents }) => epochEquivalents),
    distinctExamples: results.map(({ distinctExamples }) => distinctExamples),
    seconds: results.map(({ seconds }) => seconds),
  };
}

/** What pictures say of their points that have bars. */
export const SPREAD_CAPTION = 'Means over the seeds; bars reach from the lowest to the highest seed.';

/** The mean of accuracies as a point of a picture, with their extremes where there are several; none without one. */
export function accuracyPoints(
  x: number | null,
  accuracies: readonly number[],
): StudyPicture['series'][number]['points'] {
  const y = meanOf(accuracies);
  if (x === null || y === null) {
    return [];
  }
  const extremes =
    accuracies.length > 1 ? { low: Math.min(...accuracies), high: Math.max(...accuracies) } : {};
  return [{ x, y, ...extremes }];
}

/** The range in points; null of fewer than two. */
function rangeOf(values: readonly number[]): number | null {
  return values.length < 2 ? null : 100 * (Math.max(...values) - Math.min(...values));
}

/** Why some cells have no result, a sentence for each reason. */
function refusals(settings: StudySettings, variants: readonly Variant[], outcomes: Outcomes): string[] {
  return variants.flatMap((variant) => {
    const ratiosOf = new Map<string, string[]>();
    for (const ratio of settings.ratios) {
      const why = outcomes.refused(cellName(variant, ratio, settings.seed));
      if (why !== null) {
        ratiosOf.set(why, [...(ratiosOf.get(why) ?? []), shownRatio(ratio)]);
      }
    }
    return [...ratiosOf].map(([why, ratios]) => `${variant.label} at ${ratios.join(', ')}: ${why}`);
  });
}

/** Test accuracy at each pruned fraction, and what it cost. */
export function accuracyTable(
  settings: StudySettings,
  variants: readonly Variant[],
  outcomes: Outcomes,
): StudyTable {
  const { ratios } = settings;
  const largest = (values: readonly number[]): number | null =>
    values.length === 0 ? null : Math.max(...values);
  return {
    title: 'Test accuracy by pruned fraction, and cost',
    columns: [
      { key: 'method', title: 'method', format: 'text' },
      ...ratios.map((ratio) => ({
        key: String(ratio),
        title: shownRatio(ratio),
        format: 'percent' as const,
      })),
      { key: 'seeds', title: 'seeds', format: 'whole' },
      { key: 'epochEquivalents', title: 'epochs of gradients', format: 'quantity' },
      { key: 'distinctExamples', title: 'distinct examples', format: 'whole' },
      { key: 'seconds', title: 'seconds', format: 'seconds' },
    ],
    rows: variants.map((variant) => {
      const cells = ratios.map((ratio) => measured(settings, variant, ratio, outcomes));
      return {
        method: variant.label,
        ...Object.fromEntries(ratios.map((ratio, i) => [String(ratio), meanOf(cells[i].accuracies)])),
        seeds: seedsOf(settings, variant).length,
        epochEquivalents: largest(cells.flatMap((cell) => cell.epochEquivalents)),
        distinctExamples: largest(cells.flatMap((cell) => cell.distinctExamples)),
        seconds: largest(cells.flatMap((cell) => cell.seconds)),
      };
    }),
    notes: [
      'Accuracies are means over the seeds; costs are the largest over pruned fractions and seeds.',
      'An epoch of gradients is one gradient of every training example; seconds hang on the machine and on what else it does.',
      ...refusals(settings, variants, outcomes),
    ],
  };
}

/** How far accuracies of different seeds are apart; none where there is one seed. */
export function rangeTable(
  settings: StudySettings,
  variants: readonly Variant[],
  outcomes: Outcomes,
): StudyTable[] {
  const { ratios } = settings;
  const random = variants.filter((variant) => seedsOf(settings, variant).length > 1);
  if (random.length === 0) {
    return [];
  }
  return [
    {
      title: 'Range of the test accuracy over the seeds, in points',
      columns: [
        { key: 'method', title: 'method', format: 'text' },
        ...ratios.map((ratio) => ({
          key: String(ratio),
          title: shownRatio(ratio),
          format: 'points' as const,
        })),
      ],
      rows: random.map((variant) => ({
        method: variant.label,
        ...Object.fromEntries(
          ratios.map((ratio) => [
            String(ratio),
            rangeOf(measured(settings, variant, ratio, outcomes).accuracies),
          ]),
        ),
      })),
      notes: ['Largest less smallest.'],
    },
  ];
}

/** Dense test accuracy, as the first cell that has one measured it; null where none has. */
export function denseAccuracy(
  settings: StudySettings,
  variants: readonly Variant[],
  outcomes: Outcomes,
): number | null {
  for (const variant of variants) {
    for (const ratio of settings.ratios) {
      const found = outcomes.get(cellName(variant, ratio, settings.seed), 'prune')?.before.accuracy ?? null;
      if (found !== null) {
        return found;
      }
    }
  }
  return null;
}

/** The same in a sentence; none where it is not known. */
export function denseSentence(
  settings: StudySettings,
  variants: readonly Variant[],
  outcomes: Outcomes,
): string[] {
  const accuracy = denseAccuracy(settings, variants, outcomes);
  return accuracy === null ? [] : [`Test accuracy of the dense network: ${(100 * accuracy).toFixed(2)} %.`];
}
