import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { LayersCheckpoint } from '../../../src/checkpoint/checkpoint.js';
import { ownLayersFiles } from '../../../src/checkpoint/layers/own-output.js';
import {
  checkLayersFolder,
  checkOutput,
  checkpointFiles,
  readCheckpoint,
  writeCheckpoint,
} from '../../../src/checkpoint/registry.js';
import { directoryOf, expectInputError } from '../fixtures.js';

const checkpoint: LayersCheckpoint = {
  format: 'tfjs-layers',
  path: '',
  sha256: '',
  topology: { class_name: 'Sequential', config: {} },
  weights: ['a', 'b'].map((name) => ({
    name,
    shape: [2],
    dtype: 'float32',
    values: Float32Array.of(1, 2),
    storage: null,
  })),
  metadata: {},
  manifestGroups: [1, 1],
  extra: {},
};

it('knows what it wrote by a mark over the weights', async () => {
  const folder = directoryOf({});
  const written = await writeCheckpoint(checkpoint, folder, { mark: true });
  expect((await ownLayersFiles(folder)).sort()).toEqual([...written].sort());
  const shards = written.slice(0, 2).map((path) => readFileSync(path));
  const { writtenBy } = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));
  expect(writtenBy).toEqual({
    name: 'prune-limit',
    weightsSha256: createHash('sha256').update(Buffer.concat(shards)).digest('hex'),
  });
  await checkOutput(checkpoint, folder);

  // A model that is read has no part of the mark, so that whoever writes it decides anew.
  const again = await readCheckpoint(folder);
  expect(again).toMatchObject({ extra: {}, metadata: {} });
  expect(await checkpointFiles(again, '/out')).toEqual({
    read: [join(folder, 'model.json'), ...written.slice(0, 2)],
    written: ['/out/group1-shard1of1.bin', '/out/group2-shard1of1.bin', '/out/model.json'],
  });

  writeFileSync(written[1]!, new Uint8Array(8));
  await expectInputError(checkOutput(checkpoint, folder), 'output/exists', '--force');
  await checkOutput(checkpoint, folder, { force: true });
});

it.each([
  ['a model.json without a mark', { 'model.json': '{"modelTopology": {}, "weightsManifest": []}' }],
  ['a model.json that is none', { 'model.json': '[' }],
  ['weights alone', { 'weights.bin': 'mine' }],
])('%s is not its own', async (_, files) => {
  const folder = directoryOf(files);
  expect(await ownLayersFiles(folder)).toEqual([]);
  await expectInputError(checkLayersFolder(folder), 'output/exists', Object.keys(files)[0]!);
});

it('other files are not in the way', async () => {
  await checkLayersFolder(directoryOf({ 'notes.txt': 'mine' }));
  await checkLayersFolder(join(directoryOf({}), 'new'));
});
