/** Which arrays of an archive are inputs and labels, by their names, or by their shapes where these say nothing. */

import { InputError } from '../../errors.js';
import { quoted } from '../../formats/quoted.js';
import { openZip } from '../../formats/zip.js';

/** A data archive has a handful of members. */
const MAX_MEMBERS = 1024;

/** Holds the signature and the header of an array, which has about 100 bytes. */
const HEADER_BYTES = 1024;

/** An array of an archive. */
export interface ListedArray {
  /** Without `.npy`. */
  name: string;
  /** Null where its header is not read so simply. */
  shape: number[] | null;
}

/** Names of the arrays of a split. */
export interface PairNames {
  inputs: string;
  outputs: string;
}

/** The arrays that are read. */
export interface ChosenMembers {
  train: PairNames;
  test: PairNames | null;
  /** What was taken for what, where the names are not `x_train` and so on. */
  notes: string[];
}

/** Name of an array by that of its member; a member of another kind keeps its own. */
export function withoutSuffix(member: string): string {
  return member.replace(/\.npy$/, '');
}

/** The arrays of an archive with their shapes, none of them unpacked as a whole. */
export function listArrays(bytes: Uint8Array, path: string): ListedArray[] {
  return openZip(bytes, path, MAX_MEMBERS)
    .filter((entry) => entry.name.endsWith('.npy'))
    .map((entry) => {
      const header = Buffer.from(entry.peek(HEADER_BYTES)).toString('latin1');
      const dimensions = /'shape': *\(([\d, ]*)\)/.exec(header)?.[1];
      const shape =
        dimensions
          ?.split(',')
          .filter((size) => size.trim() !== '')
          .map(Number) ?? null;
      return { name: withoutSuffix(entry.name), shape };
    });
}

type Role = 'inputs' | 'outputs';
type Part = 'train' | 'test' | 'validation' | 'all';

const ROLES: Record<string, Role> = {
  x: 'inputs',
  image: 'inputs',
  images: 'inputs',
  data: 'inputs',
  features: 'inputs',
  inputs: 'inputs',
  y: 'outputs',
  label: 'outputs',
  labels: 'outputs',
  target: 'outputs',
  targets: 'outputs',
};

const PARTS: Record<string, Part> = {
  '': 'all',
  train: 'train',
  training: 'train',
  test: 'test',
  val: 'validation',
  valid: 'validation',
  validation: 'validation',
};

interface Meaning {
  role: Role;
  part: Part;
}

/** What a name means: a word for inputs or labels, with a word for the part before or behind it, or without. */
function meaningOf(name: string): Meaning | null {
  const words = name
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[_.\- ]+/);
  const role = words.find((word) => Object.hasOwn(ROLES, word));
  const rest = words.filter((word) => word !== role).join(' ');
  return role !== undefined && Object.hasOwn(PARTS, rest) ? { role: ROLES[role], part: PARTS[rest] } : null;
}

const shapeText = ({ name, shape }: ListedArray): string =>
  `${quoted(name.slice(0, 20))} ${shape ? `(${shape.join(', ')})` : ''}`;

function listing(arrays: readonly ListedArray[]): string {
  return `${arrays.slice(0, 4).map(shapeText).join(', ')}${arrays.length > 4 ? ', ...' : ''}`;
}

function unclear(path: string, arrays: readonly ListedArray[], what: string): InputError {
  return new InputError(
    'dataset/npz-ambiguous',
    `${path}: ${what} (${listing(arrays)}); save it with numpy.savez(path, x_train=..., y_train=...)`,
  );
}

/** The array of a meaning; `x_train` itself wins over others that mean the same. */
function find(arrays: readonly ListedArray[], role: Role, part: Part, path: string): string | null {
  const found = arrays.filter(({ name }) => {
    const meaning = meaningOf(name);
    return meaning?.role === role && meaning.part === part;
  });
  const exact = found.filter(({ name }) => name === `${role === 'inputs' ? 'x' : 'y'}_${part}`);
  const [chosen, other] = exact.length === 1 ? exact : found;
  if (other) {
    throw unclear(path, found, `several arrays may be the ${part === 'all' ? '' : `${part} `}${role}`);
  }
  return chosen?.name ?? null;
}

