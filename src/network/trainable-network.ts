import {
  type Checkpoint,
  type CheckpointWeight,
  elementCount,
  type LayersCheckpoint,
} from '../checkpoint/checkpoint.js';
import { quoted } from '../checkpoint/printable.js';
import { InputError } from '../errors.js';
import {
  add,
  clone,
  io,
  keep,
  mul,
  reshape,
  sub,
  type Tensor,
  type Tensor2D,
  tensor,
  tidy,
} from '../tfjs-core.js';
import { type LayersModel, loadLayersModel, type SymbolicTensor } from '../tfjs-layers.js';
import { normalizeBatch } from './batch-normalization.js';
import { largestWeight } from './bounded-zeros.js';
import { type InitialValues, layerInitialValues } from './initial-values.js';
import { tfjsTopology } from './keras-topology.js';
import { matchLayerWeights } from './layer-weights.js';
import { finalActivation, withoutFinalActivation } from './layers-ending.js';
import { isPrunable } from './prunable.js';
import { forTrainedWeights } from './topology.js';

/** Numbers of a network that training changes. */
export interface TrainableTensor {
  /** As the checkpoint names them. */
  name: string;
  shape: readonly number[];
  values: Float32Array;
  /** Of a new network of the same architecture. */
  initial: InitialValues;
}

/** A weight that training changes; by default penalties and masks act on prunable kernels only. */
export interface TrainableWeight extends TrainableTensor {
  prunable: boolean;
}

/** A layer that sets shares of its inputs to zero while it is trained. */
export interface DropoutLayer {
  rate: number;
  /** Of an input without batch. */
  shape: readonly number[];
}

/** What a forward pass takes in training, besides weights and inputs. */
export interface TrainingPass {
  /** One for each of `statistics`. */
  statistics: readonly Tensor[];
  /** One for each of `dropouts`, [examples, ...shape]: 0 or 1 / (1 - rate). */
  dropoutMasks: readonly Tensor[];
  /** 1 / examples, a scalar. */
  inverseBatch: Tensor;
}

/** A checkpoint as a function of everything in it that training changes. */
export interface TrainableNetwork {
  readonly inputShape: readonly (number | null)[];
  readonly outputs: number;
  readonly weights: readonly TrainableWeight[];
  /** Moving averages of batch normalisations: changed by training, but not by its gradient. */
  readonly statistics: readonly TrainableTensor[];
  /** Of each of `statistics`, the share of its old value that a pass keeps; left out where there are none. */
  readonly momenta?: readonly number[];
  readonly dropouts: readonly DropoutLayer[];
  /**
   * The output before a final softmax or sigmoid, as in training: batch
   * normalisation with the batch's statistics, dropout with the given masks.
   *
   * @returns logits [examples, outputs], and the new moving statistics, kept: to be disposed of by the caller
   */
  forward(
    weights: readonly Tensor[],
    inputs: Tensor,
    pass: TrainingPass,
  ): { logits: Tensor2D; statistics: Tensor[] };
  /** The same with moving statistics and without dropout, as in use. */
  logits(weights: readonly Tensor[], statistics: readonly Tensor[], inputs: Tensor): Tensor2D;
  /** The checkpoint with other numbers: in float32, or in an ONNX model as the file stores each. */
  checkpoint(weights: readonly Float32Array[], statistics: readonly Float32Array[]): Checkpoint;
  dispose(): void;
}

interface LayerVariable {
  originalName: string;
  shape: number[];
  val: Tensor;
}

interface Layer {
  name: string;
  weights: LayerVariable[];
  trainableWeights: LayerVariable[];
  trainable: boolean;
  layers?: Layer[];
  inboundNodes: { inputTensors: SymbolicTensor[] }[];
  call: (inputs: Tensor | Tensor[], options: Record<string, unknown>) => Tensor | Tensor[];
  getClassName(): string;
}

interface NormalizationLayer extends Layer {
  axis: number;
  momentum: number;
  epsilon: number;
  gamma?: LayerVariable;
  beta?: LayerVariable;
  movingMean: LayerVariable;
  movingVariance: LayerVariable;
}

/** Layers whose randomness in training is none that a program can be given. */
const RANDOM_LAYERS = ['GaussianNoise', 'GaussianDropout', 'AlphaDropout', 'SpatialDropout1D', 'RandomWidth'];

function leaves(layers: readonly Layer[]): Layer[] {
  return layers.flatMap((layer) => (layer.layers === undefined ? [layer] : leaves(layer.layers)));
}

