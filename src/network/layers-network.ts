import { io, reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import type { CheckpointWeight, LayersCheckpoint } from '../checkpoint/checkpoint.js';
import { InputError } from '../errors.js';
import type { Network, NetworkOptions, PrunableWeight } from './network.js';
import { isPrunable, weightFilter } from './prunable.js';
import {
  checkDepthwiseDilation,
  checkLayerSizes,
  finalActivation,
  forTrainedWeights,
  type RemovedActivation,
  withoutFinalActivation,
} from './topology.js';

/** What tfjs-layers keeps behind a layer's weight. */
interface LayerVariable {
  id: number;
  originalName: string;
  name: string;
  shape: number[];
  val: Tensor;
  read(): Tensor;
}

interface LayerWithWeights {
  name: string;
  weights: LayerVariable[];
  layers?: LayerWithWeights[];
  getClassName(): string;
}

/**
 * The name tfjs-layers gives a weight that a checkpoint may store as
 * layer/cell/weight, the form that Keras uses since TensorFlow 2.2.
 */
function layerWeightName(stored: string, known: ReadonlySet<string>): string {
  const parts = stored.split('/');
  return known.has(stored) || parts.length < 3
    ? stored
    : [...parts.slice(0, -2), parts[parts.length - 1]].join('/');
}

function weightData(weights: readonly CheckpointWeight[]): ArrayBuffer {
  const total = weights.reduce((bytes, weight) => bytes + weight.values.byteLength, 0);
  const data = new Uint8Array(total);
  let offset = 0;
  for (const { values } of weights) {
    data.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
    offset += values.byteLength;
  }
  return data.buffer;
}

async function loadModel(
  checkpoint: LayersCheckpoint,
  topology: Record<string, unknown>,
): Promise<LayersModel> {
  const weightSpecs = checkpoint.weights.map(({ name, shape, dtype }) => ({
    name,
    shape: [...shape],
    dtype,
  }));
  try {
    return await loadLayersModel(
      io.fromMemory({ modelTopology: topology, weightSpecs, weightData: weightData(checkpoint.weights) }),
      { strict: true },
    );
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0];
    const unknown = /^Unknown layer: (\w+)/.exec(reason);
    throw new InputError(
      unknown === null ? 'network/topology' : 'network/unknown-layer',
      unknown === null
        ? `${checkpoint.path}: tfjs-layers cannot build this model: ${reason}`
        : `${checkpoint.path}: unknown layer '${unknown[1]}': prune-limit computes with the layers of tfjs-layers; replace it by one of them`,
      { cause: error },
    );
  }
}

/** Every weight variable of a model once, with the class of the layer that holds it. */
function layerVariables(layers: LayerWithWeights[]): { variable: LayerVariable; layerClass: string }[] {
  const found = new Map<LayerVariable, string>();
  const visit = (layer: LayerWithWeights): void => {
    if (layer.layers !== undefined) {
      layer.layers.forEach(visit);
    } else {
      for (const variable of layer.weights) {
        found.set(variable, layer.getClassName());
      }
    }
  };
  layers.forEach(visit);
  return [...found].map(([variable, layerClass]) => ({ variable, layerClass }));
}

function outputWidth(model: LayersModel): number {
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    throw new InputError(
      'network/several-inputs',
      `the model has ${model.inputs.length} inputs and ${model.outputs.length} outputs: prune-limit analyses networks with one of each`,
    );
  }
  const dimensions = model.outputs[0].shape.slice(1);
  if (dimensions.some((dimension) => dimension === null)) {
    throw new InputError(
      'network/output-shape',
      `the model's output shape [${model.outputs[0].shape}] is not fixed: prune-limit needs one row of outputs per example`,
    );
  }
  return (dimensions as number[]).reduce((product, dimension) => product * dimension, 1);
}

/**
 * Builds the network of a LayersModel on the current tfjs backend.
 *
 * @throws InputError when the topology cannot be built, has several inputs or
 *   outputs, or holds no prunable weight
 */
export async function createLayersNetwork(
  checkpoint: LayersCheckpoint,
  options: NetworkOptions,
): Promise<Network> {
  const values = checkpoint.weights.reduce((sum, weight) => sum + weight.values.length, 0);
  checkLayerSizes(checkpoint.topology, values);
  checkDepthwiseDilation(checkpoint.topology);
  const ending = options.keepFinalActivation ? null : finalActivation(checkpoint.topology);
  const topology = forTrainedWeights(
    ending === null ? checkpoint.topology : withoutFinalActivation(checkpoint.topology),
  );
  const model = await loadModel(checkpoint, topology);
  try {
    return networkOf(model, checkpoint, ending, options);
  } catch (error) {
    model.dispose();
    throw error;
  }
}

function networkOf(
  model: LayersModel,
  checkpoint: LayersCheckpoint,
  removedActivation: RemovedActivation | null,
  options: NetworkOptions,
): Network {
  const outputs = outputWidth(model);
  const variables = layerVariables(model.layers as unknown as LayerWithWeights[]);
  const known = new Set(variables.map(({ variable }) => variable.originalName));
  const kernels = variables.filter(({ variable, layerClass }) =>
    isPrunable({ name: variable.originalName, shape: variable.shape }, layerClass),
  );
  const accepts = weightFilter(
    options.include ?? [],
    options.exclude ?? [],
    kernels.map(({ variable }) => variable.originalName),
  );
  const selected = kernels.filter(({ variable }) => accepts(variable.originalName));
  if (selected.length === 0) {
    throw new InputError(
      'network/nothing-prunable',
      `${checkpoint.path}: no prunable weight (a kernel of rank 2 or more) is left; check --include and --exclude`,
    );
  }
  const storedAs = new Map(checkpoint.weights.map(({ name }) => [layerWeightName(name, known), name]));
  const prunable: PrunableWeight[] = [];
  let dimension = 0;
  for (const { variable } of selected) {
    const size = variable.shape.reduce((product, extent) => product * extent, 1);
    const name = variable.originalName;
    prunable.push({
      name,
      checkpointName: storedAs.get(name) ?? name,
      shape: variable.shape,
      offset: dimension,
      size,
    });
    dimension += size;
  }
  const weights = new Float32Array(dimension);
  selected.forEach(({ variable }, index) => {
    weights.set(variable.read().dataSync(), prunable[index].offset);
  });
  let disposed = false;
  return {
    inputShape: model.inputs[0].shape.slice(1),
    outputs,
    parameters: checkpoint.weights.reduce((sum, weight) => sum + weight.values.length, 0),
    prunable,
    dimension,
    weights,
    removedActivation,
    logits: (weightTensors, inputs) => {
      const trained = selected.map(({ variable }) => variable.val);
      selected.forEach(({ variable }, index) => {
        variable.val = weightTensors[index];
      });
      try {
        return tidy(() =>
          reshape(model.apply(inputs, { training: false }) as Tensor, [inputs.shape[0], outputs]),
        );
      } finally {
        selected.forEach(({ variable }, index) => {
          variable.val = trained[index];
        });
      }
    },
    dispose: () => {
      if (!disposed) {
        disposed = true;
        model.dispose();
      }
    },
  };
}
