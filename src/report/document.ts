/**
 * What a report says, in words. All wording of reports is here and in the
 * files of sections beside it.
 */
import { allocationSections } from './allocation-sections.js';
import { layerSections } from './layer-sections.js';
import { theoryNames } from './limit-names.js';
import { boundsSection, comparisonSection, limitsSection } from './limit-sections.js';
import { patternSections } from './pattern-sections.js';
import type { Report } from './schema.js';
import { type ReportDocument, type Section, section } from './sections.js';
import * as text from './text.js';
import { tunedSections } from './tuned-sections.js';
import { verdict } from './verdict.js';
import { weightSections } from './weight-sections.js';

function modelSection(report: Report): Section {
  const { model, data, loss, accuracy, epsilon, engine } = report;
  const pairs: [string, string][] = [
    [
      'model',
      `${text.printable(model.path)} (${model.format}), ` +
        `${text.whole(model.prunable)} of ${text.whole(model.parameters)} weights prunable`,
    ],
    ...(model.leftOut ?? []).map(({ name, weights }): [string, string] => [
      'left out',
      `kernel ${text.printable(name)} (${text.plural(weights, 'weight')}); see the warnings`,
    ]),
    ...(model.notes ?? []).map((note): [string, string] => ['note', text.printable(note)]),
    ['data', `${text.printable(data.path)} (${data.format}${orderWords(data.layout ?? null)})`],
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
  const from = epsilon.examples === null ? '' : ` of ${text.plural(epsilon.examples, 'example')}`;
  pairs.push([
    'tolerance',
    `loss increase up to epsilon = ${text.quantity(epsilon.value)} (${epsilon.rule}${from})`,
  ]);
  const threads = engine.threads === null ? '' : `, ${text.plural(engine.threads, 'thread')}`;
  pairs.push(['engine', `${engine.backend}${threads}`]);
  return section('Model and loss', { pairs });
}

function orderWords(layout: 'NHWC' | 'NCHW' | null): string {
  return layout === null ? '' : `, images flattened channels ${layout === 'NHWC' ? 'last' : 'first'}`;
}

function settledWords({ gaussianWidth, sharp }: Report['spectrum']['settled']): string {
  if (gaussianWidth && sharp) {
    return 'limits settled';
  }
  const unresolved = [
    ...(gaussianWidth ? [] : [theoryNames.gaussianWidth]),
    ...(sharp ? [] : [theoryNames.sharp]),
  ];
  return `unresolved within the budget: ${unresolved.join(', ')}`;
}

function spectrumSection(report: Report): Section {
  const { curvature, spectrum, selfCheck } = report;
  const kind = curvature.kind === 'ggn' ? 'generalised Gauss-Newton matrix' : 'Hessian';
  const negative = curvature.negative === 'abs' ? 'by magnitude' : 'as 0';
  const traceError =
    curvature.traceStdError === null ? '' : ` (standard error ${text.quantity(curvature.traceStdError)})`;
  const massError =
    curvature.negativeMassStdError === null
      ? ''
      : ` (standard error ${text.plainPoints(100 * curvature.negativeMassStdError)})`;
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
    ['trace', `${text.quantity(curvature.trace)}${traceError}`],
    ['negative mass', `${text.percent(curvature.negativeMass)} of sum |lambda|${massError}`],
    [
      'estimate',
      `${text.plural(spectrum.probes, 'probe')} of ${text.plural(spectrum.steps, 'Lanczos step')}, ` +
        `${text.plural(spectrum.products, 'product')}; ${settledWords(spectrum.settled)}`,
    ],
    ['self-check', selfCheckWords(selfCheck)],
  );
  return section('Spectrum', { pairs });
}

/** How far the derivatives were seen to be right, and no further. */
function selfCheckWords({
  relativeError,
  tolerance,
  resolution,
  trainedResolution,
}: Report['selfCheck']): string {
  if (resolution > tolerance) {
    return `products checked to a relative error of ${text.quantity(resolution)} only: rounding hides less`;
  }
  const where =
    trainedResolution > tolerance
      ? '; at other weights, as rounding hides the derivatives at the trained ones'
      : '';
  return `relative error ${text.quantity(relativeError)} of one product (tolerance ${text.quantity(tolerance)})${where}`;
}

/** `overflow` where a loss was measured and is no number, `-` where it was not. */
function measuredLoss(value: number | null, inside: boolean | null): string {
  return value !== null ? text.quantity(value) : inside === null ? '-' : 'overflow';
}

function curveSection(report: Report): Section {
  const rows = report.curve
    .filter((row) => row.source === 'asked')
    .map((row) => [
      text.percent(row.pruned),
      text.factor(row.kept),
      text.quantity(row.radius),
      row.predictedLossIncrease === null ? '-' : text.quantity(row.predictedLossIncrease),
      measuredLoss(row.lossIncrease, row.insideSublevelSet),
      row.accuracy === null ? '-' : text.percent(row.accuracy, 2),
      row.insideSublevelSet === null ? '-' : row.insideSublevelSet ? 'yes' : 'no',
    ]);
  return section('One-shot magnitude pruning, measured', {
    grid: {
      head: [
        'pruned',
        'fewer weights',
        'distance R',
        'predicted increase',
        'loss increase',
        'test accuracy',
        'within epsilon',
      ],
      rows,
      numeric: [0, 1, 2, 3, 4, 5],
    },
  });
}

function verdictSections(report: Report): Section[] {
  const warnings = section('Warnings', { notes: report.warnings.map(text.printable), tone: 'warning' });
  return [
    section('Verdict', { paragraphs: [verdict(report)] }),
    ...(report.warnings.length > 0 ? [warnings] : []),
  ];
}

/** The sections of a report in reading order: the answer, what qualifies it, then what it comes from. */
export function describeReport(report: Report): ReportDocument {
  return {
    title: `prune-limit ${report.tool.version}: how far can ${text.printable(report.model.path)} be pruned?`,
    sections: [
      ...verdictSections(report),
      modelSection(report),
      spectrumSection(report),
      limitsSection(report),
      boundsSection(report),
      comparisonSection(report),
      curveSection(report),
      ...tunedSections(report),
      ...patternSections(report),
      ...weightSections(report),
      ...layerSections(report),
      ...allocationSections(report),
    ],
  };
}
