import { describe, expect, it } from 'vitest';
import { describeGate, gateSentence } from '../../src/gate/describe.js';
import { renderGithubAnnotations } from '../../src/gate/github.js';
import { renderJunit } from '../../src/gate/junit.js';
import { judgeGates, readGates } from '../../src/gate/run-gates.js';
import type { GateReport } from '../../src/gate/schema.js';
import { renderMarkdownDocument } from '../../src/report/markdown.js';
import { reportJsonSchema } from '../../src/report/schema.js';
import { sampleReport } from '../report/sample-report.js';

function gateReport(source = 'report.json', rule: GateReport['inconclusive'] = 'fail'): GateReport {
  const gates = [
    ...readGates({ require: ['slice >= 0.8', 'slice >= 0.9', 'gaussianWidth >= 93%'] }, 'error'),
    ...readGates({ require: ['accuracy >= 0.99'] }, 'warn'),
  ];
  return judgeGates(gates, { report: sampleReport(), source }, null, rule, reportJsonSchema());
}

describe('outputs of a gate', () => {
  it('are sentences', () => {
    expect(gateReport().gates.map(gateSentence)).toEqual([
      'limits.slice.pruned is 88.1 %; >= 80.0 % is asked for: pass',
      'limits.slice.pruned is 88.1 %; >= 90.0 % is asked for: fail',
      'limits.gaussianWidth.pruned is 93.2 % (92.8 % to 93.4 %); >= 93.0 % is asked for: inconclusive; its interval straddles the threshold',
      'accuracy.test is 94.0 %; >= 99.0 % is asked for: fail',
    ]);
  });

  it('are annotations of a GitHub workflow, escaped', () => {
    const lines = renderGithubAnnotations(gateReport()).trimEnd().split('\n');
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['::notice', '::error', '::error', '::warning']);
    expect(lines[1]).toBe(
      '::error title=prune-limit gate%3A fail::limits.slice.pruned is 88.1 %25; >= 90.0 %25 is asked for: fail',
    );
  });

  it.each([
    ['pass', '::notice'],
    ['warn', '::warning'],
  ] as const)('say of what is inconclusive what it counts as: %s', (rule, command) => {
    const report = gateReport('report.json', rule);
    const [, , inconclusive] = renderGithubAnnotations(report).split('\n');
    expect(inconclusive).toMatch(new RegExp(`^${command} `));
    // Another gate fails: the build breaks for that one alone.
    expect(report.verdict).toBe('fail');
    expect(renderJunit(report)).toContain('failures="1" skipped="2"');
  });

  it('are Markdown', () => {
    const markdown = renderMarkdownDocument(describeGate(gateReport()));
    expect(markdown).toContain('Failed: 1 passed, 2 failed, 1 inconclusive.');
    expect(markdown).toContain('| FAIL | limits.slice.pruned | 88.1 % | \\>= 90.0 % | error |');
  });

  it('are JUnit test cases', () => {
    expect(renderJunit(gateReport('models/"a"&b<c>\u0001'))).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="prune-limit gate" tests="4" failures="2" skipped="1">
    <testcase classname="models/&quot;a&quot;&amp;b&lt;c&gt;\ufffd" name="slice &gt;= 0.8"/>
    <testcase classname="models/&quot;a&quot;&amp;b&lt;c&gt;\ufffd" name="slice &gt;= 0.9">
      <failure message="limits.slice.pruned is 88.1 %; &gt;= 90.0 % is asked for: fail"/>
    </testcase>
    <testcase classname="models/&quot;a&quot;&amp;b&lt;c&gt;\ufffd" name="gaussianWidth &gt;= 93%">
      <failure message="limits.gaussianWidth.pruned is 93.2 % (92.8 % to 93.4 %); &gt;= 93.0 % is asked for: inconclusive; its interval straddles the threshold"/>
    </testcase>
    <testcase classname="models/&quot;a&quot;&amp;b&lt;c&gt;\ufffd" name="accuracy &gt;= 0.99">
      <skipped message="accuracy.test is 94.0 %; &gt;= 99.0 % is asked for: fail"/>
    </testcase>
  </testsuite>
</testsuites>
`);
  });
});
