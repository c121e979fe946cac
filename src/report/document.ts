/**
 * What a report says, in words: sections of pairs, grids and lines that a
 * renderer lays out for its medium. All wording of reports is here.
 */
import type { ComparisonRow, LimitEstimate, Report } from './schema.js';
import * as text from './text.js';

export interface Grid {
  head: string[];
  rows: string[][];
  /** Columns of numbers, aligned right. */
  numeric: number[];
}

export interface Section {
  title: string;
  /** Name and value. */
  pairs: [string, string][];
  grid: Grid | null;
  /** Remarks below. */
  notes: string[];
  tone: 'plain' | 'warning';
}

export interface ReportDocument {
  title: string;
  sections: Section[];
}

type TheoryName = ComparisonRow['theory'];
type ActualName = ComparisonRow['actual'];

const theoryNames: Record<TheoryName, string> = {
  slice: 'slice',
  gaussianWidth: 'Gaussian width',
  sharp: 'sharp',
};

function section(title: string, parts: Partial<Omit<Section, 'title'>>): Section {
  return { title, pairs: [], grid: null, notes: [], tone: 'plain', ...parts };
}

function actualName(name: ActualName, report: Report): string {
  switch (name) {
    case 'loss':
      return 'loss';
    case 'accuracy':
      return `accuracy, ${text.signed(-100 * (report.actual.accuracy?.tolerance ?? 0))} points`;
  }
}

function modelSection(report: Report): Section {
  const { model, data, loss, accuracy, epsilon, engine } = report;
  const pairs: [string, string][] = [
    [
      'model',
      `${text.printable(model.path)} (${model.format}), ` +
        `${text.whole(model.prunable)} of ${text.whole(model.parameters)} weights prunable`,
    ],
    ['data', `${text.printable(data.path)} (${data.format})`],
    [
      'examples',
      `train ${text.whole(data.train.examples)} of ${text.whole(data.train.available)}, ` +
        (data.test === null
          ? 'no test split'
          : `test ${text.whole(data.test.examples)} of ${text.whole(data.test.available)}`),
    ],
    ['loss', `${loss.name} ${text.quantity(loss.value)}, gradient norm ${text.quantity(loss.gradientNorm)}`],
  ];
  if (accuracy !== null) {
    const parts = Object.entries(accuracy)
      .filter((entry): entry is [string, number] => entry[1] !== null)
      .map(([split, value]) => `${split} ${text.percent(value, 2)}`);
    pairs.push(['accuracy', parts.length > 0 ? parts.join(', ') : 'not measured']);
  }
  pairs.push([
    'tolerance',
    `loss increase up to epsilon = ${text.quantity(epsilon.value)} (${epsilon.rule})`,
  ]);
  const threads = engine.threads === null ? '' : `, ${text.plural(engine.threads, 'thread')}`;
  pairs.push(['engine', `${engine.backend}${threads}`]);
  return section('Model and loss', { pairs });
}

function spectrumSection(report: Report): Section {
  const { curvature, spectrum, selfCheck } = report;
  const kind = curvature.kind === 'ggn' ? 'generalised Gauss-Newton matrix' : 'Hessian';
  const negative = curvature.negative === 'abs' ? 'by magnitude' : 'as 0';
  const error =
    curvature.traceStdError === null ? '' : ` (standard error ${text.quantity(curvature.traceStdError)})`;
  const leading = spectrum.leadingEigenvalues.slice(0, 5).map(text.quantity).join(', ');
  const pairs: [string, string][] = [
    [
      'curvature',
      `${kind} of ${text.plural(curvature.examples, 'example')}; negative eigenvalues count ${negative}`,
    ],
    ['eigenvalues', `from ${text.quantity(curvature.lambdaMin)} to ${text.quantity(curvature.lambdaMax)}`],
  ];
  if (leading !== '') {
    pairs.push(['largest', leading]);
  }
  pairs.push(
    ['trace', `${text.quantity(curvature.trace)}${error}`],
    ['negative mass', `${text.percent(curvature.negativeMass)} of sum |lambda|`],
    [
      'estimate',
      `${text.plural(spectrum.probes, 'probe')} of ${text.plural(spectrum.steps, 'Lanczos step')}, ` +
        (spectrum.settled ? 'settled' : 'not settled within the budget'),
    ],
    [
      'self-check',
      `relative error ${text.quantity(selfCheck.relativeError)} of one product (tolerance ${text.quantity(selfCheck.tolerance)})`,
    ],
  );
  return section('Spectrum', { pairs });
}

function estimateCells(limit: LimitEstimate): [string, string] {
  return limit.settled
    ? [text.prunedAndKept(limit.pruned), text.range(limit.low, limit.high)]
    : [`unresolved: between pruned ${text.between(limit.low, limit.high)}`, ''];
}

