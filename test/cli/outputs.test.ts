/** No output is written over an input, whatever the names of both. */
import { link, mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/cli/run.js';
import { renderJson } from '../../src/report/json.js';
import { sampleReport } from '../report/sample-report.js';
import { FakeHost, fakeWork, runFake, temporaryFolder } from './fake-host.js';

const shards = {
  checkpointFiles: async (_: unknown, output: string | null) => ({
    read: [join(folderOfTest, 'm/model.json'), join(folderOfTest, 'm/weights.bin')],
    written: output === null ? [] : [join(output, 'weights.bin'), join(output, 'model.json')],
  }),
};
let folderOfTest = '';

/** A folder with a model, data, weights, a report and configuration, all with the content `input`. */
async function inputs(): Promise<string> {
  const folder = await temporaryFolder();
  folderOfTest = folder;
  for (const path of ['m', 'd', 'd/deep', 'out', 'graphs']) {
    await mkdir(join(folder, path));
  }
  for (const path of ['m/model.json', 'm/weights.bin', 'd/deep/train', 'w.npz', 'r.json']) {
    await writeFile(join(folder, path), 'input');
  }
  await writeFile(join(folder, 'prune-limit.json'), '{}');
  return folder;
}

/** Runs a command that must be refused for such an output before any work. */
async function expectRefused(folder: string, args: string[], message: RegExp): Promise<void> {
  const { exitCode, stdout, stderr, asked } = await runFake(args, { folder, work: shards });
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^prune-limit: [^\n]{1,300}\n$/);
  expect([exitCode, stdout]).toEqual([2, '']);
  expect([asked.analyze, asked.prune, asked.train]).toEqual([[], [], []]);
}

const analyze = ['analyze', 'm', '--data', 'd', '--weights', 'w.npz'];

describe('analyze', () => {
  test.each([
    ['a shard', 'm/weights.bin', /--json .*: is a file of the model .*model\.json/],
    ['the weight file', 'w.npz', /--json .*: is a file of --weights .*w\.npz/],
    ['a file deep in the data', 'd/deep/train', /--json .*: is a file of --data .*d,/],
    ['the configuration', 'prune-limit.json', /--json .*: is a file of the configuration file/],
  ])('%s, also by links', async (_, input, message) => {
    const folder = await inputs();
    await symlink(join(folder, input), join(folder, 'symbolic'));
    await link(join(folder, input), join(folder, 'hard'));
    for (const output of [input, 'symbolic', 'hard']) {
      await expectRefused(folder, [...analyze, '--json', output], message);
    }
    await expectRefused(folder, [...analyze, '--markdown', 'hard'], /--markdown /);
  });

  test('a program of --dump-graph that is the weight file', async () => {
    const folder = await inputs();
    await link(join(folder, 'w.npz'), join(folder, 'graphs/gradient-8.onnx'));
    await expectRefused(
      folder,
      [...analyze, '--dump-graph', 'graphs'],
      /--dump-graph .*gradient-8\.onnx: is a file of --weights/,
    );
  });

  test.each([
    ['the same name', 'a', 'a'],
    ['through a linked folder', 'out/a', 'linked/a'],
    ['through a link to a file that is not there yet', 'out/a', 'dangling'],
  ])('two outputs are one file: %s', async (_, json, markdown) => {
    const folder = await inputs();
    await symlink(join(folder, 'out'), join(folder, 'linked'));
    await symlink('out/a', join(folder, 'dangling'));
    await expectRefused(
      folder,
      [...analyze, '--json', json, '--markdown', markdown],
      /--json and --markdown name the same file/,
    );
  });

  test.each([
    ['the report', 'out/r.json', /stdout and --json name the same file/],
    ['the data', 'd/deep/train', /stdout .*: is a file of --data/],
  ])('stdout that is redirected into %s', async (_, path, message) => {
    const folder = await inputs();
    const file = await open(join(folder, path), 'a');
    onTestFinished(() => file.close());
    const host = new FakeHost([...analyze, '--json', 'out/r.json'], { folder });
    host.stdout.fd = file.fd;
    const { work, asked } = fakeWork(shards);
    await run(host, work);
    expect(host.stderr.text).toMatch(message);
    expect([host.exitCode, asked.analyze]).toEqual([2, []]);
  });

  test('a report that was written into the folder of the data is no data', async () => {
    const folder = await inputs();
    for (const name of ['report.json', 'report.md']) {
      const flag = name.endsWith('.md') ? '--markdown' : '--json';
      for (let time = 0; time < 2; time++) {
        const { exitCode, stderr } = await runFake([...analyze, flag, `d/${name}`], { folder, work: shards });
        expect([exitCode, stderr]).toEqual([0, '']);
      }
    }
    expect(await readFile(join(folder, 'd/report.json'), 'utf8')).toBe(renderJson(sampleReport()));
  });

  test('a link to another file is written through', async () => {
    const folder = await inputs();
    await writeFile(join(folder, 'out/latest'), 'old');
    await symlink('out/latest', join(folder, 'link'));
    expect((await runFake([...analyze, '--json', 'link'], { folder, work: shards })).exitCode).toBe(0);
    expect(await readFile(join(folder, 'out/latest'), 'utf8')).toBe(renderJson(sampleReport()));
  });
});

test.each([
  [
    'the weight file',
    'w.npz',
    ['--ratio', '0.5', '--weights', 'w.npz'],
    /--output .*: is a file of --weights/,
  ],
  ['the report', 'r.json', ['--at-limit', '--report', 'r.json'], /--output .*: is a file of --report/],
  ['the data', 'd/deep/train', ['--at-limit', '--data', 'd'], /--output .*: is a file of --data/],
  ['a shard', 'm/weights.bin', ['--ratio', '0.5'], /--output .*: is a file of the model/],
])('prune over %s', async (_, input, options, message) => {
  const folder = await inputs();
  await link(join(folder, input), join(folder, 'out/weights.bin'));
  await expectRefused(folder, ['prune', 'm', ...options, '-o', 'out', '--force'], message);
});

test('train over its data', async () => {
  const folder = await inputs();
  await symlink(join(folder, 'd/deep/train'), join(folder, 'out/model.json'));
  await expectRefused(
    folder,
    ['train', 'mlp', '--data', 'd', '-o', 'out', '--force'],
    /--output .*model\.json: is a file of --data/,
  );
});
