import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCheckpoint } from '../../src/checkpoint/registry.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { analyze } from '../../src/index.js';
import { randomStream } from '../../src/random.js';
import { createZooCheckpoint } from '../../src/training/zoo/registry.js';

let folder = '';

/** CIFAR-10's binary format: a label, and 3 planes of 32 x 32 bytes. */
function randomImages(count: number, seed: number): Uint8Array {
  const random = randomStream(seed, 'images');
  return Uint8Array.from({ length: count * 3073 }, (_, i) => random.integer(i % 3073 === 0 ? 10 : 256));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zoo-'));
  for (let file = 1; file <= 5; file++) {
    await writeFile(join(folder, `data_batch_${file}.bin`), randomImages(4, file));
  }
  await writeFile(join(folder, 'test_batch.bin'), randomImages(20, 6));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

// On random images: built again from the file, derivatives checked, limits found.
describe('analyze takes deep networks of the zoo', () => {
  it('resnet20, which pads, normalizes and adds', async () => {
    const name = 'resnet20';
    await prepareBackend('auto', null);
    const options = { layout: 'NHWC', classes: 10, hidden: [], width: 1 / 32, seed: 0 } as const;
    const { checkpoint } = createZooCheckpoint(name, { ...options, exampleShape: [32, 32, 3] });
    const model = join(folder, name);
    await writeCheckpoint(checkpoint, model, { mark: true });
    const report = await analyze({
      model,
      data: folder,
      examples: 8,
      epsilon: 0.1,
      steps: 4,
      probes: 2,
      ratios: [0.5],
    });
    expect(report.selfCheck.relativeError).toBeLessThan(report.selfCheck.tolerance);
  });
});
