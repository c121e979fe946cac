import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readTfjsLayers } from '../../src/checkpoint/layers/layers-model.js';
import { readCheckpoint } from '../../src/checkpoint/registry.js';
import { inspect } from '../../src/inspect.js';
import { PRUNING_METHODS } from '../../src/pruning/methods/names.js';
import type { PruneSummary } from '../../src/report/prune-summary.js';
import type { Report } from '../../src/report/schema.js';
import {
  analyzed,
  ensureFolder,
  hashes,
  newFolder,
  quick,
  root,
  runReal,
  trainOnImages,
  writeFileIn,
  writeImages,
  writeMlp,
} from './support.js';

let images: string;
let model: string;
/** Of the model, in a file too. */
let report: Report;
let reportFile: string;

beforeAll(async () => {
  images = writeImages();
  model = await trainOnImages(images);
  reportFile = join(newFolder(), 'report.json');
  report = await analyzed(model, ...quick, '--json', reportFile);
});

async function pruned(...args: string[]): Promise<{ folder: string; summary: Record<string, unknown> }> {
  const folder = join(newFolder(), 'pruned');
  const { exitCode, stdout, stderr } = await runReal(
    'prune',
    model,
    ...args,
    '-o',
    folder,
    '--format',
    'json',
  );
  if (exitCode !== 0) {
    throw new Error(`exit code ${exitCode}: ${stderr}`);
  }
  return { folder, summary: JSON.parse(stdout) };
}

/** The kernels of a checkpoint in file order, one after the other. */
async function kernels(folder: string): Promise<number[]> {
  const { weights } = await readCheckpoint(folder);
  return weights.filter(({ name }) => name.endsWith('/kernel')).flatMap(({ values }) => [...values]);
}

function zeros(values: number[]): number {
  return values.filter((value) => value === 0).length;
}

