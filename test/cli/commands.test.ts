import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import picocolors from 'picocolors';
import { describe, expect, test } from 'vitest';
import type { OnnxCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { analyzeDefaults, trainDefaults } from '../../src/config.js';
import { InputError } from '../../src/errors.js';
import { renderHtml } from '../../src/report/html/page.js';
import { renderJson } from '../../src/report/json.js';
import { renderMarkdown } from '../../src/report/markdown.js';
import { reportJsonSchema } from '../../src/report/schema.js';
import { renderTable } from '../../src/report/table.js';
import { sampleReport } from '../report/sample-report.js';
import { runFake, temporaryFolder } from './fake-host.js';

const analyze = ['analyze', 'm', '--data', 'd'];

describe('analyze', () => {
  test('writes the table to stdout and nothing else', async () => {
    const { exitCode, stdout, stderr } = await runFake(analyze);
    expect(stdout).toBe(renderTable(sampleReport(), picocolors.createColors(false)));
    expect([exitCode, stderr]).toEqual([0, '']);
  });

  test('--format markdown', async () => {
    expect((await runFake([...analyze, '--format', 'markdown'])).stdout).toBe(renderMarkdown(sampleReport()));
  });

  test.each([
    [['--json', '-'], renderJson],
    [['--json=-', '--format', 'json'], renderJson],
    [['--markdown', '-'], renderMarkdown],
    [['--html', '-'], renderHtml],
  ])('%j: in place of the table', async (flags, render) => {
    const { exitCode, stdout } = await runFake([...analyze, ...flags, '--quiet']);
    expect([exitCode, stdout]).toEqual([0, render(sampleReport())]);
  });

  test('--json - with a failure: one JSON object', async () => {
    const work = { analyze: () => Promise.reject(new InputError('x', 'y')) };
    const { exitCode, stdout } = await runFake([...analyze, '--json', '-'], { work });
    expect([exitCode, JSON.parse(stdout).error]).toEqual([2, { code: 'x', message: 'y' }]);
  });

  test('--format json; warnings go to stderr', async () => {
    const { stdout, stderr } = await runFake([...analyze, '--format', 'json']);
    expect(stdout).toBe(renderJson(sampleReport()));
    expect(JSON.parse(stdout)).toEqual(sampleReport());
    expect(stderr).toBe(`note: warning: ${sampleReport().warnings[0]}\n`);
  });

  test('--quiet says nothing on stderr', async () => {
    const metadata = { pruneLimit: { data: 'd' } };
    const { stderr } = await runFake(['analyze', 'm', '--format', 'json', '--quiet'], { metadata });
    expect(stderr).toBe('');
    expect((await runFake(['analyze', 'm'], { metadata })).stderr).toMatch(/^note: data: .*pruneLimit\)\n$/);
  });

  test('options arrive in the configuration', async () => {
    const folder = await temporaryFolder();
    const args = [
      ...analyze,
      ...['--label-column', 'y', '--layout', 'NCHW', '--normalize', '0.5/0.25', '--examples', 'all'],
      ...['--sample', 'first', '--test-examples', '100', '--loss', 'mse', '--epsilon', '1%'],
      ...['--epsilon-examples', '500'],
      ...['--curvature', 'ggn', '--negative', 'clip', '--bound', 'sharp', '--probes', '4', '--steps', '80'],
      ...['--tolerance', '0.1', '--accuracy-tolerance', '0', '--ratios', '0.9,0.5', '--seed', '3'],
      ...['--include', 'a/*', '--include', 'b', '--exclude', 'c', '--backend', 'cpu', '--threads', '2'],
      ...['--memory-limit', '1M', '--reorthogonalization', 'full', '--layers'],
      ...['--product-plan', 'whole', '--dump-graph', 'graphs', '--shards', '8'],
    ];
    const { asked } = await runFake(args, { folder });
    expect(asked.analyze).toEqual([
      {
        model: join(folder, 'm/model.json'),
        weights: null,
        data: join(folder, 'd'),
        labelColumn: 'y',
        layout: 'NCHW',
        normalize: { mean: [0.5], std: [0.25] },
        examples: 'all',
        sample: 'first',
        testExamples: 100,
        loss: 'mse',
        epsilon: { rule: 'percent', value: 1 },
        epsilonExamples: 500,
        curvature: 'ggn',
        negative: 'clip',
        bound: 'sharp',
        probes: 4,
        steps: 80,
        tolerancePoints: 0.1,
        accuracyTolerancePoints: 0,
        ratios: [0.5, 0.9],
        layers: 'always',
        patterns: [],
        weightScales: [],
        rowNorms: 0,
        tuneEpochs: 0,
        include: ['a/*', 'b'],
        exclude: ['c'],
        seed: 3,
        backend: 'cpu',
        threads: 2,
        memoryLimitBytes: 2 ** 20,
        reorthogonalization: 'full',
        productPlan: 'whole',
        dumpGraph: join(folder, 'graphs'),
        shards: 8,
        workers: null,
      },
    ]);
  });

  test('paths stay relative in the working directory of the process', async () => {
    const { asked } = await runFake(analyze, { folder: process.cwd() });
    expect(asked.analyze[0]).toMatchObject({ model: 'm/model.json', data: 'd' });
  });

  test('a report that breaks its schema is a defect, not a result', async () => {
    const { exitCode, stdout, stderr } = await runFake(analyze, {
      work: { analyze: async () => ({ ...sampleReport(), seed: Number.NaN }) },
    });
    expect([exitCode, stdout]).toEqual([70, '']);
    expect(stderr).toContain('the report breaks its own schema');
  });
});

