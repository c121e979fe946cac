import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { idx, npy, npz } from '../dataset/support.js';
import {
  dense,
  ensureFolder,
  hashes,
  newFolder,
  quick,
  runReal,
  writeCsv,
  writeDilated,
  writeFileIn,
  writeMlp,
  writeModel,
  writeVectors,
} from './support.js';

/** A good model and good data for it, shared by the cases that spoil something else. */
let model: string;
let data: string;

beforeAll(() => {
  model = writeMlp([3, 4, 2], 'softmax');
  data = writeCsv(([a]) => (a > 0 ? '1' : '0'));
});

/**
 * Runs a command that must fail: exit code 2, one line on stderr that matches,
 * one failure object on stdout with --format json and nothing without.
 */
async function expectRefusal(args: string[], words: RegExp): Promise<void> {
  const plain = await runReal(...args);
  expect(plain.stderr).toMatch(words);
  expect(plain.stderr).toMatch(/^prune-limit: [^\n]+\n$/);
  expect([plain.exitCode, plain.stdout]).toEqual([2, '']);
  const asJson = await runReal(...args, '--format', 'json');
  expect([asJson.exitCode, asJson.stderr]).toEqual([2, plain.stderr]);
  const failure = JSON.parse(asJson.stdout);
  expect(failure).toEqual({
    schemaVersion: 2,
    ok: false,
    error: { code: expect.stringMatching(/^[a-z]+\/[a-z0-9-]+$/), message: expect.any(String) },
  });
  expect(plain.stderr).toContain(failure.error.message);
}

/** An analysis that must be refused, and must not write the report it is asked for. */
async function expectAnalysisRefused(
  modelPath: string,
  dataPath: string,
  words: RegExp,
  ...options: string[]
): Promise<void> {
  const folder = newFolder();
  const before = existsSync(join(modelPath, 'model.json')) ? hashes(modelPath) : null;
  const json = join(folder, 'report.json');
  await expectRefusal(
    ['analyze', modelPath, '--data', dataPath, ...quick, '--json', json, ...options],
    words,
  );
  expect(hashes(folder)).toEqual({});
  if (before !== null) {
    expect(hashes(modelPath)).toEqual(before);
  }
}

/** A 3-2 model whose kernel holds these six numbers. */
function modelWith(values: number[], activation = 'softmax'): string {
  return writeModel(
    [dense('out', 2, activation, 3)],
    [
      { name: 'out/kernel', shape: [3, 2], values },
      { name: 'out/bias', shape: [2], values: [0, 0] },
    ],
  );
}

