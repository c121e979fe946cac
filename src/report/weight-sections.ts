/** The sections of a report about scaled weights and rows of the curvature. */
import { theoryNames } from './limit-names.js';
import type { RowNormsReport } from './row-norms-schema.js';
import type { Report } from './schema.js';
import { type Section, section } from './sections.js';
import * as text from './text.js';

function scalesSection(report: Report): Section[] {
  const { weightScales = [], limits } = report;
  if (weightScales.length === 0) {
    return [];
  }
  const words = ({ pruned, capped }: { pruned: number; capped: boolean }): string =>
    `${text.percent(pruned)}${capped ? ' (connected)' : ''}`;
  const unsettled = (['gaussianWidth', 'sharp'] as const).filter((name) => !limits[name].settled);
  return [
    section('Limits of scaled weights, predicted', {
      grid: {
        head: ['weights times', theoryNames.gaussianWidth, theoryNames.sharp],
        rows: weightScales.map(({ factor, gaussianWidth, sharp }) => [
          String(factor),
          words(gaussianWidth),
          words(sharp),
        ]),
        numeric: [0, 1, 2],
      },
      notes: [
        'the curvature is taken to stay as it is; that of a network whose weights really are scaled does not',
        ...(unsettled.length === 0
          ? []
          : [`unresolved, as without a factor: ${unsettled.map((name) => theoryNames[name]).join(', ')}`]),
      ],
    }),
  ];
}

/** The norm that this part of the rows does not exceed. */
function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}

function rowsSection(rowNorms: RowNormsReport): Section {
  const sorted = rowNorms.rows.map(({ norm }) => norm).sort((a, b) => a - b);
  const { scaleFree, paper } = rowNorms.dead;
  const deadWords = ({ share, threshold }: typeof paper, rule: string): [string, string] => [
    'dead',
    `${text.percent(share)} of the rows, below ${text.quantity(threshold)} (${rule})`,
  ];
  return section('Rows of the curvature', {
    pairs: [
      [
        'rows',
        `${text.plural(sorted.length, 'row')} at equal distances in the order of magnitudes, ${text.plural(rowNorms.products, 'product')}`,
      ],
      [
        'L1 norms',
        `tenth part ${text.quantity(quantile(sorted, 0.1))}, half ${text.quantity(quantile(sorted, 0.5))}, ` +
          `nine tenths ${text.quantity(quantile(sorted, 0.9))}, mean ${text.quantity(rowNorms.mean)}`,
      ],
      deadWords(scaleFree, 'a thousandth of the mean'),
      deadWords(paper, "the paper's threshold, which depends on the scale of the loss"),
    ],
    notes:
      rowNorms.products < sorted.length
        ? ['weights of one magnitude share the row of the first of them']
        : [],
  });
}

/** Scaled weights and rows; nothing where neither was asked for. */
export function weightSections(report: Report): Section[] {
  const { rowNorms } = report;
  return [...scalesSection(report), ...(rowNorms === undefined ? [] : [rowsSection(rowNorms)])];
}