describe('prune --ratio', () => {
  it.each([0, 0.5, 0.9, 0.999])('%f: exactly the floor(p D) smallest weights are zero', async (ratio) => {
    const { folder, summary } = await pruned('--ratio', String(ratio));
    const [before, after] = [await kernels(model), await kernels(folder)];
    const count = Math.floor(ratio * before.length);
    expect(summary).toMatchObject({ ok: true, prunedWeights: count, prunableWeights: 552, source: 'ratio' });
    expect(zeros(after)).toBe(count);
    const threshold = summary.threshold as number;
    before.forEach((value, i) => {
      expect(after[i]).toBe(Math.abs(value) <= threshold && count > 0 ? 0 : value);
    });
  });

  it('keeps everything else, and reloads', async () => {
    const { folder } = await pruned('--ratio', '0.9');
    const [before, after] = [
      await readTfjsLayers(join(model, 'model.json')),
      await readTfjsLayers(join(folder, 'model.json')),
    ];
    expect(Object.keys(hashes(folder))).toEqual(['model.json', 'weights.bin']);
    expect(after.topology).toEqual(before.topology);
    expect(after.extra).toEqual(before.extra);
    expect(after.weights.map(({ name, shape, dtype }) => ({ name, shape, dtype }))).toEqual(
      before.weights.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
    );
    const biases = ({ weights }: typeof before) => weights.filter(({ name }) => name.endsWith('/bias'));
    expect(biases(after)).toEqual(biases(before));
    expect(after.metadata).toEqual(before.metadata);
  });

  it('the pruned checkpoint measures what the curve of the analysis says', async () => {
    for (const row of report.curve.filter(({ pruned }) => [0.5, 0.9, 0.95].includes(pruned))) {
      const { folder } = await pruned('--ratio', String(row.pruned));
      const after = await analyzed(folder, ...quick, '--data', images, '--steps', '2', '--epsilon', '1');
      expect(after.loss.value).toBeCloseTo(row.loss!, 12);
      expect(after.accuracy!.test).toBe(row.accuracy);
    }
  });

  it('finds its data again from wherever it is written', async () => {
    const folder = join(ensureFolder(newFolder(), 'deep', 'down'), 'pruned');
    expect((await runReal('prune', model, '--ratio', '0.5', '-o', folder, '--quiet')).exitCode).toBe(0);
    const { data } = await analyzed(folder, ...quick, '--steps', '2', '--epsilon', '1');
    expect(data.train.available).toBe(512);
    const { metadata } = await readCheckpoint(model);
    expect((await readCheckpoint(folder)).metadata).toEqual({
      ...metadata,
      pruneLimit: {
        ...(metadata.pruneLimit as object),
        data: expect.stringMatching(/^\.\.\/\.\.\/\.\.\/\.\.\/prune-limit-e2e-/),
      },
    });
  });

  it('says of both files what inspect says', async () => {
    const { folder, summary } = await pruned('--ratio', '0.9');
    const figures = async (path: string) => {
      const { schemaVersion: _, ok: __, breakEvenDensity: ___, weights: ____, ...rest } = await inspect(path);
      return rest;
    };
    expect(summary.sizes).toEqual({ before: await figures(model), after: await figures(folder) });
  });

  it('only the weights that are asked for', async () => {
    const { folder, summary } = await pruned('--ratio', '0.5', '--include', 'dense_2/*');
    expect(summary).toMatchObject({ prunableWeights: 96, prunedWeights: 48 });
    const { weights } = await readCheckpoint(folder);
    const counts = weights.map(({ name, values }) => [name, zeros([...values])]);
    expect(counts.filter(([name]) => String(name).endsWith('kernel'))).toEqual([
      ['dense_1/kernel', 0],
      ['dense_2/kernel', 48],
      ['dense_3/kernel', 0],
    ]);
  });

  it('float16 weights stay float16', async () => {
    const halves = await trainOnImages(images, '--weights-dtype', 'float16', '--epochs', '1');
    const folder = join(newFolder(), 'pruned');
    expect((await runReal('prune', halves, '--ratio', '0.7', '-o', folder, '--quiet')).exitCode).toBe(0);
    const [before, after] = [await readCheckpoint(halves), await readCheckpoint(folder)];
    expect(after.weights.map(({ storage }) => storage)).toEqual(before.weights.map(({ storage }) => storage));
    expect(readFileSync(join(folder, 'weights.bin')).length).toBe(
      readFileSync(join(halves, 'weights.bin')).length,
    );
  });

  it('a table says what was done', async () => {
    const folder = join(newFolder(), 'pruned');
    const { stdout, stderr } = await runReal('prune', model, '--ratio', '0.9', '-o', folder, '--quiet');
    expect(stdout).toMatch(/pruned 90\.0 % \(kept 10\.0 %, 10x fewer weights\)/);
    expect(stdout).toMatch(/496 of 552 set to 0/);
    expect(stderr).toBe('');
  });
});

/** The report with other limits, in a file of its own. */
function reportFileWith(change: (report: Report) => void): string {
  const changed = structuredClone(report);
  change(changed);
  return writeFileIn('changed.json', JSON.stringify(changed));
}

/** Settles both estimates where they are. */
function settle({ limits }: Report): void {
  for (const limit of [limits.gaussianWidth, limits.sharp]) {
    Object.assign(limit, { settled: true, missing: null });
  }
}

/** Runs a pruning that must be refused; returns the message. */
async function refused(...args: string[]): Promise<string> {
  const output = join(newFolder(), 'pruned');
  const { exitCode, stdout, stderr } = await runReal('prune', ...args, '-o', output, '--quiet');
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr.trimEnd()).not.toContain('\n');
  expect(() => hashes(output)).toThrow();
  return stderr;
}

