import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { randomStream } from '../../src/random.js';
import { npy, npz } from '../dataset/support.js';
import {
  analyzed,
  dense,
  newFolder,
  quick,
  runReal,
  writeCsv,
  writeFileIn,
  writeMlp,
  writeModel,
} from './support.js';

beforeAll(() => prepareBackend('wasm'));

describe('regression', () => {
  const label = ([a, b, c]: number[]): string => (0.5 * a - b + 0.25 * c).toFixed(4);

  it('mean squared error on a csv file: no accuracy, a loss limit', async () => {
    const kernel = [0.5, -1, 0.25];
    const weights = [{ name: 'out/kernel', shape: [3, 1], values: kernel }];
    const layer = {
      class_name: 'Dense',
      config: { name: 'out', units: 1, use_bias: false, activation: 'linear', batch_input_shape: [null, 3] },
    };
    const report = await analyzed(
      writeModel([layer], weights),
      '--data',
      writeCsv(label),
      ...quick,
      '--loss',
      'mse',
      '--epsilon',
      '0.1',
      '--ratios',
      '0,0.4,0.7',
    );
    expect(report.loss.name).toBe('mse');
    expect(report.loss.value).toBeLessThan(1e-8);
    expect([report.accuracy, report.actual.accuracy, report.data.test]).toEqual([null, null, null]);
    // L = E (d'x)^2 with x close to standard normal: pruning w adds about w^2, and is exactly quadratic.
    const asked = report.curve.filter(({ source }) => source === 'asked');
    expect(asked.map(({ pruned }) => pruned)).toEqual([0, 0.4, 0.7]);
    expect(asked[1].lossIncrease).toBeGreaterThan(0.04);
    expect(asked[1].lossIncrease).toBeLessThan(0.09);
    for (const { lossIncrease, predictedLossIncrease } of asked) {
      expect(predictedLossIncrease).toBeCloseTo(lossIncrease!, 5);
    }
    expect(Math.floor(3 * report.actual.loss.pruned + 1e-6)).toBe(1);
    expect(report.limits.slice.pruned).toBeCloseTo(report.actual.loss.pruned, 9);
    // The Hessian is 2 X'X / n, close to 2 I.
    expect(report.curvature.trace).toBeGreaterThan(5);
    expect(report.curvature.trace).toBeLessThan(7);
    expect(report.curvature.negativeMass).toBe(0);
  });

  it('is chosen by itself for a linear output and labels that are no classes', async () => {
    const report = await analyzed(writeMlp([3, 4, 1], 'linear'), '--data', writeCsv(label), ...quick);
    expect(report.loss.name).toBe('mse');
  });
});

describe('binary classification', () => {
  it('one sigmoid output, labels 0 and 1', async () => {
    const data = writeCsv(([a, b]) => (a > b ? '1' : '0'));
    const weights = [
      { name: 'out/kernel', shape: [3, 1], values: [2, -2, 0.001] },
      { name: 'out/bias', shape: [1], values: [0] },
    ];
    const layer = {
      class_name: 'Dense',
      config: { name: 'out', units: 1, activation: 'sigmoid', batch_input_shape: [null, 3] },
    };
    const report = await analyzed(writeModel([layer], weights), '--data', data, ...quick, '--ratios', '0.34');
    expect(report.loss.name).toBe('binary-cross-entropy');
    expect(report.accuracy!.train).toBeGreaterThan(0.98);
    expect(report.accuracy!.test).toBeNull();
    expect(report.curve.find(({ source }) => source === 'asked')).toMatchObject({
      ...{ pruned: 0.34, insideSublevelSet: true, radius: expect.closeTo(0.001, 8) },
    });
    expect(report.actual.accuracy).toBeNull();
  });

  it('labels in words', async () => {
    const data = writeCsv(([a, b]) => (a > b ? 'yes' : 'no'));
    const report = await analyzed(
      writeMlp([3, 4, 1], 'sigmoid'),
      '--data',
      data,
      ...quick,
      '--label-column',
      'y',
    );
    expect(report.loss.name).toBe('binary-cross-entropy');
  });
});

