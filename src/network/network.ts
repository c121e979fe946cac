import { io, reshape, type Tensor, type Tensor2D, tensor, tidy } from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import picomatch from 'picomatch';
import type { Checkpoint, CheckpointWeight } from '../checkpoint/checkpoint.js';
import { InputError } from '../errors.js';
import {
  checkDepthwiseDilation,
  checkLayerSizes,
  finalActivation,
  forTrainedWeights,
  type RemovedActivation,
  withoutFinalActivation,
} from './topology.js';

/** A prunable weight and where it lies in the flat vector of all of them. */
export interface PrunableWeight {
  name: string;
  /** The name under which the checkpoint holds it (newer Keras versions put a cell name in between). */
  checkpointName: string;
  shape: readonly number[];
  offset: number;
  size: number;
}

/**
 * A trained network as a function of its prunable weights.
 *
 * All other weights (biases, normalisation) stay as trained. Dropout is off
 * and batch normalisation uses its running statistics.
 */
export interface Network {
  /** The model's input shape without the batch axis; null where it is free. */
  readonly inputShape: readonly (number | null)[];
  /** How many outputs (classes) the network has. */
  readonly outputs: number;
  /** All weights of the model, prunable or not. */
  readonly parameters: number;
  readonly prunable: readonly PrunableWeight[];
  /** D, how many prunable weights there are. */
  readonly dimension: number;
  /** w*, the trained prunable weights, flattened; length `dimension`. */
  readonly weights: Float32Array;
  /** The activation that was taken off the output, if any. */
  readonly removedActivation: RemovedActivation | null;
  /**
   * The network's output for a batch, differentiable with respect to the
   * given weights.
   *
   * @param weights one tensor for each of `prunable`, of its shape
   * @param inputs [examples, ...inputShape]
   * @returns [examples, outputs], owned by the caller
   */
  logits(weights: readonly Tensor[], inputs: Tensor): Tensor2D;
  /** Frees the tensors of the model. */
  dispose(): void;
}

/** Options that decide which weights are prunable and where the network ends. */
export interface NetworkOptions {
  /** Glob patterns; only prunable weights whose name matches one are kept. Empty: all. */
  include?: readonly string[];
  /** Glob patterns; prunable weights whose name matches one are left out. */
  exclude?: readonly string[];
  /** Leaves a final softmax or sigmoid on (for a loss of the output itself). */
  keepFinalActivation?: boolean;
}

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

/** Layers whose matrices are statistics or tables, not kernels. */
const NORMALIZATION_LAYER = /Normalization/;
const KERNEL_NAME = /(^|\/|_)kernel$/;

/**
 * Which weights of a checkpoint are pruned by default: kernels of rank two or
 * more; not biases, not normalisation layers.
 */
export function isPrunable(weight: { name: string; shape: readonly number[] }, layerClass = ''): boolean {
  return weight.shape.length >= 2 && KERNEL_NAME.test(weight.name) && !NORMALIZATION_LAYER.test(layerClass);
}

/**
 * A predicate on weight names from `--include` and `--exclude` globs; `*`
 * matches slashes too.
 *
 * @param names of the weights that could be pruned
 * @throws InputError for a glob that matches none of them
 */
export function weightFilter(
  include: readonly string[],
  exclude: readonly string[],
  names: readonly string[],
): (name: string) => boolean {
  const matcher = (option: string, glob: string): ((name: string) => boolean) => {
    const matches = picomatch(glob, { bash: true });
    if (!names.some((name) => matches(name))) {
      throw new InputError(
        'network/glob',
        `${option} ${JSON.stringify(glob)} matches no prunable weight; there are ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', ...' : ''}`,
      );
    }
    return matches;
  };
  const included = include.map((glob) => matcher('--include', glob));
  const excluded = exclude.map((glob) => matcher('--exclude', glob));
  return (name) =>
    (included.length === 0 || included.some((matches) => matches(name))) &&
    !excluded.some((matches) => matches(name));
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

async function loadModel(checkpoint: Checkpoint, topology: Record<string, unknown>): Promise<LayersModel> {
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
 * Builds the network of a checkpoint on the current tfjs backend.
 *
 * @throws InputError when the topology cannot be built, has several inputs or
 *   outputs, or holds no prunable weight
 */
export async function createNetwork(checkpoint: Checkpoint, options: NetworkOptions = {}): Promise<Network> {
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
  checkpoint: Checkpoint,
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
      model.dispose();
    },
  };
}

/**
 * The flat weight vector as one tensor for each prunable weight.
 *
 * @param flat length `network.dimension`
 * @returns tensors owned by the caller
 */
export function weightTensors(network: Network, flat: Float32Array | Float64Array): Tensor[] {
  return network.prunable.map(({ offset, size, shape }) =>
    tensor(new Float32Array(flat.subarray(offset, offset + size)), [...shape], 'float32'),
  );
}

/** Writes tensors of the prunable weights' shapes into a flat float64 vector, adding to what is there. */
export function accumulateFlat(network: Network, tensors: readonly Tensor[], sum: Float64Array): void {
  network.prunable.forEach(({ offset, size }, index) => {
    const values = tensors[index].dataSync();
    for (let i = 0; i < size; i++) {
      sum[offset + i] += values[i];
    }
  });
}
