/** Which array of a weight file belongs to which weight of a model. */
import type { Checkpoint, OnnxCheckpoint } from '../checkpoint.js';
import type { EffectiveEntry as WeightEntry } from './effective-weights.js';
import { belowPrefixes, commonSteps } from './name-prefixes.js';
import {
  type AxisOrder,
  compareNumbers,
  isBatchCounter,
  numbering,
  readWeightNames,
  type WeightName,
} from './weight-names.js';

/** Layers of the model times layers of the file that shapes are compared for; a crafted header holds a million. */
const MAX_LAYER_PAIRS = 1e7;

/** A weight of the model and the array that is to become it. */
export interface Match {
  /** Position among the weights of the checkpoint. */
  target: number;
  entry: WeightEntry;
  /** The order of axes that the name of the array implies. */
  order: AxisOrder | null;
  /** The two have the same name to the letter. */
  exact: boolean;
}

/** How names were matched. */
export interface Matching {
  matches: Match[];
  /** Arrays that belong to no weight, counters of batches left out. */
  unexpected: WeightEntry[];
  /** Set where names were of no help. */
  by: 'name' | 'position' | 'shape';
  /** The steps that all names of the matched arrays begin with and the model's do not; several where each would do. */
  prefixes: string[];
}

/** Arrays by their position, matched to weights by what their names say. */
type KeyMatches = { target: number; index: number }[];

/** A weight or array with what its name says. */
interface Named {
  index: number;
  shape: readonly number[];
  name: WeightName;
}

/**
 * Matches arrays to weights: by the same name; else by layer and part, in the vocabulary of `readWeightNames`
 * (a matrix of an ONNX graph without such a name goes by the bias added to its product), also below a prefix that
 * is the only one below which every weight has an array;
 * and where no name fits at all, arrays arr_0, arr_1, ... by position, others by shape.
 *
 * By position: in the order of Keras's get_weights(), layer by layer, if there are as many.
 *
 * By shape: a layer takes the arrays of the one layer that has the same parts of the same shapes. Where several
 * have, the names of the arrays' layers must differ in their numbers alone, and go by these; layers of the model
 * go in their own order. A layer that remains in doubt is not matched.
 *
 * @param agree whether an array, in the order of axes that its name implies, can become the weight
 */
export function matchWeights(
  checkpoint: Checkpoint,
  entries: readonly WeightEntry[],
  agree: (target: number, source: WeightEntry & { order: AxisOrder | null }) => boolean,
): Matching {
  const { weights } = checkpoint;
  const keyNames = checkpoint.format === 'onnx' ? namesByBias(checkpoint) : new Map<string, string>();
  const counted = entries.filter(({ name }) => !isBatchCounter(name));
  const entryNames = readWeightNames(counted);
  const aliased = weights.map(({ name, shape }) => ({ name: keyNames.get(name) ?? name, shape }));
  const targetNames = readWeightNames(aliased);
  const result = (matches: Match[], by: Matching['by'], prefixes: string[] = []): Matching => {
    const used = new Set(matches.map(({ entry }) => entry));
    return { matches, by, unexpected: counted.filter((entry) => !used.has(entry)), prefixes };
  };
  const matchOf = (target: number, index: number, exact: boolean): Match => ({
    target,
    entry: counted[index]!,
    order: entryNames[index]!.order,
    exact,
  });

  const byName = new Map(counted.map(({ name }, index) => [name, index]));
  const named = weights.flatMap(({ name }, target) => {
    const index = byName.get(name);
    return index === undefined ? [] : [matchOf(target, index, true)];
  });
  const usedEntries = new Set(named.map(({ entry }) => entry));
  const usedTargets = new Set(named.map(({ target }) => target));
  const byKey = matchKeys(
    targetNames.map((name, index) => (usedTargets.has(index) ? null : name)),
    entryNames.map((name, index) => (usedEntries.has(counted[index]!) ? null : name)),
  );
  named.push(...byKey.map(({ target, index }) => matchOf(target, index, false)));
  if (named.length === weights.length) return result(named, 'name');
  const sets = usedTargets.size === 0 ? matchBelowPrefixes(aliased, counted) : [];
  const prefixes = sets.map(({ prefix }) => prefix);
  if (sets.length > 1) return result([], 'name', prefixes);
  if (sets.length === 1) {
    const { matches, names } = sets[0]!;
    return result(
      matches.map(({ target, index }) => ({
        ...matchOf(target, index, false),
        order: names.get(index)!.order,
      })),
      'name',
      prefixes,
    );
  }
  if (named.length > 0) return result(named, 'name');

  const positions = keptPositions(counted);
  if (positions !== null) {
    if (positions.length !== weights.length) return result([], 'position');
    const order = layerOrder(checkpoint);
    return result(
      order.map((target, i) => ({ ...matchOf(target, positions[i]!, false), order: null })),
      'position',
    );
  }
  const targets = layerOrder(checkpoint).map((index) => namedAt(index, weights, targetNames));
  const arrays = counted.map((_, index) => namedAt(index, counted, entryNames));
  const pairs = matchLayers(groupByLayer(targets), groupByLayer(arrays), (target, array) =>
    agree(target.index, { ...counted[array.index]!, order: array.name.order }),
  );
  return result(
    pairs.map(([target, array]) => matchOf(target.index, array.index, false)),
    'shape',
  );
}

