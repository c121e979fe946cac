/** Networks that `train` knows by name, as untrained checkpoints. */
import { type LayersModel, layers, type Sequential, sequential } from '@tensorflow/tfjs-layers';
import type { CheckpointWeight, LayersCheckpoint } from '../checkpoint/checkpoint.js';
import { InputError } from '../errors.js';
import { isPrunable } from '../network/prunable.js';
import { randomStream } from '../random.js';
import { normalKernel } from './initial-weights.js';

export type ZooName = 'mlp' | 'lenet5';

/** What the data decides about a network, and what the user does. */
export interface ZooOptions {
  /** Shape of one example as stored. */
  exampleShape: readonly number[];
  /** How the numbers of an example are ordered; `flat` for what is no image. */
  layout: 'NHWC' | 'NCHW' | 'flat';
  classes: number;
  /** Widths of the hidden layers of `mlp`. */
  hidden: readonly number[];
  seed: number;
}

/** LeNet-5 pools a 5 x 5 convolution twice: smaller images leave nothing. */
const SMALLEST_LENET5_IMAGE = 12;

/** The initialisers are for those who build the topology anew; here seeded values replace theirs. */
const RELU = { activation: 'relu', kernelInitializer: 'heNormal' } as const;
const OUTPUT = { activation: 'softmax', kernelInitializer: 'leCunNormal' } as const;

/** Dense layers with relu: 784-300-100-10 for MNIST by default (LeNet-300-100, LeCun et al. 1998). */
function multilayerPerceptron({ exampleShape, classes, hidden }: ZooOptions): Sequential {
  const size = exampleShape.reduce((product, extent) => product * extent, 1);
  return sequential({
    name: 'mlp',
    layers: [...hidden, classes].map((units, index) =>
      layers.dense({
        name: `dense_${index + 1}`,
        units,
        ...(index === 0 && { inputShape: [size] }),
        ...(index < hidden.length ? RELU : OUTPUT),
      }),
    ),
  });
}

/** Height, width and channels of an image example. */
function imageShape({ exampleShape, layout }: ZooOptions): [number, number, number] {
  const isImage = layout !== 'flat' && (exampleShape.length === 2 || exampleShape.length === 3);
  const [height, width, channels] = !isImage
    ? [0, 0, 0]
    : exampleShape.length === 2
      ? [...exampleShape, 1]
      : layout === 'NHWC'
        ? exampleShape
        : [exampleShape[1], exampleShape[2], exampleShape[0]];
  if (Math.min(height, width) < SMALLEST_LENET5_IMAGE) {
    throw new InputError(
      'training/no-images',
      `lenet5 takes images of at least ${SMALLEST_LENET5_IMAGE} x ${SMALLEST_LENET5_IMAGE} pixels, but one example has shape [${exampleShape.join(', ')}]; train mlp instead`,
    );
  }
  return [height, width, channels];
}

/**
 * The layers of LeNet-5 (LeCun et al. 1998) with relu and max pooling, as it is
 * used today: the first convolution keeps the size of the image, which the
 * original padded from 28 to 32 pixels.
 */
function lenet5(options: ZooOptions): Sequential {
  const inputShape = imageShape(options);
  return sequential({
    name: 'lenet5',
    layers: [
      layers.conv2d({ name: 'conv_1', filters: 6, kernelSize: 5, padding: 'same', inputShape, ...RELU }),
      layers.maxPooling2d({ name: 'pool_1', poolSize: 2 }),
      layers.conv2d({ name: 'conv_2', filters: 16, kernelSize: 5, padding: 'valid', ...RELU }),
      layers.maxPooling2d({ name: 'pool_2', poolSize: 2 }),
      layers.flatten({ name: 'flatten' }),
      layers.dense({ name: 'dense_1', units: 120, ...RELU }),
      layers.dense({ name: 'dense_2', units: 84, ...RELU }),
      layers.dense({ name: 'dense_3', units: options.classes, ...OUTPUT }),
    ],
  });
}

/** A weight of tfjs-layers: the name that a checkpoint stores is its original one. */
interface NamedVariable {
  originalName: string;
  shape: number[];
}

/** Seeded initial values of every weight, one random stream a weight. */
function initialWeights(model: LayersModel, seed: number): CheckpointWeight[] {
  const variables = model.weights as unknown as NamedVariable[];
  const outputKernel = variables.filter((weight) => isPrunable(named(weight))).at(-1);
  return variables.map((variable) => {
    const { name, shape } = named(variable);
    const gain = variable === outputKernel ? 1 : 2;
    const values = isPrunable({ name, shape })
      ? normalKernel(shape, gain, randomStream(seed, `initial ${name}`))
      : new Float32Array(shape.reduce((product, extent) => product * extent, 1));
    return { name, shape, dtype: 'float32', values, storage: null };
  });
}

function named({ originalName, shape }: NamedVariable): { name: string; shape: number[] } {
  return { name: originalName, shape };
}

/**
 * An untrained network with a final softmax: kernels He normal (of variance
 * 1 / fan-in in the output layer), biases zero. The same seed gives the same
 * bytes.
 *
 * A tfjs backend must be current. The input shape has no batch axis.
 *
 * @throws InputError where the network cannot take such data
 */
export function createZooCheckpoint(
  name: ZooName,
  options: ZooOptions,
): { checkpoint: LayersCheckpoint; inputShape: readonly number[] } {
  const model = name === 'mlp' ? multilayerPerceptron(options) : lenet5(options);
  try {
    const weights = initialWeights(model, options.seed);
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
  } finally {
    model.dispose();
  }
}