function refused(layer: Layer, what: string): InputError {
  return new InputError(
    'training/layer',
    `layer ${quoted(layer.name)} (${layer.getClassName()}) ${what}, which cannot be trained; take it out of the model`,
  );
}

/** Pass that runs at the moment; the layers' own calls read it. */
interface Running {
  pass: TrainingPass | null;
  statistics: Map<LayerVariable, Tensor>;
}

/** Replaces what a batch normalisation does in training: the moving statistics are returned, not assigned. */
function interceptNormalization(layer: NormalizationLayer, running: Running): void {
  const inUse = layer.call.bind(layer);
  layer.call = (inputs, options) => {
    if (running.pass === null || !layer.trainable) {
      return inUse(inputs, { ...options, training: false });
    }
    const x = [inputs].flat()[0];
    const axis = layer.axis < 0 ? layer.axis + x.rank : layer.axis;
    const channels = x.shape[axis];
    const shape = x.shape.map((_, index) => (index === axis ? channels : 1));
    const perChannel = (variable: LayerVariable | undefined, otherwise: number): Tensor =>
      variable == null
        ? tensor(new Float32Array(channels).fill(otherwise), shape)
        : reshape(variable.val, shape);
    const positions = x.shape.slice(1).reduce((product, extent) => product * extent, 1) / channels;
    const { output, mean, variance } = normalizeBatch(
      x,
      perChannel(layer.gamma, 1),
      perChannel(layer.beta, 0),
      mul(running.pass.inverseBatch, 1 / positions),
      layer.epsilon,
    );
    const moved = (variable: LayerVariable, batch: Tensor): void => {
      const change = mul(sub(variable.val, reshape(batch, [channels])), 1 - layer.momentum);
      running.statistics.set(variable, keep(sub(variable.val, change)));
      batch.dispose();
    };
    moved(layer.movingMean, mean);
    moved(layer.movingVariance, variance);
    return output;
  };
}

function interceptDropout(layer: Layer, index: number, running: Running): void {
  layer.call = (inputs) => {
    const x = [inputs].flat()[0];
    return running.pass === null ? clone(x) : mul(x, running.pass.dropoutMasks[index]);
  };
}

/** Loads the weights of a checkpoint into its model, and returns under which name it stores each variable. */
function assignWeights(
  model: LayersModel,
  variables: readonly LayerVariable[],
  checkpoint: LayersCheckpoint,
): Map<LayerVariable, string> {
  const known = variables.map(({ originalName: name, shape }) => ({ name, shape }));
  const storedNames = matchLayerWeights(checkpoint.weights, known, checkpoint.path);
  const stored = new Map(checkpoint.weights.map((weight) => [weight.name, weight]));
  tidy(() => {
    const tensors = [...storedNames].map(([name, storedName]): [string, Tensor] => {
      const { values, shape, dtype } = stored.get(storedName) as CheckpointWeight;
      return [name, tensor(values, [...shape], dtype)];
    });
    model.loadWeights(Object.fromEntries(tensors), true);
  });
  return new Map(
    variables.map((variable) => [variable, storedNames.get(variable.originalName) ?? variable.originalName]),
  );
}

function checkTrainable(layers: readonly Layer[]): void {
  for (const layer of layers) {
    const { dropout, recurrentDropout } = layer as unknown as Record<string, unknown>;
    if (RANDOM_LAYERS.includes(layer.getClassName())) {
      throw refused(layer, 'draws random numbers of its own');
    }
    if (layer.getClassName() !== 'Dropout' && (Number(dropout) > 0 || Number(recurrentDropout) > 0)) {
      throw refused(layer, 'drops out inside of a recurrent cell');
    }
  }
}

function dropoutShape(layer: Layer): number[] {
  const shape = layer.inboundNodes[0]?.inputTensors[0]?.shape.slice(1) ?? [null];
  if (
    shape.some((extent) => extent === null) ||
    (layer as unknown as { noiseShape?: unknown }).noiseShape != null
  ) {
    throw refused(layer, 'has a noise shape, or inputs of a size that is not fixed');
  }
  return shape as number[];
}

/**
 * Builds the model of a checkpoint on the current tfjs backend, to be trained:
 * its final softmax or sigmoid is taken off, layers marked as not trainable
 * stay as they are.
 *
 * Batch normalisation is that of tfjs-layers: the moving variance averages the
 * biased variance of batches (PyTorch's averages the unbiased one).
 *
 * @throws InputError for layers that cannot be trained (`training/layer`)
 */