function missing(path: string, name: string, arrays: readonly ListedArray[]): InputError {
  const held = arrays.length === 0 ? 'no arrays' : listing(arrays);
  return new InputError(
    'dataset/npz-missing',
    `${path}: holds no ${name} (it holds ${held}); save it with numpy.savez(path, x_train=..., y_train=...)`,
  );
}

/** The pair of a part; null where neither array is there. */
function pairOf(arrays: readonly ListedArray[], part: Part, path: string): PairNames | null {
  const inputs = find(arrays, 'inputs', part, path);
  const outputs = find(arrays, 'outputs', part, path);
  if (inputs === null && outputs === null) {
    return null;
  }
  if (inputs === null || outputs === null) {
    throw missing(path, `${inputs ? 'y' : 'x'}_${part === 'all' ? 'train' : part}`, arrays);
  }
  return { inputs, outputs };
}

/** Whether a shape is one of labels: one number an example. */
const isColumn = (shape: readonly number[]): boolean =>
  shape.length === 1 || (shape.length === 2 && shape[1] === 1);

/** Pairs of `arr_0`, `arr_1`, ... by shape: inputs have features, labels one number an example, and as many examples. */
function pairsByShape(
  arrays: readonly ListedArray[],
  path: string,
): { train: PairNames; test: PairNames | null } {
  const shaped = arrays.flatMap(({ name, shape }) => (shape ? [{ name, shape }] : []));
  const inputs = shaped.filter(({ shape }) => shape.length > 1 && !isColumn(shape));
  const pairs = inputs.map((array) => {
    const outputs = shaped.filter(({ shape }) => isColumn(shape) && shape[0] === array.shape[0]);
    return outputs.length === 1
      ? { inputs: array.name, outputs: outputs[0].name, count: array.shape[0] }
      : null;
  });
  const [train, test] = pairs;
  const isWhole = pairs.length > 0 && 2 * pairs.length === arrays.length && pairs.length <= 2;
  if (!isWhole || !train || test === null || (test && test.count >= train.count)) {
    throw unclear(path, arrays, 'its shapes do not say which arrays are inputs and labels');
  }
  return { train, test: test ?? null };
}

/**
 * Chooses the arrays of an archive: `x`, `images`, `data`, `features` or `inputs` with `y`, `label(s)` or `target(s)`, each
 * with `train`, `test` or `val` before or behind it, or without for the only set. Arrays without names (`arr_0`) are told
 * by their shapes, the larger set first.
 *
 * @throws InputError where arrays are missing or several may be meant, with what there is
 */
export function chooseMembers(arrays: readonly ListedArray[], path: string): ChosenMembers {
  if (arrays.length > 1 && arrays.every(({ name }) => /^arr_\d+$/.test(name))) {
    const { train, test } = pairsByShape(arrays, path);
    return { train, test, notes: [note(path, train, test, arrays)] };
  }
  const named = pairOf(arrays, 'train', path);
  const only = pairOf(arrays, 'all', path);
  if (named && only) {
    throw unclear(path, arrays, 'two sets may be the training set');
  }
  const test = pairOf(arrays, 'test', path);
  const validation = pairOf(arrays, 'validation', path);
  const train = named ?? only;
  if (train === null) {
    throw missing(path, 'x_train', arrays);
  }
  const used = test ?? validation;
  const isUsual = [train, used].every(
    (pair) => !pair || /^x_(train|test) y_\1$/.test(`${pair.inputs} ${pair.outputs}`),
  );
  const aside =
    test && validation ? [`${path}: ${validation.inputs} and ${validation.outputs} are left aside`] : [];
  return { train, test: used, notes: [...(isUsual ? [] : [note(path, train, used, arrays)]), ...aside] };
}

function note(
  path: string,
  train: PairNames,
  test: PairNames | null,
  arrays: readonly ListedArray[],
): string {
  const shown = (name: string): string =>
    shapeText(arrays.find((array) => array.name === name) as ListedArray);
  const pair = ({ inputs, outputs }: PairNames): string => `${shown(inputs)} with labels ${shown(outputs)}`;
  return `${path}: taken for the training set ${pair(train)}${test ? `, for the test set ${pair(test)}` : ''}`;
}