describe('images', () => {
  const SIZE = 32;

  /** CIFAR-10 files of two classes that differ by which colour plane is bright. */
  function writeCifar(): { folder: string; plane(image: number, channel: number): number[] } {
    const folder = newFolder();
    const random = randomStream(6, 'cifar');
    const records = Array.from({ length: 280 }, (_, i) => {
      const label = i % 2;
      const planes = [0, 1, 2].map((channel) =>
        Array.from({ length: SIZE * SIZE }, () => (channel === label ? 150 : 50) + random.integer(60)),
      );
      return [label, ...planes.flat()];
    });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'data_batch_1.bin'), Uint8Array.from(records.slice(0, 260).flat()));
    writeFileSync(join(folder, 'test_batch.bin'), Uint8Array.from(records.slice(260).flat()));
    return {
      folder,
      plane: (image, channel) => records[image].slice(1 + channel * 1024, 1 + (channel + 1) * 1024),
    };
  }

  /** A 1 x 1 convolution that passes each channel on, their means, and one output a channel. */
  function channelModel(): string {
    const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    return writeModel(
      [
        {
          class_name: 'Conv2D',
          config: {
            name: 'conv',
            filters: 3,
            kernel_size: [1, 1],
            strides: [1, 1],
            padding: 'valid',
            use_bias: false,
            activation: 'linear',
            batch_input_shape: [null, SIZE, SIZE, 3],
          },
        },
        { class_name: 'GlobalAveragePooling2D', config: { name: 'pool' } },
        { class_name: 'Dense', config: { name: 'out', units: 3, use_bias: false, activation: 'softmax' } },
      ],
      [
        { name: 'conv/kernel', shape: [1, 1, 3, 3], values: identity },
        { name: 'out/kernel', shape: [3, 3], values: identity.map((value) => 4 * value) },
      ],
    );
  }

  it('channels first are brought into the order of the model, and normalised channel by channel', async () => {
    const { folder, plane } = writeCifar();
    const [mean, std] = [
      [0.4, 0.5, 0.6],
      [0.2, 0.25, 0.3],
    ];
    const report = await analyzed(
      ...[channelModel(), '--data', folder, '--normalize', `${mean}/${std}`, ...quick],
      ...['--examples', '1', '--sample', 'first', '--epsilon', '0.1'],
    );
    const logits = mean.map((m, c) => (4 * (plane(0, c).reduce((a, b) => a + b) / 1024 / 255 - m)) / std[c]);
    const loss = Math.log(logits.map(Math.exp).reduce((a, b) => a + b)) - logits[0];
    expect(report.loss.value).toBeCloseTo(loss, 4);
    expect(report.data).toMatchObject({
      format: 'cifar-10',
      train: { available: 260 },
      test: { examples: 20 },
    });
    expect(report.warnings).toContainEqual(expect.stringMatching(/1 of the 5 training batches/));
  });

  it('the same images in an npz file, channels first or last', async () => {
    const random = randomStream(7, 'npz');
    const [count, height, width, channels] = [260, 4, 5, 3];
    const last = Uint8Array.from({ length: count * height * width * channels }, () => random.integer(256));
    const first = last.slice();
    for (let i = 0; i < count; i++) {
      for (let pixel = 0; pixel < height * width; pixel++) {
        for (let c = 0; c < channels; c++) {
          first[(i * channels + c) * height * width + pixel] =
            last[(i * height * width + pixel) * channels + c];
        }
      }
    }
    const labels = npy(
      '<i4',
      [count],
      Int32Array.from({ length: count }, (_, i) => i % 3),
    );
    const file = (shape: number[], values: Uint8Array) =>
      writeFileIn('data.npz', npz({ x_train: npy('|u1', [count, ...shape], values), y_train: labels }));
    const model = writeModel(
      [
        {
          class_name: 'Flatten',
          config: { name: 'flat', batch_input_shape: [null, height, width, channels] },
        },
        { class_name: 'Dense', config: { name: 'out', units: 3, activation: 'softmax' } },
      ],
      [
        { name: 'out/kernel', shape: [60, 3] },
        { name: 'out/bias', shape: [3] },
      ],
    );
    const options = [...quick, '--normalize', '0.5,0.4,0.3/0.2,0.3,0.4'];
    const a = await analyzed(model, '--data', file([height, width, channels], last), ...options);
    const b = await analyzed(
      model,
      '--data',
      file([channels, height, width], first),
      ...options,
      '--layout',
      'NCHW',
    );
    expect(b.loss).toEqual(a.loss);
    expect(b.limits).toEqual(a.limits);
  });
});

