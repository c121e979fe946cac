/** NumPy archives (`numpy.savez`) with `x_train`, `y_train` and, if there is a test set, `x_test`, `y_test`. */

import { InputError } from '../../errors.js';
import { type NpyArray, parseNpy } from '../../formats/npy.js';
import { unzipMembers } from '../../formats/zip.js';
import type { Dataset, ImageLayout, Labels, Layout, ReadDatasetOptions, Split } from '../dataset.js';
import { firstNonFinite, unscaledBytesWarning } from '../features.js';
import { foreignFile } from '../foreign.js';
import type { Format } from '../format.js';
import { labelsFromNumbers } from '../labels.js';
import { isNpz } from '../source/archive.js';
import type { SourceFile } from '../source/file.js';
import { folderFiles } from '../source/open.js';

const MEMBERS = ['x_train', 'y_train', 'x_test', 'y_test'] as const;
type Member = (typeof MEMBERS)[number];

/** Channel counts of images as they are usually stored: grey, colour, colour with transparency. */
const USUAL_CHANNELS = [1, 3, 4];

interface Pair {
  part: 'train' | 'test';
  inputs: NpyArray;
  outputs: NpyArray;
}

function findPair(arrays: Map<string, NpyArray>, part: 'train' | 'test', path: string): Pair | null {
  const inputs = arrays.get(`x_${part}`);
  const outputs = arrays.get(`y_${part}`);
  if (!inputs && !outputs && part === 'test') {
    return null;
  }
  if (!inputs || !outputs) {
    throw new InputError(
      'dataset/npz-missing',
      `${path}: holds no ${inputs ? 'y' : 'x'}_${part}; save it with numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)`,
    );
  }
  const count = inputs.shape[0];
  if (inputs.shape.length < 2) {
    throw new InputError(
      'dataset/shape',
      `${path}, x_${part}: shape (${inputs.shape.join(', ')}) has no feature dimension; save it as (examples, features...)`,
    );
  }
  if (inputs.values.length === 0) {
    throw new InputError(
      'dataset/empty',
      `${path}, x_${part}: holds no examples; give data with at least one`,
    );
  }
  if (outputs.shape.length < 1 || outputs.shape.length > 2 || outputs.values.length === 0) {
    throw new InputError(
      'dataset/label-shape',
      `${path}, y_${part}: shape (${outputs.shape.join(', ')}), expected (${count}), (${count}, 1) or (${count}, outputs)`,
    );
  }
  if (outputs.shape[0] !== count) {
    throw new InputError(
      'dataset/count',
      `${path}, y_${part}: ${outputs.shape[0]} labels, but x_${part} holds ${count} examples; save both from the same data`,
    );
  }
  return { part, inputs, outputs };
}

/** Both sides of an image have at least so many pixels; features of convolutions can have fewer. */
const SMALLEST_IMAGE_SIDE = 8;

/** Whether a shape of rank 3 is an image in one order and none in the other. */
function isPlainly(layout: ImageLayout, shape: readonly number[]): boolean {
  const [channels, other] = layout === 'NHWC' ? [shape[2], shape[0]] : [shape[0], shape[2]];
  const sides = layout === 'NHWC' ? shape.slice(0, 2) : shape.slice(1);
  return (
    USUAL_CHANNELS.includes(channels) &&
    !USUAL_CHANNELS.includes(other) &&
    sides.every((side) => side >= SMALLEST_IMAGE_SIDE)
  );
}

/** How images of rank 3 are stored, and what a person should know of it. */
interface StoredLayout {
  layout: Layout;
  /** To follow the shape; empty where nothing was assumed. */
  remark: string;
}

/**
 * As told, else where the channels seem to be, else channels last.
 *
 * A shape that is plainly an image in the other order is stored in that one: what was told is then how an
 * input takes it whose shape does not say so.
 */
function layoutOf(shape: readonly number[], told: ImageLayout | undefined): StoredLayout {
  if (shape.length !== 3) {
    return { layout: shape.length === 2 ? 'NHWC' : 'flat', remark: '' };
  }
  const other = told && (told === 'NHWC' ? 'NCHW' : 'NHWC');
  if (other && isPlainly(other, shape)) {
    const words = other === 'NHWC' ? 'channels last' : 'channels first';
    return {
      layout: other,
      remark: `are plainly stored ${words}; --layout ${told} is taken as the order for inputs whose shape does not tell it`,
    };
  }
  const first = !USUAL_CHANNELS.includes(shape[2]) && USUAL_CHANNELS.includes(shape[0]);
  return told === undefined && first
    ? { layout: 'NCHW', remark: 'taken as channels first; --layout NHWC says otherwise' }
    : { layout: told ?? 'NHWC', remark: '' };
}

