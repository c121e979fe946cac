import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TrainConfig, trainDefaults } from '../../src/config.js';
import { type Progress, silentProgress } from '../../src/progress.js';
import { randomStream } from '../../src/random.js';
import { train } from '../../src/train.js';
import { png } from '../dataset/images/pictures.js';

const hasSharp = await import('sharp').then(
  () => true,
  () => false,
);
if (!hasSharp) {
  console.warn('training on streamed images is not tested: the optional package sharp is not installed');
}

const SIZE = 8;
let root: string;
let data: string;

/** Noise in colour, brighter for the second class. */
function picture(label: number, seed: number): Uint8Array {
  const random = randomStream(seed, 'picture');
  const samples = Array.from({ length: 3 * SIZE * SIZE }, () => 60 * label + random.integer(100));
  return png(SIZE, SIZE, 2, samples);
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'prune-limit-streamed-'));
  data = join(root, 'data');
  for (const [part, count] of [
    ['train', 60],
    ['test', 20],
  ] as const) {
    for (let index = 0; index < count; index++) {
      const folder = join(data, part, `class-${index % 2}`);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, `${index}.png`), picture(index % 2, index + 1000 * count));
    }
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** All images take 80 * 192 bytes; a batch in use six times 8 * 192, of a limit less an eighth. */
const SMALL = 12_000;

const config = (name: string, changes: Partial<TrainConfig> = {}): TrainConfig => ({
  ...trainDefaults,
  network: 'mlp',
  data,
  output: join(root, name),
  hidden: [8],
  epochs: 2,
  batchSize: 8,
  learningRate: 0.02,
  augment: { cropPadding: 1, flip: true },
  normalize: { mean: [0.4, 0.4, 0.4], std: [0.2, 0.2, 0.2] },
  backend: 'cpu',
  ...changes,
});

const noting = (notes: string[]): Progress => ({
  ...silentProgress,
  note: (message) => {
    notes.push(message);
  },
});

const bytesOf = (name: string): Buffer => readFileSync(join(root, name, 'weights.bin'));

describe.skipIf(!hasSharp)('training on images that are streamed', () => {
  it.each(['cpu', 'auto'] as const)('gives the bytes of training in memory: %s', async (backend) => {
    const notes: string[] = [];
    const whole = await train(config(`whole-${backend}`, { backend }), silentProgress);
    const streamed = await train(
      config(`streamed-${backend}`, { backend, memoryLimitBytes: SMALL }),
      noting(notes),
    );
    expect(notes.filter((note) => note.includes('streamed'))).toHaveLength(1);
    expect(bytesOf(`streamed-${backend}`).equals(bytesOf(`whole-${backend}`))).toBe(true);
    const { output: _, files: __, seconds: ___, ...figures } = whole;
    expect(streamed).toMatchObject(figures);
    expect(streamed.trainAccuracy).toBeGreaterThan(0.9);
  });

  it('keeps its state where an image disappears, and goes on from it, also in memory', async () => {
    const missing = join(data, 'train', 'class-1', '41.png');
    const content = readFileSync(missing);
    const resume = join(root, 'state');
    const notes: string[] = [];
    // An epoch has 8 steps; at the end of the first nothing of the second is read yet.
    const progress: Progress = {
      ...noting(notes),
      stage: (name) => ({
        update: (done) => {
          if (name === 'training' && done === 8) {
            rmSync(missing);
          }
        },
        end: () => {},
      }),
    };
    const options = { resume, memoryLimitBytes: SMALL };
    await expect(train(config('stopped', options), progress)).rejects.toMatchObject({
      code: 'dataset/missing',
      message: expect.stringContaining('41.png'),
    });
    expect(notes.at(-1)).toMatch(/^([89]|1[0-5]) steps are kept in /);
    writeFileSync(missing, content);
    // A run in memory finds the same data, and one that is streamed, too.
    await expect(train(config('stopped', { resume, seed: 1 }), silentProgress)).rejects.toMatchObject({
      code: 'training/resume',
    });
    let first = -1;
    const counting: Progress = {
      ...silentProgress,
      stage: (name) => ({
        update: (done) => {
          first = name === 'training' && first < 0 ? done : first;
        },
        end: () => {},
      }),
    };
    await train(config('stopped', { resume }), counting);
    expect(first).toBeGreaterThan(8);
    await train(config('never-stopped', { memoryLimitBytes: SMALL }), silentProgress);
    expect(bytesOf('stopped').equals(bytesOf('never-stopped'))).toBe(true);
  });

  it('is refused where not even one batch fits', async () => {
    await expect(train(config('small', { memoryLimitBytes: 9000 }), silentProgress)).rejects.toMatchObject({
      code: 'usage/memory-limit',
      message: expect.stringMatching(
        /--memory-limit 9K: too little for a batch of 8 examples.*--memory-limit 11K/,
      ),
    });
  });
});
