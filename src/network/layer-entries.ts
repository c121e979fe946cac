import { InputError } from '../errors.js';

/** A tfjs-layers topology as it stands in model.json: untyped JSON. */
export type Topology = Record<string, unknown>;

/** A layer, or a model as a layer, as a topology describes it. */
export interface LayerEntry {
  class_name: string;
  name?: string;
  config: Record<string, unknown> & { name?: string; activation?: unknown };
  inbound_nodes?: unknown;
  compile_config?: unknown;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The model's own description: `model_config` inside a Keras topology, or the topology itself.
 *
 * @throws InputError for what is no LayersModel
 */
export function modelEntry(topology: Topology): LayerEntry {
  const entry = isObject(topology.model_config) ? topology.model_config : topology;
  if (typeof entry.class_name !== 'string' || !(isObject(entry.config) || Array.isArray(entry.config))) {
    throw new InputError(
      'network/topology',
      'modelTopology has no class_name and config: this is not a tfjs LayersModel',
    );
  }
  return entry as unknown as LayerEntry;
}

/**
 * The layers of a model, each with a class name and a config; null for a layer that is no model.
 *
 * @throws InputError naming the layer that has none
 */
export function layersOf(model: LayerEntry): LayerEntry[] | null {
  const config = model.config as unknown;
  const layers = Array.isArray(config) ? config : (config as Record<string, unknown> | undefined)?.layers;
  if (!Array.isArray(layers)) {
    return null;
  }
  layers.forEach((layer: unknown, index) => {
    if (
      !isObject(layer) ||
      typeof layer.class_name !== 'string' ||
      !(isObject(layer.config) || Array.isArray(layer.config))
    ) {
      const known = isObject(layer) && typeof layer.class_name === 'string' ? ` (${layer.class_name})` : '';
      throw new InputError(
        'network/topology',
        `layer ${index + 1} of the model${known} has no ${known === '' ? 'class_name and config' : 'config'}: model.json is damaged or was not written by tfjs or its converter; save the model again`,
      );
    }
  });
  return layers as LayerEntry[];
}

/** The name by which other layers refer to a layer. */
export function layerName(layer: LayerEntry): string | undefined {
  return layer.config.name ?? layer.name;
}
