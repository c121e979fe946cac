/** The section of a report about structured patterns. */
import { isFarOff } from './model-fit.js';
import type { PatternReport } from './patterns-schema.js';
import type { Report } from './schema.js';
import { type Section, section } from './sections.js';
import * as text from './text.js';

/** Weights that are named before the rest is counted. */
const NAMED = 3;

/** `0.01230`, or that the loss overflows. */
export function increaseWords(increase: number | null): string {
  return increase === null ? 'overflow' : text.quantity(increase);
}

function leftDenseWords({ pattern, leftDense }: PatternReport): string[] {
  if (leftDense.length === 0) {
    return [];
  }
  const named = leftDense
    .slice(0, NAMED)
    .map(({ name, reason }) => `${text.printable(name)} (${text.printable(reason)})`);
  const rest = leftDense.length - named.length;
  return [`${pattern} leaves dense: ${named.join(', ')}${rest > 0 ? ` and ${text.whole(rest)} more` : ''}`];
}

function offWords(patterns: readonly PatternReport[], epsilon: number): string[] {
  const off = patterns.filter(({ predictedIncrease, lossIncrease }) =>
    isFarOff(predictedIncrease, lossIncrease, epsilon),
  );
  return off.length === 0
    ? []
    : [
        `the quadratic model is off by a factor of 2 or more for ${off.map(({ pattern }) => pattern).join(', ')}: so large a removal is beyond it; rely on what was measured`,
      ];
}

/** What patterns do; nothing where none was asked for. */
export function patternSections({ patterns = [], epsilon }: Report): Section[] {
  if (patterns.length === 0) {
    return [];
  }
  return [
    section('Patterns, pruned once', {
      grid: {
        head: ['pattern', 'pruned', 'predicted increase', 'loss increase', 'test accuracy', 'within epsilon'],
        rows: patterns.map((row) => [
          row.pattern,
          text.percent(row.pruned),
          text.quantity(row.predictedIncrease),
          increaseWords(row.lossIncrease),
          row.accuracy.test === null ? '-' : text.percent(row.accuracy.test, 2),
          row.insideSublevelSet ? 'yes' : 'no',
        ]),
        numeric: [1, 2, 3, 4],
      },
      notes: [
        'kept:group of neighbours along the inputs, the largest kept; channel: that part of the output channels of each ' +
          'weight, those of smallest norm, set to 0 (biases and normalisation stay)',
        ...offWords(patterns, epsilon.value),
        ...patterns.flatMap(leftDenseWords),
      ],
    }),
  ];
}
