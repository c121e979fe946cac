import type { LayersCheckpoint } from '../checkpoint/checkpoint.js';
import { InputError } from '../errors.js';

/** A tfjs-layers topology as it stands in model.json: untyped JSON. */
export type Topology = Record<string, unknown>;

/** Activations that are taken off the output, so that the loss is computed from logits. */
export type RemovedActivation = 'softmax' | 'sigmoid';

/** What a checkpoint says of its network. */
export interface NetworkDescription {
  /** The activation at its very end, if it is one that a loss takes as part of itself. */
  finalActivation: RemovedActivation | null;
  /** The loss it was trained with, by the name the framework gave it. */
  trainedLoss: string | null;
  /** Names of its layer classes or operators, each once, sorted. */
  operations: string[];
}

interface LayerEntry {
  class_name: string;
  config: Record<string, unknown> & { name?: string; activation?: unknown };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The model's own description: `model_config` inside a Keras topology, or the topology itself. */
function modelEntry(topology: Topology): LayerEntry {
  const entry = isObject(topology.model_config) ? topology.model_config : topology;
  if (typeof entry.class_name !== 'string' || !(isObject(entry.config) || Array.isArray(entry.config))) {
    throw new InputError(
      'network/topology',
      'modelTopology has no class_name and config: this is not a tfjs LayersModel',
    );
  }
  return entry as unknown as LayerEntry;
}

function layersOf(model: LayerEntry): LayerEntry[] | null {
  const config = model.config as unknown;
  const layers = Array.isArray(config) ? config : (config as Record<string, unknown>).layers;
  return Array.isArray(layers) ? (layers as LayerEntry[]) : null;
}

/** The layer whose output is the model's output; descends into nested models. */
function outputLayer(model: LayerEntry): LayerEntry | null {
  const layers = layersOf(model);
  if (layers === null || layers.length === 0) {
    return null;
  }
  const outputs = model.config.output_layers;
  const outputName = Array.isArray(outputs)
    ? ((Array.isArray(outputs[0]) ? outputs[0][0] : outputs[0]) as string)
    : undefined;
  const layer =
    outputName === undefined
      ? layers[layers.length - 1]
      : layers.find(
          (candidate) => (candidate.config?.name ?? (candidate as { name?: string }).name) === outputName,
        );
  if (layer === undefined) {
    return null;
  }
  return layersOf(layer) === null ? layer : outputLayer(layer);
}

function activationName(activation: unknown): string | null {
  if (typeof activation === 'string') {
    return activation.toLowerCase();
  }
  if (isObject(activation) && typeof activation.class_name === 'string') {
    return activation.class_name.toLowerCase();
  }
  return null;
}

/**
 * The activation at the very end of a network, if it is one that a
 * classification loss takes as part of itself.
 */
export function finalActivation(topology: Topology): RemovedActivation | null {
  const layer = outputLayer(modelEntry(topology));
  if (layer === null) {
    return null;
  }
  if (layer.class_name === 'Softmax') {
    return 'softmax';
  }
  const name = activationName(layer.config?.activation);
  return name === 'softmax' || name === 'sigmoid' ? name : null;
}

/** A copy of the topology whose final softmax or sigmoid is replaced by the identity. */
export function withoutFinalActivation(topology: Topology): Topology {
  const copy = structuredClone(topology);
  const layer = outputLayer(modelEntry(copy));
  if (layer !== null) {
    if (layer.class_name === 'Softmax') {
      layer.class_name = 'Activation';
      layer.config = { name: layer.config.name, activation: 'linear' };
    } else {
      layer.config.activation = 'linear';
    }
  }
  return copy;
}

const ZERO_INITIALIZER = { class_name: 'Zeros', config: {} };

/**
 * A copy of the topology made ready for computing with trained weights: a
 * fixed batch size becomes free, and initial values, which the checkpoint's
 * weights replace at once, become zeros (an orthogonal initialiser, for one,
 * factorises a matrix).
 */
export function forTrainedWeights(topology: Topology): Topology {
  const copy = structuredClone(topology);
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      value.forEach(visit);
    } else if (isObject(value)) {
      for (const [key, item] of Object.entries(value)) {
        if ((key === 'batch_input_shape' || key === 'batch_shape') && Array.isArray(item)) {
          item[0] = null;
        } else if (key.endsWith('_initializer') && item !== null) {
          value[key] = ZERO_INITIALIZER;
        } else {
          visit(item);
        }
      }
    }
  };
  visit(copy);
  return copy;
}

/**
 * Refuses layer sizes that the checkpoint's weights cannot fill, before a
 * layer of such a size is built and its memory taken.
 *
 * @param weightValues how many values the checkpoint's weights hold together
 * @throws InputError naming the layer and the size
 */
export function checkLayerSizes(topology: Topology, weightValues: number): void {
  const visit = (model: LayerEntry): void => {
    for (const layer of layersOf(model) ?? []) {
      for (const key of ['units', 'filters', 'input_dim', 'output_dim', 'depth_multiplier']) {
        const size = layer.config?.[key];
        if (typeof size === 'number' && size > weightValues) {
          throw new InputError(
            'network/layer-size',
            `layer '${layer.config.name}' declares ${key} ${size}, but the checkpoint holds ${weightValues} weights in all: model.json and its weights do not belong together`,
          );
        }
      }
      if (layersOf(layer) !== null) {
        visit(layer);
      }
    }
  };
  visit(modelEntry(topology));
}

/**
 * Refuses layers that tfjs-layers computes wrongly without saying so: it
 * ignores the dilation of a depthwise convolution.
 *
 * @throws InputError naming the layer
 */
export function checkDepthwiseDilation(topology: Topology): void {
  const visit = (model: LayerEntry): void => {
    for (const layer of layersOf(model) ?? []) {
      const rates = [layer.config?.dilation_rate ?? 1].flat();
      if (layer.class_name === 'DepthwiseConv2D' && rates.some((rate) => rate !== 1)) {
        throw new InputError(
          'network/dilation',
          `layer '${layer.config.name}' is a depthwise convolution with dilation rate ${rates}, which tfjs-layers computes as if it were 1: prune-limit cannot analyse this model`,
        );
      }
      visit(layer);
    }
  };
  visit(modelEntry(topology));
}

/** The class names of a model's layers, nested ones included, each once, sorted. */
export function layerTypes(topology: Topology): string[] {
  const names = new Set<string>();
  const visit = (model: LayerEntry): void => {
    for (const layer of layersOf(model) ?? []) {
      if (layersOf(layer) === null) {
        names.add(layer.class_name);
      } else {
        visit(layer);
      }
    }
  };
  visit(modelEntry(topology));
  return [...names].sort();
}

/** What the model.json of a LayersModel says of its network. */
export function describeTopology({ topology, extra }: LayersCheckpoint): NetworkDescription {
  const { trainingConfig } = extra as { trainingConfig?: { loss?: unknown } };
  const { training_config: kerasConfig } = topology as { training_config?: { loss?: unknown } };
  const loss = trainingConfig?.loss ?? kerasConfig?.loss;
  return {
    finalActivation: finalActivation(topology),
    trainedLoss: typeof loss === 'string' ? loss : null,
    operations: layerTypes(topology),
  };
}