/** The same model, whose weights are said to be in another file. */
function withShard(folder: string, path: string): string {
  const file = join(folder, 'model.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('"weights.bin"', JSON.stringify(path)));
  return folder;
}

describe('a model that cannot be used', () => {
  it.each<[string, () => string, RegExp]>([
    ['a missing file', () => join(newFolder(), 'model.json'), /model\.json does not exist/],
    ['a folder without a model', () => newFolder(), /holds no model\.json/],
    ['an empty file', () => writeFileIn('model.json', ''), /model\.json/],
    ['no JSON', () => writeFileIn('model.json', '{"a": '), /model\.json.*JSON/],
    ['another JSON object', () => writeFileIn('model.json', '{"a": 1}'), /model\.json/],
    [
      'a Keras file',
      () => writeFileIn('model.h5', Uint8Array.of(0x89, 0x48, 0x44, 0x46)),
      /Keras HDF5.*tensorflowjs_converter/,
    ],
    [
      'a truncated shard',
      () => {
        const folder = modelWith([1, 2, 3, 4, 5, 6]);
        writeFileSync(join(folder, 'weights.bin'), new Uint8Array(20));
        return folder;
      },
      /weights\.bin.* should hold 32 bytes, found 20: weight "out\/kernel" \[3, 2\] needs bytes 0 to 24/,
    ],
    [
      'an oversized shard',
      () => {
        const folder = modelWith([1, 2, 3, 4, 5, 6]);
        writeFileSync(join(folder, 'weights.bin'), new Uint8Array(40));
        return folder;
      },
      /weights\.bin.* should hold 32 bytes, found 40: 8 bytes are left/,
    ],
    [
      'a shard that is missing',
      () => withShard(modelWith([1, 2, 3, 4, 5, 6]), 'other.bin'),
      /other\.bin does not exist/,
    ],
    [
      'a shard outside of the folder',
      () => withShard(modelWith([1, 2, 3, 4, 5, 6]), '../../etc/passwd'),
      /"\.\.\/\.\.\/etc\/passwd" is a path with a "\.\." step/,
    ],
    [
      'a layer without config',
      () =>
        writeModel(
          [{ class_name: 'Flatten' } as never, dense('out', 2, 'softmax', 3)],
          [
            { name: 'out/kernel', shape: [3, 2] },
            { name: 'out/bias', shape: [2] },
          ],
        ),
      /layer 1 of the model \(Flatten\) has no config/,
    ],
    [
      'a recurrent layer that tfjs does not compute',
      () =>
        writeModel(
          [{ class_name: 'GRU', config: { name: 'g', units: 1, reset_after: true } }],
          [{ name: 'g/kernel', shape: [3, 3] }],
        ),
      /layer 'g' is a GRU with reset_after=True.*reset_after=False/,
    ],
    [
      'an unknown layer',
      () =>
        writeModel([{ class_name: 'Quantum', config: { name: 'q' } }], [{ name: 'q/kernel', shape: [3, 2] }]),
      /unknown layer 'Quantum'/,
    ],
    [
      'weights of another shape than the layer',
      () =>
        writeModel(
          [dense('out', 2, 'softmax', 3)],
          [
            { name: 'out/kernel', shape: [2, 3] },
            { name: 'out/bias', shape: [2] },
          ],
        ),
      /model\.json: .*out\/kernel|model\.json: .*shape/i,
    ],
    [
      'a layer larger than its weights',
      () => writeModel([dense('out', 1e9, 'softmax', 3)], [{ name: 'out/kernel', shape: [3, 2] }]),
      /'out' declares units 1000000000/,
    ],
    [
      'a NaN weight',
      () => modelWith([1, 2, Number.NaN, 4, 5, 6]),
      /"out\/kernel" holds NaN at index \[1, 0\]/,
    ],
    [
      'an infinite weight',
      () => modelWith([1, 2, 3, 4, 5, Number.NEGATIVE_INFINITY]),
      /"out\/kernel" holds -Infinity at index \[2, 1\]/,
    ],
    [
      'a loss that is no number',
      () => modelWith([3e38, -3e38, 3e38, 3e38, -3e38, 3e38]),
      /loss .* is (NaN|Infinity) at example/,
    ],
  ])('%s', async (_title, modelPath, words) => {
    await expectAnalysisRefused(modelPath(), data, words);
  });

  it('no prunable weight', () =>
    expectAnalysisRefused(model, data, /no prunable weight/, '--include', 'nothing'));

  it('a layer without a second derivative', () =>
    expectAnalysisRefused(writeDilated(), writeVectors(25, 2), /no second derivative here: .*dilation/i));
});

describe('data that cannot be used', () => {
  const labels = (count: number): Uint8Array =>
    idx(
      [count],
      Array.from({ length: count }, () => 0),
    );

  function folderWith(files: Record<string, Uint8Array>): string {
    const folder = newFolder();
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(folder, name), content);
    }
    return folder;
  }

  it.each<[string, () => string, RegExp]>([
    [
      'a missing file',
      () => '/no/such/data',
      /^prune-limit: \/no\/such\/data: no such file or directory; check the path given to --data/,
    ],
    ['an empty file', () => writeFileIn('data.csv', ''), /data\.csv: is empty/],
    ['an empty folder', () => newFolder(), /no data that is understood \(holds no files\)/],
    [
      'a csv file without rows',
      () => writeFileIn('data.csv', 'a,b,c,y\n'),
      /data\.csv: .*no .*(rows|examples)/i,
    ],
    ['inputs of another width', () => writeVectors(7, 2), /7.*3|3.*7/],
    [
      'more classes than outputs',
      () => writeVectors(3, 5),
      /example 2 has label 2, but the model tells 2 classes apart/,
    ],
    [
      'a word where a number is due',
      () => writeFileIn('data.csv', 'a,b,c,y\n1,2,x,0\n1,2,3,1\n'),
      /data\.csv.*"x"/,
    ],
    [
      'an archive without labels',
      () => writeFileIn('data.npz', npz({ x_train: npy('<f4', [1, 3], Float32Array.of(1, 2, 3)) })),
      /data\.npz: holds no y_train/,
    ],
    [
      'a gzip file cut short',
      () => {
        const images = gzipSync(idx([300, 1, 3], new Uint8Array(900)));
        return folderWith({
          'train-images-idx3-ubyte.gz': images.subarray(0, images.length - 12),
          'train-labels-idx1-ubyte.gz': gzipSync(labels(300)),
        });
      },
      /train-images-idx3-ubyte\.gz/,
    ],
    [
      'a gzip file with a changed byte',
      () => {
        const bytes = gzipSync(
          idx(
            [300, 1, 3],
            Uint8Array.from({ length: 900 }, (_, i) => (i * i) % 251),
          ),
        );
        bytes[bytes.length >> 1] ^= 0xff;
        return folderWith({
          'train-images-idx3-ubyte.gz': bytes,
          'train-labels-idx1-ubyte': labels(300),
        });
      },
      /train-images-idx3-ubyte\.gz/,
    ],
    [
      'an IDX file cut short',
      () =>
        folderWith({
          'train-images-idx3-ubyte': idx([300, 1, 3], new Uint8Array(900)).subarray(0, 500),
          'train-labels-idx1-ubyte': labels(300),
        }),
      /train-images-idx3-ubyte/,
    ],
    [
      'no training split',
      () =>
        folderWith({
          't10k-images-idx3-ubyte': idx([300, 1, 3], new Uint8Array(900)),
          't10k-labels-idx1-ubyte': labels(300),
        }),
      /no training examples found/,
    ],
    [
      'too few examples for the default tolerance',
      () => writeVectors(3, 2, 255),
      /--epsilon batch-std needs at least 256/,
    ],
  ])('%s', async (_title, dataPath, words) => {
    await expectAnalysisRefused(model, dataPath(), words);
  });

  it('none at all', async () => {
    await expectRefusal(['analyze', model, ...quick], /model\.json: no data .*--data PATH/);
    await expectRefusal(
      ['prune', model, '--at-limit', ...quick, '-o', join(newFolder(), 'out')],
      /model\.json: no data .*--data PATH/,
    );
  });

  it('labels -1 and 1 for a sigmoid', async () => {
    const signs = writeCsv(([a]) => (a > 0 ? '1' : '-1'));
    await expectAnalysisRefused(writeMlp([3, 2, 1], 'sigmoid'), signs, /target -1, but binary-cross-entropy/);
  });

  it('numbers for a softmax of several outputs', async () => {
    const numbers = writeCsv(([a]) => a.toFixed(2));
    await expectAnalysisRefused(model, numbers, /label/);
  });

  it('a normalisation that does not fit', () =>
    expectAnalysisRefused(model, data, /--normalize: 2 numbers as mean/, '--normalize', '1,2/3,4'));

  it('a normalisation that makes the loss overflow', () =>
    expectAnalysisRefused(model, data, /loss .*check --normalize/, '--normalize', '1e38/1e-30'));

  it('a label column that is not there', () =>
    expectAnalysisRefused(model, data, /--label-column|no column/, '--label-column', 'nope'));

  it('an option that means nothing for it', () =>
    expectAnalysisRefused(model, data, /--layout: means nothing for CSV/, '--layout', 'NCHW'));
});

