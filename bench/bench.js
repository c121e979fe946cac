/**
 * `npm run bench`: what the parts of an analysis cost; with `--peer`, products
 * and whole runs against PyTorch's; with `--train`, training steps (train.js);
 * with `--roofline`, stages against what the machine attains (roofline.js); with
 * `--coverage`, whether the stated intervals of limits hold. Machines differ
 * and are shared: compare figures of one run, medians of several.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { cases, missing } from './cases.js';
import { runGrowth } from './growth.js';
import { runLanczosShare } from './lanczos-share.js';
import { runMemory } from './memory.js';
import { runPeerComparison } from './peer.js';
import { runRoofline } from './roofline.js';
import { runTraining } from './train.js';

function runParts() {
  const measure = fileURLToPath(new URL('measure.js', import.meta.url));
  const table = new Table({
    head: [
      'network',
      'weights',
      'examples',
      'ms per HVP',
      'GFLOPS',
      'ms per SLQ step\nbesides the HVP',
      'ms per pruning\nevaluation',
      'peak MiB',
    ],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  const notes = [];
  for (const [index, benchCase] of cases.entries()) {
    const reason = missing(benchCase);
    if (reason !== null) {
      notes.push(`${benchCase.name}: left out, ${reason}`);
      continue;
    }
    process.stderr.write(`measuring ${benchCase.name}\n`);
    const child = spawnSync(process.execPath, [measure, String(index)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.status !== 0) {
      process.exitCode = 1;
      notes.push(`${benchCase.name}: the measurement failed, see above`);
      continue;
    }
    const result = JSON.parse(child.stdout);
    table.push([
      benchCase.name,
      result.dimension.toLocaleString('en'),
      benchCase.examples.toLocaleString('en'),
      result.productMs.toFixed(1),
      result.gigaflops.toFixed(1),
      `${result.stepMs.toFixed(2)} (${((100 * result.stepMs) / result.productMs).toFixed(0)} %)`,
      result.evaluationMs.toFixed(1),
      result.peakMebibytes.toFixed(0),
    ]);
    notes.push(
      `${benchCase.name}: ${result.backend} backend, reorthogonalisation ${result.reorthogonalization}, an evaluation is the loss of ${benchCase.examples} training and the accuracy of ${result.testExamples} test examples`,
    );
  }
  console.log(table.toString());
  for (const note of notes) {
    console.log(note);
  }
}

/** The coverage test in its thorough form, which prints its table. */
function runCoverage() {
  const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
  const child = spawnSync(process.execPath, [vitest, 'run', 'test/spectrum/coverage.test.ts'], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, PRUNE_LIMIT_COVERAGE: 'thorough' },
    stdio: 'inherit',
  });
  process.exitCode = child.status ?? 1;
}

if (process.argv.includes('--train')) {
  await runTraining(process.argv.slice(2));
} else if (process.argv.includes('--roofline')) {
  runRoofline(process.argv.slice(2));
} else if (process.argv.includes('--peer')) {
  await runPeerComparison(process.argv.slice(2));
} else if (process.argv.includes('--coverage')) {
  runCoverage();
} else {
  runParts();
  await runGrowth();
  await runLanczosShare();
  runMemory();
}
