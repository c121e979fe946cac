import { describe, expect, it } from 'vitest';
import { limitsSection } from '../../src/report/limit-sections.js';
import { isFarOff } from '../../src/report/model-fit.js';
import { patternSections } from '../../src/report/pattern-sections.js';
import { reportSchema } from '../../src/report/schema.js';
import { sampleReport } from './sample-report.js';

function reportWithPatterns() {
  const report = sampleReport();
  const measured = { prunedWeights: 16180, accuracy: { train: 0.93, test: 0.92 } };
  report.patterns = [
    {
      ...{ pattern: '2:4', pruned: 0.5, predictedIncrease: 0.0123, lossIncrease: 0.0145, ...measured },
      ...{ insideSublevelSet: true, leftDense: [] },
    },
    {
      ...{ pattern: '1:4', pruned: 0.75, predictedIncrease: -0.01, lossIncrease: 0.2, ...measured },
      insideSublevelSet: false,
      leftDense: ['a', 'b', 'c', 'd'].map((name) => ({ name, reason: '3 inputs are no multiple of 4' })),
    },
  ];
  return report;
}

describe('patterns in a report', () => {
  const report = reportWithPatterns();

  it('are none where none was asked for', () => {
    expect(patternSections(sampleReport())).toEqual([]);
  });

  it('are rows among the limits, with what they do in a note', () => {
    expect(reportSchema.safeParse(report).success).toBe(true);
    const { grid, notes } = limitsSection(report);
    expect(grid!.rows.slice(-2)).toEqual([
      ['2:4', '50.0 %', 'one-shot', '50.0 %', '2.0x'],
      ['1:4', '75.0 %', 'one-shot', '25.0 %', '4.0x'],
    ]);
    expect(notes.slice(-3, -1)).toEqual([
      '2:4: loss increase predicted +0.01230, measured +0.01450, one-shot',
      '1:4: loss increase predicted -0.01000, measured +0.2000, one-shot',
    ]);
  });

  it('have a table of their own, which says where the model is off and what stays dense', () => {
    const [{ grid, notes }] = patternSections(report) as [ReturnType<typeof limitsSection>];
    expect(grid!.rows).toEqual([
      ['2:4', '50.0 %', '0.01230', '0.01450', '92.00 %', 'yes'],
      ['1:4', '75.0 %', '-0.01000', '0.2000', '92.00 %', 'no'],
    ]);
    expect(notes.join('\n')).toContain('off by a factor of 2 or more for 1:4:');
    expect(notes.at(-1)).toBe(
      '1:4 leaves dense: a (3 inputs are no multiple of 4), b (3 inputs are no multiple of 4), c (3 inputs are no multiple of 4) and 1 more',
    );
  });
});

it.each([
  [0.1, 0.15, false],
  [0.1, 0.21, true],
  [0.21, 0.1, true],
  [-0.1, 0.1, true],
  [1e-6, 1e-3, false], // of no account beside an epsilon of 0.05
  [0.1, null, true],
])('predicted %s, measured %s: far off %s', (predicted, measured, expected) => {
  expect(isFarOff(predicted, measured, 0.05)).toBe(expected);
});
