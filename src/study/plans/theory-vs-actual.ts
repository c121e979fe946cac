/** Limits by theory against measured ones, of networks with and without an l1 penalty (the paper's figure 3 and its tables). */
import type { Report } from '../../report/schema.js';
import type { StudyPicture, StudyTable } from '../../report/study-schema.js';
import type { StudySettings } from '../settings.js';
import type { Outcomes, Study, StudyFindings } from '../study.js';
import { networksOf, trainingSentence } from './networks.js';

const analysisName = (network: string): string => `analyze ${network}`;

interface Analyzed {
  name: string;
  report: Report;
}

const theoryNames = { gaussianWidth: 'Gaussian width', sharp: 'sharp', slice: 'slice' };

function differences(found: readonly Analyzed[]): StudyTable {
  return {
    title: 'Theory against measurement',
    columns: [
      { key: 'network', title: 'network', format: 'text' },
      { key: 'theory', title: 'theory', format: 'text' },
      { key: 'actual', title: 'measured by', format: 'text' },
      { key: 'theoryPruned', title: 'theory, pruned', format: 'percent' },
      { key: 'actualPruned', title: 'measured, pruned', format: 'percent' },
      { key: 'differencePoints', title: 'difference, points', format: 'points' },
      { key: 'settled', title: 'settled', format: 'text' },
    ],
    rows: found.flatMap(({ name, report }) =>
      report.comparison.map((row) => ({
        network: name,
        theory: theoryNames[row.theory],
        actual: row.actual,
        theoryPruned: row.theoryPruned,
        actualPruned: row.actualPruned,
        differencePoints: row.differencePoints,
        settled: row.settled ? 'yes' : 'no',
      })),
    ),
    notes: [
      'Measured: one-shot global magnitude pruning without retraining. slice predicts this; Gaussian width and sharp are of networks whose kept weights are retrained.',
    ],
  };
}

function bounds(found: readonly Analyzed[]): StudyTable {
  return {
    title: 'Bounds on the kept fraction',
    columns: [
      { key: 'network', title: 'network', format: 'text' },
      { key: 'lowerKept', title: 'lower', format: 'percent' },
      { key: 'upperKept', title: 'upper', format: 'percent' },
      { key: 'deltaPoints', title: 'Delta, points', format: 'points' },
      { key: 'settled', title: 'settled', format: 'text' },
    ],
    rows: found.map(({ name, report: { bounds: of } }) => ({
      network: name,
      lowerKept: of.lowerKept,
      upperKept: of.upperKept,
      deltaPoints: 100 * of.delta,
      settled: of.settled ? 'yes' : 'no',
    })),
    notes: ['Delta is upper less lower.'],
  };
}

function networks(found: readonly Analyzed[]): StudyTable {
  return {
    title: 'Networks',
    columns: [
      { key: 'network', title: 'network', format: 'text' },
      { key: 'prunable', title: 'prunable weights', format: 'whole' },
      { key: 'accuracy', title: 'test accuracy', format: 'percent' },
      { key: 'loss', title: 'training loss', format: 'quantity' },
      { key: 'epsilon', title: 'epsilon', format: 'quantity' },
    ],
    rows: found.map(({ name, report: { model, accuracy, loss, epsilon } }) => ({
      network: name,
      prunable: model.prunable,
      accuracy: accuracy?.test ?? null,
      loss: loss.value,
      epsilon: epsilon.value,
    })),
    notes: [],
  };
}

/** Test accuracy at each pruned fraction, as measured. */
function curves(found: readonly Analyzed[]): StudyPicture {
  return {
    title: 'Test accuracy by pruned fraction',
    x: { label: 'pruned', scale: 'linear', format: 'percent' },
    y: { label: 'test accuracy', scale: 'linear', format: 'percent' },
    series: found.map(({ name, report }) => ({
      name,
      mark: 'line',
      points: report.curve.flatMap(({ pruned, accuracy }) =>
        accuracy === null ? [] : [{ x: pruned, y: accuracy }],
      ),
    })),
    caption: 'One-shot global magnitude pruning, measured.',
  };
}

function findings(settings: StudySettings, outcomes: Outcomes): StudyFindings {
  const found = networksOf(settings).flatMap(({ name }): Analyzed[] => {
    const report = outcomes.get(analysisName(name), 'analyze')?.report;
    return report === undefined ? [] : [{ name, report }];
  });
  return {
    summary: trainingSentence(settings, true),
    tables: [differences(found), bounds(found), networks(found)],
    pictures: [curves(found)],
  };
}

export const theoryVsActualStudy: Study = {
  title: 'limits by theory against measured ones, with and without an l1 penalty',
  plan: (settings) =>
    networksOf(settings).flatMap(({ name, model, cells }) => [
      ...cells,
      { kind: 'analyze', name: analysisName(name), model, config: settings.analysis },
    ]),
  findings,
};
