/**
 * Weights that torch saves as the parts they are computed from: pruned, weight-normalised and spectrally normalised
 * ones. Formulas are those of torch.nn.utils (prune, weight_norm, spectral_norm, parametrize) in evaluation mode.
 */
import { InputError } from '../../errors.js';
import { elementCount } from '../checkpoint.js';
import { printable, quoted } from '../printable.js';
import type { WeightEntry } from './weight-file.js';

/** A weight and how it comes from arrays of the file. */
export interface Fold {
  /** The weight's name, e.g. `fc2.weight`. */
  name: string;
  shape: readonly number[];
  /** The arrays that stand for it, and those that only accompany them. */
  parts: readonly WeightEntry[];
  /** What it is computed as, in a few words. */
  method: string;
  /** The weight in float64, from the values of the parts in order, in float64 too; or why it cannot be computed. */
  compute: ((values: readonly Float64Array[]) => Float64Array) | InputError;
}

/** The parts of one weight, by what they are called: `orig`, `mask`, `g`, `v`, `u`, `original0`, ... */
interface Group {
  name: string;
  parts: Map<string, WeightEntry>;
}

/** `fc.weight_orig`: pruned or spectrally normalised. `fc.weight_g`, `fc.weight_v`: weight-normalised. */
const SUFFIXED = /^(.*(?:^|[./])[^./]+)_(orig|mask|g|v|u)$/;

/** `fc.parametrizations.weight.original0`; buffers of the parametrization stand a step below its number. */
const PARAMETRIZED = /^(.*(?:^|[./]))parametrizations[./]([^./]+)[./](original\d*|\d+[./].+)$/;

/** Where the directions of the two candidates differ by less, the axis of the outputs is open. */
const CLEAR_COSINE_GAP = 0.1;

/** Power iterations of a training end with u and W v parallel, but for the last step of the optimizer. */
const PARALLEL_COSINE = 0.9;

/**
 * Weights that are given by their parts.
 *
 * @param known names of the model's weights: parts that are weights of the model itself are left as they are
 * @param path names the file in errors
 */
export function findFolds(entries: readonly WeightEntry[], known: readonly string[], path: string): Fold[] {
  const own = new Set(known.map(lastStep));
  const names = new Set(entries.map(({ name }) => name));
  const groups = [...groupParts(entries).values()].filter(
    ({ parts }) => ![...parts.values()].some(({ name }) => own.has(lastStep(name))),
  );
  return groups.flatMap((group) => {
    const fold = foldOf(group, path);
    if (fold === null) return [];
    return names.has(fold.name) ? [{ ...fold, compute: givenTwice(fold, path) }] : [fold];
  });
}

function lastStep(name: string): string {
  return name.slice(Math.max(name.lastIndexOf('.'), name.lastIndexOf('/')) + 1);
}

function groupParts(entries: readonly WeightEntry[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const entry of entries) {
    const suffixed = SUFFIXED.exec(entry.name);
    const parametrized = suffixed === null ? PARAMETRIZED.exec(entry.name) : null;
    const name = suffixed?.[1] ?? (parametrized && `${parametrized[1]}${parametrized[2]}`);
    const part = suffixed?.[2] ?? parametrized?.[3];
    if (name == null || part === undefined) continue;
    const key = `${parametrized === null ? 's' : 'p'}:${name}`;
    const group = groups.get(key) ?? { name, parts: new Map<string, WeightEntry>() };
    group.parts.set(part, entry);
    groups.set(key, group);
  }
  return groups;
}

/** Null for parts that only happen to be called so. */
function foldOf(group: Group, path: string): Fold | null {
  const kinds = [...group.parts.keys()].sort().join(' ');
  switch (kinds) {
    case 'mask orig':
      return pruned(group, path);
    case 'g v':
      return /weight/.test(lastStep(group.name)) ? normalized(group, 'g', 'v') : null;
    case 'original0 original1':
      return normalized(group, 'original0', 'original1') ?? unknownParametrization(group, path);
    case 'orig u v':
      return spectral(group, ['orig', 'u', 'v'], path);
    case '0._u 0._v original':
    case '0/_u 0/_v original':
      return spectral(group, ['original', ...kinds.split(' ').slice(0, 2)], path);
    case 'orig u':
      return refused(
        group,
        'orig',
        'spectral normalisation without its vector v',
        spectralRemedy(group),
        path,
      );
    default:
      return [...group.parts.keys()].some((part) => part.startsWith('original'))
        ? unknownParametrization(group, path)
        : null;
  }
}

function pruned({ name, parts }: Group, path: string): Fold {
  const original = parts.get('orig')!;
  const mask = parts.get('mask')!;
  const same = String(original.shape) === String(mask.shape);
  return {
    name,
    shape: original.shape,
    parts: [original, mask],
    method: 'the mask of torch.nn.utils.prune',
    compute: same
      ? ([values, factors]) => values!.map((value, i) => value * factors![i]!)
      : new InputError(
          'checkpoint/weights-mismatch',
          `${printable(path)}: ${quoted(mask.name)} is of another shape than ${quoted(original.name)}; call prune.remove(layer, 'weight') before the weights are saved.`,
        ),
  };
}

