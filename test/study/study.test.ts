import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentProgress } from '../../src/progress.js';
import { renderStudyHtml } from '../../src/report/html/study-page.js';
import { renderMarkdownDocument } from '../../src/report/markdown.js';
import { describeStudy } from '../../src/report/study-document.js';
import type { StudyName } from '../../src/study/names.js';
import { planStudy, study } from '../../src/study.js';
import { encodeModel } from '../support/onnx-files.js';
import { normalWeight } from '../support/onnx-models.js';
import { folderWithData, quickStudy } from './small-study.js';

let root: string;

beforeAll(async () => {
  root = await folderWithData();
});

afterAll(() => rm(root, { recursive: true, force: true }));

const configOf = (name: StudyName, flags: Record<string, string>) => quickStudy(root, name, flags);

describe('study l2', () => {
  it('prunes with and without the penalty, and looks at what is left', async () => {
    const { config, output } = await configOf('l2', { ratios: '0.5', seeds: '1', budget: '4' });
    const result = await study(config, silentProgress);
    const [accuracies, limits] = result.tables;
    expect(accuracies.rows.map(({ method }) => method)).toEqual(['with l2', 'without l2']);
    expect(limits.rows.map(({ network, pruned }) => [network, pruned])).toEqual([
      ['with l2', 0.5],
      ['without l2', 0.5],
    ]);
    // The networks of the analyses are those of the prunings.
    limits.rows.forEach(({ accuracy }, i) => {
      expect(accuracy).toBe(accuracies.rows[i]['0.5']);
    });
    const models = await readdir(join(output, 'models'));
    expect(models).toHaveLength(3);
    expect((await study(config, silentProgress)).cells.every(({ reused }) => reused)).toBe(true);
    expect(renderStudyHtml(result)).toContain('without l2');
  });
});

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
    // The point is the mean, the bar as long as the table of ranges says; magnitude has one seed and none.
    const [fixed, drawn] = result.pictures[0].series;
    expect(fixed.points.every(({ low, high }) => low === undefined && high === undefined)).toBe(true);
    for (const { x, y, low, high } of drawn.points) {
      const key = x === 0.5 ? '0.5' : '0.8';
      expect((low! + high!) / 2).toBeCloseTo(y, 9);
      expect(100 * (high! - low!)).toBeCloseTo(Number(spread.rows[0][key]), 9);
    }
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

describe('studies of an ONNX model', () => {
  const written = async (): Promise<string> => {
    const path = join(root, 'model.onnx');
    const model = encodeModel({
      opset: 17,
      nodes: [
        { opType: 'MatMul', inputs: ['input', 'w1'], outputs: ['a'] },
        { opType: 'Relu', inputs: ['a'], outputs: ['b'] },
        { opType: 'MatMul', inputs: ['b', 'w2'], outputs: ['output'] },
      ],
      initializers: [
        { name: 'w1', ...normalWeight([2, 12], 1) },
        { name: 'w2', ...normalWeight([12, 3], 2, 0.4) },
      ],
      inputs: [{ name: 'input', shape: ['batch', 2] }],
      outputs: [{ name: 'output', shape: ['batch', 3] }],
    });
    await writeFile(path, model);
    return path;
  };

  it('prune it by every method that trains', async () => {
    const model = await written();
    const flags = { model, methods: 'gradual,lomp,imp', ratios: '0.5', budget: '2', seeds: '1' };
    const { config } = await configOf('pruners', flags);
    // The command looks into folders for a model.json; without files it does so here for every path.
    const result = await study({ ...config, model }, silentProgress);
    expect(result.cells.map(({ refused }) => refused)).toEqual([null, null, null]);
    for (const row of result.tables[0].rows) {
      expect(row['0.5'], String(row.method)).toBeGreaterThan(0.4);
    }
  });

  it.each([
    [
      'weight-scale',
      'network/not-homogeneous',
      /model\.onnx: weights of ONNX models are not scaled here; give a/,
    ],
    [
      'l2',
      'prune/format',
      /model\.onnx: this study keeps the pruned networks as LayersModels; give one in place/,
    ],
    [
      'iterative',
      'study/onnx',
      /model\.onnx: iterative trains a LayersModel round by round; give one with --model/,
    ],
  ] as const)('%s refuses it before anything is computed', async (name, code, words) => {
    const model = await written();
    const { config: read, output } = await configOf(name, { model });
    const config = { ...read, model };
    const refusal = { code, message: expect.stringMatching(words) };
    await expect(planStudy(config, silentProgress)).rejects.toMatchObject(refusal);
    await expect(study(config, silentProgress)).rejects.toMatchObject(refusal);
    expect(await readdir(output)).toEqual([]);
  });
});
