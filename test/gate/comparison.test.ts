import { describe, expect, it } from 'vitest';
import { compareReports } from '../../src/gate/comparison.js';
import { describeComparison } from '../../src/gate/describe.js';
import { renderPullRequestComment } from '../../src/gate/pull-request-comment.js';
import { comparisonSchema } from '../../src/gate/schema.js';
import { type Report, reportJsonSchema } from '../../src/report/schema.js';
import { sampleReport, unresolvedReport } from '../report/sample-report.js';

const schema = reportJsonSchema();

function compare(before: Report, after: Report) {
  return comparisonSchema.parse(
    compareReports({ report: before, source: 'a.json' }, { report: after, source: 'b.json' }, schema),
  );
}

function movements(before: Report, after: Report): Record<string, string> {
  return Object.fromEntries(compare(before, after).numbers.map(({ name, movement }) => [name, movement]));
}

describe('comparison of reports', () => {
  it('of a report with itself finds nothing', () => {
    const { numbers, settings } = compare(sampleReport(), sampleReport());
    expect(new Set(numbers.map(({ movement }) => movement))).toEqual(new Set(['same']));
    expect(settings).toEqual([]);
  });

  it('tells what moved beyond the intervals from what did not', () => {
    const after = sampleReport();
    after.limits.gaussianWidth = { ...after.limits.gaussianWidth, pruned: 0.933, low: 0.93, high: 0.936 };
    after.limits.sharp = { ...after.limits.sharp, pruned: 0.95, low: 0.948, high: 0.952 };
    after.limits.slice = { ...after.limits.slice, pruned: 0.89 };
    after.curvature.trace = 153;
    expect(movements(sampleReport(), after)).toMatchObject({
      'limits.gaussianWidth.pruned': 'within',
      'limits.sharp.pruned': 'down',
      'limits.slice.pruned': 'up',
      'curvature.trace': 'within',
      'accuracy.test': 'same',
    });
  });

  it('tells unresolved numbers and numbers that only one report has', () => {
    const moved = movements(sampleReport(), unresolvedReport());
    expect(moved['limits.gaussianWidth.pruned']).toBe('unresolved');
    expect(moved['actual.accuracy.pruned']).toBe('gone');
    expect(movements(unresolvedReport(), sampleReport())['actual.accuracy.pruned']).toBe('appeared');
  });

  it('compares the ratios that both were asked for', () => {
    const names = Object.keys(movements(sampleReport(), sampleReport()));
    expect(names).toContain('curve[pruned=0.5].accuracy');
    expect(names).not.toContain('curve[pruned=0.8791].accuracy');
  });

  it('lists the settings that differ', () => {
    const after = sampleReport();
    after.options.seed = 3;
    after.model.sha256 = 'ab'.repeat(32);
    expect(compare(sampleReport(), after).settings.map(({ name }) => name)).toEqual([
      'model.sha256',
      'options.seed',
    ]);
  });

  it('keeps what moved in sight and folds the rest', () => {
    const after = sampleReport();
    after.limits.slice = { ...after.limits.slice, pruned: 0.89 };
    const comparison = compare(sampleReport(), after);
    expect(describeComparison(comparison).sections.map(({ title }) => title)).toEqual([
      'Summary',
      'Moved',
      'The same',
    ]);
    const comment = renderPullRequestComment(comparison);
    const [seen, folded] = comment.split('<details>');
    expect(seen).toContain('limits.slice.pruned');
    expect(seen).toContain('+0.9 points');
    expect(folded).toContain('accuracy.test');
    expect(folded).toMatch(/<summary>The same<\/summary>\n\n## The same\n\nloss/);
    expect(folded).toMatch(/\n<\/details>\n$/);
  });
});
