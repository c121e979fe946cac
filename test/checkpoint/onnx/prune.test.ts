/** `prune` of ONNX models from file to file; which weights are prunable is the network's affair, faked here. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { Checkpoint } from '../../../src/checkpoint/checkpoint.js';
import { readCheckpoint } from '../../../src/checkpoint/registry.js';
import { silentProgress } from '../../../src/progress.js';
import { prune } from '../../../src/prune.js';
import { encodeModel, type ModelSpec, markedModel } from '../../support/onnx-files.js';
import { directoryOf, expectInputError } from '../fixtures.js';

/** A network in which the weight `w` is prunable. */
vi.mock('../../../src/network/create-network.js', () => ({
  createNetwork: async ({ weights }: Checkpoint) => {
    const { name, shape, values } = weights.find((weight) => weight.name === 'w')!;
    const prunable = [{ name, checkpointName: name, shape, offset: 0, size: values.length }];
    return { prunable, dimension: values.length, weights: values, dispose: () => {} };
  },
}));

/** Of different magnitudes. */
const values = Float32Array.from({ length: 100 }, (_, i) => (i - 49.3) / 10);

const model = (metadata: Record<string, string>): ModelSpec => ({
  initializers: [
    { name: 'w', shape: [10, 10], values },
    { name: 'bias', shape: [2], values: [0.001, 0.002] },
  ],
  metadata,
});

function configOf(path: string, output: string, sparse = false) {
  const amount = { ratio: 0.9, atLimit: null, report: null, include: [], exclude: [], analyze: null };
  return { model: path, output, sparse, ...amount };
}

it('prunes the prunable weights and leaves all else, with a relative path to the data put right', async () => {
  const spec = model({ first: 'x', pruneLimit: '{"data": "../data", "seed": 1}', last: 'y' });
  const folder = directoryOf({ 'in/net.onnx': encodeModel(spec) });
  mkdirSync(join(folder, 'out/deep'), { recursive: true });
  const checkpoint = await readCheckpoint(join(folder, 'in/net.onnx'));
  const output = join(folder, 'out/deep/pruned.onnx');
  const summary = await prune(configOf(checkpoint.path, output), silentProgress, checkpoint);
  expect(summary).toMatchObject({ output, files: [output], prunedWeights: 90 });
  const kept = values.map((value) => (Math.abs(value) > summary.threshold ? value : 0));
  expect(kept.filter((value) => value !== 0)).toHaveLength(10);
  const expected = model({ first: 'x', pruneLimit: '{"data":"../../data","seed":1}', last: 'y' });
  const initializers = [{ name: 'w', shape: [10, 10], values: kept }, expected.initializers![1]!];
  expect(readFileSync(output)).toEqual(markedModel({ ...expected, initializers }));
});

it.each([
  ['no data', '{ "seed": 1 }'],
  ['an absolute path', '{ "data": "/data" }'],
])('leaves metadata with %s as it is', async (_name, pruneLimit) => {
  const spec = model({ pruneLimit });
  const folder = directoryOf({ 'net.onnx': encodeModel(spec) });
  const checkpoint = await readCheckpoint(folder);
  const output = join(folder, 'pruned.onnx');
  await prune({ ...configOf(checkpoint.path, output), ratio: 0 }, silentProgress, checkpoint);
  expect(readFileSync(output)).toEqual(markedModel(spec));
});

it('refuses an output over the data of the input before anything is computed', async () => {
  const externalData = [{ key: 'location', value: 'w.bin' }];
  const initializers = [{ name: 'w', shape: [100], fields: { dataLocation: 1, externalData } }];
  const folder = directoryOf({ 'net.onnx': encodeModel({ initializers }), 'w.bin': values });
  const checkpoint = await readCheckpoint(folder);
  const config = { ...configOf(checkpoint.path, join(folder, 'pruned.onnx')), atLimit: 'slice' as const };
  const report = join(folder, 'missing.json');
  const code = 'checkpoint/overwrites-input';
  await expectInputError(prune({ ...config, report }, silentProgress, checkpoint), code, 'another folder');
});

it('says what sparse storage brings', async () => {
  const folder = directoryOf({ 'net.onnx': encodeModel(model({})) });
  const checkpoint = await readCheckpoint(folder);
  const output = join(folder, 'sparse.onnx');
  const { sizes } = await prune(configOf(checkpoint.path, output, true), silentProgress, checkpoint);
  const [before, after] = [sizes!.before.bytes, sizes!.after.bytes];
  expect([before.file, after.file]).toEqual([statSync(checkpoint.path).size, statSync(output).size]);
  expect(after.file).toBeLessThan(before.file - 100);
  // 90 of 100 weights are 0, and 2 of a bias are not: 12 values of 4 bytes, each with a position of 8; a bit for each takes 13 bytes and 1.
  expect(after).toMatchObject({ dense: 408, positions: 144, bitmask: 13 + 1 + 48 });
  expect(sizes!.after.kernels).toEqual({ weights: 100, zeros: 90, sparsity: 0.9 });
});

it('replaces its own output, others only when forced', async () => {
  const spec = model({});
  const folder = directoryOf({ 'in/net.onnx': encodeModel(spec), 'out.onnx': encodeModel(spec) });
  const checkpoint = await readCheckpoint(join(folder, 'in/net.onnx'));
  const output = join(folder, 'out.onnx');
  const run = (config: object): Promise<unknown> =>
    prune({ ...configOf(checkpoint.path, output), ...config }, silentProgress, checkpoint);
  await expectInputError(run({}), 'output/exists', '--force');
  expect(readFileSync(output)).toEqual(Buffer.from(encodeModel(spec)));
  await run({ force: true, ratio: 0 });
  expect(readFileSync(output)).toEqual(markedModel(spec));
  await run({ ratio: 0.5 });
  const own = readFileSync(output);
  expect(own).not.toEqual(markedModel(spec));
  // Changed since by one bit, or by something behind it.
  for (const changed of [
    own.map((byte, i) => (i === 80 ? byte ^ 1 : byte)),
    Buffer.concat([own, own.subarray(0, 2)]),
  ]) {
    writeFileSync(output, changed);
    await expectInputError(run({}), 'output/exists', 'was changed since');
  }
});
