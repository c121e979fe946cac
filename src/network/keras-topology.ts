/** Topologies as Keras 3 writes them, in the form that tfjs-layers reads: that of Keras 2. */
import { isObject, type LayerEntry, layersOf, modelEntry, type Topology } from './layer-entries.js';
import { convertResetAfter } from './reset-after-gru.js';

/** Activations that tfjs-layers knows under another name. */
const RENAMED_ACTIVATIONS: Record<string, string> = { silu: 'swish' };

/** Entries of a layer that only Keras 3 reads. */
const KERAS_3_ENTRIES = ['module', 'registered_name', 'build_config', 'compile_config'];

/** A reference to a layer's output: its name, the number of its node, the number of the output. */
type Reference = [string, number, number, ...unknown[]];

function isReference(value: unknown): value is Reference {
  return Array.isArray(value) && typeof value[0] === 'string';
}

/** References in the arguments of a call, in order. */
function referencesIn(value: unknown): Reference[] {
  if (Array.isArray(value)) {
    return value.flatMap(referencesIn);
  }
  if (!isObject(value)) {
    return [];
  }
  if (value.class_name === '__keras_tensor__' && isObject(value.config)) {
    const { keras_history: history } = value.config;
    return isReference(history) ? [history] : [];
  }
  return Object.values(value).flatMap(referencesIn);
}

/** A node `{ args, kwargs }` as the list of its inputs, each with the arguments that are no tensors. */
function inboundNode(node: unknown): unknown {
  if (!isObject(node) || !('args' in node)) {
    return node;
  }
  // Masks and the mode of training are not given when a network is computed.
  const { mask: _, training: __, ...kwargs } = isObject(node.kwargs) ? node.kwargs : {};
  const options = Object.fromEntries(
    Object.entries(kwargs).filter(([, value]) => referencesIn(value).length === 0),
  );
  return referencesIn([node.args, kwargs]).map(([name, index, output]) => [name, index, output, options]);
}

/** A type of numbers, or a policy of such, as tfjs has it: floats of any precision are computed in float32, integers in int32. */
function dtypeName(dtype: unknown): unknown {
  const name = isObject(dtype) && isObject(dtype.config) ? dtype.config.name : dtype;
  if (typeof name === 'string' && /^u?int\d+$/.test(name)) {
    return 'int32';
  }
  const float = typeof name === 'string' && /^(mixed_)?b?float\d+$/.test(name);
  return float || isObject(dtype) ? (name === 'bool' ? name : 'float32') : dtype;
}

function activation(value: unknown): unknown {
  const name = isObject(value) && value.class_name === 'function' ? value.config : value;
  return typeof name === 'string' ? (RENAMED_ACTIVATIONS[name.toLowerCase()] ?? name) : name;
}

/** Makes a layer's configuration, and those it holds, into Keras 2's, in place. */
function convertConfig(value: unknown): void {
  if (Array.isArray(value)) {
    value.forEach(convertConfig);
    return;
  }
  if (!isObject(value)) {
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    if (key === 'dtype') {
      value[key] = dtypeName(item);
    } else if (key === 'activation' || key.endsWith('_activation')) {
      value[key] = activation(item);
    } else {
      convertConfig(item);
    }
  }
  if (Array.isArray(value.batch_shape) && value.batch_input_shape === undefined) {
    value.batch_input_shape = value.batch_shape;
    delete value.batch_shape;
  }
  // A layer within a layer: of Bidirectional, TimeDistributed, RNN and its stacked cells.
  if (typeof value.class_name === 'string' && isObject(value.config)) {
    convertResetAfter(value as unknown as LayerEntry);
  }
}

/** A single reference without the list around it. */
function listed(references: unknown): unknown {
  return isReference(references) ? [references] : references;
}

function shapeOf(config: unknown): unknown[] | null {
  const shape = isObject(config) ? (config.input_shape ?? config.build_input_shape) : undefined;
  return Array.isArray(shape) && !Array.isArray(shape[0]) ? shape : null;
}

/** A model that says its input's shape beside its first layer only is told it there, also in a model that it begins with. */
function giveInputShape(model: LayerEntry, layers: LayerEntry[], buildConfig: unknown): void {
  const [first] = layers;
  const shape = shapeOf(model.config) ?? shapeOf(buildConfig);
  if (first === undefined || shape === null || Array.isArray(first.config)) {
    return;
  }
  const inner = layersOf(first);
  if (inner === null) {
    first.config.batch_input_shape ??= shape;
  } else if (first.class_name === 'Sequential') {
    giveInputShape(first, inner, { input_shape: shape });
  }
}

/** What Keras 3 calls otherwise in a layer of one class. */
function renameOptions({ class_name: className, config }: LayerEntry): void {
  if (className === 'LeakyReLU' && config.negative_slope !== undefined && config.alpha === undefined) {
    config.alpha = config.negative_slope;
    delete config.negative_slope;
  }
}

function convertModel(model: LayerEntry): void {
  const layers = layersOf(model) ?? [];
  const { build_config: buildConfig } = model as { build_config?: unknown };
  for (const layer of layers) {
    const ofLayer = (layer as { build_config?: unknown }).build_config;
    if (layersOf(layer) === null) {
      convertConfig(layer.config);
      renameOptions(layer);
      convertResetAfter(layer);
    } else {
      convertModel(layer);
    }
    if (layer === layers[0] && model.class_name === 'Sequential') {
      giveInputShape(model, layers, buildConfig ?? ofLayer);
    }
    if (Array.isArray(layer.inbound_nodes)) {
      layer.inbound_nodes = layer.inbound_nodes.map(inboundNode);
    }
  }
  for (const key of KERAS_3_ENTRIES) {
    for (const entry of [model, ...layers] as unknown as Record<string, unknown>[]) {
      delete entry[key];
    }
  }
  if (!Array.isArray(model.config)) {
    const { config } = model;
    config.input_layers = listed(config.input_layers);
    config.output_layers = listed(config.output_layers);
    if ('dtype' in config) {
      config.dtype = dtypeName(config.dtype);
    }
    for (const key of ['input_layers', 'output_layers']) {
      if (config[key] === undefined) {
        delete config[key];
      }
    }
  }
}

/**
 * A copy of a topology that tfjs-layers can build, of whichever version of
 * Keras: shapes of inputs, types of numbers, names of activations and the
 * calls between layers in the form of Keras 2. What is in that form already
 * stays as it is.
 *
 * @throws InputError for what is no LayersModel
 */
export function tfjsTopology(topology: Topology): Topology {
  const copy = structuredClone(topology);
  convertModel(modelEntry(copy));
  return copy;
}