function limitsSection(report: Report): Section {
  const { limits, actual } = report;
  const rows: string[][] = [
    [theoryNames.slice, text.prunedAndKept(limits.slice.pruned), '', 'reachable'],
    [theoryNames.gaussianWidth, ...estimateCells(limits.gaussianWidth), 'existence'],
    [theoryNames.sharp, ...estimateCells(limits.sharp), 'existence'],
    [actualName('loss', report), text.prunedAndKept(actual.loss.pruned), '', 'measured'],
  ];
  for (const name of ['accuracy'] as const) {
    const measured = actual[name];
    if (measured !== null) {
      rows.push([actualName(name, report), text.prunedAndKept(measured.pruned), '', 'measured']);
    }
  }
  return section('Limits', {
    grid: { head: ['limit', 'largest pruned part', 'low to high', 'kind'], rows, numeric: [] },
    notes: [
      'reachable: without retraining, in the quadratic model of the loss',
      'existence: some network this sparse keeps the loss, but its kept weights may have to move',
      'measured: this checkpoint, pruned once by magnitude',
    ],
  });
}

function boundsSection(report: Report): Section {
  const { bounds, limits } = report;
  const key = bounds.source === 'sharp' ? 'sharp' : 'gaussianWidth';
  const limit = limits[key];
  const name = theoryNames[key];
  const transition: [string, string] = [
    'transition',
    `within ${text.percent(report.theory.transition.halfWidth)} of the weights around the sharp limit`,
  ];
  const upper: [string, string] = ['upper bound', `kept ${text.percent(bounds.upperKept)} (slice)`];
  if (!limit.settled) {
    const [low, high] = [1 - limit.high, 1 - limit.low];
    const gap = [bounds.upperKept - high, bounds.upperKept - low].map((delta) => text.signed(100 * delta));
    return section('Bounds on the kept part', {
      pairs: [
        ['lower bound', `unresolved: kept between ${text.between(low, high)} (${name})`],
        upper,
        ['difference', `unresolved: between ${gap[0]} and ${gap[1]} points`],
        transition,
      ],
    });
  }
  return section('Bounds on the kept part', {
    pairs: [
      ['lower bound', `kept ${text.percent(bounds.lowerKept)} (${name})`],
      upper,
      ['difference', text.points(100 * bounds.delta)],
      transition,
    ],
  });
}

function comparisonSection(report: Report): Section {
  const rows = report.comparison.map((row) => {
    const names = [theoryNames[row.theory], actualName(row.actual, report), row.kind];
    const actual = text.percent(row.actualPruned);
    if (row.theory === 'slice') {
      return [...names, text.percent(row.theoryPruned), actual, text.signed(row.differencePoints)];
    }
    const { low, high, settled } = report.limits[row.theory];
    if (settled) {
      return [
        ...names,
        text.withRange(row.theoryPruned, low, high),
        actual,
        text.signed(row.differencePoints),
      ];
    }
    const [least, most] = [low, high].map((limit) => text.signed(100 * (limit - row.actualPruned)));
    return [...names, `unresolved: between ${text.between(low, high)}`, actual, `${least} to ${most}`];
  });
  return section('Theory against measurement', {
    grid: {
      head: ['theory', 'measured', 'kind', 'theory: pruned', 'found: pruned', 'points apart'],
      rows,
      numeric: [3, 4, 5],
    },
    notes: [
      'prediction: of this very measurement',
      'existence: plain one-shot pruning may fall short of it; retraining the kept weights may reach it',
    ],
  });
}

function curveSection(report: Report): Section {
  const rows = report.curve.map((row) => [
    text.percent(row.pruned),
    text.percent(row.kept),
    text.factor(row.kept),
    text.quantity(row.radius),
    row.predictedLossIncrease === null ? '-' : text.quantity(row.predictedLossIncrease),
    row.lossIncrease === null ? 'overflow' : text.quantity(row.lossIncrease),
    row.loss === null ? 'overflow' : text.quantity(row.loss),
    row.accuracy === null ? '-' : text.percent(row.accuracy, 2),
    row.insideSublevelSet ? 'yes' : 'no',
  ]);
  return section('One-shot magnitude pruning, measured', {
    grid: {
      head: [
        'pruned',
        'kept',
        'smaller',
        'distance R',
        'predicted increase',
        'loss increase',
        'loss',
        'test accuracy',
        'within epsilon',
      ],
      rows,
      numeric: [0, 1, 2, 3, 4, 5, 6, 7],
    },
  });
}

/** The sections of a report in reading order. */
export function describeReport(report: Report): ReportDocument {
  const sections = [
    modelSection(report),
    spectrumSection(report),
    limitsSection(report),
    boundsSection(report),
    comparisonSection(report),
    curveSection(report),
  ];
  if (report.warnings.length > 0) {
    sections.push(section('Warnings', { notes: report.warnings.map(text.printable), tone: 'warning' }));
  }
  return {
    title: `prune-limit ${report.tool.version}: how far can ${text.printable(report.model.path)} be pruned?`,
    sections,
  };
}
