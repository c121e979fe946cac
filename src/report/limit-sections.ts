/** The sections of a report about limits: theory, bounds, theory against measurement. */
import { measuredLimits, theoryNames, tunedLimits } from './limit-names.js';
import { increaseWords } from './pattern-sections.js';
import type { PatternReport } from './patterns-schema.js';
import type { ComparisonRow, LimitEstimate, MeasuredLimitReport, Report } from './schema.js';
import { type Section, section } from './sections.js';
import * as text from './text.js';
import { tunedNotes, tunedRange, tuneOffer } from './tuned-sections.js';

/** Shown in place of a number that is not known well enough. */
const UNRESOLVED = 'unresolved';

function intervalHeading({ limits }: Report): string {
  return `${Math.round(100 * limits.level)} % interval`;
}

/** Pruned, remark, kept and how many times fewer. */
type LimitCells = [string, string, string, string];

function limitCells(pruned: number, remark: string): LimitCells {
  return [text.percent(pruned), remark, text.percent(1 - pruned), text.factor(1 - pruned)];
}

function estimateCells(limit: LimitEstimate): LimitCells {
  const interval = text.range(limit.low, limit.high);
  if (!limit.settled) {
    return [UNRESOLVED, interval, '', ''];
  }
  return limitCells(limit.pruned, limit.capped ? 'cut to connected' : interval);
}

function measuredCells({ pruned, lastPass, capped }: MeasuredLimitReport): LimitCells {
  if (capped) {
    return limitCells(pruned, 'nothing fails');
  }
  return limitCells(pruned, lastPass > pruned ? `last pass ${text.percent(lastPass)}` : '');
}

const limitNotes = {
  slice: 'slice: one-shot pruning without retraining, by the quadratic model of the loss',
  gaussianWidth: "Gaussian width: the paper's estimate with retraining; networks beyond it do exist",
  sharp: 'sharp: exact for random subspaces of that model, which retrained networks leave',
  connected: 'connected: up to here each output has a path of kept weights from the input',
  measured: 'the other rows: this checkpoint, pruned once by magnitude, measured up to the first failure',
};

/** `2:4: predicted +0.01265, measured +0.02092`: no limit, but what a pattern does. */
function patternNote({ pattern, predictedIncrease, lossIncrease }: PatternReport): string {
  const signed = (increase: number | null): string =>
    `${increase !== null && increase >= 0 ? '+' : ''}${increaseWords(increase)}`;
  return `${pattern}: loss increase predicted ${signed(predictedIncrease)}, measured ${signed(lossIncrease)}, one-shot`;
}

/** How far each limit goes. */
export function limitsSection(report: Report): Section {
  const { limits } = report;
  const rows: string[][] = [
    [theoryNames.slice, ...limitCells(limits.slice.pruned, limits.slice.capped ? 'cut to connected' : '')],
    [theoryNames.gaussianWidth, ...estimateCells(limits.gaussianWidth)],
    [theoryNames.sharp, ...estimateCells(limits.sharp)],
  ];
  if (limits.connected !== null) {
    const { pruned, exact } = limits.connected;
    rows.push(['connected', ...limitCells(pruned, exact ? '' : 'at most')]);
  }
  rows.push(...measuredLimits(report).map(({ name, limit }) => [name, ...measuredCells(limit)]));
  const { patterns = [] } = report;
  rows.push(...patterns.map(({ pattern, pruned }) => [pattern, ...limitCells(pruned, 'one-shot')]));
  const compensated = report.tuned?.compensated;
  if (compensated !== undefined) {
    const { pruned, capped } = compensated;
    rows.push(['compensated loss', ...limitCells(pruned, capped ? 'nothing fails' : '')]);
  }
  const tuned = tunedLimits(report);
  rows.push(
    ...tuned.map(({ name, limit }) => [
      name,
      ...limitCells(limit.pruned, tunedRange(limit, report.tuned?.tries ?? [])),
    ]),
  );
  const { measured, connected, ...theory } = limitNotes;
  return section('Limits: the largest part that can be pruned', {
    grid: {
      head: ['limit', 'pruned', intervalHeading(report), 'kept', 'fewer weights'],
      rows,
      numeric: [1, 2, 3, 4],
    },
    notes: [
      ...Object.values(theory),
      ...(limits.connected === null ? [] : [connected]),
      ...patterns.map(patternNote),
      tuned.length > 0 ? measured.replace('the other rows', 'the measured rows') : measured,
      ...tunedNotes(report),
    ],
  });
}

/** How little may be kept. */
export function boundsSection(report: Report): Section {
  const { bounds, limits, theory } = report;
  const key = bounds.source === 'sharp' ? 'sharp' : 'gaussianWidth';
  const cut = limits[key].capped ? ', cut to connected' : '';
  const meaning = theoryNames[key] + (key === 'sharp' ? '' : ", the paper's estimate") + cut;
  const interval = intervalHeading(report);
  const keptRange = text.range(bounds.lowerKeptLow, bounds.lowerKeptHigh);
  const differenceRange = `${text.signed(100 * bounds.deltaLow)} to ${text.signed(100 * bounds.deltaHigh)}`;
  const { low, high, settled, eta } = theory.transition;
  const sure = text.percent(1 - eta, 0);
  return section('Bounds on the kept part', {
    pairs: [
      [
        'lower bound',
        bounds.settled
          ? `kept ${text.percent(bounds.lowerKept)} (${meaning}; ${interval} ${keptRange})`
          : `${UNRESOLVED}: kept ${keptRange} (${meaning})`,
      ],
      ['upper bound', `kept ${text.percent(bounds.upperKept)} (${theoryNames.slice})`],
      [
        'difference',
        bounds.settled
          ? `${text.points(100 * bounds.delta)} (${differenceRange})`
          : `${UNRESOLVED}: ${differenceRange} points`,
      ],
      [
        'transition',
        `${settled ? '' : `${UNRESOLVED}: `}pruned ${text.range(low, high)}, where random subspaces of the quadratic ` +
          `model cease to keep the loss with probability ${sure} (proven, about 4 times wider than seen)`,
      ],
    ],
  });
}

const actualNames: Record<ComparisonRow['actual'], string> = {
  loss: 'loss',
  accuracy: 'accuracy',
  compensated: 'compensated loss',
  tunedLoss: 'tuned loss',
  tunedAccuracy: 'tuned accuracy',
};

/** Theory less measurement. */
export function comparisonSection(report: Report): Section {
  const rows = report.comparison.map((row) => {
    const ends = [row.differenceLowPoints, row.differenceHighPoints].filter((end) => end !== null);
    return [
      theoryNames[row.theory],
      actualNames[row.actual],
      row.settled ? text.percent(row.theoryPruned) : UNRESOLVED,
      text.percent(row.actualPruned),
      row.settled ? text.signed(row.differencePoints) : '',
      ends.map(text.signed).join(' to '),
    ];
  });
  return section('Theory against measurement', {
    grid: {
      head: [
        'theory',
        'measured',
        'theory: pruned',
        'found: pruned',
        'points apart',
        intervalHeading(report),
      ],
      rows,
      numeric: [2, 3, 4, 5],
    },
    notes: [
      'slice predicts the loss of this very pruning',
      'the others are estimates for networks whose kept weights are retrained; pruning at once may fall short of them',
      ...tuneOffer(report),
    ],
  });
}
