import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { readCheckpoint } from '../../src/checkpoint/registry.js';
import type { Report } from '../../src/report/schema.js';
import { safetensors } from '../checkpoint/weights/weight-files.js';
import { npy, npz } from '../dataset/support.js';
import {
  analyzed,
  hashes,
  newFolder,
  quick,
  runReal,
  withoutTiming,
  writeFileIn,
  writeImages,
  writeMlp,
} from './support.js';

const model = writeMlp([36, 8, 8, 3], 'softmax');
const small = [...quick, '--examples', '64', '--test-examples', '64', '--ratios', '0.5,0.9', '--steps', '4'];
const data = ['--data', writeImages()];

let checkpoint: Checkpoint;
let own: Report;

beforeAll(async () => {
  checkpoint = await readCheckpoint(model);
  own = await analyzed(model, ...small, ...data);
}, 60_000);

const names = ['fc1', 'fc2', 'fc3'];

/** The model's weights as other programs would save them. */
const files: Record<string, () => string> = {
  'safetensors under the names of the model': () =>
    writeFileIn(
      'w.safetensors',
      safetensors(
        checkpoint.weights.map(({ name, shape, values }) => ({ name, shape, dtype: 'F32', data: values })),
      ),
    ),
  'safetensors of a torch state_dict': () =>
    writeFileIn(
      'w.safetensors',
      safetensors(
        checkpoint.weights.map(({ name, shape, values }) => {
          const layer = names[Number(/dense_(\d)/.exec(name)![1])];
          if (shape.length === 1) return { name: `${layer}.bias`, shape, dtype: 'F32', data: values };
          const [inputs, outputs] = shape as [number, number];
          const data = Float64Array.from(
            values,
            (_, i) => values[(i % inputs) * outputs + Math.floor(i / inputs)]!,
          );
          return { name: `${layer}.weight`, shape: [outputs, inputs], dtype: 'F64', data };
        }),
      ),
    ),
  'npz under the names of the model': () =>
    writeFileIn(
      'w.npz',
      npz(
        Object.fromEntries(
          checkpoint.weights.map(({ name, shape, values }) => [
            name,
            npy('<f4', shape, values as Float32Array),
          ]),
        ),
      ),
    ),
  'npz of get_weights()': () =>
    writeFileIn(
      'w.npz',
      npz(
        Object.fromEntries(
          checkpoint.weights.map(({ shape, values }, i) => [
            `arr_${i}`,
            npy('<f4', shape, values as Float32Array),
          ]),
        ),
      ),
    ),
};

/** The folder of a copy of the model's model.json, without its shards. */
function bareModel(): string {
  const folder = newFolder();
  copyFileSync(join(model, 'model.json'), join(folder, 'model.json'));
  return folder;
}

/** What a report says of the network and its numbers, but for where the weights came from. */
function numbers(report: Report) {
  const { model: of, ...rest } = withoutTiming(report);
  const { sha256: _, weights: __, path: ___, ...counts } = of;
  return { ...rest, model: counts };
}

describe('analyze --weights', () => {
  it.each(Object.keys(files))("of the model's own weights as %s gives its numbers", async (kind) => {
    const weights = files[kind]!();
    const report = await analyzed(bareModel(), '--weights', weights, ...small, ...data);
    expect(numbers(report)).toEqual(numbers(own));
    expect(report.model.weights).toBe(weights);
    expect(report.model.sha256).not.toBe(own.model.sha256);
  });

  it('says what it made of the names', async () => {
    const weights = files['safetensors of a torch state_dict']!();
    const loud = small.filter((arg) => arg !== '--quiet');
    const { stderr, exitCode } = await runReal('analyze', model, '--weights', weights, ...loud, ...data);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(
      /^note: .*w\.safetensors: none of its names is one of the model's; layers were matched/m,
    );
  });

  it('never writes over the weights', async () => {
    const weights = files['npz of get_weights()']!();
    const { stderr, exitCode } = await runReal(
      'analyze',
      model,
      '--weights',
      weights,
      ...small,
      ...data,
      '--json',
      weights,
    );
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('is a file of --weights')]);
  });

  it('is one line and exit code 2 where the file does not fit', async () => {
    const weights = writeFileIn('w.npz', npz({ other: npy('<f4', [1], Float32Array.of(1)) }));
    const { stderr, stdout, exitCode } = await runReal(
      'analyze',
      model,
      '--weights',
      weights,
      ...small,
      ...data,
    );
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      /^[^\n]*w\.npz does not fit [^\n]*no array for 6 of 6 weights \("dense_0\/kernel"[^\n]*\n$/,
    );
  });

  it('is no key of a configuration file', async () => {
    const folder = bareModel();
    writeFileSync(join(folder, 'prune-limit.json'), '{"weights": "w.npz"}');
    const weights = files['npz of get_weights()']!();
    const { stderr, exitCode } = await runReal('analyze', folder, '--weights', weights, ...small, ...data);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('unknown key "weights"')]);
  });
});

describe('prune --weights', () => {
  it('writes the network with the pruned weights of the file, and takes a report of the two', async () => {
    const folder = bareModel();
    const weights = files['safetensors under the names of the model']!();
    const report = writeFileIn('report.json', '');
    const { exitCode } = await runReal(
      'analyze',
      folder,
      '--weights',
      weights,
      ...small,
      ...data,
      '--json',
      report,
    );
    expect(exitCode).toBe(0);
    const [output, reference] = [join(newFolder(), 'out'), join(newFolder(), 'reference')];
    const pruning = ['--at-limit', 'slice', '--quiet'];
    const { exitCode: code, stderr } = await runReal(
      'prune',
      folder,
      '--weights',
      weights,
      ...pruning,
      '--report',
      report,
      '-o',
      output,
    );
    expect([code, stderr]).toEqual([0, '']);
    const { limits } = own;
    await runReal('prune', model, '--ratio', String(limits.slice.pruned), '--quiet', '-o', reference);
    const values = (read: Checkpoint) => read.weights.map((weight) => [weight.name, [...weight.values]]);
    expect(values(await readCheckpoint(output))).toEqual(values(await readCheckpoint(reference)));
    expect(existsSync(join(folder, 'weights.bin'))).toBe(false);

    const other = await runReal(
      'prune',
      model,
      ...pruning,
      '--report',
      report,
      '-o',
      join(newFolder(), 'out'),
    );
    expect([other.exitCode, other.stderr]).toEqual([2, expect.stringContaining('is of another checkpoint')]);
  });

  it('does not write where the weights lie', async () => {
    const weights = files['npz of get_weights()']!();
    const folder = join(weights, '..');
    const before = hashes(folder);
    const { exitCode, stderr } = await runReal(
      'prune',
      bareModel(),
      '--weights',
      weights,
      '--ratio',
      '0.5',
      '-o',
      folder,
    );
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('holds the model that is read')]);
    expect(hashes(folder)).toEqual(before);
  });
});