describe('prune --at-limit', () => {
  it.each([
    ['slice', () => report.limits.slice.pruned],
    ['gaussian-width', () => report.limits.gaussianWidth.pruned],
    ['gaussian-width:low', () => report.limits.gaussianWidth.low],
    ['loss', () => report.actual.loss.pruned],
    ['accuracy', () => report.actual.accuracy!.pruned],
  ])('%s of a report', async (name, limit) => {
    const { folder, summary } = await pruned('--at-limit', name, '--report', reportFileWith(settle));
    expect(summary).toMatchObject({ prunedFraction: limit(), source: name });
    expect(zeros(await kernels(folder))).toBe(Math.floor(limit() * 552 + 1e-6));
  });

  it('runs the analysis where there is no report', async () => {
    const { summary } = await pruned('--at-limit', ...quick);
    expect(summary).toMatchObject({ prunedFraction: report.limits.slice.pruned, source: 'slice' });
  });

  it('refuses an unresolved limit, of a report as of an analysis, and takes its safe end', async () => {
    const gaussianWidth = { pruned: 0.6, low: 0.5, high: 0.7, settled: false, missing: 'steps' };
    const unsettled = reportFileWith(({ limits }) => Object.assign(limits.gaussianWidth, gaussianWidth));
    expect(await refused(model, '--at-limit', 'gaussian-width', '--report', unsettled)).toBe(
      'prune-limit: the gaussian-width limit is unresolved, between pruned 50.0 % and 70.0 %: take its safe end with --at-limit gaussian-width:low, or analyse with more --steps\n',
    );
    const { summary } = await pruned('--at-limit', 'gaussian-width:low', '--report', unsettled);
    expect(summary).toMatchObject({ prunedFraction: 0.5, source: 'gaussian-width:low' });
    expect(
      await refused(model, '--at-limit', 'gaussian-width', ...quick, '--steps', '2', '--tolerance', '0.01'),
    ).toMatch(/the gaussian-width limit is unresolved/);
  });

  it('never writes a network of zeros', async () => {
    const everything = { pruned: 1, low: 1, high: 1, settled: true };
    const all = reportFileWith(({ limits }) => {
      Object.assign(limits.sharp, everything);
      Object.assign(limits.slice, { pruned: 1 - 1e-12 }); // all 552 weights, if not all of them by the number
      limits.connected = null;
    });
    for (const name of ['sharp', 'sharp:low']) {
      expect(await refused(model, '--at-limit', name, '--report', all)).toMatch(
        /limit is 100 %: it would leave a network of zeros/,
      );
    }
    expect(await refused(model, '--at-limit', 'slice', '--report', all)).toMatch(
      /would set all 552 prunable/,
    );
    expect(await refused(model, '--ratio', '0.999999999999')).toMatch(/would set all 552 prunable/);
  });

  it('refuses a limit beyond which outputs have no path', async () => {
    const cut = reportFileWith(({ limits }) => {
      limits.connected = { pruned: limits.slice.pruned / 2, exact: true };
    });
    expect(await refused(model, '--at-limit', 'slice', '--report', cut)).toMatch(/outputs have no path left/);
  });

  it('takes the slice limit of a report of version 1, and no other', async () => {
    const { model: of, options } = report;
    const first = writeFileIn(
      'first.json',
      JSON.stringify({
        ...{ schemaVersion: 1, ok: true, model: of, options },
        limits: {
          slice: { pruned: 0.75 },
          gaussianWidth: { pruned: 0.8, low: 0.8, high: 0.8, settled: true },
          sharp: { pruned: 0.9, low: 0.9, high: 0.9, settled: true },
        },
      }),
    );
    const { summary } = await pruned('--at-limit', 'slice', '--report', first);
    expect(summary).toMatchObject({ prunedFraction: 0.75 });
    expect(await refused(model, '--at-limit', 'sharp', '--report', first)).toMatch(
      /schemaVersion 1, whose sharp limit is not to be relied on: analyse again/,
    );
  });

  const faults = join(root, '../shared/cases/faults');
  it.skipIf(!existsSync(faults))('the report and network of the fault case', async () => {
    const network = join(faults, 'small-network');
    const file = join(faults, 'report.json');
    expect(await refused(network, '--at-limit', 'sharp', '--report', file)).toMatch(/schemaVersion 1/);
  });

  it('prunes the weights that the report is about', async () => {
    const partial = join(newFolder(), 'partial.json');
    await analyzed(model, ...quick, '--exclude', 'dense_1/*', '--json', partial);
    const { summary } = await pruned('--at-limit', 'slice', '--report', partial);
    expect(summary).toMatchObject({ prunableWeights: 96 + 24 });
  });

  it('the pruned checkpoint is no longer the one of the report', async () => {
    const { folder } = await pruned('--ratio', '0.5');
    const output = join(newFolder(), 'twice');
    const { exitCode, stderr } = await runReal(
      ...['prune', folder, '--at-limit', 'slice', '--report', reportFile, '-o', output, '--quiet'],
    );
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^prune-limit: --report .*report\.json is of another checkpoint than .*\n$/);
  });
});

