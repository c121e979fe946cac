import type { LayersCheckpoint } from '../checkpoint/checkpoint.js';
import { requirePlainKeys } from '../checkpoint/json.js';
import { quoted } from '../checkpoint/printable.js';
import { InputError } from '../errors.js';
import { boundedZeros } from './bounded-zeros.js';
import { tfjsTopology } from './keras-topology.js';
import {
  isObject,
  type LayerEntry,
  layerName,
  layersOf,
  modelEntry,
  type Topology,
} from './layer-entries.js';
import { finalActivation } from './layers-ending.js';
import type { RemovedActivation } from './output-transform.js';
import { type TrainedLoss, trainedLoss } from './trained-loss.js';

/** What a checkpoint says of its network. */
export interface NetworkDescription {
  /** The activation at its very end, if it is one that a loss takes as part of itself. */
  finalActivation: RemovedActivation | null;
  /** The loss it was trained with; null where the checkpoint does not say. */
  trainedLoss: TrainedLoss | null;
  /** Names of its layer classes or operators, each once, sorted. */
  operations: string[];
}

/** Initialisers of all kinds of layers; a layer does not mind those of another. */
const INITIALIZERS = [
  'kernel',
  'bias',
  'recurrent',
  'depthwise',
  'pointwise',
  'embeddings',
  'alpha',
  'beta',
  'gamma',
  'moving_mean',
  'moving_variance',
].map((part) => `${part}_initializer`);

/**
 * A copy of the topology made ready for computing with trained weights: a
 * fixed batch size becomes free, and initial values, which the checkpoint's
 * weights replace at once, become zeros (an orthogonal initialiser, for one,
 * factorises a matrix).
 *
 * @param mostValues of a weight; one that is declared larger is refused while the model is built, before its memory is
 *   taken
 */
export function forTrainedWeights(topology: Topology, mostValues: number): Topology {
  const copy = structuredClone(topology);
  const initializer = boundedZeros(mostValues);
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      value.forEach(visit);
    } else if (isObject(value)) {
      for (const [key, item] of Object.entries(value)) {
        if ((key === 'batch_input_shape' || key === 'batch_shape') && Array.isArray(item)) {
          item[0] = null;
        } else if (!key.endsWith('_initializer')) {
          visit(item);
        }
      }
      if (typeof value.class_name === 'string' && isObject(value.config)) {
        for (const key of INITIALIZERS) {
          // A separable convolution has two kernels, and tfjs-layers refuses to hear of one.
          if (key !== 'kernel_initializer' || !value.class_name.startsWith('SeparableConv')) {
            value.config[key] = initializer;
          }
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

/** tfjs tensors have at most 6 axes. */
const MAX_AXES = 6;

/**
 * Refuses axes that no tensor has: tfjs-layers makes room for as many as a layer names.
 *
 * @throws InputError naming the layer and the option
 */
export function checkAxes(topology: Topology): void {
  const visit = (layer: LayerEntry): void => {
    for (const key of ['axis', 'axes', 'shared_axes', 'dims']) {
      const axes = [layer.config?.[key] ?? []].flat();
      if (
        axes.length > MAX_AXES ||
        axes.some((axis) => typeof axis === 'number' && Math.abs(axis) > MAX_AXES)
      ) {
        throw new InputError(
          'network/layer-option',
          `layer ${quoted(layerName(layer) ?? '')} names in ${key} an axis that no tensor has: they have at most ${MAX_AXES}; model.json is damaged, save the model again`,
        );
      }
    }
    const inner = [layer.config?.layer, layer.config?.cell, ...(layersOf(layer) ?? [])];
    for (const entry of inner) {
      if (isObject(entry) && isObject(entry.config)) {
        visit(entry as unknown as LayerEntry);
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
          `layer '${layer.config.name}' is a depthwise convolution with dilation rate ${rates}, which tfjs-layers computes as if it were 1: export the model to ONNX`,
        );
      }
      visit(layer);
    }
  };
  visit(modelEntry(topology));
}

/**
 * Refuses inputs of a type that examples of numbers cannot become, and shapes of inputs that are none.
 *
 * @param topology in Keras 2's form
 * @throws InputError naming the layer and the type
 */
export function checkInputTypes(topology: Topology): void {
  const visit = (model: LayerEntry): void => {
    for (const layer of layersOf(model) ?? []) {
      const { dtype } = layer.config ?? {};
      const isInput = layer.class_name === 'InputLayer' || layer.config?.batch_input_shape !== undefined;
      if (isInput && !['float32', 'int32', 'bool', null, undefined].includes(dtype as string)) {
        throw new InputError(
          'network/input-type',
          `layer ${quoted(layerName(layer) ?? '')} takes inputs of type ${typeof dtype === 'string' ? quoted(dtype) : 'that is no text'}: prune-limit analyses networks of real numbers; export the model with an input of float32`,
        );
      }
      const shape = layer.config?.batch_input_shape ?? [];
      const isExtent = (extent: unknown) =>
        extent === null || (typeof extent === 'number' && Number.isInteger(extent) && extent > 0);
      if (!Array.isArray(shape) || !shape.slice(1).every(isExtent)) {
        throw new InputError(
          'network/input-shape',
          `layer ${quoted(layerName(layer) ?? '')} has an input shape that is no list of whole numbers from 1: model.json is damaged, save the model again`,
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
export function describeTopology({ path, topology, extra }: LayersCheckpoint): NetworkDescription {
  requirePlainKeys([topology, extra], path);
  const configs = [
    (extra as Topology).trainingConfig,
    topology.training_config,
    modelEntry(topology).compile_config,
    topology.compile_config,
  ];
  const losses = configs.map((config) => (isObject(config) ? trainedLoss(config.loss) : null));
  return {
    finalActivation: finalActivation(tfjsTopology(topology)),
    trainedLoss: losses.find((loss) => loss !== null) ?? null,
    operations: layerTypes(topology),
  };
}