/**
 * Names for weights of an ONNX graph whose own say nothing: exporters of torch call a matrix that they transposed
 * `onnx::MatMul_12`, but leave the bias its name, `fc1.bias`, which is added to the product. The matrix
 * is then `fc1.weight`.
 */
function namesByBias({ graph, weights }: OnnxCheckpoint): Map<string, string> {
  const names = new Map<string, string>();
  const known = new Set(weights.map(({ name }) => name));
  const products = new Map<string, string>();
  for (const { opType, inputs, outputs } of graph.nodes) {
    if (opType === 'MatMul' && known.has(inputs[1] ?? '')) products.set(outputs[0]!, inputs[1]!);
    const [matrix, bias] =
      opType === 'Gemm' || opType === 'Conv' || opType === 'ConvTranspose'
        ? [inputs[1], inputs[2]]
        : opType === 'Add'
          ? [products.get(inputs[0]!) ?? products.get(inputs[1]!), inputs.find((name) => known.has(name))]
          : [];
    if (!matrix || !bias?.endsWith('.bias') || !known.has(matrix)) continue;
    const name = `${bias.slice(0, -'.bias'.length)}.weight`;
    if (!known.has(name) && !/[./](weight|kernel)$/.test(matrix)) names.set(matrix, name);
  }
  return names;
}

function namedAt(
  index: number,
  all: readonly { shape: readonly number[] }[],
  names: readonly WeightName[],
): Named {
  return { index, shape: all[index]!.shape, name: names[index]! };
}

/** Weights and arrays whose names say the same; null for those that are not to be matched. */
function matchKeys(
  targets: readonly (WeightName | null)[],
  sources: readonly (WeightName | null)[],
): KeyMatches {
  const byKey = uniqueKeys(sources);
  return [...uniqueKeys(targets)].flatMap(([key, target]) => {
    const index = byKey.get(key);
    return index === undefined ? [] : [{ target, index }];
  });
}

/**
 * The sets of arrays, each below a prefix that their names share, that have an array for every weight; the steps that
 * all names of the model share are left out there, too.
 */
function matchBelowPrefixes(
  targets: readonly { name: string; shape: readonly number[] }[],
  entries: readonly WeightEntry[],
): { prefix: string; matches: KeyMatches; names: Map<number, WeightName> }[] {
  const shared = commonSteps(targets.map(({ name }) => name));
  const readings = [...new Set([0, shared])].map((leftOut) => readWeightNames(targets, leftOut));
  const found: { prefix: string; matches: KeyMatches; names: Map<number, WeightName> }[] = [];
  for (const { prefix, length, indices } of belowPrefixes(entries.map(({ name }) => name))) {
    // What lies below a prefix that will do lies below it once more.
    if (indices.length < targets.length || found.some((other) => prefix.startsWith(other.prefix))) continue;
    const names = readWeightNames(
      indices.map((index) => entries[index]!),
      length,
    );
    for (const reading of readings) {
      const matches = matchKeys(reading, names);
      if (matches.length < targets.length) continue;
      found.push({
        prefix,
        matches: matches.map(({ target, index }) => ({ target, index: indices[index]! })),
        names: new Map(indices.map((index, i) => [index, names[i]!])),
      });
      break;
    }
  }
  return found;
}

