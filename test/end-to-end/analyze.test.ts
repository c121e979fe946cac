import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { memory } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { lazyWork, type Work } from '../../src/cli/host.js';
import { parseReport } from '../../src/report/parse-report.js';
import { runFake } from '../cli/fake-host.js';
import {
  analyzed,
  hashes,
  newFolder,
  quick,
  runReal,
  trainOnImages,
  withoutTiming,
  writeImages,
  writeMlp,
} from './support.js';

let images: string;
let model: string;

beforeAll(async () => {
  images = writeImages();
  model = await trainOnImages(images, '--normalize', '0.3/0.2');
});

describe('what analyze says', () => {
  it('a table on stdout, progress on stderr', async () => {
    const { exitCode, stdout, stderr } = await runReal(
      'analyze',
      model,
      ...quick.filter((arg) => arg !== '--quiet'),
    );
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Verdict\n {2}Prune \d+\.\d % at once/m);
    expect(stdout).not.toMatch(/\.\.\.$|done in|note:/m);
    expect(stderr).toMatch(/^note: data: .* \(from .*userDefinedMetadata\.pruneLimit\)$/m);
    // What takes less than a second is not worth a line.
    expect(stderr).toMatch(/^(note: .*\n|\d+ of 12: .*: done in \d+ s\n)+$/);
  });

  it('the layers, whose increases within the whole sum to that of the whole', async () => {
    const { layers, spectrum, limits, model: read } = await analyzed(model, ...quick, '--layers');
    expect(layers!.weights.reduce((sum, { size }) => sum + size, 0)).toBe(read.prunable);
    expect(layers!.products).toBe(layers!.weights.length);
    const { pruned, predictedIncrease } = layers!.sensitivity!;
    expect(pruned).toBe(limits.slice.pruned);
    const sum = layers!.weights.reduce((total, weight) => total + weight.sensitivity!.increaseWithinWhole, 0);
    expect(sum / predictedIncrease).toBeCloseTo(1, 4);
    const kept = layers!.weights.reduce((total, weight) => total + weight.size * weight.kept.slice, 0);
    expect(kept / read.prunable).toBeCloseTo(1 - limits.slice.pruned, 2);
    // Few products are taken unasked.
    const unasked = await analyzed(model, ...quick);
    expect(unasked.layers!.sensitivity !== null).toBe(layers!.products <= spectrum.products / 4);
    const fewer = await analyzed(model, ...quick, '--steps', '2');
    expect(fewer.layers).toMatchObject({ products: 0, sensitivity: null });
  });

  it('nothing on stderr with --quiet', async () => {
    const { stderr } = await runReal('analyze', model, ...quick);
    expect(stderr).toBe('');
  });

  it('the same in files as on stdout, and nothing else is written', async () => {
    const folder = newFolder();
    const [json, markdown] = [join(folder, 'r.json'), join(folder, 'r.md')];
    const before = [hashes(model), hashes(images)];
    const both = ['--json', json, '--markdown', markdown];
    const asJson = await runReal('analyze', model, ...quick, ...both, '--format', 'json');
    expect(asJson.stdout).toBe(readFileSync(json, 'utf8'));
    expect(parseReport(asJson.stdout, 'stdout').model.path).toBe(join(model, 'model.json'));
    const asMarkdown = await runReal('analyze', model, ...quick, ...both, '--format', 'markdown');
    expect(asMarkdown.stdout).toBe(readFileSync(markdown, 'utf8'));
    expect(asMarkdown.stdout).toMatch(/^# /);
    expect(asMarkdown.stdout).toMatch(/^\|.*\|$/m);
    expect(Object.keys(hashes(folder))).toEqual(['r.json', 'r.md']);
    expect([hashes(model), hashes(images)]).toEqual(before);
  });

  it('the same seed, the same bytes but for the timing; another seed, others', async () => {
    const subset = [model, ...quick, '--examples', '200'];
    const first = withoutTiming(await analyzed(...subset, '--seed', '7'));
    expect(JSON.stringify(withoutTiming(await analyzed(...subset, '--seed', '7')))).toBe(
      JSON.stringify(first),
    );
    const other = withoutTiming(await analyzed(...subset, '--seed', '8'));
    expect(other.spectrum.ritz).not.toEqual(first.spectrum.ritz);
    expect(other.loss.value).not.toBe(first.loss.value);
    expect(other.epsilon).toEqual(first.epsilon); // eps is that of the whole training split
  });
});

