/** What larger weights do to the limit: predicted, and of networks whose weights really are larger (the paper's figure 7). */
import type { Report } from '../../report/schema.js';
import type { AnalyzeCell, Cell } from '../cell.js';
import type { StudySettings } from '../settings.js';
import type { Outcomes, Study, StudyFindings } from '../study.js';
import { networksOf, trainingSentence } from './networks.js';

const UNSCALED = 'analyze, weights as they are';
const scaledName = (factor: number): string => `scale by ${factor}`;
const analysisName = (factor: number): string => `analyze, scaled by ${factor}`;

/** Factors that are scaled by: those that change something, each once. */
function factorsOf({ scales }: StudySettings): number[] {
  return [...new Set(scales)].filter((factor) => factor !== 1).sort((a, b) => a - b);
}

function plan(settings: StudySettings): Cell[] {
  const [network] = networksOf(settings, ['plain']);
  const factors = factorsOf(settings);
  const analysis = (name: string, model: AnalyzeCell['model'], weightScales: number[]): AnalyzeCell => ({
    kind: 'analyze',
    name,
    model,
    config: { ...settings.analysis, weightScales },
  });
  return [
    ...network.cells,
    analysis(UNSCALED, network.model, factors),
    ...factors.flatMap((factor): Cell[] => [
      { kind: 'scale', name: scaledName(factor), model: network.model, factor },
      analysis(analysisName(factor), { cell: scaledName(factor) }, []),
    ]),
  ];
}

/** The limits of a network as they are, by theory and as measured. */
function limitsOf({ limits, actual }: Report) {
  return {
    measuredWidth: limits.gaussianWidth.pruned,
    measuredSharp: limits.sharp.pruned,
    actualLoss: actual.loss.pruned,
    settled: limits.gaussianWidth.settled && limits.sharp.settled ? 'yes' : 'no',
  };
}

function findings(settings: StudySettings, outcomes: Outcomes): StudyFindings {
  const unscaled = outcomes.get(UNSCALED, 'analyze')?.report;
  if (unscaled === undefined) {
    return { summary: [], tables: [], pictures: [] };
  }
  const first = {
    factor: 1,
    predictedWidth: unscaled.limits.gaussianWidth.pruned,
    predictedSharp: unscaled.limits.sharp.pruned,
    ...limitsOf(unscaled),
  };
  const rows = [
    first,
    ...factorsOf(settings).flatMap((factor) => {
      const predicted = unscaled.weightScales?.find((scale) => scale.factor === factor);
      const scaled = outcomes.get(analysisName(factor), 'analyze')?.report;
      return predicted === undefined || scaled === undefined
        ? []
        : [
            {
              factor,
              predictedWidth: predicted.gaussianWidth.pruned,
              predictedSharp: predicted.sharp.pruned,
              ...limitsOf(scaled),
            },
          ];
    }),
  ];
  return {
    summary: [
      ...trainingSentence(settings, false),
      'Predicted: the curvature stays as it is, and the distance of the pruned from the dense weights grows by the factor.',
      'Scaled: every kernel but the last is multiplied by the factor, the last by the inverse of the product of these, and biases by the product of the factors up to their layer. A ReLU passes a positive factor through, so that the function stays, and with it losses and accuracies; the curvature does not.',
    ],
    tables: [
      {
        title: 'Largest pruned fraction by factor',
        columns: [
          { key: 'factor', title: 'factor', format: 'quantity' },
          { key: 'predictedWidth', title: 'Gaussian width, predicted', format: 'percent' },
          { key: 'measuredWidth', title: 'Gaussian width, scaled', format: 'percent' },
          { key: 'predictedSharp', title: 'sharp, predicted', format: 'percent' },
          { key: 'measuredSharp', title: 'sharp, scaled', format: 'percent' },
          { key: 'actualLoss', title: 'loss measured, scaled', format: 'percent' },
          { key: 'settled', title: 'settled', format: 'text' },
        ],
        rows,
        notes: [
          'Theory limits are cut to the connected limit, beyond which outputs have no path from the input.',
          'settled: the intervals of both theory limits of the scaled network are within the tolerance.',
        ],
      },
    ],
    pictures: [
      {
        title: 'Limits of scaled weights',
        x: { label: 'factor on the weights', scale: 'linear', format: 'quantity' },
        y: { label: 'largest pruned fraction', scale: 'linear', format: 'percent' },
        series: (
          [
            ['Gaussian width, predicted', 'predictedWidth'],
            ['Gaussian width, scaled', 'measuredWidth'],
            ['sharp, predicted', 'predictedSharp'],
            ['sharp, scaled', 'measuredSharp'],
            ['loss measured, scaled', 'actualLoss'],
          ] as const
        ).map(([name, key]) => ({
          name,
          mark: 'line',
          points: rows.map((row) => ({ x: row.factor, y: row[key] })),
        })),
        caption:
          'Scaled networks have another curvature, and another order of magnitudes: their last layer is smaller beside the others, so that global magnitude pruning takes more of it.',
      },
    ],
  };
}

export const weightScaleStudy: Study = {
  title: 'limits of scaled weights: predicted, and of networks that were scaled',
  plan,
  findings,
};
