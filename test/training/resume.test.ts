import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { onnxExecutor } from '../../src/compute/compile/onnx-executor.js';
import { loadOnnxRuntime } from '../../src/compute/onnx-runtime.js';
import { tfjsExecutor } from '../../src/compute/tfjs-executor.js';
import { type Progress, silentProgress } from '../../src/progress.js';
import { type TrainingOptions, trainCheckpoint } from '../../src/training/training-run.js';
import { createZooCheckpoint } from '../../src/training/zoo/registry.js';
import { endingAfter, separableData, trainingOptions } from './problems.js';

const runtime = await loadOnnxRuntime();
let root: string;

beforeAll(async () => {
  await prepareBackend('wasm');
  root = await mkdtemp(join(tmpdir(), 'prune-limit-resume-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const bytesOf = ({ weights }: LayersCheckpoint): string[] =>
  weights.map(({ values }) => Buffer.from(values.buffer).toString('base64'));

describe.each(['tfjs', 'onnx'] as const)('a run by %s that was stopped', (engine) => {
  const skip = engine === 'onnx' && typeof runtime === 'string';
  const executor =
    engine === 'onnx' && typeof runtime !== 'string'
      ? onnxExecutor({ runtime: runtime.runtime, threads: 1 })
      : tfjsExecutor;
  const start = (seed = 0) =>
    createZooCheckpoint('mlp', { exampleShape: [2], layout: 'flat', classes: 3, hidden: [8], seed })
      .checkpoint;
  const run = (
    stateFolder: string | null,
    progress: Progress = silentProgress,
    changes: Partial<TrainingOptions> = {},
  ) =>
    trainCheckpoint(
      start(),
      separableData(),
      // 23 steps an epoch, of which a compiled run takes 16 at once.
      { ...trainingOptions, epochs: 4, batchSize: 4, l1: 1e-3, ...changes },
      progress,
      { executor, stateFolder, saveMilliseconds: 0, onEpoch: async () => {} },
    );

  it.each([
    ['sgd', 17],
    ['sgd', 24],
    ['adam', 62],
  ] as const)('goes on to the same bytes: %s, killed in step %i', { skip }, async (optimizer, steps) => {
    const changes = { optimizer, learningRate: 0.02 };
    const folder = join(root, `${engine}-${optimizer}-${steps}`);
    const whole = bytesOf(await run(null, silentProgress, changes));
    await expect(run(folder, endingAfter(steps), changes)).rejects.toThrow('killed');
    expect(await readdir(folder)).toEqual(['training-state.safetensors']);
    expect(bytesOf(await run(folder, silentProgress, changes))).toEqual(whole);
  });

  it('of a file that does not say how far it is, is refused', { skip }, async () => {
    const folder = join(root, `${engine}-damaged`);
    await expect(run(folder, endingAfter(17))).rejects.toThrow('killed');
    const path = join(folder, 'training-state.safetensors');
    // Of the same length: the name of a field, within a string of JSON.
    const damaged = (await readFile(path)).toString('latin1').replace('lossSum', 'lossSun');
    await writeFile(path, damaged, 'latin1');
    await expect(run(folder, silentProgress)).rejects.toMatchObject({
      code: 'training/resume',
      message: expect.stringContaining('does not say how far the run is'),
    });
  });

  it('is not taken up by a run with other options', { skip }, async () => {
    const folder = join(root, `${engine}-other`);
    await expect(run(folder, endingAfter(17))).rejects.toThrow('killed');
    await expect(run(folder, silentProgress, { seed: 1 })).rejects.toMatchObject({ code: 'training/resume' });
  });
});