describe('files of analyze', () => {
  test('are written whole, beside nothing else', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'r.json'), 'old');
    const { exitCode, stdout } = await runFake([...analyze, '--json', 'r.json', '--markdown', 'r.md'], {
      folder,
    });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Limits');
    expect((await readdir(folder)).sort()).toEqual(['r.json', 'r.md']);
    expect(await readFile(join(folder, 'r.json'), 'utf8')).toBe(renderJson(sampleReport()));
    expect(await readFile(join(folder, 'r.md'), 'utf8')).toBe(renderMarkdown(sampleReport()));
  });

  test.each([
    ['a missing folder', 'no/r.json', /^prune-limit: --json .*no\/r\.json: the folder .*no does not exist/],
    ['a folder', 'd', /: is a folder; name a file in it\n$/],
    ['a file in place of a folder', 'file/r.json', /: .*file is not a folder; name another one\n$/],
    [
      'the model',
      'm/model.json',
      /--json .*m\/model\.json: is a file of the model .*m\/model\.json, which this command reads; name another one\n$/,
    ],
    [
      'a file of the data',
      'd/train',
      /--json .*d\/train: is a file of --data .*\/d, which this command reads/,
    ],
  ])('%s is refused before the work', async (_, path, message) => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'm'));
    await mkdir(join(folder, 'd'));
    for (const file of ['file', 'm/model.json', 'd/train']) {
      await writeFile(join(folder, file), 'input');
    }
    const { exitCode, stdout, stderr, asked } = await runFake([...analyze, '--json', path], { folder });
    expect(stderr).toMatch(message);
    expect([exitCode, stdout, asked.analyze]).toEqual([2, '', []]);
    expect(await readFile(join(folder, 'm/model.json'), 'utf8')).toBe('input');
  });
});

