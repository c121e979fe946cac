import { type CheckpointWeight, elementCount, type LayersCheckpoint } from '../checkpoint/checkpoint.js';
import { requirePlainKeys } from '../checkpoint/json.js';
import { quoted } from '../checkpoint/printable.js';
import { InputError } from '../errors.js';
import { io, reshape, type Tensor, type Tensor2D, tensor, tidy } from '../tfjs-core.js';
import { type LayersModel, loadLayersModel, type SymbolicTensor } from '../tfjs-layers.js';
import { largestWeight } from './bounded-zeros.js';
import { buildFailure } from './build-failure.js';
import { checkIgnoredOptions } from './ignored-options.js';
import { tfjsTopology } from './keras-topology.js';
import type { Topology } from './layer-entries.js';
import { checkLayerGraph } from './layer-graph.js';
import { matchLayerWeights } from './layer-weights.js';
import { coversExample, type LayersEnding, layersEnding, withoutFinalActivation } from './layers-ending.js';
import type { InputTable, Network, NetworkOptions, PrunableWeight } from './network.js';
import { isPrunable, weightFilter } from './prunable.js';
import {
  checkAxes,
  checkDepthwiseDilation,
  checkInputTypes,
  checkLayerSizes,
  forTrainedWeights,
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
  inboundNodes: { inputTensors: SymbolicTensor[]; outputTensors: SymbolicTensor[] }[];
  outputShape: unknown;
  getClassName(): string;
}