/** `v` with its norms over all axes but one, or over all, replaced by `g`; null where shapes do not fit that. */
function normalized({ name, parts }: Group, g: string, v: string): Fold | null {
  const magnitude = parts.get(g)!;
  const direction = parts.get(v)!;
  const { shape } = direction;
  const single = elementCount(magnitude.shape) === 1;
  const kept = single ? -1 : magnitude.shape.findIndex((size) => size > 1);
  const fits =
    single ||
    (magnitude.shape.length === shape.length &&
      magnitude.shape.every((size, axis) => size === (axis === kept ? shape[axis] : 1)));
  if (!fits) return null;
  return {
    name,
    shape,
    parts: [magnitude, direction],
    method: 'weight norm',
    compute: ([magnitudes, directions]) => normalize(magnitudes!, directions!, shape, kept),
  };
}

/** `g * v / |v|`, the norms over all axes but `kept`; -1: over all. */
function normalize(g: Float64Array, v: Float64Array, shape: readonly number[], kept: number): Float64Array {
  const inner = kept < 0 ? v.length : elementCount(shape.slice(kept + 1));
  const count = kept < 0 ? 1 : shape[kept]!;
  const groupOf = (i: number) => Math.floor(i / inner) % count;
  const squares = new Float64Array(count);
  for (let i = 0; i < v.length; i++) squares[groupOf(i)]! += v[i]! ** 2;
  return v.map((value, i) => (value * g[groupOf(i)]!) / Math.sqrt(squares[groupOf(i)]!));
}

function spectral(group: Group, order: readonly string[], path: string): Fold {
  const parts = order.map((part) => group.parts.get(part)!);
  const [original, u, v] = parts as [WeightEntry, WeightEntry, WeightEntry];
  const { shape } = original;
  const outputs = elementCount(u.shape);
  const inputs = elementCount(v.shape);
  const axes = [0, 1].filter((axis) => shape[axis] === outputs && outputs * inputs === elementCount(shape));
  const remedy = spectralRemedy(group);
  if (axes.length === 0) {
    return refused(
      group,
      order[0]!,
      'spectral normalisation of another shape than its vectors',
      remedy,
      path,
    );
  }
  return {
    name: group.name,
    shape,
    parts,
    method: 'spectral normalisation',
    compute: ([values, left, right]) => {
      const candidates = axes
        .map((axis) => spectralProduct(values!, shape, axis, left!, right!))
        .sort((a, b) => b.cosine - a.cosine);
      const [best, second] = candidates as [SpectralProduct, SpectralProduct | undefined];
      const open =
        second !== undefined &&
        Math.abs(second.sigma - best.sigma) > 1e-6 * Math.abs(best.sigma) &&
        (best.cosine < PARALLEL_COSINE || best.cosine - second.cosine < CLEAR_COSINE_GAP);
      if (open) {
        throw new InputError(
          'checkpoint/ambiguous-layout',
          `${printable(path)}: it is open which axis of ${quoted(original.name)} its spectral normalisation takes as outputs; ${remedy}.`,
        );
      }
      return values!.map((value) => value / best.sigma);
    },
  };
}

interface SpectralProduct {
  /** u^T W v, the estimate of the largest singular value. */
  sigma: number;
  /** Of the angle between u and W v. */
  cosine: number;
}

/** W as a matrix whose rows run over `axis` and whose columns run over the other axes in order. */
function spectralProduct(
  values: Float64Array,
  shape: readonly number[],
  axis: number,
  u: Float64Array,
  v: Float64Array,
): SpectralProduct {
  const inner = elementCount(shape.slice(axis + 1));
  const rows = shape[axis]!;
  const product = new Float64Array(rows);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / inner) % rows;
    const column = Math.floor(i / (inner * rows)) * inner + (i % inner);
    product[row]! += values[i]! * v[column]!;
  }
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const sigma = dot(u, product);
  return { sigma, cosine: sigma / Math.sqrt(dot(u, u) * dot(product, product)) };
}

function spectralRemedy({ name }: Group): string {
  return `call torch.nn.utils.remove_spectral_norm, or parametrize.remove_parametrizations, on the layer of ${quoted(name)} before the weights are saved`;
}

function unknownParametrization(group: Group, path: string): Fold {
  const parameter = lastStep(group.name);
  const layer = printable(group.name.slice(0, -parameter.length - 1));
  const first = [...group.parts.keys()].find((part) => part.startsWith('original'))!;
  return refused(
    group,
    first,
    'a parametrization that is not known',
    `call torch.nn.utils.parametrize.remove_parametrizations(${layer || 'layer'}, '${printable(parameter)}') before the weights are saved`,
    path,
  );
}

function refused(group: Group, first: string, what: string, remedy: string, path: string): Fold {
  return {
    name: group.name,
    shape: group.parts.get(first)!.shape,
    parts: [...group.parts.values()],
    method: what,
    compute: new InputError(
      'checkpoint/unsupported-weights',
      `${printable(path)}: ${quoted(group.name)} is ${what}; ${remedy}.`,
    ),
  };
}

function givenTwice({ name, parts }: Fold, path: string): InputError {
  return new InputError(
    'checkpoint/ambiguous-weights',
    `${printable(path)} holds both ${quoted(name)} and ${quoted(parts[0]!.name)}, of which it is computed; save one of the two.`,
  );
}
