import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import type { Report } from '../../src/report/schema.js';
import type { TunedReport } from '../../src/report/tuned-schema.js';
import {
  analyzed,
  newFolder,
  quick,
  runReal,
  trainOnImages,
  withoutTiming,
  writeCsv,
  writeImages,
  writeMlp,
} from './support.js';

let images: string;
let trained: string;

beforeAll(async () => {
  await prepareBackend('wasm');
  images = writeImages();
  trained = await trainOnImages(images, '--normalize', '0.3/0.2');
});

type Try = TunedReport['tries'][number];

/** A limit is what its tries say, by a rule. */
function expectLimit(
  limit: TunedReport['loss'],
  tries: Try[],
  passes: (each: Try) => boolean,
  atOnce: number,
) {
  const { pruned, low, high, capped } = limit;
  expect([low <= pruned, pruned <= high, atOnce <= low]).toEqual([true, true, true]);
  const both = (at: number, wanted: boolean) =>
    [0, 1].every((seed) => {
      const there = tries.filter((each) => each.pruned === at && each.seed === seed);
      return there.length > 0 && there.some(passes) === wanted;
    });
  expect(low === atOnce || both(low, true)).toBe(true);
  expect(pruned === atOnce || tries.some((each) => each.pruned === pruned && passes(each))).toBe(true);
  expect(capped).toBe(!tries.some((each) => each.pruned > pruned));
  expect(tries.some((each) => each.pruned === high) ? capped || both(high, false) : true).toBe(true);
}

function withoutSeconds({ tuned, ...report }: Report) {
  return { ...withoutTiming(report as Report), tuned: { ...tuned, seconds: 0 } };
}

describe('analyze --tune', () => {
  it('finds limits beyond those of pruning at once, which its tries bear out, the same again', async () => {
    const options = [
      trained,
      '--data',
      images,
      '--normalize',
      '0.3/0.2',
      ...quick,
      '--tune',
      '1',
      '--epsilon',
      '0.03',
      '--examples',
      '256',
    ];
    const page = join(newFolder(), 'report.html');
    const report = await analyzed(...options, '--html', page);
    const { tuned, actual, epsilon, accuracy, comparison } = report;
    expect(tuned).toMatchObject({ epochs: 1, examples: 512, seed: 0 });
    const { loss, tries } = tuned!;
    expect(loss.pruned).toBeGreaterThan(actual.loss.pruned);
    expectLimit(loss, tries, (each) => each.lossIncrease! <= epsilon.value, actual.loss.pruned);
    const least = accuracy!.test! - actual.accuracy!.tolerance - 1e-9;
    expectLimit(tuned!.accuracy!, tries, (each) => each.accuracy! >= least, actual.accuracy!.pruned);
    for (const { start, epochs } of tries) {
      const behind = tries.find(
        (each) => each.pruned === start && each.seed === 0 && each.epochs === epochs - 1,
      );
      expect(start === 0 ? epochs === 1 : behind !== undefined).toBe(true);
    }
    expect(comparison.filter(({ actual: found }) => found.startsWith('tuned'))).toHaveLength(4);
    expect(readFileSync(page, 'utf8')).toContain('tuned loss');
    const again = await analyzed(...options);
    expect(withoutSeconds(again)).toEqual(withoutSeconds(report));
  });

  it('trains nothing without the option, and offers it', async () => {
    const options = [trained, '--data', images, '--normalize', '0.3/0.2', ...quick, '--epsilon', '0.03'];
    expect((await analyzed(...options)).tuned).toBeUndefined();
    expect((await runReal('analyze', ...options)).stdout).toContain('--tune 1 measures how far retraining');
  });

  it('refuses losses that training does not take, before the work', async () => {
    const csv = writeCsv(([a]) => a.toFixed(3));
    const regression = await runReal(
      ...[
        'analyze',
        writeMlp([3, 4, 1], 'linear'),
        '--data',
        csv,
        '--loss',
        'mse',
        '--backend',
        'wasm',
        '--tune',
        '1',
      ],
    );
    expect(regression.exitCode).toBe(2);
    expect(regression.stderr).toContain(
      '--tune trains, and training takes classifiers with cross-entropy, not mse; leave it out',
    );
    expect(regression.stderr).not.toMatch(/checking derivatives|Lanczos|\n {4}at /);
  });
});