/** The model of a topology with the checkpoint's weights, and under which name it stores each of them. */
async function loadModel(
  checkpoint: LayersCheckpoint,
  topology: Topology,
): Promise<{ model: LayersModel; storedNames: ReadonlyMap<string, string> }> {
  let model: LayersModel | null = null;
  try {
    model = await loadLayersModel(io.fromMemory({ modelTopology: topology }));
    if (!Array.isArray(model.layers)) {
      throw new InputError(
        'network/topology',
        `${checkpoint.path}: modelTopology is a single layer, not a model; save the whole model`,
      );
    }
    const variables = layerVariables(model.layers as unknown as LayerWithWeights[]);
    const known = variables.map(({ variable: { originalName: name, shape } }) => ({ name, shape }));
    const storedNames = matchLayerWeights(checkpoint.weights, known, checkpoint.path);
    const stored = new Map(checkpoint.weights.map((weight) => [weight.name, weight]));
    const loaded = model;
    tidy(() => {
      const tensors = [...storedNames].map(([name, storedName]): [string, Tensor] => {
        const { values, shape, dtype } = stored.get(storedName) as CheckpointWeight;
        return [name, tensor(values, [...shape], dtype)];
      });
      loaded.loadWeights(Object.fromEntries(tensors), true);
    });
    return { model, storedNames };
  } catch (error) {
    try {
      model?.dispose();
    } catch {
      // tfjs-layers refuses to free what it has not built; there is nothing to free, then.
    }
    throw error instanceof InputError ? error : buildFailure(checkpoint.path, checkpoint.topology, error);
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

/** Most values that a layer may give for an example, 256 MiB: a crafted file could ask for any number. */
const MAX_LAYER_VALUES = 2 ** 26;

/** Refuses layers whose output for one example is larger than any network means. */
function checkOutputSizes(model: LayersModel): void {
  const visit = (layers: LayerWithWeights[]): void => {
    for (const layer of layers) {
      if (layer.layers !== undefined) {
        visit(layer.layers);
      }
      for (const { outputTensors } of layer.inboundNodes) {
        const large = outputTensors.find(
          ({ shape }) => elementCount(shape.slice(1).map((extent) => extent ?? 1)) > MAX_LAYER_VALUES,
        );
        if (large !== undefined) {
          throw new InputError(
            'network/layer-size',
            `layer ${quoted(layer.name)} gives an output of shape [${large.shape.slice(1)}] for one example, more than the ${MAX_LAYER_VALUES} numbers that are computed with: model.json is damaged, or made to do harm`,
          );
        }
      }
    }
  };
  visit(model.layers as unknown as LayerWithWeights[]);
}

/** The shape of a model's output for an example. */
function outputShapeOf(model: LayersModel): number[] {
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
  return dimensions as number[];
}

/** The layer at the end of a path of names; null where it is not found. */
function layerAt(model: LayersModel, path: readonly (string | undefined)[]): LayerWithWeights | null {
  let layers: LayerWithWeights[] | undefined = model.layers as unknown as LayerWithWeights[];
  let found: LayerWithWeights | undefined;
  for (const name of path) {
    found = layers?.find((layer) => layer.name === name);
    layers = found?.layers;
  }
  return found ?? null;
}

/** Whether a model's last softmax is one over all outputs of an example. */
function isOneSoftmax(model: LayersModel, ending: LayersEnding): boolean {
  const layer = layerAt(model, ending.path);
  let shape = model.outputs[0].shape as (number | null)[];
  try {
    shape = (layer?.outputShape as typeof shape | undefined) ?? shape;
  } catch {
    // A layer that is applied to several shapes has no one output shape; that of the model stands for it.
  }
  return coversExample(ending, shape);
}

/** Tables that take the model's inputs themselves as row numbers. */
function inputTables(model: LayersModel): InputTable[] {
  const visit = (layers: LayerWithWeights[]): InputTable[] =>
    layers.flatMap((layer) => {
      if (layer.layers !== undefined) {
        return visit(layer.layers);
      }
      const { inputDim } = layer as unknown as { inputDim?: number };
      return layer.getClassName() === 'Embedding' && typeof inputDim === 'number' && readsInput(layer, model)
        ? [{ layer: layer.name, rows: inputDim }]
        : [];
    });
  return visit(model.layers as unknown as LayerWithWeights[]);
}

/** Whether a layer takes the model's input, directly or through layers that only rearrange it. */
function readsInput(layer: LayerWithWeights, model: LayersModel): boolean {
  const reached = (tensor: SymbolicTensor): boolean =>
    model.inputs.includes(tensor) ||
    (tensor.sourceLayer !== undefined &&
      ['Reshape', 'Flatten', 'Permute'].includes(tensor.sourceLayer.getClassName()) &&
      tensor.inputs.every(reached));
  return layer.inboundNodes.some(({ inputTensors }) => inputTensors.every(reached));
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
  requirePlainKeys(checkpoint.topology, checkpoint.path);
  const values = checkpoint.weights.reduce((sum, weight) => sum + weight.values.length, 0);
  checkLayerSizes(checkpoint.topology, values);
  checkAxes(checkpoint.topology);
  checkDepthwiseDilation(checkpoint.topology);
  checkIgnoredOptions(checkpoint.topology);
  const whole = tfjsTopology(checkpoint.topology);
  checkInputTypes(whole);
  checkLayerGraph(whole);
  const ending = options.keepFinalActivation ? null : layersEnding(whole);
  const topology = forTrainedWeights(
    ending === null ? whole : withoutFinalActivation(whole),
    largestWeight(checkpoint.weights),
  );
  const { model, storedNames } = await loadModel(checkpoint, topology);
  try {
    checkOutputSizes(model);
    const outputShape = outputShapeOf(model);
    if (ending?.activation !== 'softmax' || isOneSoftmax(model, ending)) {
      return networkOf(model, checkpoint, { outputShape, storedNames, ending }, options);
    }
  } catch (error) {
    model.dispose();
    throw error;
  }
  // A softmax over parts of the outputs is none over them all, and stays.
  model.dispose();
  return createLayersNetwork(checkpoint, { ...options, keepFinalActivation: true });
}

function networkOf(
  model: LayersModel,
  checkpoint: LayersCheckpoint,
  {
    outputShape,
    storedNames,
    ending,
  }: { outputShape: number[]; storedNames: ReadonlyMap<string, string>; ending: LayersEnding | null },
  options: NetworkOptions,
): Network {
  const outputs = elementCount(outputShape);
  const variables = layerVariables(model.layers as unknown as LayerWithWeights[]);
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
  const prunable: PrunableWeight[] = [];
  let dimension = 0;
  for (const { variable } of selected) {
    const size = variable.shape.reduce((product, extent) => product * extent, 1);
    const name = variable.originalName;
    prunable.push({
      name,
      checkpointName: storedNames.get(name) ?? name,
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
  let computed = false;
  let disposed = false;
  return {
    inputShape: model.inputs[0].shape.slice(1),
    outputs,
    outputShape,
    inputTables: inputTables(model),
    parameters: checkpoint.weights.reduce((sum, weight) => sum + weight.values.length, 0),
    prunable,
    dimension,
    weights,
    removedActivation: ending?.activation ?? null,
    logits: (weightTensors, inputs) => {
      const trained = selected.map(({ variable }) => variable.val);
      selected.forEach(({ variable }, index) => {
        variable.val = weightTensors[index];
      });
      try {
        const result = tidy(() =>
          reshape(model.apply(inputs, { training: false }) as Tensor, [inputs.shape[0], outputs]),
        ) as Tensor2D;
        computed = true;
        return result;
      } catch (error) {
        // Some layers are built that tfjs-layers then finds it cannot compute.
        throw computed || error instanceof InputError
          ? error
          : buildFailure(checkpoint.path, checkpoint.topology, error, 'compute');
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