describe('prune', () => {
  test('--ratio needs no data', async () => {
    const folder = await temporaryFolder();
    const { exitCode, stdout, stderr, asked } = await runFake(
      ['prune', 'm', '--ratio', '0.9', '-o', 'out', '--exclude', 'b'],
      { folder },
    );
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain('pruned 90.0 % (kept 10.0 %, 10x fewer weights)');
    expect(asked.prune).toEqual([
      {
        model: join(folder, 'm/model.json'),
        weights: null,
        output: join(folder, 'out'),
        force: false,
        sparse: false,
        ratio: 0.9,
        atLimit: null,
        report: null,
        include: [],
        exclude: ['b'],
        analyze: null,
      },
    ]);
  });

  test('--at-limit means slice and brings an analysis', async () => {
    const folder = await temporaryFolder();
    const { asked } = await runFake(
      ['prune', 'm', '--at-limit', '-o', 'out', '--data', 'd', '--steps', '9'],
      {
        folder,
      },
    );
    expect(asked.prune[0]).toMatchObject({ ratio: null, atLimit: 'slice', report: null });
    expect(asked.prune[0]!.analyze).toMatchObject({ data: join(folder, 'd'), steps: 9, probes: null });
  });

  test.each([
    ['sharp', 'sharp'],
    ['sharp:low', 'sharp'],
    ['gaussian-width:low', 'gaussian-width'],
    ['slice', 'gaussian-width'],
  ])('--at-limit %s: the analysis settles the %s limit', async (name, bound) => {
    const folder = await temporaryFolder();
    const { asked } = await runFake(['prune', 'm', '--at-limit', name, '-o', 'out', '--data', 'd'], {
      folder,
    });
    expect(asked.prune[0]).toMatchObject({ atLimit: name, analyze: { bound } });
  });

  test('--at-limit without data says what to give', async () => {
    const { exitCode, stderr } = await runFake(['prune', 'm', '--at-limit', '-o', 'out'], {
      folder: await temporaryFolder(),
    });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--data PATH');
  });

  test('--report needs no data; --format json', async () => {
    const folder = await temporaryFolder();
    const { stdout, asked } = await runFake(
      ['prune', 'm', '--at-limit', 'sharp', '--report', 'r.json', '-o', 'out', '--format', 'json'],
      { folder },
    );
    expect(asked.prune[0]).toMatchObject({ atLimit: 'sharp', report: join(folder, 'r.json'), analyze: null });
    expect(JSON.parse(stdout)).toMatchObject({ schemaVersion: 2, ok: true, source: 'sharp' });
  });

  /** Reads every model as an ONNX file. */
  const onnxWork = {
    readCheckpoint: async (path: string): Promise<OnnxCheckpoint> => ({
      format: 'onnx',
      path,
      sha256: '',
      fileSha256: '',
      graph: { nodes: [], inputs: [], outputs: [], constants: new Map(), opset: 17, producer: '' },
      weights: [],
      metadata: {},
    }),
  };

  test.each([
    ['out.onnx', 'out.onnx'],
    ['folder', 'folder/net.onnx'],
    ['new/', 'new/net.onnx'],
  ])('an ONNX model goes to a file: -o %s', async (output, file) => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'folder'));
    await writeFile(join(folder, 'out.onnx'), 'old');
    const { exitCode, stderr, asked } = await runFake(
      ['prune', 'net.onnx', '--ratio', '0.9', '-o', output, '--sparse'],
      { folder, work: onnxWork },
    );
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(asked.prune).toMatchObject([{ output: join(folder, file), sparse: true }]);
  });

  test.each([
    ['net.onnx', 'is a file of the model'],
    ['.', 'is a file of the model'],
    ['nowhere/out.onnx', 'does not exist'],
    ['nowhere/new/', 'does not exist'],
  ])('an ONNX model is not written to -o %s', async (output, part) => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'net.onnx'), 'model');
    const args = ['prune', 'net.onnx', '--ratio', '0.9', '-o', output];
    const { exitCode, stderr, asked } = await runFake(args, { folder, work: onnxWork });
    expect([exitCode, asked.prune]).toEqual([2, []]);
    expect(stderr).toContain(part);
  });

  test('--sparse is for ONNX models', async () => {
    const { exitCode, stderr, asked } = await runFake(
      ['prune', 'm', '--ratio', '0.9', '-o', 'out', '--sparse'],
      {
        folder: await temporaryFolder(),
      },
    );
    expect([exitCode, asked.prune]).toEqual([2, []]);
    expect(stderr).toContain('--sparse is for ONNX models');
  });

  test("the model's own folder is refused", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'm'));
    const { exitCode, stderr, asked } = await runFake(['prune', 'm', '--ratio', '0.5', '-o', 'm/../m'], {
      folder,
    });
    expect([exitCode, asked.prune]).toEqual([2, []]);
    expect(stderr).toContain('holds the model that is read');
  });
});

