/** NumPy archives (`numpy.savez`) with inputs and labels and, if there is a test set, those of that. */

import { InputError } from '../../errors.js';
import { type NpyArray, parseNpy } from '../../formats/npy.js';
import { unzipMembers } from '../../formats/zip.js';
import type { Dataset, Labels, Layout, ReadDatasetOptions, Split } from '../dataset.js';
import { firstNonFinite, unscaledBytesWarning } from '../features.js';
import { foreignFile } from '../foreign.js';
import type { Format } from '../format.js';
import { labelsFromNumbers } from '../labels.js';
import { isNpz } from '../source/archive.js';
import type { SourceFile } from '../source/file.js';
import { folderFiles } from '../source/open.js';
import { layoutOf } from './image-order.js';
import { chooseMembers, listArrays, type PairNames, withoutSuffix } from './members.js';

interface Pair {
  inputs: NpyArray;
  outputs: NpyArray;
  /** Names of the arrays in the archive. */
  names: PairNames;
}

function pairOf(arrays: Map<string, NpyArray>, names: PairNames, path: string): Pair {
  const inputs = arrays.get(names.inputs) as NpyArray;
  const outputs = arrays.get(names.outputs) as NpyArray;
  const count = inputs.shape[0];
  if (inputs.shape.length < 2) {
    throw new InputError(
      'dataset/shape',
      `${path}, ${names.inputs}: shape (${inputs.shape.join(', ')}) has no feature dimension; save it as (examples, features...)`,
    );
  }
  if (inputs.values.length === 0) {
    throw new InputError(
      'dataset/empty',
      `${path}, ${names.inputs}: holds no examples; give data with at least one`,
    );
  }
  if (outputs.shape.length < 1 || outputs.shape.length > 2 || outputs.values.length === 0) {
    throw new InputError(
      'dataset/label-shape',
      `${path}, ${names.outputs}: shape (${outputs.shape.join(', ')}), expected (${count}), (${count}, 1) or (${count}, outputs)`,
    );
  }
  if (outputs.shape[0] !== count) {
    throw new InputError(
      'dataset/count',
      `${path}, ${names.outputs}: ${outputs.shape[0]} labels, but ${names.inputs} holds ${count} examples; save both from the same data`,
    );
  }
  return { inputs, outputs, names };
}

function labelsOf(pairs: readonly Pair[], path: string): Labels[] {
  const width = pairs[0].outputs.shape[1] ?? 1;
  for (const { names, outputs } of pairs) {
    if ((outputs.shape[1] ?? 1) !== width) {
      throw new InputError(
        'dataset/label-shape',
        `${path}, ${names.outputs}: ${outputs.shape[1] ?? 1} numbers an example, but ${pairs[0].names.outputs} has ${width}; save both alike`,
      );
    }
  }
  if (width === 1 && pairs.every(({ outputs }) => !outputs.dtype.includes('f'))) {
    return labelsFromNumbers(pairs.map(({ outputs }) => outputs.values));
  }
  return pairs.map(({ names, outputs }) => {
    const values = Float32Array.from(outputs.values);
    const bad = firstNonFinite(values);
    if (bad >= 0) {
      throw new InputError(
        'dataset/not-finite',
        `${path}, ${names.outputs}: ${outputs.values[bad]} at example ${Math.floor(bad / width)}; remove such examples`,
      );
    }
    return { kind: 'targets', values, width };
  });
}

function splitOf(pair: Pair, labels: Labels, layout: Layout, path: string, warnings: string[]): Split {
  const { inputs, names } = pair;
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
      `${path}, ${names.inputs}: ${inputs.values[bad]} at example ${Math.floor(bad / width)}, element ${bad % width}; remove such examples`,
    );
  }
  warnings.push(...unscaledBytesWarning(values, width, `${path}, ${names.inputs}`));
  return { count, shape, layout, values, byteImages: false, labels };
}

/**
 * Reads a .npz archive: the arrays `x_train (N, features...)` and `y_train`, and optionally `x_test` and `y_test`, or such
 * of other names (see `chooseMembers`).
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
  const bytes = await file.read();
  const chosen = chooseMembers(listArrays(bytes, path), path);
  const wanted = new Set([chosen.train, chosen.test].flatMap((names) => (names ? Object.values(names) : [])));
  const arrays = new Map<string, NpyArray>();
  for (const [name, member] of unzipMembers(bytes, (name) => wanted.has(withoutSuffix(name)), path)) {
    const array = withoutSuffix(name);
    arrays.set(array, parseNpy(member, `${path}, ${array}`));
  }
  const train = pairOf(arrays, chosen.train, path);
  const test = chosen.test && pairOf(arrays, chosen.test, path);
  const shape = train.inputs.shape.slice(1);
  if (test && String(test.inputs.shape.slice(1)) !== String(shape)) {
    throw new InputError(
      'dataset/shape',
      `${path}, ${test.names.inputs}: examples of (${test.inputs.shape.slice(1).join(', ')}), but those of ${train.names.inputs} are (${shape.join(', ')}); save both alike`,
    );
  }
  const warnings: string[] = [...chosen.notes];
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