function labelsOf(pairs: readonly Pair[], path: string): Labels[] {
  const width = pairs[0].outputs.shape[1] ?? 1;
  for (const { part, outputs } of pairs) {
    if ((outputs.shape[1] ?? 1) !== width) {
      throw new InputError(
        'dataset/label-shape',
        `${path}, y_${part}: ${outputs.shape[1] ?? 1} numbers an example, but y_train has ${width}; save both alike`,
      );
    }
  }
  if (width === 1 && pairs.every(({ outputs }) => !outputs.dtype.includes('f'))) {
    return labelsFromNumbers(pairs.map(({ outputs }) => outputs.values));
  }
  return pairs.map(({ part, outputs }) => {
    const values = Float32Array.from(outputs.values);
    const bad = firstNonFinite(values);
    if (bad >= 0) {
      throw new InputError(
        'dataset/not-finite',
        `${path}, y_${part}: ${outputs.values[bad]} at example ${Math.floor(bad / width)}; remove such examples`,
      );
    }
    return { kind: 'targets', values, width };
  });
}

function splitOf(pair: Pair, labels: Labels, layout: Layout, path: string, warnings: string[]): Split {
  const { inputs, part } = pair;
  const [count, ...shape] = inputs.shape;
  if (inputs.dtype === '|u1') {
    return { count, shape, layout, values: inputs.values as Uint8Array, byteImages: true, labels };
  }
  const values = inputs.values instanceof Float32Array ? inputs.values : Float32Array.from(inputs.values);
  const width = values.length / count;
  const bad = firstNonFinite(values);
  if (bad >= 0) {
    throw new InputError(
      'dataset/not-finite',
      `${path}, x_${part}: ${inputs.values[bad]} at example ${Math.floor(bad / width)}, element ${bad % width}; remove such examples`,
    );
  }
  warnings.push(...unscaledBytesWarning(values, width, `${path}, x_${part}`));
  return { count, shape, layout, values, byteImages: false, labels };
}

/**
 * Reads a .npz archive with `x_train (N, features...)` and `y_train`, and optionally `x_test` and `y_test`.
 *
 * uint8 inputs are byte images, to be divided by 255; inputs of any other type are taken as they are, in float32.
 * Integer labels of shape `(N)` or `(N, 1)` are classes (targets of width 1 where one is negative or beyond the
 * class limit); float labels, and rows of several numbers, are targets. Images of rank 3 are channels-last unless
 * `options.layout` or a first dimension of 1, 3 or 4 (and no such last one) says otherwise; a guess of
 * channels-first, and an option that the shape plainly contradicts, are among the warnings.
 *
 * @throws InputError for a damaged archive or array, missing members, counts or shapes that do not fit, NaN
 */
async function readNpz(file: SourceFile, options: ReadDatasetOptions): Promise<Dataset> {
  const { path } = file;
  const wanted = new Set<string>(MEMBERS.map((member) => `${member}.npy`));
  const members = unzipMembers(await file.read(), (name) => wanted.has(name), path);
  const arrays = new Map<string, NpyArray>();
  for (const [name, bytes] of members) {
    const member = name.replace(/\.npy$/, '') as Member;
    arrays.set(member, parseNpy(bytes, `${path}, ${member}`));
  }
  const train = findPair(arrays, 'train', path) as Pair;
  const test = findPair(arrays, 'test', path);
  const shape = train.inputs.shape.slice(1);
  if (test && String(test.inputs.shape.slice(1)) !== String(shape)) {
    throw new InputError(
      'dataset/shape',
      `${path}, x_test: examples of (${test.inputs.shape.slice(1).join(', ')}), but those of x_train are (${shape.join(', ')}); save both alike`,
    );
  }
  const warnings: string[] = [];
  const { layout, remark } = layoutOf(shape, options.layout);
  if (remark !== '') {
    warnings.push(`${path}: images of shape (${shape.join(', ')}) ${remark}`);
  }
  const pairs = test ? [train, test] : [train];
  const labels = labelsOf(pairs, path);
  return {
    path,
    format: 'npz',
    train: splitOf(train, labels[0], layout, path, warnings),
    test: test && splitOf(test, labels[1], layout, path, warnings),
    warnings,
  };
}

const isReadable = (file: SourceFile): boolean => isNpz(file) && foreignFile(file) === null;

/** A .npz archive, or a folder with one. */
export const NPZ_FORMAT: Format = {
  name: 'npz',
  options: ['layout'],
  matchesFile: isReadable,
  matchesFolder: ({ files }) => (files.filter(isReadable).length === 1 ? 'yes' : 'no'),
  read: (source, options) => readNpz(folderFiles(source).find(isReadable) as SourceFile, options),
};
