import { describe, expect, it } from 'vitest';
import { allocationSections } from '../../src/report/allocation-sections.js';
import { reportSchema } from '../../src/report/schema.js';
import { sampleReport } from './sample-report.js';

type Layers = NonNullable<ReturnType<typeof sampleReport>['layers']>;
type Total = NonNullable<Layers['allocation']>['totals'][number];

function total(changes: Partial<Total> = {}): Total {
  return {
    pruned: 0.8812,
    prunedWeights: 28516,
    predictedIncrease: 0.05,
    lossIncrease: 0.06,
    testLossIncrease: 0.08,
    accuracy: { train: 0.92, test: 0.91 },
    globalMagnitude: {
      predictedIncrease: 0.06,
      lossIncrease: 0.07,
      testLossIncrease: 0.09,
      accuracy: { train: 0.91, test: 0.9 },
    },
    better: 'allocation',
    weights: [
      { name: 'dense_1/kernel', prunedWeights: 27916, pruned: 0.8902, globalMagnitude: 0.8987 },
      { name: 'dense_2/kernel', prunedWeights: 600, pruned: 0.6, globalMagnitude: 0.333 },
    ],
    ...changes,
  };
}

function reportOf(totals: Total[]) {
  const report = sampleReport();
  const alone = (name: string, capped: boolean) => ({
    name,
    predicted: { pruned: 0.95, capped },
    measured: { pruned: 0.91, capped: false },
  });
  report.layers = {
    ...report.layers!,
    alone: [alone('dense_1/kernel', false), alone('dense_2/kernel', true)],
    allocation: { products: 36, evaluations: 40, totals },
  };
  return report;
}

describe('the sections of --layers full', () => {
  it('are none without it', () => {
    expect(allocationSections(sampleReport())).toEqual([]);
  });

  it('hold limits alone, both ways of pruning, and the parts of layers', () => {
    const report = reportOf([total()]);
    expect(reportSchema.safeParse(report).success).toBe(true);
    const [alone, allocation, shares] = allocationSections(report);
    expect(alone!.grid!.rows).toEqual([
      ['dense_1/kernel', '95.0 %', '91.0 %'],
      ['dense_2/kernel', '>= 95.0 %', '91.0 %'],
    ]);
    expect(allocation!.grid!.rows).toEqual([
      ['88.1 %', 'allocation', '0.05000', '0.06000', '0.08000', '91.00 %'],
      ['', 'global magnitude', '0.06000', '0.07000', '0.09000', '90.00 %'],
    ]);
    expect(shares!.grid!.rows).toEqual([
      ['dense_1/kernel', '89 % (90 %)'],
      ['dense_2/kernel', '60 % (33 %)'],
    ]);
    expect(allocation!.notes.join('\n')).not.toMatch(/does not win|below|off|but not by/);
  });

  it('say where the allocation does not win, and where the model is off', () => {
    const notesOf = (changes: Partial<Total>): string =>
      allocationSections(reportOf([total(changes)]))[1]!.notes.join('\n');
    expect(notesOf({ better: 'global-magnitude', lossIncrease: 0.09 })).toMatch('does not win at 88.1 %');
    const weights = total().weights.map((part) => ({ ...part, globalMagnitude: part.pruned }));
    expect(notesOf({ weights, better: 'same' })).toMatch('nothing better than global magnitude');
    expect(notesOf({ testLossIncrease: 0.1 })).toMatch('but not by the loss on the test examples');
    expect(notesOf({ accuracy: { train: 0.9, test: 0.89 } })).toMatch('test accuracy is below');
    expect(notesOf({ lossIncrease: 0.11 })).toMatch('off by a factor of 2');
    expect(notesOf({ lossIncrease: null })).toMatch('off by a factor of 2');
    expect(notesOf({ predictedIncrease: -0.01 })).toMatch('off by a factor of 2');
  });
});
