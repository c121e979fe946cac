import { input, layers, model, type SymbolicTensor, sequential } from '@tensorflow/tfjs-layers';
import type { ModelCase, SavedLayer } from './problems.js';

type Layer = ReturnType<typeof layers.activation>;
/** tfjs-layers knows more activations than its types name. */
type ActivationName = NonNullable<Parameters<typeof layers.dense>[0]['activation']> | 'logSoftmax';

const IMAGE = [6, 5, 2];
const SEQUENCE = [7, 3];
/** A first step, one between, and a last one: every step is traced by itself. */
const RECURRENT = [3, 3];

function apply(layer: unknown, ...inputs: SymbolicTensor[]): SymbolicTensor {
  return (layer as Layer).apply(inputs.length === 1 ? inputs[0] : inputs) as SymbolicTensor;
}

function imageCase(name: string, ...middle: (() => unknown)[]): ModelCase {
  return {
    name,
    build: () =>
      sequential({
        layers: [
          layers.conv2d({
            filters: 3,
            kernelSize: 3,
            padding: 'same',
            activation: 'tanh',
            inputShape: [6, 5, 2],
          }),
          ...middle.map((make) => make() as Layer),
          layers.flatten(),
          layers.dense({ units: 3 }),
        ],
      }),
    shape: IMAGE,
    outputs: 3,
    loss: 'cross-entropy',
  };
}

function sequenceCase(name: string, ...middle: (() => unknown)[]): ModelCase {
  return caseOf(SEQUENCE, name, ...middle);
}

function caseOf(shape: number[], name: string, ...middle: (() => unknown)[]): ModelCase {
  return {
    name,
    build: () => {
      const x = input({ shape });
      const last = middle.reduce<SymbolicTensor>((at, make) => apply(make(), at), x);
      return model({ inputs: x, outputs: apply(layers.dense({ units: 3, activation: 'softmax' }), last) });
    },
    shape,
    outputs: 3,
    loss: 'cross-entropy',
  };
}

function graphCase(name: string, connect: (x: SymbolicTensor) => SymbolicTensor): ModelCase {
  return {
    name,
    build: () => {
      const x = input({ shape: [6, 5, 2] });
      return model({ inputs: x, outputs: apply(layers.dense({ units: 3 }), connect(x)) });
    },
    shape: IMAGE,
    outputs: 3,
    loss: 'cross-entropy',
  };
}

/** An MLP with two hidden layers. */
export function mlpCase(activation: ActivationName, loss: ModelCase['loss'] = 'cross-entropy'): ModelCase {
  const last = { 'cross-entropy': 'softmax', 'binary-cross-entropy': 'sigmoid', mse: 'linear' } as const;
  return {
    name: `MLP, ${activation}, ${loss}`,
    build: () => {
      const hidden = { activation: activation as 'tanh' };
      return sequential({
        layers: [
          layers.dense({ units: 6, inputShape: [5], ...hidden }),
          layers.dense({ units: 5, ...hidden }),
          layers.dense({ units: 4, activation: last[loss] }),
        ],
      });
    },
    shape: [5],
    outputs: 4,
    loss,
  };
}

export const ACTIVATIONS: ActivationName[] = [
  'linear',
  'relu',
  'relu6',
  'elu',
  'selu',
  'sigmoid',
  'hardSigmoid',
  'softmax',
  'logSoftmax',
  'softplus',
  'softsign',
  'tanh',
  'swish',
  'mish',
  'gelu',
];

const glorot = { kernelInitializer: 'glorotUniform', recurrentInitializer: 'glorotUniform' } as const;