describe('wrong usage', () => {
  it.each<[string[], RegExp]>([
    [['--steps', '1'], /--steps: "1" is not a whole number from 2 on; for example --steps 300/],
    [['--steps', 'many'], /--steps: "many"/],
    [['--probes', '0'], /--probes: "0"/],
    [['--examples', '-5'], /--examples: "-5"/],
    [['--examples', '2.5'], /--examples: "2\.5"/],
    [['--epsilon', '0'], /--epsilon: "0" is not above 0/],
    [['--epsilon', 'NaN'], /--epsilon: "NaN"/],
    [['--tolerance', '-1'], /--tolerance: "-1"/],
    [['--ratios', '0.5,1'], /--ratios: .*in \[0, 1\)/],
    [['--ratios', '50%'], /--ratios: /],
    [['--normalize', '0.5'], /--normalize: "0\.5" is not MEANS\/DEVIATIONS/],
    [['--normalize', '0/0'], /--normalize: /],
    [['--curvature', 'fisher'], /--curvature: "fisher" is not one of hessian, ggn/],
    [['--memory-limit', 'lots'], /--memory-limit: "lots" is not a size/],
    [['--seed', '-1'], /--seed: "-1"/],
    [['--backend', 'abacus'], /--backend: "abacus" is not one of auto, tensorflow/],
    [['--no-such-option'], /unknown option '--no-such-option'/],
    [['extra'], /too many arguments/],
  ])('analyze %j', async (options, words) => {
    await expectAnalysisRefused(model, data, words, ...options);
  });

  const require = createRequire(import.meta.url);
  const installed = (() => {
    try {
      require.resolve('@tensorflow/tfjs-node/package.json');
      return true;
    } catch {
      return false;
    }
  })();

  it.skipIf(installed)('--backend tensorflow where it is not installed', () =>
    expectAnalysisRefused(
      model,
      data,
      /--backend tensorflow: not installed; use --backend auto/,
      '--backend',
      'tensorflow',
    ),
  );

  it.each<[string[], RegExp]>([
    [[], /give either --ratio or --at-limit/],
    [['--ratio', '0.5', '--at-limit'], /give either --ratio or --at-limit/],
    [['--ratio', '1'], /--ratio: "1" is not in \[0, 1\)/],
    [['--ratio', '90'], /--ratio: "90" is not in \[0, 1\)/],
    [['--ratio', '-0.1'], /--ratio: "-0\.1"/],
    [['--at-limit', 'moon'], /--at-limit: "moon" is not one of slice, gaussian-width, /],
    [['--ratio', '0.5', '--report', 'r.json'], /--report goes with --at-limit/],
    [['--ratio', '0.5', '--include', 'nothing'], /no prunable weight/],
    [['--at-limit', '--report', 'r.json', '--exclude', 'out/*'], /leave out --include and --exclude/],
  ])('prune %j', async (options, words) => {
    const output = join(newFolder(), 'out');
    await expectRefusal(['prune', model, ...options, '-o', output, '--quiet'], words);
    expect(existsSync(output)).toBe(false);
  });

  it('prune without an output folder', () =>
    expectRefusal(['prune', model, '--ratio', '0.5'], /say where to write with -o PATH/));
});

