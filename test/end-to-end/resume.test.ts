/**
 * Analyses that were stopped and go on from their state: the report is that of one that was not. RESUME_STOPS=20 in the
 * environment stops them at so many places, and tries retrainings, too, in some minutes.
 */
import { appendFileSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { analyze } from '../../src/analyze.js';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { readCheckpoint } from '../../src/checkpoint/registry.js';
import type { AnalyzeConfig } from '../../src/config.js';
import { type Progress, silentProgress } from '../../src/progress.js';
import { toJson } from '../../src/report/text.js';
import { configWith } from '../analysis/support.js';
import { hasNative } from '../compute/compile/support.js';
import { newFolder, quick, runReal, writeImages, writeMlp } from './support.js';

let data: string;
let checkpoint: Checkpoint;
let config: AnalyzeConfig;

beforeAll(async () => {
  data = writeImages();
  checkpoint = await readCheckpoint(writeMlp([36, 5, 3], 'softmax'));
  config = configWith({
    model: checkpoint.path,
    data,
    examples: 64,
    testExamples: 50,
    epsilonExamples: 300,
    backend: 'wasm',
    steps: 14,
    ratios: [0.3, 0.6],
    layers: 'always',
    patterns: ['2:4'],
    rowNorms: 3,
  });
});

/** A progress that throws after so many updates, as if the process was killed there, and what was noted. */
function stoppingAfter(most: number): Progress & { updates: () => number; notes: string[] } {
  let updates = 0;
  const notes: string[] = [];
  const update = (): void => {
    updates++;
    if (updates > most) {
      throw new Error('killed');
    }
  };
  return {
    ...silentProgress,
    stage: () => ({ update, end: () => {} }),
    note: (message) => notes.push(message),
    updates: () => updates,
    notes,
  };
}

const never = Number.POSITIVE_INFINITY;

async function bytes(
  changes: Partial<AnalyzeConfig>,
  file: string | null = null,
  progress: Progress = silentProgress,
): Promise<string> {
  const resume = file === null ? null : { file, keep: true, eager: true as const };
  const { timing: _, ...rest } = await analyze({ ...config, ...changes }, progress, checkpoint, resume);
  return toJson(rest);
}

const state = (): string => join(newFolder(), 'state');

describe.each([
  ['by wasm', { backend: 'wasm' }],
  ['by wasm, one probe, not orthogonalised', { backend: 'wasm', probes: 1, reorthogonalization: 'none' }],
  ['compiled', { backend: 'onnx' }],
] as const)('an analysis %s', (name, changes) => {
  const skip = name === 'compiled' && !hasNative;

  it('that was stopped anywhere goes on to the same report', { skip }, async () => {
    const counting = stoppingAfter(never);
    const whole = await bytes(changes, null, counting);
    const updates = counting.updates();
    expect(updates).toBeGreaterThan(60);
    const stops = Number(process.env.RESUME_STOPS ?? 1);
    for (let most = Math.ceil(updates / (2 * stops)); most < updates; most += Math.ceil(updates / stops)) {
      const file = state();
      await expect(bytes(changes, file, stoppingAfter(most))).rejects.toThrow('killed');
      expect(await bytes(changes, file)).toBe(whole);
    }
  });
});

it('retrainings and compensations that are done are not done again', {
  skip: !hasNative || !process.env.RESUME_STOPS,
}, async () => {
  const changes: Partial<AnalyzeConfig> = {
    backend: 'onnx',
    tuneEpochs: 0.1,
    layers: 'auto',
    rowNorms: 0,
    patterns: [],
  };
  const untimed = (text: string): string => text.replace(/"seconds": [\d.e-]+/g, '');
  const counting = stoppingAfter(never);
  const whole = untimed(await bytes(changes, null, counting));
  const file = state();
  await expect(bytes(changes, file, stoppingAfter(counting.updates() - 3))).rejects.toThrow('killed');
  const { size } = statSync(file);
  expect(untimed(await bytes(changes, file))).toBe(whole);
  // A network that was retrained takes a byte and four for each of its 195 weights, besides 8 biases.
  const networkBytes = 5 * (36 * 5 + 5 * 3) + 4 * 8;
  expect(size).toBeGreaterThan(10 * networkBytes);
  expect(statSync(file).size - size).toBeLessThan(6 * networkBytes);
});

it('stopped again and again, with half of what was written last torn off', async () => {
  const whole = await bytes({});
  const file = state();
  for (let most = 8; ; most += 40) {
    const progress = stoppingAfter(most);
    const ended = await bytes({}, file, progress).catch(() => null);
    if (ended !== null) {
      expect(ended).toBe(whole);
      break;
    }
    truncateSync(file, statSync(file).size - 20);
  }
});

it('a file that cannot be written any more is noted once, and loses nothing but itself', async () => {
  const file = state();
  const notes: string[] = [];
  let updates = 0;
  const update = (): void => {
    if (updates++ === 10) {
      appendFileSync(file, 'of another process');
    }
  };
  const progress: Progress = {
    ...silentProgress,
    stage: () => ({ update, end: () => {} }),
    note: (message) => notes.push(message),
  };
  expect(await bytes({}, file, progress)).toBe(await bytes({}));
  expect(notes).toEqual([
    `--resume: ${file} cannot be written: another process writes to it; the run goes on, and it is tried again from time to time`,
  ]);
});

it('what still holds is used with other options', async () => {
  const file = state();
  const progress = stoppingAfter(never);
  await bytes({}, file);
  for (const changes of [
    { epsilon: { rule: 'percent', value: 3 }, ratios: [0.25, 0.6], accuracyTolerancePoints: 2 },
    { steps: 20, tolerancePoints: 0.2, negative: 'clip', bound: 'sharp', epsilonExamples: 400 },
  ] as Partial<AnalyzeConfig>[]) {
    expect(await bytes(changes, file, progress)).toBe(await bytes(changes));
  }
  expect(progress.notes.filter((note) => /resumed at step/.test(note))).not.toEqual([]);
});

it('results of another product plan are not taken, which is said', { skip: !hasNative }, async () => {
  const file = state();
  const compiled: Partial<AnalyzeConfig> = { backend: 'onnx', layers: 'auto', rowNorms: 0, patterns: [] };
  await bytes({ ...compiled, productPlan: 'recomputed' }, file);
  const progress = stoppingAfter(never);
  const whole: Partial<AnalyzeConfig> = { ...compiled, productPlan: 'whole' };
  expect(await bytes(whole, file, progress)).toBe(await bytes(whole));
  expect(progress.notes.join()).toMatch(
    /--resume: products were computed otherwise before \(compiled, in batches of 64, split, none of 1 unfolded\) than with these options \(compiled, in batches of 64, whole\); they are computed anew/,
  );
  expect(progress.notes.join()).not.toMatch(/resumed at step/);
});

describe('a state of something else', () => {
  let file: string;
  let whole: Buffer;
  beforeAll(async () => {
    file = state();
    await bytes({}, file);
    whole = readFileSync(file);
  });

  it('other options', async () => {
    await expect(bytes({ examples: 65 }, file)).rejects.toThrow(
      /^--resume .*state: is of another run: --examples was 64 and is 65; run as then, name another file, or remove it to begin anew$/,
    );
    expect(readFileSync(file)).toEqual(whole);
  });

  it('another model, other data', async () => {
    const other = await readCheckpoint(writeMlp([36, 6, 3], 'softmax'));
    const resume = { file, keep: true };
    await expect(analyze({ ...config, model: other.path }, silentProgress, other, resume)).rejects.toThrow(
      /the SHA-256 of the model was [0-9a-f]{12}\.\. and is [0-9a-f]{12}\.\./,
    );
    const changed = writeImages();
    const labels = join(changed, 't10k-labels-idx1-ubyte');
    const content = readFileSync(labels);
    content[content.length - 1] ^= 1;
    writeFileSync(labels, content);
    await expect(bytes({ data: changed }, file)).rejects.toThrow(/the SHA-256 of the test data was/);
    // The same data elsewhere is the same data.
    expect(await bytes({ data: writeImages() }, file)).toMatch(/"schemaVersion"/);
  });
});

describe('on the command line', () => {
  const options = (file: string): string[] => [
    'analyze',
    checkpoint.path,
    ...['--data', data, '--examples', '64', '--format', 'json', ...quick, '--resume', file],
  ];

  it('the file is gone after success, or stays with --keep-state', async () => {
    const file = state();
    expect((await runReal(...options(file))).exitCode).toBe(0);
    expect(existsSync(file)).toBe(false);
    const { stdout } = await runReal(...options(file), '--keep-state');
    expect(statSync(file).size).toBeGreaterThan(1000);
    const again = await runReal(...options(file).filter((option) => option !== '--quiet'));
    expect(again.stderr).toMatch(
      /^note: --resume .*state: going on with what was computed in \d+ s before$/m,
    );
    expect(again.stderr).toMatch(/^note: Lanczos products: resumed at step 12$/m);
    expect(existsSync(file)).toBe(false);
    const withoutTiming = (json: string): unknown => ({ ...JSON.parse(json), timing: null });
    expect(withoutTiming(again.stdout)).toEqual(withoutTiming(stdout));
    // Seconds of the earlier run count.
    expect(JSON.parse(again.stdout).timing.spectrum).toBeGreaterThan(JSON.parse(stdout).timing.spectrum);
  });

  it('a file that is damaged or none is refused in a line, and left as it is', async () => {
    const file = state();
    await runReal(...options(file), '--keep-state');
    const content = readFileSync(file);
    content[content.length / 2] ^= 1;
    appendFileSync(file, '');
    for (const [bad, words] of [
      [content.subarray(0, 30), 'is damaged or cut short'],
      [Buffer.from('{"schemaVersion": 2}'), 'is no state of prune-limit'],
    ] as const) {
      writeFileSync(file, bad);
      const { exitCode, stdout, stderr } = await runReal(...options(file));
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(
        new RegExp(`^prune-limit: --resume .*${words}[^\\n]*name another file[^\\n]*\\n$`),
      );
      expect(JSON.parse(stdout).error.code).toBe('resume/state');
      expect(readFileSync(file)).toEqual(Buffer.from(bad));
    }
  });

  it.each([
    [['--keep-state'], /--keep-state: goes with --resume FILE/],
    [['--resume', '-'], /--resume -: /],
    [['--resume', '/nowhere/state'], /--resume \/nowhere\/state: the folder \/nowhere does not exist/],
  ])('%j', async (given, words) => {
    const { exitCode, stderr } = await runReal(
      'analyze',
      checkpoint.path,
      '--data',
      data,
      ...quick,
      ...given,
    );
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(words)]);
  });

  it('is neither the model nor the data', async () => {
    const { exitCode, stderr } = await runReal(...options(checkpoint.path));
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/is a file of the model/)]);
  });
});
