/** What the names of weights say: which layer, which part of it, and in which order of axes. */

/**
 * Orders that the axes of a kernel can have.
 *
 * `torch`: Linear [out, in], Conv [out, in, ...window], ConvTranspose [in, out, ...window], depthwise
 * [in * multiplier, 1, ...window]. `keras`: Dense [in, out], Conv [...window, in, out], Conv2DTranspose
 * [...window, out, in], depthwise [...window, in, multiplier]. ONNX has torch's, but for the right operand of MatMul.
 */
export type AxisOrder = 'torch' | 'keras';

/** What the name of a weight says. */
export interface WeightName {
  /** Steps of the path to the layer, wrappers left out, joined by `/`. */
  layer: string;
  /**
   * In Keras's words, `kernel` standing for all kernels and tables: `bias`, `gamma`, `beta`, `moving_mean`,
   * `moving_variance`. Other words are as they stand.
   */
  part: string;
  /** The order that the convention of the name implies; null where it implies none. */
  order: AxisOrder | null;
}

/**
 * Modules that wrap a whole network: DataParallel, torch.compile and the usual names of attributes; and flax's
 * collections, of which a normalisation has weights in two.
 */
const WRAPPERS = new Set(['module', 'model', '_orig_mod', 'params', 'batch_stats']);

/** Last steps of names whose weights only count batches. */
const COUNTER = 'num_batches_tracked';

const KERAS_KERNELS = new Set(['kernel', 'depthwise_kernel']);

/** Whether a name is in one of flax's collections: `params/Dense_0/kernel`, `['params']['Dense_0']['kernel']`. */
export function isFlaxName(name: string): boolean {
  return steps(name)
    .slice(0, -1)
    .some((step) => step === 'params' || step === 'batch_stats');
}

/** Statistics of a normalisation as torch and as flax calls them. */
const MEANS = new Set(['running_mean', 'mean']);
const VARIANCES = new Set(['running_var', 'var']);

/** Tables of an embedding as Keras and as flax calls them. */
const TABLES = new Set(['embeddings', 'embedding']);

/** Whether the array only counts the batches of a torch normalisation, which nothing computes with. */
export function isBatchCounter(name: string): boolean {
  return steps(name).at(-1) === COUNTER;
}

/** `a.b/c:0` as a, b, c; `['a']['b']`, as jax shows a path, as a, b. */
export function steps(name: string): string[] {
  const path = name.startsWith("['") ? name.slice(2).replace(/'\]$/, '').replaceAll("']['", '/') : name;
  return path.replace(/:\d+$/, '').split(/[./]/);
}

/**
 * What names say, all names of a file or model together: whether torch's `weight` and `bias` belong to a
 * normalisation layer is seen from its other weights.
 *
 * @param weights names and shapes
 * @param leftOut number of steps at the start of every name that are not looked at
 * @returns one for each, in order
 */
export function readWeightNames(
  weights: readonly { name: string; shape: readonly number[] }[],
  leftOut = 0,
): WeightName[] {
  const split = weights.map(({ name, shape }) => {
    const path = steps(name).slice(leftOut);
    while (path.length > 2 && WRAPPERS.has(path[0]!)) path.shift();
    return { layer: path.slice(0, -1).join('/'), last: path.at(-1)!, rank: shape.length };
  });
  const normalizations = new Set(
    split
      .filter(
        ({ last, rank }) =>
          last === 'running_mean' || ((last === 'weight' || last === 'scale') && rank === 1),
      )
      .map(({ layer }) => layer),
  );
  return split.map(({ layer, last, rank }): WeightName => {
    const normalization = normalizations.has(layer);
    if (last === 'weight') {
      return rank === 1 ? { layer, part: 'gamma', order: null } : { layer, part: 'kernel', order: 'torch' };
    }
    if (last === 'bias') return { layer, part: normalization ? 'beta' : 'bias', order: null };
    if (last === 'scale' && rank === 1) return { layer, part: 'gamma', order: null };
    if (MEANS.has(last)) return { layer, part: 'moving_mean', order: null };
    if (VARIANCES.has(last)) return { layer, part: 'moving_variance', order: null };
    if (KERAS_KERNELS.has(last)) return { layer, part: 'kernel', order: 'keras' };
    return { layer, part: TABLES.has(last) ? 'kernel' : last, order: null };
  });
}

/**
 * The name with its numbers taken out, and the numbers: names that differ in their numbers alone have an order.
 *
 * `layer2.0.conv1` is `layer#.#.conv#` and 2, 0, 1.
 */
export function numbering(name: string): { pattern: string; numbers: number[] } {
  return {
    pattern: name.replace(/\d+/g, '#'),
    numbers: (name.match(/\d+/g) ?? []).map(Number),
  };
}

/** Order of numbers, the first that differ deciding. */
export function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}
