/** The command line with the real work, on small models and data in temporary folders. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lazyWork } from '../../src/cli/host.js';
import { randomStream } from '../../src/random.js';
import { parseReport } from '../../src/report/parse-report.js';
import type { Report } from '../../src/report/schema.js';
import { runFake } from '../cli/fake-host.js';
import { idx, npy, npz } from '../dataset/support.js';
import { temporaryFolder } from '../support/folders.js';

/** The root of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A new folder, removed after the tests of the file. */
export function newFolder(): string {
  return temporaryFolder('prune-limit-e2e-');
}

/** Runs a command line with the real work. */
export function runReal(...args: string[]) {
  return runFake(args, { work: lazyWork });
}

/** Options that make an analysis quick; later ones of the same name win. */
export const quick = ['--backend', 'wasm', '--probes', '1', '--steps', '12', '--quiet'];

/** Runs an analysis that must succeed, and reads its report from stdout. */
export async function analyzed(...args: string[]): Promise<Report> {
  const { exitCode, stdout, stderr } = await runReal('analyze', ...args, '--format', 'json');
  if (exitCode !== 0) {
    throw new Error(`exit code ${exitCode}: ${stderr}`);
  }
  return parseReport(stdout, 'stdout');
}

/** Everything of a report but what varies from run to run. */
export function withoutTiming(report: Report): Omit<Report, 'timing'> {
  const { timing: _, ...rest } = report;
  return rest;
}

/** Hashes of all files of a folder, by name. */
export function hashes(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder)
      .filter((name) => statSync(join(folder, name)).isFile())
      .sort()
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
      ]),
  );
}

export interface LayerEntry {
  class_name: string;
  config: Record<string, unknown>;
}

export function dense(name: string, units: number, activation: string, inputs?: number): LayerEntry {
  const shape = inputs === undefined ? {} : { batch_input_shape: [null, inputs] };
  return { class_name: 'Dense', config: { name, units, activation, ...shape } };
}

/** A weight of a model made by hand; its values are made up unless given. */
export interface WeightEntry {
  name: string;
  shape: number[];
  values?: number[];
}

function madeUpValues({ name, shape }: WeightEntry): number[] {
  const random = randomStream(1, name);
  const size = shape.reduce((product, extent) => product * extent, 1);
  const fanIn = size / shape[shape.length - 1];
  return Array.from({ length: size }, () => random.normal() / Math.sqrt(shape.length > 1 ? fanIn : 100));
}

/** Writes a LayersModel, by default to a folder of its own; returns the folder. */
export function writeModel(
  layers: LayerEntry[],
  weights: WeightEntry[],
  overrides: Record<string, unknown> = {},
): string {
  const folder = newFolder();
  const values = weights.flatMap((weight) => weight.values ?? madeUpValues(weight));
  writeFileSync(join(folder, 'weights.bin'), new Uint8Array(Float32Array.from(values).buffer));
  const manifest = weights.map(({ name, shape }) => ({ name, shape, dtype: 'float32' }));
  const model = {
    format: 'layers-model',
    modelTopology: { class_name: 'Sequential', config: { name: 'net', layers } },
    weightsManifest: [{ paths: ['weights.bin'], weights: manifest }],
    ...overrides,
  };
  writeFileSync(join(folder, 'model.json'), JSON.stringify(model));
  return folder;
}

/** An MLP made by hand with biases; `widths` from the inputs to the outputs. */
export function writeMlp(widths: number[], lastActivation: string, overrides = {}): string {
  const last = widths.length - 2;
  return writeModel(
    widths
      .slice(1)
      .map((units, i) =>
        dense(`dense_${i}`, units, i === last ? lastActivation : 'tanh', i === 0 ? widths[0] : undefined),
      ),
    widths.slice(1).flatMap((units, i) => [
      { name: `dense_${i}/kernel`, shape: [widths[i], units] },
      { name: `dense_${i}/bias`, shape: [units] },
    ]),
    overrides,
  );
}

