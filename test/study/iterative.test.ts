import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../src/checkpoint/registry.js';
import { silentProgress } from '../../src/progress.js';
import { renderStudyHtml } from '../../src/report/html/study-page.js';
import { study } from '../../src/study.js';
import { createZooCheckpoint } from '../../src/training/zoo/registry.js';
import { folderWithData, quickStudy } from './small-study.js';

let root: string;

beforeAll(async () => {
  root = await folderWithData();
});

afterAll(() => rm(root, { recursive: true, force: true }));

/** The kernels of a model. */
async function weightsOf(folder: string): Promise<number[]> {
  const { weights } = await readCheckpoint(folder);
  return weights.filter(({ name }) => /kernel$/.test(name)).flatMap(({ values }) => [...values]);
}

async function configOf(flags: Record<string, string>) {
  const { config, output } = await quickStudy(root, 'iterative', flags);
  // One short run of Lanczos is enough for numbers that are not looked at.
  const analysis = { ...config.settings.analysis, probes: 1, steps: 16 };
  return { config: { ...config, settings: { ...config.settings, analysis } }, output };
}

describe('study iterative', () => {
  it('prunes a fifth of what is left after each round, and analyses what was trained', async () => {
    const { config, output } = await configOf({ rounds: '2', epochs: '4' });
    const result = await study(config, silentProgress);
    const [limits, spectra] = result.tables;
    // Kernels of [2, 12] and [12, 3]: 60 weights; .2 and .36 of them.
    expect(limits.rows.map(({ pruned }) => pruned)).toEqual([0, 12 / 60, 21 / 60]);
    for (const row of limits.rows) {
      expect(row.accuracy).toBeGreaterThan(0.8);
      // Weights that are 0 cost nothing when they are pruned.
      expect(row.slice).toBeGreaterThanOrEqual(row.pruned as number);
      expect(row.actualLoss).toBeGreaterThanOrEqual(row.pruned as number);
    }
    for (const [index, { key, name }] of result.cells.filter((cell) => /^round/.test(cell.name)).entries()) {
      const weights = await weightsOf(join(output, 'models', key));
      expect([name, weights.filter((weight) => weight === 0).length]).toEqual([
        `round ${index}`,
        60 * (limits.rows[index].pruned as number),
      ]);
      const norm = Math.sqrt(weights.reduce((sum, weight) => sum + weight * weight, 0));
      expect(spectra.rows[index].norm).toBeCloseTo(norm, 4);
    }
    const page = renderStudyHtml(result);
    expect(page).toContain('Round 2: threshold and pruned part by R');
    expect(page).toContain('pruned so far');
    const again = await study(config, silentProgress);
    expect(again.tables).toEqual(result.tables);
    expect(again.cells.every(({ reused }) => reused)).toBe(true);
  });

  it('begins anew in the architecture of a model that is given', async () => {
    const model = join(root, 'given');
    await mkdir(model);
    const { checkpoint } = createZooCheckpoint('mlp', {
      exampleShape: [2],
      layout: 'flat',
      classes: 3,
      hidden: [12],
      seed: 4,
    });
    await writeCheckpoint(checkpoint, model, { mark: true });
    const given = await configOf({ rounds: '1', epochs: '4', model });
    const { tables, cells } = await study(given.config, silentProgress);
    expect(cells.map(({ name }) => name).slice(0, 2)).toEqual(['early network', 'round 0']);
    const [early, before] = [
      await weightsOf(join(given.output, 'models', cells[0].key)),
      await weightsOf(model),
    ];
    expect(early).toHaveLength(before.length);
    expect(early.every((weight, i) => weight !== before[i])).toBe(true);
    expect(tables[0].rows.map(({ pruned }) => pruned)).toEqual([0, 12 / 60]);
  });
});