/** Positions by layer and part; names that say the same are left out. */
function uniqueKeys(names: readonly (WeightName | null)[]): Map<string, number> {
  const found = new Map<string, number>();
  const twice = new Set<string>();
  for (const [index, name] of names.entries()) {
    if (name === null) continue;
    const key = `${name.layer}/${name.part}`;
    if (found.has(key)) twice.add(key);
    found.set(key, index);
  }
  for (const key of twice) found.delete(key);
  return found;
}

/** Indices of arr_0, arr_1, ... in this order, if all entries are called so; numpy.savez names arrays so. */
function keptPositions(entries: readonly WeightEntry[]): number[] | null {
  const byName = new Map(entries.map(({ name }, index) => [name, index]));
  const positions = entries.map((_, i) => byName.get(`arr_${i}`));
  return positions.length > 0 && positions.every((index) => index !== undefined) ? positions : null;
}

/**
 * Positions of a model's weights, layer by layer as the topology lists the layers; tfjs itself saves the weights
 * of all layers that are trained before those that are not, Keras does not.
 */
function layerOrder(checkpoint: Checkpoint): number[] {
  const indices = checkpoint.weights.map((_, index) => index);
  if (checkpoint.format === 'onnx') return indices;
  const layers = new Map<string, number>();
  collectLayerNames(checkpoint.topology, layers);
  const places = checkpoint.weights.map(({ name }) => {
    const place = name
      .split('/')
      .slice(0, -1)
      .map((step) => layers.get(step));
    return place.findLast((found) => found !== undefined);
  });
  if (places.includes(undefined)) return indices;
  return indices.sort((a, b) => places[a]! - places[b]! || a - b);
}

function collectLayerNames(value: unknown, found: Map<string, number>): void {
  if (typeof value !== 'object' || value === null) return;
  const { class_name: isLayer, config } = value as { class_name?: unknown; config?: { name?: unknown } };
  const name = typeof config === 'object' && config !== null ? config.name : undefined;
  if (isLayer !== undefined && typeof name === 'string' && !found.has(name)) found.set(name, found.size);
  for (const item of Object.values(value)) collectLayerNames(item, found);
}

/** The weights of one layer, by part. */
interface LayerParts {
  layer: string;
  parts: Map<string, Named>;
}

function groupByLayer(weights: readonly Named[]): LayerParts[] {
  const groups = new Map<string, LayerParts>();
  for (const weight of weights) {
    const { layer, part } = weight.name;
    const group = groups.get(layer) ?? { layer, parts: new Map() };
    groups.set(layer, group);
    group.parts.set(part, weight);
  }
  return [...groups.values()];
}

function matchLayers(
  targets: readonly LayerParts[],
  sources: readonly LayerParts[],
  agree: (target: Named, source: Named) => boolean,
): [Named, Named][] {
  const fits = (target: LayerParts, source: LayerParts): boolean =>
    target.parts.size === source.parts.size &&
    [...target.parts].every(([part, weight]) => {
      const other = source.parts.get(part);
      return other !== undefined && agree(weight, other);
    });
  if (targets.length * sources.length > MAX_LAYER_PAIRS) return [];
  const pairs: [Named, Named][] = [];
  const done = new Set<LayerParts>();
  for (const target of targets) {
    if (done.has(target)) continue;
    const candidates = sources.filter((source) => fits(target, source));
    const rivals = candidates[0] ? targets.filter((other) => fits(other, candidates[0]!)) : [];
    for (const rival of rivals) done.add(rival);
    const ordered = inNumberOrder(candidates);
    if (ordered === null || ordered.length !== rivals.length) continue;
    for (const [i, rival] of rivals.entries()) {
      for (const [part, weight] of rival.parts) pairs.push([weight, ordered[i]!.parts.get(part)!]);
    }
  }
  return pairs;
}

/** Null where the names of several layers do not differ in their numbers alone. */
function inNumberOrder(layers: readonly LayerParts[]): LayerParts[] | null {
  const numbered = layers.map((layer) => ({ layer, ...numbering(layer.layer) }));
  if (numbered.some(({ pattern }) => pattern !== numbered[0]!.pattern)) return null;
  return numbered.sort((a, b) => compareNumbers(a.numbers, b.numbers)).map(({ layer }) => layer);
}