describe('train', () => {
  const run = async (...args: string[]) =>
    runFake(['train', ...args, '--data', 'd', '-o', 'out'], { folder: await temporaryFolder() });

  test('lists networks and recipes', async () => {
    const { exitCode, stdout, asked } = await runFake(['train', '--list']);
    expect([exitCode, asked.train]).toEqual([0, []]);
    expect(stdout).toMatch(/fc5 .* 32x32x3 .* 3,883,000 /);
    expect(stdout).toMatch(/resnet18-cifar100 .* resnet18 .* 200 .* 5e-5 /);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    // No name is broken over lines.
    expect(stdout).toContain(' resnet18-tinyimagenet ');
    const { stdout: json } = await runFake(['train', '--list', '--format', 'json']);
    const { networks, recipes } = JSON.parse(json);
    expect(networks).toHaveLength(11);
    expect(recipes).toContainEqual({
      name: 'resnet50-tinyimagenet',
      title: expect.stringContaining('not published'),
      network: 'resnet50',
      data: 'TinyImageNet',
      epochs: 200,
      l1: 2e-5,
      source: 'ours',
      published: false,
    });
  });

  test('a recipe sets what it says, as it is meant', async () => {
    const { exitCode, asked, stderr } = await run('--recipe', 'resnet18-cifar100');
    expect(exitCode).toBe(0);
    expect(asked.train[0]).toMatchObject({
      network: 'resnet18',
      l1: 5e-5,
      l1On: 'all',
      learningRate: 0.1,
      epochs: 200,
      warmUpEpochs: 5,
      schedule: 'cosine',
      scheduleUnit: 'epochs',
      cosinePeriod: null,
      augment: { cropPadding: 4, flip: true },
      normalize: { mean: [0.507, 0.487, 0.441], std: [0.267, 0.256, 0.276] },
      recipe: { name: 'resnet18-cifar100', as: 'meant', overridden: [] },
    });
    expect(stderr).toContain('recipe: resnet18-cifar100 as meant; it is for CIFAR-100');
  });

  test('a recipe as it is coded, shorter and narrower', async () => {
    const { asked, stderr } = await run(
      ...['--recipe', 'resnet18-cifar100', '--recipe-as', 'coded'],
      ...['--epochs', '2', '--width', '0.25', '--momentum', '0.9'],
    );
    expect(asked.train[0]).toMatchObject({
      epochs: 2,
      width: 0.25,
      scheduleUnit: 'batches',
      cosinePeriod: 400,
      recipe: { name: 'resnet18-cifar100', as: 'coded', overridden: ['--epochs 2', '--width 0.25'] },
    });
    expect(stderr).toContain('as coded, but --epochs 2, --width 0.25;');
  });

  test.each([
    [['fc12', '--recipe', 'fc5-cifar10'], 'fc12', ['network fc12']],
    [['--from', 'm.json', '--recipe', 'fc5-cifar10'], null, ['--from m.json']],
    [['fc5', '--recipe', 'fc5-cifar10'], 'fc5', []],
  ])('another network goes before that of a recipe: %j', async (args, network, overridden) => {
    const { asked } = await run(...args);
    expect(asked.train[0]).toMatchObject({ network, learningRate: 0.01, recipe: { overridden } });
  });

  test('writes a page with the learning curves', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'run.html');
    const args = ['train', '--recipe', 'fc5-cifar10', '--data', 'd', '-o', 'out', '--html', path];
    const { exitCode } = await runFake(args, { folder });
    expect(exitCode).toBe(0);
    expect(await readFile(path, 'utf8')).toMatch(/Learning curves.*fc5-cifar10/s);
  });

  test.each([
    [['--html', 'absent/run.html'], /--html .*absent.* does not exist/],
    [['--html', '-'], /--html -: stdout carries the summary/],
  ])('refuses %j before anything is trained', async (args, message) => {
    const { exitCode, stderr, asked } = await run('fc5', ...args);
    expect([exitCode, asked.train]).toEqual([2, []]);
    expect(stderr).toMatch(message);
  });

  test('another schedule drops the period of the recipe', async () => {
    const { asked } = await run(
      ...['--recipe', 'resnet18-cifar100', '--recipe-as', 'coded', '--schedule', 'constant'],
    );
    expect(asked.train[0]).toMatchObject({ schedule: 'constant', cosinePeriod: null });
  });

  test.each([
    [['--recipe', 'fc6-cifar10'], /--recipe: unknown recipe "fc6-cifar10"; did you mean "fc5-cifar10"\?/],
    [['--recipe', '../package'], /--recipe: unknown recipe "..\/package"; prune-limit train --list/],
    [['--recipe', 'lenet-mnist', '--recipe-as', 'coded'], /not published with code/],
    [['fc5', '--recipe-as', 'coded'], /--recipe-as goes with --recipe/],
    [['fc5', '--cosine-period', '400'], /--cosine-period goes with/],
    [['fc5', '--cosine-period', '7'], /is not an even whole number/],
  ])('refuses %j', async (args, message) => {
    const { exitCode, stderr, asked } = await run(...args);
    expect([exitCode, asked.train]).toEqual([2, []]);
    expect(stderr).toMatch(message);
  });

  test('defaults', async () => {
    const folder = await temporaryFolder();
    const { exitCode, stdout, asked } = await runFake(['train', 'mlp', '--data', 'd', '-o', 'out'], {
      folder,
    });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('accuracy 96.00 %');
    expect(asked.train).toEqual([
      {
        ...trainDefaults,
        network: 'mlp',
        data: join(folder, 'd'),
        output: join(folder, 'out'),
        force: false,
      },
    ]);
  });

  test('options arrive in the configuration', async () => {
    const folder = await temporaryFolder();
    const { asked } = await runFake(
      [
        ...[
          'train',
          'mlp',
          '--data',
          'd',
          '--output',
          'out',
          '--hidden',
          '40,20',
          '--l1',
          '5e-5',
          '--l2',
          '1e-4',
        ],
        ...[
          '--epochs',
          '3',
          '--batch-size',
          '64',
          '--learning-rate',
          '0.05',
          '--momentum',
          '0',
          '--warm-up',
          '1',
        ],
        ...[
          '--schedule',
          'multi-step',
          '--milestones',
          '1,2',
          '--decay',
          '0.2',
          '--weights-dtype',
          'float16',
        ],
        ...['--record-data', '../d', '--normalize', '0.5/0.5', '--seed', '4', '--backend', 'cpu'],
      ],
      { folder },
    );
    expect(asked.train[0]).toMatchObject({
      hidden: [40, 20],
      l1: 5e-5,
      l2: 1e-4,
      epochs: 3,
      batchSize: 64,
      learningRate: 0.05,
      momentum: 0,
      warmUpEpochs: 1,
      schedule: 'multi-step',
      milestones: [1, 2],
      decay: 0.2,
      weightsDtype: 'float16',
      recordData: '../d',
      normalize: { mean: [0.5], std: [0.5] },
      seed: 4,
      backend: 'cpu',
    });
  });
});

