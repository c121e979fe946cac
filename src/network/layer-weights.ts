/** Which stored weight is which of a LayersModel, by its name. */
import { quoted, quotedList } from '../checkpoint/printable.js';
import { InputError } from '../errors.js';

/** A weight of the model. */
export interface KnownWeight {
  /** `layer/weight`, as tfjs-layers calls it. */
  name: string;
  shape: readonly number[];
}

/** `a/b/kernel:0` as a, b, kernel. */
function steps(name: string): string[] {
  return name.replace(/:\d+$/, '').split('/');
}

/** `steps` without the cell that Keras names between layer and weight since TensorFlow 2.2. */
function withoutCell(path: readonly string[]): string[] {
  return path.length < 3 ? [...path] : [...path.slice(0, -2), path[path.length - 1]];
}

function endsWith(path: readonly string[], end: readonly string[]): boolean {
  return path.length >= end.length && end.every((step, i) => step === path[path.length - end.length + i]);
}

/** A name without the number that Keras appends where one is taken: `dense_1` as `dense`. */
function unnumbered(path: readonly string[]): string[] {
  return path.map((step) => step.replace(/_\d+$/, ''));
}

const sameShape = (left: readonly number[], right: readonly number[]): boolean =>
  left.length === right.length && left.every((extent, i) => extent === right[i]);

/** Keras 3 calls the kernel of a depthwise convolution `kernel`. */
function asKeras3(path: readonly string[]): string[] {
  return path.map((step, i) => (i === path.length - 1 && step === 'depthwise_kernel' ? 'kernel' : step));
}

/** A way in which a stored name may differ from the model's. */
interface Match {
  fits(stored: readonly string[], known: readonly string[]): boolean;
  /** The names are the same but for what says nothing: a shape that differs is an error, not another weight. */
  sure: boolean;
}

/** The surest first. */
const MATCHES: readonly Match[] = [
  { fits: (stored, known) => stored.join('/') === known.join('/'), sure: true },
  { fits: (stored, known) => withoutCell(stored).join('/') === known.join('/'), sure: true },
  { fits: endsWith, sure: false },
  { fits: (stored, known) => endsWith(withoutCell(stored), known), sure: false },
  { fits: (stored, known) => endsWith(stored, asKeras3(known)), sure: false },
];

const NUMBERED: Match = {
  fits: (stored, known) => endsWith(unnumbered(stored), unnumbered(known)),
  sure: false,
};

/**
 * The stored weight of every weight of a model. Names may be those of
 * tfjs-layers, or have a `:0`, the names of models before them (Keras 3), the
 * name of a recurrent cell within, or other numbers behind their steps; a match
 * must be the only one, and of the right shape. Numbers are not looked at only
 * where no two weights of the model differ in them alone.
 *
 * @param path names the checkpoint in errors
 * @returns stored names by the model's
 * @throws InputError when two weights of the model have one name, or one is missing, left over or matched by several
 */
export function matchLayerWeights(
  stored: readonly KnownWeight[],
  known: readonly KnownWeight[],
  path: string,
): Map<string, string> {
  const twice = known.find(({ name }, i) => known.findIndex((other) => other.name === name) < i);
  if (twice !== undefined) {
    throw new InputError(
      'network/topology',
      `${path}: two layers of the model have a weight ${quoted(twice.name)}: give the layers of nested models names of their own`,
    );
  }
  const found = new Map<string, string>();
  const left = new Map(stored.map((weight) => [weight.name, { ...weight, steps: steps(weight.name) }]));
  const apart = new Set(known.map(({ name }) => unnumbered(steps(name)).join('/'))).size === known.length;
  for (const { fits, sure } of apart ? [...MATCHES, NUMBERED] : MATCHES) {
    const missing = known.filter(({ name }) => !found.has(name)).map((w) => ({ ...w, steps: steps(w.name) }));
    const pairs = missing.flatMap((weight) =>
      [...left.values()]
        .filter((candidate) => fits(candidate.steps, weight.steps))
        .filter((candidate) => sure || sameShape(candidate.shape, weight.shape))
        .map((candidate) => ({ weight: weight.name, stored: candidate.name })),
    );
    for (const pair of pairs) {
      const rivals = pairs.filter((other) => other.weight === pair.weight || other.stored === pair.stored);
      if (rivals.length === 1) {
        found.set(pair.weight, pair.stored);
        left.delete(pair.stored);
      }
    }
  }
  const missing = known.filter(({ name }) => !found.has(name)).map(({ name }) => name);
  if (missing.length > 0 || left.size > 0) {
    const unused = [...left.keys()];
    throw new InputError(
      'network/topology',
      missing.length > 0
        ? `${path}: the model's weight ${quoted(missing[0])}${missing.length > 1 ? ` and ${missing.length - 1} more are` : ' is'} not among the stored ones${unused.length > 0 ? `, where ${quotedList(unused.slice(0, 3))} ${unused.length > 1 ? 'are' : 'is'} left over` : ''}: topology and weights do not belong together; convert the model again`
        : `${path}: the stored weight ${quoted(unused[0])} belongs to no layer of the model: topology and weights do not belong together; convert the model again`,
    );
  }
  return found;
}