describe('what a report holds', () => {
  it('the model, its data and its dense measures', async () => {
    const report = await analyzed(model, ...quick, '--examples', '300', '--test-examples', '50');
    expect(report.model).toMatchObject({
      format: 'tfjs-layers',
      parameters: 36 * 12 + 12 * 8 + 8 * 3 + 23,
      prunable: 552,
    });
    expect(report.data).toMatchObject({
      format: 'idx',
      train: { examples: 300, available: 512 },
      test: { examples: 50, available: 200 },
    });
    expect(report.engine.backend).toBe('wasm');
    expect(report.loss.name).toBe('cross-entropy');
    expect(report.accuracy!.test).toBeGreaterThan(0.8);
    expect(report.epsilon.value).toBe(report.loss.batchStd);
    expect(report.selfCheck.relativeError).toBeLessThan(report.selfCheck.tolerance);
  });

  it('numbers that agree with each other', async () => {
    const ratios = '0,0.25,0.5,0.75,0.9';
    const report = await analyzed(model, ...quick, '--examples', 'all', '--steps', '60', '--ratios', ratios);
    const { curve, curvature, limits, bounds, actual, epsilon, spectrum } = report;
    const asked = curve.filter(({ source }) => source === 'asked');
    expect(asked.map(({ pruned }) => pruned)).toEqual([0, 0.25, 0.5, 0.75, 0.9]);
    expect(curve[0]).toMatchObject({
      radius: 0,
      lossIncrease: 0,
      predictedLossIncrease: 0,
      accuracy: report.accuracy!.test,
      insideSublevelSet: true,
    });
    expect(curve[0].loss).toBeCloseTo(report.loss.value, 12);
    for (const row of curve) {
      expect(row.kept).toBeCloseTo(1 - row.pruned, 12);
      expect(row.insideSublevelSet).toBe(
        row.lossIncrease === null ? null : row.lossIncrease <= epsilon.value,
      );
    }
    expect(curvature.lambdaMax).toBeCloseTo(spectrum.leadingEigenvalues[0], 5);
    for (const { weights } of spectrum.ritz) {
      expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 9);
    }
    const inOrder = [limits.gaussianWidth, limits.sharp].every(
      ({ low, pruned, high }) => low <= pruned && pruned <= high,
    );
    expect(inOrder).toBe(true);
    // Half of the weights or more are pruned: the sharp condition is the weaker one.
    expect(limits.sharp.pruned).toBeGreaterThanOrEqual(limits.gaussianWidth.pruned - 0.02);
    expect(bounds.lowerKept).toBeCloseTo(1 - limits.gaussianWidth.pruned, 12);
    expect(bounds.upperKept).toBeCloseTo(1 - limits.slice.pruned, 12);
    expect(actual.strictAccuracy!.pruned).toBeLessThanOrEqual(actual.accuracy!.pruned);
    const { curve: theory, transition, settled } = report.theory;
    const at = (pruned: number) => theory.find((row) => row.pruned === pruned)!;
    expect(at(limits.gaussianWidth.pruned).squaredGaussianWidth).toBeCloseTo(limits.gaussianWidth.pruned, 6);
    expect(at(limits.sharp.pruned).statisticalDimension).toBeCloseTo(limits.sharp.pruned, 6);
    expect(transition.low).toBeLessThan(limits.sharp.low);
    expect(settled).toEqual(spectrum.settled);
    expect(spectrum.products).toBe(spectrum.probes * spectrum.steps);
    for (const { theoryPruned, actualPruned, differencePoints } of report.comparison) {
      expect(differencePoints).toBeCloseTo(100 * (theoryPruned - actualPruned), 9);
    }
  });

  it.each([
    ['--epsilon', '0.05', 'absolute'],
    ['--epsilon', '20%', 'percent'],
  ])('%s %s', async (option, value, rule) => {
    const { epsilon, loss } = await analyzed(model, ...quick, option, value);
    expect(epsilon).toEqual({
      rule,
      examples: null,
      value: rule === 'absolute' ? 0.05 : expect.closeTo(0.2 * loss.value, 12),
    });
  });

  it('--curvature ggn has no negative mass; --bound sharp moves the lower bound', async () => {
    const report = await analyzed(model, ...quick, '--curvature', 'ggn', '--bound', 'sharp');
    expect(report.curvature.kind).toBe('ggn');
    expect(report.curvature.negativeMass).toBeLessThan(1e-3);
    expect(report.bounds.source).toBe('sharp');
    expect(report.bounds.lowerKept).toBeCloseTo(1 - report.limits.sharp.pruned, 12);
  });

  it.each(['wasm', 'auto'])('--memory-limit below what works is refused: %s', async (backend) => {
    const { exitCode, stderr } = await runReal(
      ...['analyze', model, ...quick, '--examples', '20', '--epsilon', '0.05', '--test-examples', '20'],
      ...['--backend', backend, '--memory-limit', '1K'],
    );
    expect(stderr).toMatch(/--memory-limit 1K: too little .* give at least --memory-limit \d+K\n$/);
    expect(exitCode).toBe(2);
  });

  it('--memory-limit changes the batches, not the figures', async () => {
    const whole = await analyzed(model, ...quick);
    const cut = await analyzed(model, ...quick, '--memory-limit', '300K');
    expect(cut.curvature.lambdaMax).toBeCloseTo(whole.curvature.lambdaMax, 4);
    expect(cut.loss.value).toBeCloseTo(whole.loss.value, 6);
    expect(cut.limits.slice.pruned).toBeCloseTo(whole.limits.slice.pruned, 2);
  });
});

