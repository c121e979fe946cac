/** How limits move over rounds of iterative magnitude pruning (the paper's figure 4, top). */

import type { Report } from '../../report/schema.js';
import type { StudyPicture, StudyTable } from '../../report/study-schema.js';
import { prunedAfterRounds } from '../../retraining/imp.js';
import type { Cell, ModelSource, RoundCell } from '../cell.js';
import type { StudySettings } from '../settings.js';
import type { Outcomes, Study, StudyFindings } from '../study.js';
import { conditionSentences, passesOf, trainCell, trainingSentence } from './networks.js';

/** Passes over the examples before the point that rounds are set back to. */
const EARLY_EPOCHS = 1;
/** Pictures of curves are of so many rounds at most: the first, the last, and some between. */
const MOST_CURVES = 4;
/** Eigenvalues closer to 0 than this part of the largest are rounding: products are float32. */
const RELATIVE_ROUNDING = 1e-6;

const EARLY = 'early network';
const roundName = (round: number): string => `round ${round}`;
const analysisName = (round: number): string => `analyze round ${round}`;

/** Rounds by number: 0 prunes nothing. */
function roundsOf({ rounds }: StudySettings): number[] {
  return Array.from({ length: rounds + 1 }, (_, round) => round);
}

/** The network that every round is set back to, and the cell that makes it. */
function earlyOf(settings: StudySettings): { cell: Cell; model: ModelSource } {
  const cell: Cell = settings.givenModel
    ? {
        ...roundCell(settings, EARLY_EPOCHS),
        ...{ name: EARLY, model: { given: true }, rewindTo: null, prunedFraction: 0 },
      }
    : trainCell(settings, EARLY, { l1: 0, epochs: EARLY_EPOCHS });
  return { cell, model: { cell: cell.name } };
}

function roundCell(
  { analysis, training }: StudySettings,
  epochs: number,
): Pick<RoundCell, 'kind' | 'config'> {
  const { learningRate, augment } = training;
  return {
    kind: 'round',
    config: { problem: analysis, epochs, learningRate, ...(augment !== null && { augment }) },
  };
}

function plan(settings: StudySettings): Cell[] {
  const early = earlyOf(settings);
  return [
    early.cell,
    ...roundsOf(settings).flatMap((round): Cell[] => [
      {
        ...roundCell(settings, settings.training.epochs),
        name: roundName(round),
        model: round === 0 ? early.model : { cell: roundName(round - 1) },
        rewindTo: early.model,
        prunedFraction: prunedAfterRounds(round),
      },
      {
        kind: 'analyze',
        name: analysisName(round),
        model: { cell: roundName(round) },
        config: settings.analysis,
      },
    ]),
  ];
}

/** A round that was trained and analysed. */
interface Round {
  round: number;
  /** Share of all prunable weights that is pruned so far. */
  pruned: number;
  /** Norm of the weights: the distance to pruning all of them. */
  norm: number;
  report: Report;
}

function roundsFound(settings: StudySettings, outcomes: Outcomes): Round[] {
  return roundsOf(settings).flatMap((round) => {
    const made = outcomes.get(roundName(round), 'round');
    const report = outcomes.get(analysisName(round), 'analyze')?.report;
    if (made === null || report === undefined) {
      return [];
    }
    const norm = Math.max(...report.theory.curve.map(({ radius }) => radius));
    return [{ round, pruned: made.prunedWeights / made.prunableWeights, norm, report }];
  });
}

function limitsTable(found: readonly Round[]): StudyTable {
  return {
    title: 'Limits by round',
    columns: [
      { key: 'round', title: 'round', format: 'whole' },
      { key: 'pruned', title: 'pruned so far', format: 'percent' },
      { key: 'accuracy', title: 'test accuracy', format: 'percent' },
      { key: 'gaussianWidth', title: 'Gaussian width', format: 'percent' },
      { key: 'sharp', title: 'sharp', format: 'percent' },
      { key: 'slice', title: 'slice', format: 'percent' },
      { key: 'actualLoss', title: 'loss, measured', format: 'percent' },
      { key: 'roomPoints', title: 'Gaussian width less pruned, points', format: 'points' },
      { key: 'settled', title: 'settled', format: 'text' },
    ],
    rows: found.map(({ round, pruned, report: { accuracy, limits, actual } }) => ({
      round,
      pruned,
      accuracy: accuracy?.test ?? null,
      gaussianWidth: limits.gaussianWidth.pruned,
      sharp: limits.sharp.pruned,
      slice: limits.slice.pruned,
      actualLoss: actual.loss.pruned,
      roomPoints: 100 * (limits.gaussianWidth.pruned - pruned),
      settled: limits.gaussianWidth.settled && limits.sharp.settled ? 'yes' : 'no',
    })),
    notes: [
      'Limits are shares of all prunable weights, those that are pruned so far among them, of the network that the round trained.',
      'settled: the intervals of Gaussian width and sharp are within the tolerance. Both are cut to the connected limit, beyond which outputs have no path from the input.',
    ],
  };
}

function spectraTable(found: readonly Round[]): StudyTable {
  return {
    title: 'Spectrum and norm by round',
    columns: [
      { key: 'round', title: 'round', format: 'whole' },
      { key: 'norm', title: 'norm of the weights', format: 'quantity' },
      { key: 'loss', title: 'training loss', format: 'quantity' },
      { key: 'epsilon', title: 'epsilon', format: 'quantity' },
      { key: 'lambdaMax', title: 'largest eigenvalue', format: 'quantity' },
      { key: 'lambdaMin', title: 'smallest', format: 'quantity' },
      { key: 'trace', title: 'trace', format: 'quantity' },
      { key: 'negativeMass', title: 'held by negative ones', format: 'percent' },
    ],
    rows: found.map(({ round, norm, report: { loss, epsilon, curvature } }) => ({
      round,
      norm,
      loss: loss.value,
      epsilon: epsilon.value,
      lambdaMax: curvature.lambdaMax,
      lambdaMin: curvature.lambdaMin,
      trace: curvature.trace,
      negativeMass: curvature.negativeMass,
    })),
    notes: ['The norm is R where all weights are pruned. The trace is estimated from the probes.'],
  };
}