test('schema config prints that of the configuration', async () => {
  const { exitCode, stdout } = await runFake(['schema', 'config']);
  expect([exitCode, JSON.parse(stdout).title]).toEqual([0, 'prune-limit configuration']);
});

test('schema prints the JSON Schema', async () => {
  const { exitCode, stdout, stderr } = await runFake(['schema']);
  expect(JSON.parse(stdout)).toEqual(reportJsonSchema());
  expect([exitCode, stderr]).toEqual([0, '']);
});

test('doctor', async () => {
  expect((await runFake(['doctor'])).stdout).toContain('memory    1.0 GiB');
  const { stdout } = await runFake(['doctor', '--format', 'json']);
  expect(JSON.parse(stdout)).toMatchObject({ schemaVersion: 2, ok: true, cores: 2, backends: [] });
});

describe('colour', () => {
  const colored = async (options: Parameters<typeof runFake>[1], ...flags: string[]): Promise<boolean> =>
    (await runFake([...analyze, ...flags], options)).stdout.includes('\u001b[');
  test.each([
    ['a pipe has none', {}, [], false],
    ['a terminal has it', { terminal: true }, [], true],
    ['NO_COLOR', { terminal: true, env: { NO_COLOR: '1' } }, [], false],
    ['an empty NO_COLOR is none', { terminal: true, env: { NO_COLOR: '' } }, [], true],
    ['--no-color', { terminal: true }, ['--no-color'], false],
    ['FORCE_COLOR on a pipe', { env: { FORCE_COLOR: '1' } }, [], true],
    ['FORCE_COLOR=0 on a terminal', { terminal: true, env: { FORCE_COLOR: '0' } }, [], false],
    ['NO_COLOR wins', { env: { FORCE_COLOR: '1', NO_COLOR: '1' } }, [], false],
    ['a dumb terminal', { terminal: true, env: { TERM: 'dumb' } }, [], false],
  ])('%s', async (_, options, flags, expected) => {
    expect(await colored(options, ...flags)).toBe(expected);
  });

  test('no colour in JSON', async () => {
    expect(await colored({ env: { FORCE_COLOR: '1' } }, '--format', 'json')).toBe(false);
  });
});

test('every default of an analysis reaches it', async () => {
  const { asked } = await runFake(analyze);
  expect(asked.analyze[0]).toEqual({
    ...analyzeDefaults,
    weights: null,
    model: '/nowhere/m/model.json',
    data: '/nowhere/d',
  });
});