describe('tensors', () => {
  it('none is left behind by an analysis', async () => {
    await analyzed(model, ...quick); // what a backend makes once
    const before = memory().numTensors;
    await analyzed(model, ...quick, '--curvature', 'ggn');
    await analyzed(model, ...quick, '--memory-limit', '300K');
    expect(memory().numTensors).toBe(before);
  });

  it('none is left behind by a failing one', async () => {
    await analyzed(model, ...quick);
    const before = memory().numTensors;
    const failing = [
      ['--data', writeMlp([2, 2], 'softmax')],
      ['--normalize', '0/1e-38', '--epsilon', '1'],
      ['--exclude', '*', '--exclude', '*/*'],
      ['--epsilon', 'batch-std', '--data', images, '--loss', 'mse', '--label-column', 'y'],
    ];
    for (const options of failing) {
      expect((await runReal('analyze', model, ...quick, ...options)).exitCode, options.join(' ')).toBe(2);
    }
    expect(memory().numTensors).toBe(before);
  });
});

describe('measured limits', () => {
  it('do not depend on --ratios', async () => {
    const limitsOf = async (...options: string[]) => {
      const { actual, limits } = await analyzed(model, ...quick, ...options);
      return { actual, slice: limits.slice };
    };
    const byDefault = await limitsOf();
    expect(await limitsOf('--ratios', '0.5')).toEqual(byDefault);
    expect(await limitsOf('--ratios', '0.033,0.2875,0.6125,0.999')).toEqual(byDefault);
  });
});

describe('--epsilon-examples', () => {
  /** How many examples the trained network is evaluated on. */
  const evaluatedWith = async (...options: string[]): Promise<number | undefined> => {
    const totals = new Map<string, number>();
    const work: Work = {
      ...lazyWork,
      analyze: (config, progress, checkpoint) =>
        lazyWork.analyze(
          config,
          {
            ...progress,
            stage: (name, total) => {
              totals.set(name, total);
              return progress.stage(name, total);
            },
          },
          checkpoint,
        ),
    };
    const { exitCode, stderr } = await runFake(['analyze', model, ...quick, ...options], { work });
    expect(exitCode, stderr).toBe(0);
    return totals.get('evaluating the network');
  };

  it('is how many examples batch-std is computed from; more than there are, all', async () => {
    const few = ['--examples', '100'];
    const whole = await analyzed(model, ...quick, ...few);
    const half = await analyzed(model, ...quick, ...few, '--epsilon-examples', '300');
    const more = await analyzed(model, ...quick, ...few, '--epsilon-examples', '1000');
    expect(more.epsilon).toEqual(whole.epsilon);
    expect(half.epsilon.value).not.toBe(whole.epsilon.value);
    expect(Math.abs(half.epsilon.value / whole.epsilon.value - 1)).toBeLessThan(0.5);
    expect(half.loss.value).toBe(whole.loss.value);
    // The same subset as --examples of so many.
    const same = await analyzed(model, ...quick, '--examples', '300', '--epsilon-examples', '300');
    expect(Math.abs(same.epsilon.value / half.epsilon.value - 1)).toBeLessThan(1e-5);
    const tooFew = await runReal('analyze', model, ...quick, '--epsilon-examples', '255');
    expect(tooFew.exitCode).toBe(2);
    expect(tooFew.stderr).toContain('at least 256 training examples (--epsilon-examples)');
  });

  it('has a pass of its own only where its result is used and not known yet', async () => {
    const [all, test] = [512, 200];
    expect(await evaluatedWith('--examples', '200')).toBe(200 + all + test);
    expect(await evaluatedWith('--examples', 'all')).toBe(all + test);
    expect(await evaluatedWith('--examples', '300', '--epsilon-examples', '300')).toBe(300 + test);
    expect(await evaluatedWith('--examples', '200', '--epsilon', '0.05')).toBe(200 + test);
    const given = await analyzed(model, ...quick, '--epsilon', '0.05', '--epsilon-examples', '10');
    expect(given.loss.batchStd).toBeNull();
    expect(given.epsilon).toEqual({ rule: 'absolute', value: 0.05, examples: null });
  });
});
