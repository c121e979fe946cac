import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readStudyConfig } from '../../src/cli/study-config.js';
import { silentProgress } from '../../src/progress.js';
import { renderStudyHtml } from '../../src/report/html/study-page.js';
import { renderMarkdownDocument } from '../../src/report/markdown.js';
import { describeStudy } from '../../src/report/study-document.js';
import type { StudyName } from '../../src/study/names.js';
import { planStudy, study } from '../../src/study.js';
import { fakeWork } from '../cli/fake-host.js';
import { separableSplit } from '../training/problems.js';

let root: string;

function csvOf(count: number, seed: number): string {
  const { values, labels } = separableSplit(count, 3, seed);
  const rows = Array.from(
    { length: count },
    (_, i) => `${values[2 * i]},${values[2 * i + 1]},${labels.values[i]}`,
  );
  return `a,b,label\n${rows.join('\n')}\n`;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'prune-limit-studies-'));
  await mkdir(join(root, 'data'));
  await writeFile(join(root, 'data', 'train.csv'), csvOf(150, 1));
  await writeFile(join(root, 'data', 'test.csv'), csvOf(90, 2));
});

afterAll(() => rm(root, { recursive: true, force: true }));

/** A quick study of the small problem. */
async function configOf(name: StudyName, flags: Record<string, string>) {
  const output = await mkdtemp(join(root, 'study-'));
  const { work } = fakeWork();
  const host = { cwd: () => process.cwd(), stdout: {} } as never;
  const all = {
    quick: true,
    data: join(root, 'data'),
    output,
    hidden: '12',
    epochs: '8',
    backend: 'cpu',
    ...flags,
  };
  const config = await readStudyConfig(name, all, { work, cwd: '', host }, silentProgress);
  return { config, output };
}

describe('study pruners', () => {
  it('trains once, prunes by each method, and does nothing twice', async () => {
    const { config, output } = await configOf('pruners', { methods: 'magnitude,random', ratios: '0.5,0.8' });
    const planned = await planStudy(config, silentProgress);
    // One training, magnitude at two fractions, random at two with two seeds.
    expect(planned.map(({ finished }) => finished)).toEqual(new Array(7).fill(false));
    expect(await readdir(output)).toEqual([]);
    const result = await study(config, silentProgress);
    const [accuracies, spread] = result.tables;
    expect(accuracies.rows.map(({ method, seeds }) => [method, seeds])).toEqual([
      ['magnitude', 1],
      ['random', 2],
    ]);
    expect(accuracies.rows[0]['0.5']).toBeGreaterThan(0.8);
    expect(spread.rows.map(({ method }) => method)).toEqual(['random']);
    const again = await study(config, silentProgress);
    expect(again.tables).toEqual(result.tables);
    expect(again.cells.every(({ reused }) => reused)).toBe(true);
    const markdown = renderMarkdownDocument(describeStudy(result));
    expect(markdown).toContain('| magnitude |');
    expect(renderStudyHtml(result)).toContain('<svg');
    const model = result.cells[0].key;
    const made = JSON.parse(await readFile(join(output, 'models', model, 'model.json'), 'utf8'));
    expect(made.userDefinedMetadata.training).toMatchObject({ network: 'mlp', l1: 0, epochs: 8 });
  });

  it('writes nothing into the folder of the data', async () => {
    await expect(configOf('pruners', { output: join(root, 'data', 'study') })).rejects.toMatchObject({
      code: 'output/in-data',
    });
  });
});