describe('an output that cannot be written', () => {
  it.each<[string, () => string, RegExp]>([
    [
      'a missing parent',
      () => join(newFolder(), 'a', 'b'),
      /the folder .*\/a does not exist; create it first/,
    ],
    ['a file in its place', () => writeFileIn('out', 'mine'), /out is not a folder/],
    [
      'a file as its parent',
      () => join(writeFileIn('out', 'mine'), 'sub'),
      /out is not a folder|out does not exist/,
    ],
  ])('prune: %s', async (_title, output, words) => {
    await expectRefusal(['prune', model, '--ratio', '0.5', '-o', output(), '--quiet'], words);
  });

  it.each<[string, () => string, RegExp]>([
    ['a missing parent', () => join(newFolder(), 'a', 'r.json'), /--json .*the folder .*\/a does not exist/],
    ['a folder in its place', () => ensureFolder(newFolder(), 'r.json'), /--json .*is a folder/],
    ['the model itself', () => join(model, 'model.json'), /--json .*is a file of the model .*model\.json/],
    ['the data itself', () => data, /--json .*is a file of --data .*data\.csv/],
  ])('analyze: %s', async (_title, json, words) => {
    const before = [hashes(model), readFileSync(data, 'utf8')];
    await expectRefusal(['analyze', model, '--data', data, ...quick, '--json', json()], words);
    expect([hashes(model), readFileSync(data, 'utf8')]).toEqual(before);
  });

  // The superuser may write everywhere.
  it.skipIf(process.getuid?.() === 0)('a folder that is not writable', async () => {
    const folder = newFolder();
    chmodSync(folder, 0o500);
    const json = ['--json', join(folder, 'r.json')];
    await expectRefusal(['analyze', model, '--data', data, ...quick, ...json], /--json .*is not writable/);
    await expectRefusal(
      ['prune', model, '--ratio', '0.5', '-o', join(folder, 'out'), '--quiet'],
      /is not writable/,
    );
  });
});
