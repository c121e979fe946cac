import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { gateReportSchema } from '../../src/gate/schema.js';
import type { Report } from '../../src/report/schema.js';
import { analyzed, newFolder, quick, runReal, trainOnImages, writeImages, writeMlp } from './support.js';

let model: string;
let report: Report;
let reportFile: string;
let pruned: string;

beforeAll(async () => {
  model = await trainOnImages(writeImages());
  reportFile = join(newFolder(), 'report.json');
  report = await analyzed(model, ...quick, '--json', reportFile);
  pruned = join(newFolder(), 'pruned');
  await runReal('prune', model, '--ratio', '0.5', '-o', pruned, '--quiet');
});

async function gate(...args: string[]) {
  const { exitCode, stdout, stderr } = await runReal('gate', ...args, '--format', 'json', '--quiet');
  return { exitCode, stderr, result: exitCode === 2 ? null : gateReportSchema.parse(JSON.parse(stdout)) };
}

it('measures a compressed model as analyze measured its dense one at that ratio', async () => {
  const { result, exitCode, stderr } = await gate(
    reportFile,
    '--pruned',
    pruned,
    '--require',
    'sparsity >= 0.4',
  );
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  const row = report.curve.find((point) => point.pruned === 0.5)!;
  const { sparsity, lossIncrease, accuracy, headroom, weights } = result!.pruned!;
  expect(weights).toBe(report.model.prunable);
  expect(Math.abs(sparsity - 0.5)).toBeLessThanOrEqual(1 / weights);
  expect(lossIncrease).toBeCloseTo(row.lossIncrease!, 5);
  expect(accuracy).toBe(row.accuracy);
  expect(headroom).toBeCloseTo(report.limits.slice.pruned - sparsity, 12);
});

it('does so with the model itself, and refuses another network by the name of a weight', async () => {
  const all = [model, ...quick, '--pruned'];
  const { result } = await gate(...all, pruned, '--require', 'sparsity >= 0.9');
  expect(result).toMatchObject({ verdict: 'fail', pruned: { path: pruned } });
  const other = await gate(...all, writeMlp([3, 4, 2], 'softmax'), '--require', 'sparsity >= 0.9');
  expect(other.exitCode).toBe(2);
  expect(other.stderr).toMatch(/--pruned .*(has no weight|has shape|lacks)/);
});

it('refuses a report whose model is another one by now', async () => {
  const stale = join(newFolder(), 'stale.json');
  const changed = JSON.parse(readFileSync(reportFile, 'utf8'));
  changed.model.sha256 = 'f'.repeat(64);
  writeFileSync(stale, JSON.stringify(changed));
  const { exitCode, stderr } = await gate(stale, '--pruned', pruned, '--require', 'headroom >= 0');
  expect(exitCode).toBe(2);
  expect(stderr).toContain('is not the model of');
});

it('prune --gate writes what passes, and nothing else', async () => {
  const folder = join(newFolder(), 'gated');
  const prune = (...args: string[]) =>
    runReal('prune', model, '--ratio', '0.5', '-o', folder, '--format', 'json', ...quick, ...args);
  const row = report.curve.find((point) => point.pruned === 0.5)!;
  const failed = await prune('--gate', `pruned.accuracy >= ${row.accuracy! + 0.001}`);
  expect(failed.exitCode).toBe(1);
  expect(existsSync(folder)).toBe(false);
  expect(JSON.parse(failed.stdout)).toMatchObject({ files: [], gates: [{ verdict: 'fail' }] });

  const passed = await prune('--gate', `pruned.accuracy >= ${row.accuracy}`, '--gate', 'sparsity <= 0.5');
  expect(passed.stderr).toBe('');
  expect(passed.exitCode).toBe(0);
  expect(JSON.parse(passed.stdout).gates).toHaveLength(2);
  expect(readFileSync(join(folder, 'weights.bin'))).toEqual(readFileSync(join(pruned, 'weights.bin')));
});

it.each([
  [['--gate', 'pruned.acuracy >= 0.5'], 'did you mean pruned.accuracy'],
  [['--gate', 'sparsity'], 'is no requirement'],
  [['--gate', 'sparsity >= 0', '--report', 'r.json'], 'leave out --report'],
])('prune %j is refused before the work', async (args, message) => {
  const amount = args.includes('--report') ? '--at-limit' : '--ratio=0.5';
  const { exitCode, stderr } = await runReal('prune', model, '-o', join(newFolder(), 'x'), ...args, amount);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(message);
});