describe('beyond 99 %', () => {
  it('a network that needs 2 of 3,000 weights: the limits are not cut off', async () => {
    const width = 3000;
    const random = randomStream(8, 'wide');
    const inputs = Float32Array.from({ length: 300 * width }, () => random.normal());
    const labels = Int32Array.from({ length: 300 }, (_, i) =>
      Number(inputs[i * width] + inputs[i * width + 1] > 0),
    );
    const data = writeFileIn(
      'data.npz',
      npz({ x_train: npy('<f4', [300, width], inputs), y_train: npy('<i4', [300], labels) }, 0),
    );
    const values = Array.from({ length: width }, (_, i) => (i < 2 ? 4 : 1e-5 * Math.cos(i)));
    const model = writeModel(
      [dense('out', 1, 'sigmoid', width)],
      [
        { name: 'out/kernel', shape: [width, 1], values },
        { name: 'out/bias', shape: [1], values: [0] },
      ],
    );
    const report = await analyzed(model, '--data', data, ...quick, '--ratios', '0.5');
    expect(report.actual.loss.pruned).toBeGreaterThan(0.998);
    expect(report.limits.slice.pruned).toBeGreaterThan(0.998);
    expect(report.actual.loss.pruned).toBeLessThan(1);
  });

  it('a dead network: as far as outputs have a path, with a warning', async () => {
    const model = writeModel(
      [dense('hidden', 4, 'relu', 3), dense('out', 2, 'softmax')],
      [
        { name: 'hidden/kernel', shape: [3, 4] },
        { name: 'hidden/bias', shape: [4], values: [-1e3, -1e3, -1e3, -1e3] },
        { name: 'out/kernel', shape: [4, 2] },
        { name: 'out/bias', shape: [2] },
      ],
    );
    const report = await analyzed(
      model,
      '--data',
      writeCsv(([a]) => (a > 0 ? '1' : '0')),
      ...quick,
    );
    const { pruned } = report.limits.connected!;
    expect(pruned).toBeGreaterThan(0.5);
    expect(report.actual.loss).toEqual({ pruned, lastPass: pruned, capped: true });
    expect(report.limits.slice).toEqual({ pruned, capped: true });
    expect(report.limits.gaussianWidth).toMatchObject({ pruned, capped: true, settled: true });
    expect(report.warnings).toContainEqual(expect.stringMatching(/the curvature is zero/));
    expect((await runReal('analyze', model, '--data', report.data.path, ...quick)).exitCode).toBe(0);
  });
});

describe('which weights', () => {
  const model = (): string => writeMlp([3, 5, 4, 2], 'softmax');
  const data = (): string => writeCsv(([a]) => (a > 0 ? '1' : '0'));

  it.each<[string[], number]>([
    [[], 15 + 20 + 8],
    [['--include', 'dense_1/*'], 20],
    [['--include', 'dense_0/*', '--include', 'dense_2/kernel'], 23],
    [['--exclude', 'dense_0/*'], 28],
    [['--include', 'dense_*/kernel', '--exclude', 'dense_{1,2}/*'], 15],
  ])('%j: %i', async (options, prunable) => {
    const report = await analyzed(model(), '--data', data(), ...quick, ...options);
    expect(report.model).toMatchObject({ prunable, parameters: 54 });
  });
});

describe('where the options come from', () => {
  it('prune-limit.json beside the model; an option beats it', async () => {
    const folder = writeMlp([3, 4, 2], 'softmax');
    const data = writeCsv(([a]) => (a > 0 ? '1' : '0'));
    writeFileSync(
      join(folder, 'prune-limit.json'),
      JSON.stringify({ data, steps: 5, probes: 1, backend: 'wasm', seed: 3 }),
    );
    const report = await analyzed(folder, '--quiet', '--seed', '4');
    expect(report.options).toMatchObject({ steps: 5, probes: 1, seed: 4 });
    expect(report.data.path).toBe(data);
  });
});

describe('doctor', () => {
  it('runs the backends there are', async () => {
    const { exitCode, stdout } = await runReal('doctor', '--format', 'json', '--quiet');
    expect(exitCode).toBe(0);
    const { ok, backends, remedy } = JSON.parse(stdout);
    expect(ok).toBe(true);
    expect(remedy === null).toBe(backends[0].available);
    const byName = new Map(backends.map((backend: { name: string }) => [backend.name, backend]));
    for (const name of ['wasm', 'cpu']) {
      expect(byName.get(name)).toMatchObject({ available: true, version: '4.22.0', threads: 1 });
    }
  });
});
