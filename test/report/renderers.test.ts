import picocolors from 'picocolors';
import { describe, expect, test } from 'vitest';
import { renderDoctorReport } from '../../src/report/doctor-report.js';
import { describeReport } from '../../src/report/document.js';
import { renderJson } from '../../src/report/json.js';
import { renderMarkdown } from '../../src/report/markdown.js';
import { type PruneSummary, renderPruneSummary } from '../../src/report/prune-summary.js';
import { renderTable } from '../../src/report/table.js';
import { renderTrainSummary } from '../../src/report/train-summary.js';
import { wrap } from '../../src/report/wrap.js';
import { sampleReport, unresolvedReport } from './sample-report.js';

const plain = picocolors.createColors(false);
const colored = picocolors.createColors(true);
// biome-ignore lint/suspicious/noControlCharactersInRegex: colour is made of them
const escapes = /\u001b\[\d+m/g;

function widest(text: string): number {
  return Math.max(...text.split('\n').map((line) => line.length));
}

/** Lines that start a section: not indented, no frame. */
function titles(text: string): string[] {
  return text.split('\n').filter((line) => /^[A-Z]/.test(line));
}

describe('renderTable', () => {
  test('a settled report', async () => {
    await expect(renderTable(sampleReport(), plain)).toMatchFileSnapshot('snapshots/settled.txt');
  });

  test('an unresolved report without accuracy', async () => {
    await expect(renderTable(unresolvedReport(), plain)).toMatchFileSnapshot('snapshots/unresolved.txt');
  });

  test('the verdict comes first, then the warnings', () => {
    expect(titles(renderTable(sampleReport(), plain)).slice(0, 3)).toEqual([
      'Verdict',
      'Warnings',
      'Model and loss',
    ]);
    expect(titles(renderTable(unresolvedReport(), plain)).slice(0, 2)).toEqual(['Verdict', 'Model and loss']);
  });

  test('the order of images before a flat input is told where one was taken', () => {
    const report = sampleReport();
    const line = (layout: 'NHWC' | 'NCHW' | null): string | undefined => {
      report.data.layout = layout;
      return /^ *data +(.*)$/m.exec(renderTable(report, plain))?.[1];
    };
    expect(line(null)).toBe('data/mnist (idx)');
    expect(line('NHWC')).toBe('data/mnist (idx, images flattened channels last)');
    expect(line('NCHW')).toBe('data/mnist (idx, images flattened channels first)');
  });

  test('layers are shown where the report has them, and --layers where their sensitivities are missing', () => {
    const report = sampleReport();
    expect(renderTable(report, plain)).not.toContain('--layers');
    expect(renderTable(unresolvedReport(), plain)).toContain('--layers');
    expect(renderTable({ ...report, layers: undefined }, plain)).not.toContain('Layers');
  });

  test('no number is shown for an unresolved limit, nor for one that hangs on it', () => {
    const text = renderTable(unresolvedReport(), plain);
    expect(text).toContain("paper's estimate is unresolved:\n  between 88.0 % and 96.0 %");
    expect(text).toMatch(/│ Gaussian width +│ unresolved │ +88\.0 to 96\.0 % │ +│ +│/);
    expect(text).toMatch(/lower bound +unresolved: kept 4\.0 to 12\.0 %/);
    expect(text).toMatch(/difference +unresolved: -0\.1 to \+7\.9 points/);
    expect(text).toMatch(/transition +unresolved: pruned 86\.7 to 100\.0 %/);
    expect(text).toMatch(/│ Gaussian width │ loss +│ unresolved │ 87\.9 % │ +│ \+0\.1 to \+8\.1 │/);
    expect(text).toMatch(/unresolved within\s+the budget: Gaussian width, sharp/);
    for (const bare of ['92.0 %', '95.0 %', '+4.1', '+3.9']) expect(text).not.toContain(bare);
  });

  test('a limit that is cut to the connected one, a last pass, and what was never seen to fail say so', () => {
    const report = sampleReport();
    Object.assign(report.limits.sharp, { pruned: 0.9871, low: 0.9871, high: 0.9871, capped: true });
    report.limits.slice.capped = true;
    report.limits.connected!.exact = false;
    report.actual.loss.lastPass = 0.9;
    report.actual.accuracy!.capped = true;
    report.bounds.source = 'sharp';
    const text = renderTable(report, plain);
    expect(text).toMatch(/│ slice +│ +88\.1 % │ cut to connected │/);
    expect(text).toMatch(/│ sharp +│ +98\.7 % │ cut to connected │/);
    expect(text).toMatch(/│ connected +│ +98\.7 % │ +at most │/);
    expect(text).toMatch(/│ loss +│ +87\.9 % │ last pass 90\.0 % │/);
    expect(text).toMatch(/│ accuracy, -0\.5 points +│ +73\.1 % │ +nothing fails │/);
    expect(text).toContain('(sharp, cut to connected;');
  });

  test.each([
    [
      'within',
      { resolution: 1e-4, trainedResolution: 0.01 },
      /1\.200e-5 of one product \(tolerance 0\.01000\)$/,
    ],
    [
      'above at the trained weights',
      { resolution: 1e-4, trainedResolution: 0.0101 },
      /1\.200e-5 of one product \(tolerance 0\.01000\); at other weights, as rounding hides the derivatives at the trained ones$/,
    ],
    [
      'above wherever it was looked',
      { resolution: 0.0123, trainedResolution: 0.3 },
      /^products checked to a relative error of 0\.01230 only: rounding hides less$/,
    ],
    [
      'nothing seen at all',
      { resolution: 1, trainedResolution: 1 },
      /^products checked to .* of 1\.000 only:/,
    ],
  ])('the self-check claims no more than it sees: resolution %s the tolerance', (_, resolutions, words) => {
    const report = sampleReport();
    Object.assign(report.selfCheck, resolutions);
    const { pairs } = describeReport(report).sections.find(({ title }) => title === 'Spectrum')!;
    expect(Object.fromEntries(pairs)['self-check']).toMatch(words);
    expect(renderTable(report, plain).replace(/\s+/g, ' ')).toMatch(
      new RegExp(words.source.replace(/[$^]/g, '')),
    );
  });

  test('the curve shows what was asked for only', () => {
    const text = renderTable(sampleReport(), plain);
    const curve = text.slice(text.indexOf('One-shot magnitude pruning'));
    expect(curve).toContain('50.0 %');
    expect(curve).not.toContain('87.9 %');
  });

  test('no number is more than it is: existence is not spoken of', () => {
    for (const report of [sampleReport(), unresolvedReport()]) {
      expect(renderTable(report, plain)).not.toMatch(/existence|smaller/i);
    }
  });

  test('names kernels that are left out of the prunable weights', () => {
    const report = sampleReport();
    expect(renderTable(report, plain)).not.toMatch(/left out/);
    report.model.leftOut = [{ name: 'u', weights: 8, reason: 'computed by Mul from "v"' }];
    expect(renderTable(report, plain)).toMatch(/left out +kernel u \(8 weights\); see the warnings/);
  });

  test('fits 80 columns, long names and many digits too', () => {
    const report = sampleReport();
    report.model.path = `models/${'deep/'.repeat(40)}model.json`;
    Object.assign(report.limits.gaussianWidth, { pruned: 0.99951, low: 0.9995, high: 0.99953 });
    report.warnings.push('word '.repeat(60), 'x'.repeat(250));
    report.curve.push({
      ...report.curve[0]!,
      pruned: 0.99995,
      kept: 5e-5,
      lossIncrease: -1.234e-12,
      predictedLossIncrease: -1.234e-12,
      loss: 1.234e12,
      radius: 1e-9,
    });
    expect(widest(renderTable(report, plain))).toBeLessThanOrEqual(80);
    expect(widest(renderTable(unresolvedReport(), plain))).toBeLessThanOrEqual(80);
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
      sizes: null,
    };
    expect(renderPruneSummary(summary, plain)).toMatchInlineSnapshot(`
      "Pruned checkpoint
        pruned     pruned 90.0 % (kept 10.0 %, 10x fewer weights)
        weights    29,124 of 32,360 set to 0
        threshold  magnitudes up to 0.03120
        chosen by  Gaussian-width limit, the paper's estimate: expect to retrain the
                   kept weights
        written    out
      "
    `);
  });

  const figures = (format: string, zeros: number, file: number, gzipped: number) => ({
    path: 'm',
    format,
    all: { weights: 1000, zeros, sparsity: zeros / 1000 },
    kernels: { weights: 1000, zeros, sparsity: zeros / 1000 },
    bytes: {
      ...{ dense: 4000, positions: 12 * (1000 - zeros), bitmask: 125 + 4 * (1000 - zeros) },
      ...{ file, gzipped },
    },
  });
  const sized = (sizes: PruneSummary['sizes']): string =>
    renderPruneSummary(
      {
        ...{ output: 'out', files: [], prunedFraction: 0.9, prunedWeights: 900, prunableWeights: 1000 },
        ...{ threshold: 0.5, source: 'ratio', sizes },
      },
      plain,
    ).split('\n\n')[1]!;

  test('prune: what became smaller and what did not', () => {
    const before = figures('tfjs-layers', 0, 5000, 4600);
    expect(sized({ before, after: figures('tfjs-layers', 900, 5003, 600) })).toMatchInlineSnapshot(`
      "Size
        zeros in kernels      900 of 1,000 (90.0 %), before 0 of 1,000 (0.0 %)
        zeros in all weights  900 of 1,000 (90.0 %), before 0 of 1,000 (0.0 %)
      ┌────────────────────────────────────┬────────┬───────┬───────────┐
      │ bytes                              │ before │ after │ of before │
      ├────────────────────────────────────┼────────┼───────┼───────────┤
      │ file                               │  5,000 │ 5,003 │   100.1 % │
      │ file, gzipped                      │  4,600 │   600 │    13.0 % │
      │ weights, dense                     │  4,000 │ 4,000 │   100.0 % │
      │ weights, values and positions      │ 12,000 │ 1,200 │    10.0 % │
      │ weights, values and a bit for each │  4,125 │   525 │    12.7 % │
      └────────────────────────────────────┴────────┴───────┴───────────┘
        - smaller: the file once it is gzipped
        - as large as before: the file; a file stores zeros like other numbers
        - memory and time of an engine that computes with dense weights stay as they
          are
        - the format has no sparse form: what is saved is saved where the file is
          compressed
      "
    `);
    const onnx = { before: figures('onnx', 0, 5000, 4600), after: figures('onnx', 900, 1700, 600) };
    expect(sized(onnx)).toMatch(
      /- smaller: the file, and the file once it is gzipped\n {2}- memory and time/,
    );
    const few = sized({ before: onnx.before, after: figures('onnx', 100, 5000, 4590) });
    expect(few).toContain('smaller: nothing\n');
    expect(few).toMatch(/as large as before: the file, and the file once it is gzipped; a/);
    expect(few).toMatch(/values and positions, which --sparse stores, take no less than dense/);
    // A mask that was computed is written as numbers; codes are no floating-point weights.
    const folded = { ...figures('onnx', 0, 5600, 4590), kernels: { weights: 900, zeros: 0, sparsity: 0 } };
    const grown = sized({ before: onnx.before, after: folded });
    expect(grown).toMatch(
      /as large as before: the file once it is gzipped; .*\n( {4}.*\n)* {2}- larger: the file\n/,
    );
    expect(grown).toContain('kernels stored as integer codes are not counted');
    const dense = sized({ before: onnx.before, after: figures('onnx', 900, 5000, 600) });
    expect(dense).toContain('--sparse stores weights as values and positions');
  });

  test('train', () => {
    const summary = {
      output: 'out',
      files: ['out/model.json'],
      epochs: 1,
      history: [],
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
      remedy: 'ONNXRUNTIME_NODE_INSTALL=skip npm i onnxruntime-node',
    };
    expect(renderDoctorReport(report, plain)).toMatchInlineSnapshot(`
      "Machine
        node      v20.0.0
        platform  linux x64
        cores     2
        memory    4.0 GiB

      Backends
      ┌────────────┬─────────┬─────────┬────────┬────────────────────────────────────┐
      │ backend    │ version │ threads │ GFLOPS │ state                              │
      ├────────────┼─────────┼─────────┼────────┼────────────────────────────────────┤
      │ wasm       │ 4.22.0  │       1 │   21.0 │ available                          │
      │ tensorflow │         │         │        │ missing: the package               │
      │            │         │         │        │ @tensorflow/tfjs-node is not       │
      │            │         │         │        │ installed                          │
      └────────────┴─────────┴─────────┴────────┴────────────────────────────────────┘

        Without the onnx backend analyses take several times as long. This installs
        it:
          ONNXRUNTIME_NODE_INSTALL=skip npm i onnxruntime-node
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
