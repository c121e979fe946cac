/** Layers that several networks of the zoo are made of. */
import { layers, type SymbolicTensor } from '../../tfjs-layers.js';
import { type ZooName, zooCatalogue } from './catalogue.js';
import { heNormal, leCunNormal } from './shape-only.js';

type Layer = InstanceType<typeof layers.Layer>;

/** A rectified layer with the kernel that goes with it. */
export const RELU = { activation: 'relu', kernelInitializer: heNormal } as const;

/** Dense layer with softmax at the end of a network. */
export function outputLayer(
  network: ZooName,
  name: string,
  units: number,
  options: { useBias?: boolean } = {},
): Layer {
  const kernelInitializer = zooCatalogue[network].outputGain === 1 ? leCunNormal : heNormal;
  return layers.dense({ name, units, activation: 'softmax', kernelInitializer, ...options });
}

/** A convolution with a square window. */
export interface ConvolutionOptions {
  name: string;
  filters: number;
  kernelSize: number;
  strides?: number;
  /** Zeros on each side of the image, 0 by default. */
  padding?: number;
  useBias?: boolean;
  activation?: 'relu';
  /** Of the first layer of a network. */
  inputShape?: [number, number, number];
}

/**
 * A convolution padded by the same number of pixels on every side, as PyTorch
 * does. 'same' means that only where it keeps the size; with a stride it pads
 * the far sides alone, so that a layer of zeros has to go before.
 */
export function convolution(options: ConvolutionOptions): Layer[] {
  const { name, filters, kernelSize, strides = 1, padding = 0, inputShape, ...rest } = options;
  const keepsSize = strides === 1 && 2 * padding === kernelSize - 1;
  const separate = padding > 0 && !keepsSize;
  const input = inputShape === undefined ? {} : { inputShape };
  return [
    ...(separate
      ? [
          layers.zeroPadding2d({
            name: `${name}_padding`,
            padding: [
              [padding, padding],
              [padding, padding],
            ],
            ...input,
          }),
        ]
      : []),
    layers.conv2d({
      name,
      filters,
      kernelSize,
      strides,
      padding: keepsSize ? 'same' : 'valid',
      kernelInitializer: heNormal,
      ...rest,
      ...(separate ? {} : input),
    }),
  ];
}

/**
 * Batch normalisation with PyTorch's epsilon, and the share .9 of the old in
 * its moving averages, which PyTorch calls a momentum of .1 of the new.
 */
export function batchNormalization(name: string): Layer {
  return layers.batchNormalization({ name, epsilon: 1e-5, momentum: 0.9 });
}

/** A rectified linear layer, where it comes after a normalisation. */
export function relu(name: string): Layer {
  return layers.activation({ name, activation: 'relu' });
}

/** What comes out of layers, one after the other. */
export function chain(input: SymbolicTensor, ...steps: readonly Layer[]): SymbolicTensor {
  return steps.reduce((output, layer) => layer.apply(output) as SymbolicTensor, input);
}