/** A model with a dilated convolution of 5 x 5 images, which has no second derivative in tfjs. */
export function writeDilated(): string {
  return writeModel(
    [
      {
        class_name: 'Conv2D',
        config: {
          name: 'conv',
          filters: 2,
          kernel_size: [2, 2],
          strides: [1, 1],
          dilation_rate: [2, 2],
          padding: 'valid',
          use_bias: false,
          activation: 'relu',
          batch_input_shape: [null, 5, 5, 1],
        },
      },
      { class_name: 'Flatten', config: { name: 'flat' } },
      dense('out', 2, 'softmax'),
    ],
    [
      { name: 'conv/kernel', shape: [2, 2, 1, 2] },
      { name: 'out/kernel', shape: [18, 2] },
      { name: 'out/bias', shape: [2] },
    ],
  );
}

/** Side of the images of {@link writeImages}. */
const SIDE = 6;

/** Grey 6 x 6 images of three classes - a bright band at the top, middle or bottom - and noise, as IDX files. */
export function writeImages(): string {
  const folder = newFolder();
  const random = randomStream(3, 'images');
  for (const [prefix, count] of [
    ['train', 512],
    ['t10k', 200],
  ] as const) {
    const labels = Array.from({ length: count }, (_, i) => i % 3);
    const pixels = labels.flatMap((label) =>
      Array.from({ length: SIDE * SIDE }, (_, i) => {
        const bright = Math.floor(i / (2 * SIDE)) === label ? 120 : 60;
        return Math.min(255, Math.max(0, Math.round(bright + 55 * random.normal())));
      }),
    );
    writeFileSync(join(folder, `${prefix}-images-idx3-ubyte`), idx([count, SIDE, SIDE], pixels));
    writeFileSync(join(folder, `${prefix}-labels-idx1-ubyte`), idx([count], labels));
  }
  return folder;
}

/** A csv file with three features and a label made from them. */
export function writeCsv(label: (features: number[]) => string, rows = 400): string {
  const random = randomStream(4, 'csv');
  const lines = Array.from({ length: rows }, () => {
    const features = Array.from({ length: 3 }, () => Number(random.normal().toFixed(3)));
    return `${features.join(',')},${label(features)}`;
  });
  const path = join(newFolder(), 'data.csv');
  writeFileSync(path, `a,b,c,y\n${lines.join('\n')}\n`);
  return path;
}

/** A file of that content in a folder of its own. */
export function writeFileIn(name: string, content: Uint8Array | string): string {
  const path = join(newFolder(), name);
  writeFileSync(path, content);
  return path;
}

/** Class-labelled vectors as npz, `classes` of them. */
export function writeVectors(width: number, classes: number, count = 300): string {
  const random = randomStream(5, 'vectors');
  return writeFileIn(
    'data.npz',
    npz({
      x_train: npy(
        '<f4',
        [count, width],
        Float32Array.from({ length: count * width }, () => random.normal()),
      ),
      y_train: npy(
        '<i4',
        [count],
        Int32Array.from({ length: count }, (_, i) => i % classes),
      ),
    }),
  );
}

/** Trains a small classifier of {@link writeImages} with the train command. */
export async function trainOnImages(data: string, ...args: string[]): Promise<string> {
  const folder = join(newFolder(), 'model');
  const { exitCode, stderr } = await runReal(
    'train',
    'mlp',
    '--data',
    data,
    '--hidden',
    '12,8',
    '--epochs',
    '6',
    '--batch-size',
    '32',
    '--learning-rate',
    '0.05',
    '--backend',
    'wasm',
    '--quiet',
    '-o',
    folder,
    ...args,
  );
  if (exitCode !== 0) {
    throw new Error(`exit code ${exitCode}: ${stderr}`);
  }
  return folder;
}

export function ensureFolder(...parts: string[]): string {
  const folder = join(...parts);
  mkdirSync(folder, { recursive: true });
  return folder;
}
