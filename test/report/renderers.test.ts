import picocolors from 'picocolors';
import { describe, expect, test } from 'vitest';
import { renderDoctorReport } from '../../src/report/doctor-report.js';
import { renderJson } from '../../src/report/json.js';
import { wrap } from '../../src/report/layout.js';
import { renderMarkdown } from '../../src/report/markdown.js';
import { renderPruneSummary } from '../../src/report/prune-summary.js';
import { renderTable } from '../../src/report/table.js';
import { renderTrainSummary } from '../../src/report/train-summary.js';
import { sampleReport, unresolvedReport } from './sample-report.js';

const plain = picocolors.createColors(false);
const colored = picocolors.createColors(true);
// biome-ignore lint/suspicious/noControlCharactersInRegex: colour is made of them
const escapes = /\u001b\[\d+m/g;

function widest(text: string): number {
  return Math.max(...text.split('\n').map((line) => line.length));
}

describe('renderTable', () => {
  test('a settled report', async () => {
    await expect(renderTable(sampleReport(), plain)).toMatchFileSnapshot('snapshots/settled.txt');
  });

  test('an unresolved report without accuracy', async () => {
    await expect(renderTable(unresolvedReport(), plain)).toMatchFileSnapshot('snapshots/unresolved.txt');
  });

  test('no number is shown for an unresolved limit', () => {
    const text = renderTable(unresolvedReport(), plain);
    expect(text).toContain('unresolved: between pruned 88.0 % and 96.0 %');
    expect(text).not.toContain('92.0 %');
    expect(text).not.toContain('95.0 % (');
  });

  test('fits 100 columns, long names and many digits too', () => {
    const report = sampleReport();
    report.model.path = `models/${'deep/'.repeat(40)}model.json`;
    Object.assign(report.limits.gaussianWidth, { pruned: 0.99951, low: 0.9995, high: 0.99953 });
    report.warnings.push('word '.repeat(60), 'x'.repeat(250));
    report.curve.push({ ...report.curve[0]!, lossIncrease: -1.234e-12, loss: 1.234e12, radius: 1e-9 });
    expect(widest(renderTable(report, plain))).toBeLessThanOrEqual(100);
    expect(widest(renderTable(unresolvedReport(), plain))).toBeLessThanOrEqual(100);
  });

  test('colour changes nothing but colour', () => {
    const text = renderTable(sampleReport(), colored);
    expect(text).not.toBe(renderTable(sampleReport(), plain));
    expect(text.replace(escapes, '')).toBe(renderTable(sampleReport(), plain));
  });

  test('names from files cannot write to the terminal', () => {
    const report = sampleReport();
    report.data.path = '\u001b]0;owned\u0007';
    report.warnings = ['weight \u001b[2J'];
    expect(renderTable(report, plain)).not.toContain('\u001b');
  });
});

describe('renderMarkdown', () => {
  test('a settled report', async () => {
    await expect(renderMarkdown(sampleReport())).toMatchFileSnapshot('snapshots/settled-markdown.txt');
  });

  test('foreign text stays text', () => {
    const report = sampleReport();
    report.warnings = ['<img src=x> | [link](http://x) *bold* `code`'];
    expect(renderMarkdown(report)).toContain(
      '- \\<img src=x\\> \\| \\[link\\](http://x) \\*bold\\* \\`code\\`',
    );
  });
});

test('JSON is independent of the order in which the report was put together', () => {
  const entries = Object.entries(sampleReport()).reverse();
  const reordered = Object.fromEntries(entries) as ReturnType<typeof sampleReport>;
  expect(renderJson(reordered)).toBe(renderJson(sampleReport()));
  expect(renderJson(sampleReport())).toMatch(/^\{\n {2}"schemaVersion": 2,\n {2}"ok": true,/);
  expect(renderJson(sampleReport())).toMatch(/\}\n$/);
});

describe('summaries', () => {
  test('prune', () => {
    const summary = {
      output: 'out',
      files: ['out/model.json'],
      prunedFraction: 0.9,
      prunedWeights: 29124,
      prunableWeights: 32360,
      threshold: 0.0312,
      source: 'gaussian-width' as const,
      modelBytes: null,
    };
    expect(renderPruneSummary(summary, plain)).toMatchInlineSnapshot(`
      "Pruned checkpoint
        pruned     pruned 90.0 % (kept 10.0 %, 10x smaller)
        weights    29,124 of 32,360 set to 0
        threshold  magnitudes up to 0.03120
        chosen by  Gaussian-width limit: an existence limit, expect to retrain the kept weights
        written    out
      "
    `);
    const sparse = { ...summary, modelBytes: { before: 130_031, after: 40_000 } };
    expect(renderPruneSummary(sparse, plain)).toMatch(/\n {2}size {7}40,000 of 130,031 bytes \(30\.8 %\)\n/);
  });

  test('train', () => {
    const summary = {
      output: 'out',
      files: ['out/model.json'],
      epochs: 1,
      trainLoss: 0.1,
      trainAccuracy: 0.97,
      testLoss: null,
      testAccuracy: null,
      parameters: 266610,
      seconds: 12.34,
    };
    expect(renderTrainSummary(summary, plain)).toMatchInlineSnapshot(`
      "Trained checkpoint
        train    loss 0.1000, accuracy 97.00 %
        test     not measured
        weights  266,610
        time     1 epoch in 12.3 s
        written  out
      "
    `);
  });

  test('doctor', () => {
    const report = {
      node: 'v20.0.0',
      platform: 'linux x64',
      cores: 2,
      memoryBytes: 4 * 2 ** 30,
      backends: [
        { name: 'wasm', available: true, reason: null, version: '4.22.0', threads: 1, gigaflops: 21.04 },
        {
          name: 'tensorflow',
          available: false,
          reason: 'the package @tensorflow/tfjs-node is not installed',
          version: null,
          gigaflops: null,
        },
      ],
    };
    expect(renderDoctorReport(report, plain)).toMatchInlineSnapshot(`
      "Machine
        node      v20.0.0
        platform  linux x64
        cores     2
        memory    4.0 GiB

      Backends
      ┌────────────┬─────────┬─────────┬────────┬────────────────────────────────────────────────────────┐
      │ backend    │ version │ threads │ GFLOPS │ state                                                  │
      ├────────────┼─────────┼─────────┼────────┼────────────────────────────────────────────────────────┤
      │ wasm       │ 4.22.0  │       1 │   21.0 │ available                                              │
      │ tensorflow │         │         │        │ missing: the package @tensorflow/tfjs-node is not      │
      │            │         │         │        │ installed                                              │
      └────────────┴─────────┴─────────┴────────┴────────────────────────────────────────────────────────┘
      "
    `);
  });
});

test.each([
  ['a b c', 3, ['a b', 'c']],
  ['abcdefgh i', 3, ['abc', 'def', 'gh', 'i']],
  ['', 5, ['']],
])('wrap(%j, %i)', (text, width, lines) => {
  expect(wrap(text, width)).toEqual(lines);
});
