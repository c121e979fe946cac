/** Rare Gems with and without its l2 penalty: accuracy by kept fraction, and limits of the networks (the paper's figure 4, below). */
import type { Report } from '../../report/schema.js';
import type { StudyPicture, StudyTable } from '../../report/study-schema.js';
import type { AnalyzeCell, Cell } from '../cell.js';
import type { StudySettings } from '../settings.js';
import type { Outcomes, Study, StudyFindings } from '../study.js';
import { conditionSentences, networksOf, passesOf, trainingSentence } from './networks.js';
import {
  accuracyTable,
  cellName,
  denseSentence,
  rangeTable,
  shownRatio,
  type Variant,
  variantCells,
} from './pruned-variants.js';
import { accuracyPicture } from './pruners.js';

function variantsOf({ budgetEpochs, scoreL2 }: StudySettings): Variant[] {
  const common = { method: 'rare-gems', budgetEpochs, tuneEpochs: 0 } as const;
  return [
    { label: 'with l2', ...common, scoreL2 },
    { label: 'without l2', ...common, scoreL2: 0 },
  ];
}

const analysisName = ({ label }: Variant, ratio: number): string => `analyze ${label}, ${shownRatio(ratio)}`;

/** Each network of the first seed is looked at once it is pruned. */
function plan(settings: StudySettings): Cell[] {
  const [network] = networksOf(settings, ['plain']);
  const variants = variantsOf(settings);
  const looked = variants.flatMap((variant) =>
    settings.ratios.map((ratio) => ({ variant, ratio, pruning: cellName(variant, ratio, settings.seed) })),
  );
  const kept = new Set(looked.map(({ pruning }) => pruning));
  const prunings = variantCells(settings, variants, network.model).map((cell) =>
    kept.has(cell.name) ? { ...cell, leavesModel: true as const } : cell,
  );
  const analyses = looked.map(
    ({ variant, ratio, pruning }): AnalyzeCell => ({
      kind: 'analyze',
      name: analysisName(variant, ratio),
      model: { cell: pruning },
      config: settings.analysis,
    }),
  );
  return [...network.cells, ...prunings, ...analyses];
}

/** An analysis of a pruned network. */
interface Looked {
  variant: Variant;
  ratio: number;
  report: Report;
}

function lookedAt(settings: StudySettings, outcomes: Outcomes): Looked[] {
  return variantsOf(settings).flatMap((variant) =>
    settings.ratios.flatMap((ratio) => {
      const report = outcomes.get(analysisName(variant, ratio), 'analyze')?.report;
      return report === undefined ? [] : [{ variant, ratio, report }];
    }),
  );
}

function limitsTable(found: readonly Looked[]): StudyTable {
  return {
    title: 'Limits of the pruned networks, as fractions of all prunable weights',
    columns: [
      { key: 'network', title: 'network', format: 'text' },
      { key: 'pruned', title: 'pruned already', format: 'percent' },
      { key: 'accuracy', title: 'test accuracy', format: 'percent' },
      { key: 'gaussianWidth', title: 'Gaussian width', format: 'percent' },
      { key: 'sharp', title: 'sharp', format: 'percent' },
      { key: 'slice', title: 'slice', format: 'percent' },
      { key: 'loss', title: 'loss, measured', format: 'percent' },
      { key: 'actualAccuracy', title: 'accuracy, measured', format: 'percent' },
      { key: 'settled', title: 'settled', format: 'text' },
    ],
    rows: found.map(({ variant, ratio, report: { accuracy, limits, actual } }) => ({
      network: variant.label,
      pruned: ratio,
      accuracy: accuracy?.test ?? null,
      gaussianWidth: limits.gaussianWidth.pruned,
      sharp: limits.sharp.pruned,
      slice: limits.slice.pruned,
      loss: actual.loss.pruned,
      actualAccuracy: actual.accuracy?.pruned ?? null,
      settled: limits.gaussianWidth.settled && limits.sharp.settled ? 'yes' : 'no',
    })),
    notes: [
      'Of the networks of the first seed. Weights that are pruned already count among the pruned ones of a limit.',
      'Measured: one-shot global magnitude pruning without retraining. Theory limits are cut to the connected limit, beyond which outputs have no path from the input.',
    ],
  };
}

function limitsPicture(settings: StudySettings, found: readonly Looked[]): StudyPicture {
  return {
    title: 'Gaussian-width limit by kept fraction',
    x: { label: 'kept by rare-gems', scale: 'log', format: 'percent' },
    y: { label: 'pruned', scale: 'linear', format: 'percent' },
    series: [
      ...variantsOf(settings).map(({ label }) => ({
        name: label,
        mark: 'line' as const,
        points: found
          .filter(({ variant }) => variant.label === label)
          .map(({ ratio, report }) => ({ x: 1 - ratio, y: report.limits.gaussianWidth.pruned })),
      })),
      {
        name: 'pruned already',
        mark: 'dots' as const,
        points: settings.ratios.map((ratio) => ({ x: 1 - ratio, y: ratio })),
      },
    ],
    caption: 'Largest pruned fraction of the networks of the first seed.',
  };
}

/** The curves that cross at the Gaussian-width limit, over the distance that pruning moves the weights. */
function crossing(ratio: number, found: readonly Looked[]): StudyPicture {
  return {
    title: `${shownRatio(ratio)} pruned: where width and pruned fraction cross`,
    x: { label: 'R, distance of the pruned from the trained weights', scale: 'linear', format: 'quantity' },
    y: { label: 'fraction of all prunable weights', scale: 'linear', format: 'percent' },
    series: found
      .filter((looked) => looked.ratio === ratio)
      .flatMap(({ variant, report }) => [
        {
          name: `${variant.label}, squared Gaussian width`,
          mark: 'line' as const,
          points: report.theory.curve.map(({ radius, squaredGaussianWidth }) => ({
            x: radius,
            y: squaredGaussianWidth,
          })),
        },
        {
          name: `${variant.label}, pruned`,
          mark: 'dots' as const,
          points: report.theory.curve.map(({ radius, pruned }) => ({ x: radius, y: pruned })),
        },
      ]),
    caption:
      'Magnitude pruning of the network that rare-gems left; the crossing is its limit, before it is cut.',
  };
}

function findings(settings: StudySettings, outcomes: Outcomes): StudyFindings {
  const variants = variantsOf(settings);
  const found = lookedAt(settings, outcomes);
  const { budgetEpochs, scoreL2 } = settings;
  return {
    summary: [
      ...trainingSentence(settings, false),
      ...denseSentence(settings, variants, outcomes),
      `rare-gems within ${passesOf(budgetEpochs)} over the training examples, half of them for the scores of frozen random weights (signs times sqrt(2 / fan-in)), half for fine-tuning what is left; of the given network it takes the architecture alone.`,
      `with l2: the penalty ${scoreL2.toExponential()} times sum p^2 over the scores p; without l2: none.`,
      ...conditionSentences(settings),
    ],
    tables: [
      accuracyTable(settings, variants, outcomes),
      ...rangeTable(settings, variants, outcomes),
      limitsTable(found),
    ],
    pictures: [
      accuracyPicture(settings, variants, outcomes),
      limitsPicture(settings, found),
      ...settings.ratios.map((ratio) => crossing(ratio, found)),
    ],
  };
}

export const l2Study: Study = {
  title: 'rare-gems with and without its l2 penalty: accuracy and limits by kept fraction',
  plan,
  findings,
};