function limitsPicture(found: readonly Round[]): StudyPicture {
  const line = (name: string, of: (round: Round) => number) => ({
    name,
    mark: 'line' as const,
    points: found.map((round) => ({ x: round.round, y: of(round) })),
  });
  return {
    title: 'Limits by round',
    x: { label: 'round', scale: 'linear', format: 'whole' },
    y: { label: 'pruned part', scale: 'linear', format: 'percent' },
    series: [
      line('slice', ({ report }) => report.limits.slice.pruned),
      line('Gaussian width', ({ report }) => report.limits.gaussianWidth.pruned),
      line('loss, measured', ({ report }) => report.actual.loss.pruned),
      line('sharp', ({ report }) => report.limits.sharp.pruned),
      line('pruned so far', ({ pruned }) => pruned),
    ],
    caption: 'Of the network that each round trained; round 0 prunes nothing.',
  };
}

function accuracyPicture(found: readonly Round[]): StudyPicture {
  return {
    title: 'Test accuracy by round',
    x: { label: 'pruned so far', scale: 'linear', format: 'percent' },
    y: { label: 'test accuracy', scale: 'linear', format: 'percent' },
    series: [
      {
        name: 'after training',
        mark: 'line',
        points: found.flatMap(({ pruned, report: { accuracy } }) =>
          accuracy === null || accuracy.test === null ? [] : [{ x: pruned, y: accuracy.test }],
        ),
      },
    ],
    caption: 'A dot is a round.',
  };
}

/** The first, the last, and some between at equal distances. */
function shown(found: readonly Round[]): Round[] {
  if (found.length <= MOST_CURVES) {
    return [...found];
  }
  const places = Array.from({ length: MOST_CURVES }, (_, i) =>
    Math.round((i * (found.length - 1)) / (MOST_CURVES - 1)),
  );
  return places.map((place) => found[place]);
}

/** What the limits come from: both sides of each equation over R, as in the paper. */
function radiusPicture({ round, pruned, norm, report: { theory } }: Round): StudyPicture {
  const line = (
    name: string,
    field: 'squaredGaussianWidth' | 'pruned' | 'statisticalDimension',
  ): StudyPicture['series'][number] => ({
    name,
    mark: 'line',
    points: theory.curve.map((row) => ({ x: row.radius, y: row[field] })),
  });
  return {
    title: `Round ${round}: threshold and pruned part by R`,
    x: { label: 'R, distance of the pruned from the dense weights', scale: 'linear', format: 'quantity' },
    y: { label: 'pruned part', scale: 'linear', format: 'percent' },
    series: [
      line('magnitude pruning', 'pruned'),
      line('Gaussian width', 'squaredGaussianWidth'),
      {
        name: 'pruned so far',
        mark: 'line',
        points: [
          { x: 0, y: pruned },
          { x: norm, y: pruned },
        ],
      },
      line('sharp', 'statisticalDimension'),
    ],
    caption: 'A limit is where its curve crosses that of magnitude pruning.',
  };
}

/** Of the eigenvalues' distribution, the share beyond each value, over all probes. */
function spectralSeries({ round, report: { spectrum } }: Round): StudyPicture['series'][number] {
  const nodes = spectrum.ritz
    .flatMap(({ values, weights }) =>
      values.map((value, i) => ({ size: Math.abs(value), weight: weights[i] / spectrum.ritz.length })),
    )
    .sort((a, b) => b.size - a.size);
  const least = RELATIVE_ROUNDING * (nodes[0]?.size ?? 0);
  let share = 0;
  const points = nodes.map(({ size, weight }) => {
    share += weight;
    return { x: size, y: share };
  });
  return { name: roundName(round), mark: 'line', points: points.filter(({ x }) => x > least) };
}

function findings(settings: StudySettings, outcomes: Outcomes): StudyFindings {
  const found = roundsFound(settings, outcomes);
  const { epochs, learningRate } = settings.training;
  return {
    summary: [
      ...trainingSentence({ ...settings, training: { ...settings.training, epochs: EARLY_EPOCHS } }, false),
      ...(settings.givenModel
        ? [`From new initial weights of the given architecture, trained for ${EARLY_EPOCHS} pass first.`]
        : []),
      `Each round prunes the smallest fifth of the weights that are left, sets the others back to where they were after the first pass, and trains them for ${passesOf(epochs)} over all training examples: SGD with momentum, weight decay 1e-4, rate ${learningRate} that falls to tenths at half and three quarters. Round 0 prunes nothing.`,
      ...conditionSentences({ ...settings, baselineRate: null }),
    ],
    tables: [limitsTable(found), spectraTable(found)],
    pictures: [
      limitsPicture(found),
      accuracyPicture(found),
      ...shown(found).map(radiusPicture),
      {
        title: 'Spectrum by round',
        x: { label: '|eigenvalue|', scale: 'log', format: 'quantity' },
        y: { label: 'share of eigenvalues beyond', scale: 'log', format: 'quantity' },
        series: shown(found).map(spectralSeries),
        caption: 'Estimated by stochastic Lanczos quadrature; a dot is a node of it.',
      },
    ],
  };
}

export const iterativeStudy: Study = {
  title: 'limits after each round of iterative magnitude pruning with rewinding',
  plan,
  findings,
};
