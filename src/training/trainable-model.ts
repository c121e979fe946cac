import { io, type Tensor, type Tensor2D, tensor, tidy, type Variable } from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import type { CheckpointWeight, LayersCheckpoint } from '../checkpoint/checkpoint.js';
import { largestWeight } from '../network/bounded-zeros.js';
import { finalActivation, withoutFinalActivation } from '../network/layers-ending.js';
import { isPrunable } from '../network/prunable.js';
import { forTrainedWeights } from '../network/topology.js';

/** A weight that training changes. */
export interface TrainableWeight {
  /** As the checkpoint names it. */
  name: string;
  variable: Variable;
  /** Penalties act on prunable kernels only. */
  prunable: boolean;
}

/** A checkpoint on the current backend, ready to be trained. */
export interface TrainableModel {
  readonly weights: readonly TrainableWeight[];
  /**
   * Outputs before the final softmax.
   *
   * @param inputs [examples, ...input shape]
   * @param training whether layers such as dropout act as in training
   * @returns [examples, outputs], owned by the caller
   */
  logits(inputs: Tensor, training: boolean): Tensor2D;
  /** The checkpoint with the weights as they are now, in float32. */
  snapshot(): LayersCheckpoint;
  dispose(): void;
}

interface LayerVariable {
  originalName: string;
  shape: number[];
  val: Variable;
  trainable: boolean;
}

interface LayerWithWeights {
  weights: LayerVariable[];
  trainableWeights: LayerVariable[];
  getClassName(): string;
}

function assign(variable: LayerVariable, weight: CheckpointWeight | undefined): void {
  if (weight === undefined) {
    throw new Error(`the checkpoint holds no weight ${variable.originalName}`);
  }
  tidy(() => variable.val.assign(tensor(weight.values, [...weight.shape], weight.dtype)));
}

/** Builds the model of a checkpoint on the current tfjs backend. */
export async function createTrainableModel(checkpoint: LayersCheckpoint): Promise<TrainableModel> {
  const { topology } = checkpoint;
  const linear = finalActivation(topology) === null ? topology : withoutFinalActivation(topology);
  const model = await loadLayersModel(
    io.fromMemory({ modelTopology: forTrainedWeights(linear, largestWeight(checkpoint.weights)) }),
  );
  const layers = model.layers as unknown as LayerWithWeights[];
  const byName = new Map(checkpoint.weights.map((weight) => [weight.name, weight]));
  const variables = layers.flatMap((layer) => layer.weights);
  for (const variable of variables) {
    assign(variable, byName.get(variable.originalName));
  }
  const weights = layers.flatMap((layer) =>
    layer.trainableWeights.map(({ originalName: name, shape, val }) => ({
      name,
      variable: val,
      prunable: isPrunable({ name, shape }, layer.getClassName()),
    })),
  );
  return {
    weights,
    logits: (inputs, training) => tidy(() => model.apply(inputs, { training }) as Tensor2D),
    snapshot: () => {
      const trained = new Map(variables.map(({ originalName, val }) => [originalName, val]));
      return {
        ...checkpoint,
        weights: checkpoint.weights.map((weight) => ({
          ...weight,
          values: trained.get(weight.name)!.dataSync().slice() as CheckpointWeight['values'],
          storage: null,
        })),
      };
    },
    dispose: () => {
      model.dispose();
    },
  };
}
