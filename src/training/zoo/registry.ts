/** Networks that `train` knows by name, as untrained checkpoints. */

import { type CheckpointWeight, elementCount, type LayersCheckpoint } from '../../checkpoint/checkpoint.js';
import { isPrunable } from '../../network/prunable.js';
import { randomStream } from '../../random.js';
import type { LayersModel } from '../../tfjs-layers.js';
import { normalKernel } from '../initial-weights.js';
import { alexnet } from './alexnet.js';
import { type ZooName, zooCatalogue } from './catalogue.js';
import { lenet, lenet5 } from './lenet.js';
import type { ZooOptions } from './options.js';
import { fc5, fc12, mlpnet, multilayerPerceptron } from './perceptrons.js';
import { resnet18, resnet20, resnet50 } from './resnet.js';
import { vgg16 } from './vgg.js';

const builders: Record<ZooName, (options: ZooOptions) => LayersModel> = {
  mlp: multilayerPerceptron,
  mlpnet,
  fc5,
  fc12,
  lenet,
  lenet5,
  alexnet,
  vgg16,
  resnet18,
  resnet20,
  resnet50,
};

/** A weight of tfjs-layers: the name that a checkpoint stores is its original one. */
interface NamedVariable {
  originalName: string;
  shape: number[];
}

/** What is known of a weight before it has values. */
interface DeclaredWeight {
  name: string;
  shape: number[];
}

function declared(variables: unknown): DeclaredWeight[] {
  return (variables as NamedVariable[]).map(({ originalName: name, shape }) => ({ name, shape }));
}

/** Builds a network whose weights have shapes and no values, and frees it again. */
function withModel<Result>(
  name: ZooName,
  options: ZooOptions,
  use: (model: LayersModel, weights: DeclaredWeight[]) => Result,
): Result {
  const model = builders[name](options);
  try {
    return use(model, declared(model.weights));
  } finally {
    model.dispose();
  }
}

/** Weights of layers that start at 1: the scale and the moving variance of a normalisation. */
const STARTS_AT_ONE = /\/(gamma|moving_variance)$/;

/** Seeded initial values of every weight, one random stream a weight. */
function initialWeights(name: ZooName, weights: DeclaredWeight[], seed: number): CheckpointWeight[] {
  const outputKernel = weights.filter(isKernel).at(-1);
  return weights.map((weight) => {
    const gain = weight === outputKernel ? zooCatalogue[name].outputGain : 2;
    const values = isKernel(weight)
      ? normalKernel(weight.shape, gain, randomStream(seed, `initial ${weight.name}`))
      : new Float32Array(elementCount(weight.shape)).fill(STARTS_AT_ONE.test(weight.name) ? 1 : 0);
    return { ...weight, dtype: 'float32', values, storage: null };
  });
}

function isKernel(weight: DeclaredWeight): boolean {
  return isPrunable(weight);
}

/**
 * An untrained network with a final softmax: kernels He normal (the output
 * layer's of the variance that the catalogue states), biases zero, batch
 * normalisation the identity. The same seed gives the same bytes.
 *
 * A tfjs backend must be current. The input shape has no batch axis.
 *
 * @throws InputError where the network cannot take such data
 */
export function createZooCheckpoint(
  name: ZooName,
  options: ZooOptions,
): { checkpoint: LayersCheckpoint; inputShape: readonly number[] } {
  return withModel(name, options, (model, declaredWeights) => {
    const weights = initialWeights(name, declaredWeights, options.seed);
    const checkpoint: LayersCheckpoint = {
      format: 'tfjs-layers',
      path: '',
      sha256: '',
      topology: model.toJSON(null, false) as Record<string, unknown>,
      weights,
      metadata: {},
      manifestGroups: [weights.length],
      extra: { generatedBy: 'prune-limit', convertedBy: null },
    };
    return { checkpoint, inputShape: model.inputs[0].shape.slice(1) as number[] };
  });
}

/** How many numbers a network has. */
export interface ParameterCounts {
  /** Weights of kernels. */
  prunable: number;
  /** Those, biases, and the scales and offsets of normalisations; not their moving statistics. */
  trainable: number;
}

/**
 * Counts the parameters of a network without making them.
 *
 * A tfjs backend must be current.
 *
 * @throws InputError where the network cannot take such data
 */
export function countParameters(name: ZooName, options: ZooOptions): ParameterCounts {
  return withModel(name, options, (model, weights) => {
    const total = (counted: DeclaredWeight[]): number =>
      counted.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    return {
      prunable: total(weights.filter(isKernel)),
      trainable: total(declared(model.trainableWeights)),
    };
  });
}
