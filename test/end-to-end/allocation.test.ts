import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/registry.js';
import type { Report } from '../../src/report/schema.js';
import {
  analyzed,
  hashes,
  newFolder,
  quick,
  runReal,
  trainOnImages,
  writeImages,
  writeMlp,
} from './support.js';

let model: string;
let report: Report;
let reportFile: string;

beforeAll(async () => {
  model = await trainOnImages(writeImages());
  reportFile = join(newFolder(), 'report.json');
  report = await analyzed(model, ...quick, '--layers', 'full', '--json', reportFile);
});

function prune(...args: string[]) {
  return runReal('prune', model, '--allocation', reportFile, ...args, '--quiet');
}

async function kernels(folder: string): Promise<Float32Array[]> {
  const { weights } = await readCheckpoint(folder);
  return weights.filter(({ name }) => name.endsWith('/kernel')).map(({ values }) => values as Float32Array);
}

describe('analyze --layers full', () => {
  it('has limits of each layer, and totals that remove as many weights both ways', () => {
    const { alone, allocation, weights } = report.layers!;
    expect(alone!.map(({ name }) => name)).toEqual(weights.map(({ name }) => name));
    expect(allocation!.totals.length).toBeGreaterThan(1);
    for (const { prunedWeights, weights: parts, pruned, testLossIncrease } of allocation!.totals) {
      expect(parts.reduce((sum, part) => sum + part.prunedWeights, 0)).toBe(prunedWeights);
      expect(pruned).toBe(prunedWeights / report.model.prunable);
      expect(Number.isFinite(testLossIncrease)).toBe(true);
    }
    expect(allocation!.totals[0]!.pruned).toBeCloseTo(report.limits.slice.pruned, 2);
    expect(report.options.layers).toBe('full');
  });
});

describe('prune --allocation', () => {
  it('prunes each layer to its part, the smallest of it, and leaves the model as it is', async () => {
    const before = hashes(model);
    const dense = await kernels(model);
    for (const total of report.layers!.allocation!.totals) {
      const folder = join(newFolder(), 'pruned');
      const { exitCode, stdout, stderr } = await prune(
        ...['--ratio', String(total.pruned), '-o', folder, '--format', 'json'],
      );
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      const summary = JSON.parse(stdout);
      expect(summary).toMatchObject({
        source: 'allocation',
        prunedWeights: total.prunedWeights,
        allocation: total,
      });
      let largest = 0;
      for (const [layer, values] of (await kernels(folder)).entries()) {
        const removed = [...values.keys()]
          .filter((i) => values[i] === 0)
          .map((i) => Math.abs(dense[layer]![i]!));
        const kept = [...values].filter((value) => value !== 0).map(Math.abs);
        expect(removed.length).toBe(total.weights[layer]!.prunedWeights);
        expect(Math.max(0, ...removed)).toBeLessThanOrEqual(Math.min(...kept));
        largest = Math.max(largest, ...removed);
      }
      expect(summary.threshold).toBe(largest);
    }
    expect(hashes(model)).toEqual(before);
  });

  it('measures as the report says', async () => {
    const folder = join(newFolder(), 'pruned');
    const [total] = report.layers!.allocation!.totals;
    expect((await prune('-o', folder)).exitCode).toBe(0);
    const again = await analyzed(folder, ...quick);
    expect(again.loss.value - report.loss.value).toBeCloseTo(total!.lossIncrease!, 5);
    expect(again.accuracy!.test).toBe(total!.accuracy.test);
  });

  it('says which total, of which layers how much, and what was measured', async () => {
    const { stdout } = await prune('-o', join(newFolder(), 'pruned'));
    expect(stdout).toMatch(/chosen by\s+allocation of the report/);
    expect(stdout).toMatch(/measured\s+by the report: loss increase/);
    expect(stdout).toMatch(/global magnitude\s+to the same total: loss increase/);
    expect(stdout.match(/^\s+layer\s/gm)).toHaveLength(report.layers!.weights.length);
  });

  it.each([
    [['--ratio', '0.011'], 'holds no allocation of --ratio 0.011, only of '],
    [['--at-limit', 'slice'], 'leave out --at-limit'],
    [['--gate', 'headroom >= 0'], 'goes without --gate'],
    [['--include', '*'], 'leave out --include'],
  ])('refuses %j', async (options, message) => {
    const folder = join(newFolder(), 'pruned');
    const { exitCode, stderr } = await prune(...options, '-o', folder);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr.split('\n')).toHaveLength(2);
    expect(existsSync(folder)).toBe(false);
  });

  it.each<[string, (report: Report) => void, string]>([
    ['of another model', (other) => Object.assign(other.model, { sha256: '0' }), 'is of another checkpoint'],
    [
      'without an allocation',
      (other) => {
        delete other.layers!.allocation;
      },
      'holds no allocation; analyse the model with --layers full',
    ],
    [
      'with more weights than there are',
      (other) => {
        other.layers!.allocation!.totals[0]!.weights[0]!.prunedWeights = 1e9;
      },
      'does not fit the weight',
    ],
    [
      'with a weight too many',
      (other) => {
        const { weights } = other.layers!.allocation!.totals[0]!;
        weights.push({ ...weights[0]!, name: 'more' });
      },
      'does not fit the weight more',
    ],
    [
      'that leaves nothing',
      (other) => {
        const sizes = other.layers!.weights.map(({ size }) => size);
        other.layers!.allocation!.totals[0]!.weights.forEach((part, layer) => {
          part.prunedWeights = sizes[layer]!;
        });
      },
      'leave no network',
    ],
  ])('refuses a report %s', async (_, change, message) => {
    const changed = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
    change(changed);
    const file = join(newFolder(), 'changed.json');
    writeFileSync(file, JSON.stringify(changed));
    const folder = join(newFolder(), 'pruned');
    const { exitCode, stderr } = await runReal('prune', model, '--allocation', file, '-o', folder, '--quiet');
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(message) });
    expect(existsSync(folder)).toBe(false);
  });

  it('refuses a report of another network, and writes nothing over the report', async () => {
    const other = writeMlp([4, 3], 'softmax');
    const { stderr } = await runReal(
      'prune',
      other,
      '--allocation',
      reportFile,
      '-o',
      join(newFolder(), 'x'),
    );
    expect(stderr).toContain('is of another checkpoint');
  });
});