export const sequenceCases: ModelCase[] = [
  sequenceCase(
    'Conv1D, same and valid, strides, 1-D pooling into the padding',
    () => layers.conv1d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'tanh' }),
    () => layers.maxPooling1d({ poolSize: 3, strides: 2, padding: 'same' }),
    () => layers.conv1d({ filters: 3, kernelSize: 2, strides: 1, activation: 'sigmoid' }),
    () => layers.averagePooling1d({ poolSize: 2, strides: 2, padding: 'same' }),
    () => layers.flatten(),
  ),
  sequenceCase(
    'Conv1D with stride 2, global average pooling',
    () => layers.conv1d({ filters: 4, kernelSize: 3, strides: 2, padding: 'same', activation: 'tanh' }),
    () => layers.globalAveragePooling1d(),
  ),
  sequenceCase(
    'global max pooling, 1-D',
    () => layers.conv1d({ filters: 4, kernelSize: 2, activation: 'tanh' }),
    () => layers.globalMaxPooling1d(),
  ),
  caseOf(RECURRENT, 'LSTM', () => layers.lstm({ units: 3, ...glorot })),
  caseOf(RECURRENT, 'GRU', () => layers.gru({ units: 3, ...glorot })),
  caseOf(RECURRENT, 'SimpleRNN', () => layers.simpleRNN({ units: 3, ...glorot })),
  sequenceCase(
    'TimeDistributed dense',
    () => layers.timeDistributed({ layer: layers.dense({ units: 3, activation: 'tanh' }) }),
    () => layers.flatten(),
  ),
  sequenceCase(
    'Permute, RepeatVector, Reshape, Dropout',
    () => layers.permute({ dims: [2, 1] }),
    () => layers.flatten(),
    () => layers.dense({ units: 4, activation: 'tanh' }),
    () => layers.repeatVector({ n: 2 }),
    () => layers.dropout({ rate: 0.5 }),
    () => layers.reshape({ targetShape: [8] }),
  ),
];

