import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolveAnalyzeConfig } from '../../src/cli/resolve-config.js';
import { analyzeDefaults } from '../../src/config.js';
import { InputError } from '../../src/errors.js';
import { temporaryFolder } from './fake-host.js';

/** A working directory with a folder `model`, and files of configuration in either. */
async function place(files: { model?: unknown; cwd?: unknown } = {}) {
  const cwd = await temporaryFolder();
  const model = join(cwd, 'model');
  await mkdir(model);
  const write = async (folder: string, value: unknown): Promise<void> => {
    if (value !== undefined) {
      const content = typeof value === 'string' ? value : JSON.stringify(value);
      await writeFile(join(folder, 'prune-limit.json'), content);
    }
  };
  await write(model, files.model);
  await write(cwd, files.cwd);
  const notes: string[] = [];
  const progress = {
    stage: () => ({ update: () => {}, end: () => {} }),
    note: (m: string) => void notes.push(m),
    unwritten: () => {},
  };
  const modelPath = join(model, 'model.json');
  const resolve = (flags: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}) =>
    resolveAnalyzeConfig({ flags, modelPath, cwd, metadata }, progress);
  return { cwd, model, modelPath, notes, resolve };
}

describe('precedence', () => {
  test('an option, then a file, then metadata, then the default; key by key', async () => {
    const { resolve } = await place({ model: { seed: 2, probes: 3, epsilon: '1%' } });
    const metadata = { pruneLimit: { data: 'd', seed: 1, probes: 1, steps: 50, normalize: '0.5/0.25' } };
    expect(await resolve({ seed: '7' }, metadata)).toMatchObject({
      seed: 7,
      probes: 3,
      epsilon: { rule: 'percent', value: 1 },
      steps: 50,
      normalize: { mean: [0.5], std: [0.25] },
      curvature: analyzeDefaults.curvature,
    });
  });

  test('the file next to the model wins over the one in the working directory, as a whole', async () => {
    const { resolve } = await place({ model: { data: 'd' }, cwd: { data: 'e', seed: 5 } });
    expect((await resolve()).seed).toBe(0);
  });

  test('defaults', async () => {
    const { resolve, modelPath, cwd } = await place();
    expect(await resolve({ data: 'd' })).toEqual({
      ...analyzeDefaults,
      weights: null,
      model: modelPath,
      data: join(cwd, 'd'),
    });
  });
});

describe('where data is', () => {
  test('an option: relative to the working directory, without a note', async () => {
    const { resolve, cwd, notes } = await place({ cwd: { data: 'other' } });
    expect((await resolve({ data: 'd' })).data).toBe(join(cwd, 'd'));
    expect(notes).toEqual([]);
  });

  test('a file in the working directory: relative to it, noted', async () => {
    const { resolve, cwd, notes } = await place({ cwd: { data: 'd' } });
    expect((await resolve()).data).toBe(join(cwd, 'd'));
    expect(notes).toEqual([`data: ${join(cwd, 'd')} (from ${join(cwd, 'prune-limit.json')})`]);
  });

  test('a file next to the model: relative to the model', async () => {
    const { resolve, cwd } = await place({ model: { data: '../d' } });
    expect((await resolve()).data).toBe(join(cwd, 'd'));
  });

  test('metadata: relative to the model, noted', async () => {
    const { resolve, model, modelPath, notes } = await place();
    expect((await resolve({}, { pruneLimit: { data: 'd' } })).data).toBe(join(model, 'd'));
    expect(notes).toEqual([`data: ${join(model, 'd')} (from ${modelPath}: userDefinedMetadata.pruneLimit)`]);
  });

  test('an absolute path stays', async () => {
    const { resolve } = await place({ model: { data: '/data/mnist' } });
    expect((await resolve()).data).toBe('/data/mnist');
  });

  test('nowhere: the error says which option to give, with an example', async () => {
    const { resolve, modelPath } = await place();
    await expect(resolve()).rejects.toThrow(InputError);
    await expect(resolve()).rejects.toThrow(
      `${modelPath}: no data to measure the loss on; say where it is with --data PATH, ` +
        'for example --data data/mnist, or with "data" in prune-limit.json',
    );
  });
});

describe('a bad file names itself and the key', () => {
  test.each([
    ['an unknown key', { dta: 'x' }, /prune-limit\.json: unknown key "dta"; known keys: data, labelColumn, /],
    ['a key that is inherited', '{"__proto__": {"data": "x"}}', /unknown key "__proto__"/],
    [
      'a bad value',
      { data: 'd', epsilon: 'abc' },
      /prune-limit\.json: "epsilon": "abc" is neither .*; for example "batch-std", "0\.05", "1%"$/,
    ],
    ['a value of a wrong type', { data: ['d'] }, /prune-limit\.json: "data": \["d"\] is not a piece of text/],
    ['no JSON', '{', /prune-limit\.json: not JSON: /],
    ['no object', '[]', /prune-limit\.json: not a JSON object/],
  ])('%s', async (_, content, message) => {
    const { resolve } = await place({ model: content });
    await expect(resolve()).rejects.toThrow(InputError);
    await expect(resolve()).rejects.toThrow(message);
  });

  test('a bad value can be mended by the option', async () => {
    const { resolve } = await place({ model: { data: ['d'] } });
    await expect(resolve({ data: 'd' })).resolves.toMatchObject({ data: expect.stringMatching(/d$/) });
  });

  test('metadata', async () => {
    const { resolve, modelPath } = await place();
    await expect(resolve({ data: 'd' }, { pruneLimit: { epochs: 3 } })).rejects.toThrow(
      `${modelPath}: userDefinedMetadata.pruneLimit: unknown key "epochs"`,
    );
    await expect(resolve({ data: 'd' }, { pruneLimit: 'x' })).rejects.toThrow('not a JSON object');
  });

  test('other metadata is left alone, and $schema is no setting', async () => {
    const { resolve } = await place({ model: { $schema: 'x', data: 'd' } });
    await expect(resolve({}, { training: { epochs: 3 } })).resolves.toMatchObject({ seed: 0 });
  });
});