describe('what prune must not touch', () => {
  it('the input: its files are the same afterwards', async () => {
    const before = [hashes(model), hashes(images)];
    await pruned('--ratio', '0.5');
    await pruned('--at-limit', 'slice', '--report', reportFile);
    expect([hashes(model), hashes(images)]).toEqual(before);
  });

  it.each([
    ['the folder of the model', () => model],
    ['the same by another name', () => `${model}/../model/.`],
  ])('%s', async (_title, output) => {
    const before = hashes(model);
    const { exitCode, stderr } = await runReal('prune', model, '--ratio', '0.5', '-o', output(), '--quiet');
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^prune-limit: --output .*holds the model that is read; name another folder\n$/);
    expect(hashes(model)).toEqual(before);
  });

  it('a folder of its own is used again', async () => {
    const { folder } = await pruned('--ratio', '0.5');
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    const { exitCode } = await runReal('prune', model, '--ratio', '0.6', '-o', folder, '--quiet');
    expect(exitCode).toBe(0);
    expect(Object.keys(hashes(folder))).toEqual(['model.json', 'notes.txt', 'weights.bin']);
    expect(zeros(await kernels(folder))).toBe(Math.floor(0.6 * 552));
  });
});

describe('a method', () => {
  it('magnitude writes what prune writes without one', async () => {
    const plain = await pruned('--ratio', '0.7');
    const named = await pruned('--ratio', '0.7', '--method', 'magnitude');
    expect(hashes(named.folder)).toEqual(hashes(plain.folder));
  });

  it.each(PRUNING_METHODS)('%s prunes as far as asked and says what it cost', async (name) => {
    const arguments_ = ['--ratio', '0.7', '--method', name, '--calibration', '20', '--seed', '3'];
    const { folder, summary } = await pruned(...arguments_);
    const method = summary.method as Required<PruneSummary>['method'];
    expect(method).toMatchObject({ name, seed: 3 });
    expect(method.distinctExamples).toBeLessThanOrEqual(20);
    expect(method.after.loss).toBeGreaterThan(0);
    const kept = method.layers.reduce((sum, layer) => sum + layer.kept, 0);
    expect(kept).toBeLessThanOrEqual(166);
    expect(kept).toBeGreaterThan(163);
    expect(zeros(await kernels(folder))).toBe(552 - kept);
    if (name === 'cbs' || name === 'newton' || name === 'random') {
      expect(hashes((await pruned(...arguments_)).folder)).toEqual(hashes(folder));
    }
  });

  it.each<[string[], string]>([
    [['--data', 'IMAGES', '--calibration', '20', '--budget', '1'], 'compensated'],
    [['--data', 'IMAGES', '--budget', '0'], 'magnitude'],
  ])('auto with %j takes %s, says so, and prunes as that does', async (options, name) => {
    const given = options.map((option) => (option === 'IMAGES' ? images : option));
    const { folder, summary } = await pruned('--ratio', '0.7', '--method', 'auto', '--seed', '3', ...given);
    expect(summary.choice).toMatchObject({ method: name, source: expect.stringContaining('results.md') });
    expect(summary.method).toMatchObject({ name });
    const without = given.filter((option, index) => ![option, given[index - 1]].includes('--budget'));
    const named = await pruned('--ratio', '0.7', '--method', name, '--seed', '3', ...without);
    expect(hashes(folder)).toEqual(hashes(named.folder));
    expect(named.summary.choice).toBeUndefined();
  });

  it('auto without data is plain magnitude pruning, and the text says so', async () => {
    const folder = newFolder();
    const mlp = writeMlp([4, 3], 'softmax');
    const { exitCode, stdout } = await runReal(
      ...['prune', mlp, '--ratio', '0.5', '--method', 'auto', '-o', join(folder, 'out'), '--quiet'],
    );
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/auto +magnitude: without examples/)]);
    const refused = await runReal(
      ...[
        'prune',
        mlp,
        '--ratio',
        '0.5',
        '--method',
        'auto',
        '--budget',
        '1',
        '-o',
        join(folder, 'b'),
        '--quiet',
      ],
    );
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('--data PATH')]);
  });

  it.each([
    [['--method', 'gradual', '--budget', '2'], 2],
    [['--method', 'rare-gems', '--budget', '2', '--score-l2', '0'], 2],
    [['--tune', '1.5'], 1.5],
    [['--method', 'saliency', '--calibration', '20', '--tune', '1'], 1],
  ])('%j trains what is kept within its budget', async (options, epochs) => {
    const arguments_ = ['--ratio', '0.7', '--seed', '3', ...options];
    const { folder, summary } = await pruned(...arguments_);
    const method = summary.method as Required<PruneSummary>['method'];
    expect(method.epochEquivalents).toBeGreaterThan(0);
    expect(method.epochEquivalents).toBeLessThanOrEqual(epochs + 1);
    expect(zeros(await kernels(folder))).toBe(Math.floor(0.7 * 552));
    expect(hashes((await pruned(...arguments_)).folder)).toEqual(hashes(folder));
  });

  it('that chooses its rate keeps the network of the lowest training loss of three', async () => {
    const options = ['--ratio', '0.8', '--method', 'magnitude', '--tune', '1', '--calibration', '100'];
    const withRate = async (rate: string): Promise<Required<PruneSummary>['method']> =>
      (await pruned(...options, '--learning-rate', rate)).summary.method as Required<PruneSummary>['method'];
    const chosen = await withRate('auto');
    const tried = chosen.triedRates as { learningRate: number; loss: number }[];
    expect(tried).toHaveLength(3);
    expect(chosen.after.loss).toBe(Math.min(...tried.map(({ loss }) => loss)));
    const best = tried.find(({ loss }) => loss === chosen.after.loss) as { learningRate: number };
    const alone = await withRate(String(best.learningRate));
    expect(alone.after).toEqual(chosen.after);
    expect(chosen.epochEquivalents).toBeCloseTo(3 * alone.epochEquivalents, 10);
  });

  it('that trains refuses a layer that is marked as not trainable', async () => {
    const folder = newFolder();
    const saved = JSON.parse(readFileSync(join(model, 'model.json'), 'utf8'));
    const topology = saved.modelTopology.model_config ?? saved.modelTopology;
    const frozen = topology.config.layers.find(
      ({ class_name }: { class_name: string }) => class_name === 'Dense',
    );
    frozen.config.trainable = false;
    writeFileSync(join(folder, 'model.json'), JSON.stringify(saved));
    writeFileSync(join(folder, 'weights.bin'), readFileSync(join(model, 'weights.bin')));
    const { exitCode, stderr } = await runReal(
      ...['prune', folder, '--data', images, '--ratio', '0.5', '--tune', '1'],
      ...['-o', join(newFolder(), 'out'), '--quiet'],
    );
    expect(stderr).toMatch(/^prune-limit: \S+ is of a layer that is marked as not trainable.*--exclude "/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(exitCode).toBe(2);
  });

  it('that is tuned has a smaller loss', async () => {
    const lossOf = async (...options: string[]): Promise<number> => {
      const arguments_ = ['--ratio', '0.9', '--method', 'magnitude', '--calibration', '100', ...options];
      return ((await pruned(...arguments_)).summary.method as Required<PruneSummary>['method']).after.loss;
    };
    expect(await lossOf('--tune', '3')).toBeLessThan(await lossOf());
  });

  it.each<[string[], RegExp]>([
    [['--budget', '5'], /--budget is for methods that train/],
    [['--method', 'saliency', '--budget', '5'], /--budget is for methods that train \(gradual, lomp, imp, /],
    [['--method', 'gradual', '--budget', '0'], /--budget 0/],
    [['--augment', 'flip'], /--augment is for methods that train/],
    [['--learning-rate', '0.1'], /--learning-rate is for methods that train/],
    [['--method', 'saliency', '--learning-rate', '0.1'], /--learning-rate is of training, and nothing is/],
    [['--method', 'saliency', '--learning-rate', 'auto'], /--learning-rate is of training, and nothing is/],
    [['--method', 'auto', '--budget', '0', '--augment', 'flip'], /--augment is of training, and nothing is/],
    [
      ['--method', 'imp', '--learning-rate', 'auto'],
      /--learning-rate auto is for --method gradual and for --tune/,
    ],
    [['--method', 'gradual', '--learning-rate', 'best'], /--learning-rate: "best" is not a number/],
    [['--score-l2', '0'], /--score-l2 is for methods that train/],
    [['--method', 'imp', '--score-l2', '0'], /--score-l2 is for --method rare-gems/],
    [['--method', 'rare-gems', '--score-l2', '-1'], /--score-l2: "-1"/],
    [['--method', 'saliency', '--augment', 'flip'], /--augment is of training, and nothing is trained here/],
    [['--tune', '1', '--recalibrate-batch-norm'], /--recalibrate-batch-norm is for pruning without training/],
    [
      ['--method', 'saliency', '--recalibrate-batch-norm'],
      /^prune-limit: \S+ has no batch normalisation whose statistics are trained; leave out/,
    ],
    [['--calibration', '5'], /--method/],
    [['--method', 'magnitud'], /--method: "magnitud" is not one of/],
    [['--method', 'saliency', '--calibration', '1'], /--calibration: "1" is not/],
  ])('%j is refused', async (options, words) => {
    const { exitCode, stderr } = await runReal(
      ...['prune', model, '--ratio', '0.5', ...options, '-o', join(newFolder(), 'out'), '--quiet'],
    );
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(words);
  });
});

describe('a report that is none', () => {
  it.each<[string, () => string, RegExp]>([
    ['garbage', () => writeFileIn('r.json', '%PDF'), /r\.json is not JSON/],
    [
      'another object',
      () => writeFileIn('r.json', '{"limits": 3}'),
      /r\.json is not a report of prune-limit analyze/,
    ],
    [
      'the object of a failed run',
      () => writeFileIn('r.json', '{"ok": false}'),
      /error object of a failed run/,
    ],
    ['a missing file', () => join(newFolder(), 'r.json'), /r\.json: cannot be read \(ENOENT\)/],
    ['a folder', () => newFolder(), /--report .*: is no regular file/],
  ])('%s', async (_title, path, words) => {
    const output = join(newFolder(), 'out');
    const { exitCode, stdout, stderr } = await runReal(
      ...['prune', writeMlp([4, 3], 'softmax'), '--at-limit', 'slice', '--report', path()],
      ...['-o', output, '--quiet', '--format', 'json'],
    );
    expect([exitCode, JSON.parse(stdout).ok]).toEqual([2, false]);
    expect(stderr).toMatch(words);
    expect(stderr.trimEnd()).not.toContain('\n');
    expect(() => hashes(output)).toThrow();
  });
});
