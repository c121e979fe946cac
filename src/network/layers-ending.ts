/** The softmax or sigmoid at the end of a LayersModel, found and taken off. */
import { InputError } from '../errors.js';
import {
  isObject,
  type LayerEntry,
  layerName,
  layersOf,
  modelEntry,
  type Topology,
} from './layer-entries.js';
import type { RemovedActivation } from './output-transform.js';

/** Where a network's last activation stands. */
export interface LayersEnding {
  activation: RemovedActivation;
  /** Names of the nested models that hold the layer, outermost first, and of the layer itself. */
  path: (string | undefined)[];
  /** The axis of a softmax, the batch axis being 0; from the last one where negative. */
  axis: number;
  /** The layer, or a model that holds it, is applied more than once. */
  shared: boolean;
  /** The entry that holds the activation: the layer's own, or that of the layer it distributes over time. */
  entry: LayerEntry;
}

/** Layers that hand the numbers on when nothing is trained, in order or rearranged. */
const PASSING = new Set([
  'Dropout',
  'SpatialDropout1D',
  'SpatialDropout2D',
  'SpatialDropout3D',
  'AlphaDropout',
  'GaussianDropout',
  'GaussianNoise',
  'ActivityRegularization',
  'Flatten',
  'Reshape',
  'Permute',
]);

/** Layers that apply their activation to what they give; a recurrent layer's acts inside of it. */
const ACTIVATED = /^(Activation|Dense|(Separable|Depthwise)?Conv\w*|LocallyConnected\dD)$/;

function activationName(activation: unknown): string | null {
  if (typeof activation === 'string') {
    return activation.toLowerCase();
  }
  if (isObject(activation) && typeof activation.class_name === 'string') {
    return activation.class_name.toLowerCase();
  }
  return null;
}

function passes({ class_name: className, config }: LayerEntry): boolean {
  const activation = config.activation;
  return (
    PASSING.has(className) ||
    (className === 'Activation' && (activation === undefined || activationName(activation) === 'linear'))
  );
}

function nodes(layer: LayerEntry): unknown[] {
  return Array.isArray(layer.inbound_nodes) ? layer.inbound_nodes : [];
}

/** The layer whose output a layer takes as its only input, by name; null where there is not exactly one. */
function inputName(layer: LayerEntry): string | null {
  const [node, ...others] = nodes(layer);
  return others.length === 0 && Array.isArray(node) && node.length === 1 && Array.isArray(node[0])
    ? String(node[0][0])
    : null;
}

/** The layers of a model from its output back, as long as each takes the output of the next alone. */
function* backwards(model: LayerEntry, layers: LayerEntry[]): Generator<LayerEntry> {
  const outputs = model.config.output_layers;
  if (!Array.isArray(outputs)) {
    yield* [...layers].reverse();
    return;
  }
  const byName = new Map(layers.map((layer) => [layerName(layer), layer]));
  let name = (Array.isArray(outputs[0]) ? outputs[0][0] : outputs[0]) as string | null;
  for (let steps = 0; name !== null && steps < layers.length; steps++) {
    const layer = byName.get(name);
    if (layer === undefined) {
      return;
    }
    yield layer;
    name = inputName(layer);
  }
}

function ownEnding(layer: LayerEntry): Pick<LayersEnding, 'activation' | 'axis' | 'entry'> | null {
  const inner = layer.config.layer;
  if (layer.class_name === 'TimeDistributed' && isObject(inner) && isObject(inner.config)) {
    const ending = ownEnding(inner as unknown as LayerEntry);
    // Axes are counted from the first one inside of the layer, which does not see the steps.
    return ending && { ...ending, axis: ending.axis > 0 ? ending.axis + 1 : ending.axis };
  }
  if (layer.class_name === 'Softmax') {
    const { axis } = layer.config;
    return { activation: 'softmax', axis: typeof axis === 'number' ? axis : -1, entry: layer };
  }
  const name = ACTIVATED.test(layer.class_name) ? activationName(layer.config.activation) : null;
  return name === 'softmax' || name === 'sigmoid' ? { activation: name, axis: -1, entry: layer } : null;
}

/** The ending of a model; 'passes' where all of it hands its input on. */
function modelEnding(model: LayerEntry): LayersEnding | 'passes' | null {
  const layers = layersOf(model) ?? [];
  let first: LayerEntry | null = null;
  for (const layer of backwards(model, layers)) {
    first = layer;
    const shared = nodes(layer).length > 1;
    if (layersOf(layer) !== null) {
      const inner = modelEnding(layer);
      if (inner !== 'passes') {
        return inner && { ...inner, path: [layerName(layer), ...inner.path], shared: inner.shared || shared };
      }
    } else if (!passes(layer)) {
      const own = ownEnding(layer);
      return own === null
        ? layer.class_name === 'InputLayer'
          ? 'passes'
          : null
        : { ...own, path: [layerName(layer)], shared };
    }
  }
  return first !== null && layers[0] === first && !Array.isArray(model.config.output_layers)
    ? 'passes'
    : null;
}

/**
 * The softmax or sigmoid at the very end of a network, also behind layers
 * that only hand its numbers on: dropout, reshaping, a linear activation.
 *
 * @throws InputError for what is no LayersModel
 */
export function layersEnding(topology: Topology): LayersEnding | null {
  const ending = modelEnding(modelEntry(topology));
  return ending === 'passes' ? null : ending;
}

/** {@link layersEnding}, the activation alone. */
export function finalActivation(topology: Topology): RemovedActivation | null {
  return layersEnding(topology)?.activation ?? null;
}

/**
 * A copy of the topology whose final softmax or sigmoid is replaced by the identity.
 *
 * @throws InputError where that would change the network elsewhere, too
 */
export function withoutFinalActivation(topology: Topology): Topology {
  const copy = structuredClone(topology);
  const ending = layersEnding(copy);
  if (ending === null) {
    return copy;
  }
  const { entry, shared, activation, path } = ending;
  if (shared) {
    throw new InputError(
      'network/shared-ending',
      `layer '${path.join('/')}' with the ${activation} at the network's end is applied more than once, so that ${activation} cannot be taken off for the loss: give the model an output layer of its own, or use --loss mse`,
    );
  }
  if (entry.class_name === 'Softmax') {
    entry.class_name = 'Activation';
    entry.config = { name: entry.config.name, activation: 'linear' };
  } else {
    entry.config.activation = 'linear';
  }
  return copy;
}

/**
 * Whether a softmax is one over all outputs of an example.
 *
 * @param shape of what it gives, the batch axis first; null where an extent is free
 */
export function coversExample({ axis }: LayersEnding, shape: readonly (number | null)[]): boolean {
  const at = axis < 0 ? axis + shape.length : axis;
  return shape.every((extent, index) => index === 0 || index === at || extent === 1);
}