export const imageCases: ModelCase[] = [
  imageCase('Conv2D with strides, same', () =>
    layers.conv2d({ filters: 2, kernelSize: 3, strides: 2, padding: 'same', activation: 'tanh' }),
  ),
  imageCase('Conv2D with unequal kernel and strides, valid', () =>
    layers.conv2d({ filters: 3, kernelSize: [3, 2], strides: [2, 1], activation: 'relu' }),
  ),
  imageCase('Conv2D whose stride leaves rows over', () =>
    layers.conv2d({ filters: 2, kernelSize: 2, strides: 3, activation: 'relu' }),
  ),
  imageCase('DepthwiseConv2D, multiplier 2', () =>
    layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: 'same', activation: 'tanh' }),
  ),
  imageCase('DepthwiseConv2D with strides', () =>
    layers.depthwiseConv2d({ kernelSize: 3, strides: 2, padding: 'same', activation: 'relu' }),
  ),
  {
    ...imageCase('SeparableConv2D, multiplier 2', () =>
      layers.separableConv2d({
        filters: 3,
        kernelSize: 3,
        depthMultiplier: 2,
        padding: 'same',
        activation: 'tanh',
      }),
    ),
    adjustLayers: (saved) => {
      const separable = saved.find((layer) => layer.class_name === 'SeparableConv2D') as SavedLayer;
      separable.config.depth_multiplier = 2;
    },
  },
  imageCase('Conv2DTranspose', () =>
    layers.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, activation: 'tanh' }),
  ),
  imageCase(
    'BatchNormalization, relu',
    () => layers.batchNormalization(),
    () => layers.reLU(),
  ),
  imageCase(
    'BatchNormalization without scale',
    () => layers.batchNormalization({ scale: false }),
    () => layers.activation({ activation: 'relu' }),
  ),
  imageCase(
    'BatchNormalization without centre',
    () => layers.batchNormalization({ center: false }),
    () => layers.activation({ activation: 'relu' }),
  ),
  imageCase('LayerNormalization', () => layers.layerNormalization()),
  imageCase('MaxPooling2D', () => layers.maxPooling2d({ poolSize: 2 })),
  imageCase('MaxPooling2D into the padding', () =>
    layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }),
  ),
  imageCase('AveragePooling2D', () => layers.averagePooling2d({ poolSize: 2 })),
  imageCase('AveragePooling2D into the padding', () =>
    layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }),
  ),
  imageCase('LeakyReLU', () => layers.leakyReLU({ alpha: 0.2 })),
  imageCase('PReLU', () => layers.prelu()),
  imageCase('ELU', () => layers.elu()),
  imageCase('ReLU with a maximum', () => layers.reLU({ maxValue: 0.5 })),
  imageCase('Softmax inside the network', () => layers.softmax({ axis: -1 })),
  imageCase(
    'ZeroPadding2D, Cropping2D',
    () => layers.zeroPadding2d({ padding: [1, 2] }),
    () => layers.conv2d({ filters: 2, kernelSize: 2, activation: 'tanh' }),
    () =>
      layers.cropping2D({
        cropping: [
          [1, 0],
          [2, 1],
        ],
      }),
  ),
  imageCase('nested model, twice', () =>
    sequential({
      layers: [
        layers.conv2d({ filters: 3, kernelSize: 2, activation: 'tanh', inputShape: [6, 5, 3] }),
        sequential({ layers: [layers.averagePooling2d({ poolSize: 2, inputShape: [5, 4, 3] })] }),
      ],
    }),
  ),
  graphCase('residual block: Add, BatchNormalization, relu, global average pooling', (x) => {
    const stem = apply(layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same' }), x);
    const a = apply(layers.activation({ activation: 'relu' }), apply(layers.batchNormalization(), stem));
    const b = apply(layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same' }), a);
    const joined = apply(layers.add(), apply(layers.batchNormalization(), b), a);
    const activated = apply(layers.activation({ activation: 'relu' }), joined);
    return apply(layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }), activated);
  }),
  graphCase('Concatenate, Multiply, Average, Maximum, Minimum, global max pooling', (x) => {
    const a = apply(layers.conv2d({ filters: 2, kernelSize: 3, padding: 'same', activation: 'tanh' }), x);
    const b = apply(layers.conv2d({ filters: 2, kernelSize: 2, padding: 'same', activation: 'sigmoid' }), x);
    const joined = apply(
      layers.concatenate(),
      apply(layers.multiply(), a, b),
      apply(layers.average(), a, b),
      apply(layers.maximum(), a, b),
      apply(layers.minimum(), a, b),
    );
    return apply(layers.globalMaxPooling2d({ dataFormat: 'channelsLast' }), joined);
  }),
  graphCase('a layer used twice', (x) => {
    const shared = layers.conv2d({ filters: 2, kernelSize: 3, padding: 'same', activation: 'tanh' });
    return apply(layers.flatten(), apply(shared, apply(shared, x)));
  }),
];

/** Upsampling; the cpu backend of tfjs has wrong gradients for it. */
export const upsamplingCases: ModelCase[] = [
  imageCase('UpSampling2D', () => layers.upSampling2d({ size: [2, 2] })),
  imageCase('UpSampling2D, bilinear', () => layers.upSampling2d({ size: [2, 2], interpolation: 'bilinear' })),
];

/** Convolutions whose gradient tfjs refuses. */
export const dilatedCases: ModelCase[] = [
  imageCase('Conv2D with dilation', () => layers.conv2d({ filters: 2, kernelSize: 2, dilationRate: 2 })),
  imageCase('SeparableConv2D with dilation', () =>
    layers.separableConv2d({ filters: 2, kernelSize: 2, dilationRate: 2 }),
  ),
  sequenceCase(
    'Conv1D with dilation',
    () => layers.conv1d({ filters: 4, kernelSize: 2, dilationRate: 2 }),
    () => layers.flatten(),
  ),
];

/** tfjs-layers computes this one as if it had no dilation. */
export const dilatedDepthwiseCase = imageCase('DepthwiseConv2D with dilation', () =>
  layers.depthwiseConv2d({ kernelSize: 2, dilationRate: 2 }),
);

/** A plain image network, for tests of everything but derivatives. */
export const smallConvNet = imageCase('small convolutional network', () =>
  layers.maxPooling2d({ poolSize: 2 }),
);