export async function createTrainableNetwork(checkpoint: LayersCheckpoint): Promise<TrainableNetwork> {
  const topology = tfjsTopology(checkpoint.topology);
  const linear = finalActivation(topology) === null ? topology : withoutFinalActivation(topology);
  const model = await loadLayersModel(
    io.fromMemory({ modelTopology: forTrainedWeights(linear, largestWeight(checkpoint.weights)) }),
  );
  try {
    return trainable(model, checkpoint);
  } catch (error) {
    model.dispose();
    throw error;
  }
}

function trainable(model: LayersModel, checkpoint: LayersCheckpoint): TrainableNetwork {
  const layers = leaves(model.layers as unknown as Layer[]);
  checkTrainable(layers);
  const variables = [...new Set(layers.flatMap((layer) => layer.weights))];
  const names = assignWeights(model, variables, checkpoint);
  const trained = layers.flatMap((layer) =>
    layer.trainableWeights.map((variable) => ({ variable, layerClass: layer.getClassName() })),
  );
  const running: Running = { pass: null, statistics: new Map() };
  const normalizations = layers.filter(
    (layer) => layer.getClassName() === 'BatchNormalization',
  ) as NormalizationLayer[];
  normalizations.forEach((layer) => {
    interceptNormalization(layer, running);
  });
  const moving = normalizations.filter((layer) => layer.trainable);
  const averages = moving.flatMap(({ movingMean, movingVariance }) => [movingMean, movingVariance]);
  const dropping = layers.filter(
    (layer) => layer.getClassName() === 'Dropout' && (layer as unknown as { rate: number }).rate > 0,
  );
  dropping.forEach((layer, index) => {
    interceptDropout(layer, index, running);
  });
  const described = (variable: LayerVariable, prunable: boolean): TrainableTensor => ({
    name: names.get(variable) as string,
    shape: variable.shape,
    values: variable.val.dataSync().slice() as Float32Array,
    initial: layerInitialValues(variable.originalName, variable.shape, prunable),
  });
  const outputs = elementCount(model.outputs[0].shape.slice(1) as number[]);
  const trainedVariables = trained.map(({ variable }) => variable);

  /** Runs the model with other tensors in place of its variables. */
  const run = (weights: readonly Tensor[], statistics: readonly Tensor[], inputs: Tensor): Tensor2D => {
    const changed = [...trainedVariables, ...averages];
    const before = changed.map(({ val }) => val);
    const given = [...weights, ...statistics];
    changed.forEach((variable, index) => {
      variable.val = given[index];
    });
    try {
      const training = running.pass !== null;
      return tidy(() =>
        reshape(model.apply(inputs, { training }) as Tensor, [inputs.shape[0], outputs]),
      ) as Tensor2D;
    } finally {
      changed.forEach((variable, index) => {
        variable.val = before[index];
      });
    }
  };
  return {
    inputShape: model.inputs[0].shape.slice(1),
    outputs,
    weights: trained.map(({ variable, layerClass }) => {
      const prunable = isPrunable({ name: variable.originalName, shape: variable.shape }, layerClass);
      return { ...described(variable, prunable), prunable };
    }),
    statistics: averages.map((variable) => described(variable, false)),
    momenta: moving.flatMap(({ momentum }) => [momentum, momentum]),
    dropouts: dropping.map((layer) => ({
      rate: (layer as unknown as { rate: number }).rate,
      shape: dropoutShape(layer),
    })),
    forward: (weights, inputs, pass) => {
      running.pass = pass;
      running.statistics.clear();
      try {
        const logits = run(weights, pass.statistics, inputs);
        const statistics = averages.map(
          (variable, index) => running.statistics.get(variable) ?? keep(add(pass.statistics[index], 0)),
        );
        return { logits, statistics };
      } finally {
        running.pass = null;
      }
    },
    logits: run,
    checkpoint: (weights, statistics) => {
      const values = new Map<string, Float32Array>();
      trainedVariables.forEach((variable, index) => {
        values.set(names.get(variable) as string, weights[index]);
      });
      averages.forEach((variable, index) => {
        values.set(names.get(variable) as string, statistics[index]);
      });
      return {
        ...checkpoint,
        weights: checkpoint.weights.map((weight) => ({
          ...weight,
          values: (values.get(weight.name) ?? weight.values).slice() as CheckpointWeight['values'],
          storage: null,
        })),
      };
    },
    dispose: () => {
      model.dispose();
    },
  };
}
