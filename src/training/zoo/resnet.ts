/** Residual networks (He et al. 2016) for small images: a 3 x 3 convolution first, no pooling before the end. */
import { input, type LayersModel, layers, model, type SymbolicTensor } from '../../tfjs-layers.js';
import {
  batchNormalization,
  type ConvolutionOptions,
  chain,
  convolution,
  outputLayer,
  relu,
} from './building-blocks.js';
import { imageShape, scaled, type ZooOptions } from './options.js';

/** What a block does to its input. */
interface Block {
  /** Names of its layers begin so. */
  name: string;
  /** Channels inside it. */
  channels: number;
  strides: number;
}

interface ResNet {
  network: 'resnet18' | 'resnet20' | 'resnet50';
  /** Channels of the first convolution. */
  stem: number;
  stages: readonly { channels: number; blocks: number }[];
  block(input: SymbolicTensor, block: Block): SymbolicTensor;
}

function channelsOf(tensor: SymbolicTensor): number {
  return tensor.shape[3] as number;
}

/** A convolution without bias, and its normalisation. */
function normalized(options: ConvolutionOptions, normalization: string) {
  return [...convolution({ ...options, useBias: false }), batchNormalization(normalization)];
}

function joined(name: string, residual: SymbolicTensor, shortcut: SymbolicTensor): SymbolicTensor {
  return layers.add({ name: `${name}_add` }).apply([residual, shortcut]) as SymbolicTensor;
}

/** The input itself, or a 1 x 1 convolution of it where its shape is not that of the block's output. */
function projection(tensor: SymbolicTensor, { name, strides }: Block, channels: number): SymbolicTensor {
  if (strides === 1 && channelsOf(tensor) === channels) {
    return tensor;
  }
  const shortcut = `${name}_shortcut`;
  return chain(
    tensor,
    ...normalized({ name: `${shortcut}_conv`, filters: channels, kernelSize: 1, strides }, `${shortcut}_bn`),
  );
}

/** Every other pixel of the input, with channels of zeros added on both sides: option A of He et al. 2016, section 4.1. */
function withoutParameters(
  tensor: SymbolicTensor,
  { name, strides }: Block,
  channels: number,
): SymbolicTensor {
  const missing = channels - channelsOf(tensor);
  const before = Math.floor(missing / 2);
  return chain(
    tensor,
    ...(strides === 1
      ? []
      : [layers.averagePooling2d({ name: `${name}_sub`, poolSize: [1, 1], strides: [strides, strides] })]),
    ...(missing === 0
      ? []
      : [
          layers.permute({ name: `${name}_chw`, dims: [3, 1, 2] }),
          layers.zeroPadding2d({
            name: `${name}_chpad`,
            padding: [
              [before, missing - before],
              [0, 0],
            ],
          }),
          layers.permute({ name: `${name}_hwc`, dims: [2, 3, 1] }),
        ]),
  );
}

/** Two 3 x 3 convolutions. */
function basicBlock(shortcut: typeof projection): ResNet['block'] {
  return (tensor, block) => {
    const { name, channels: filters, strides } = block;
    const window = { filters, kernelSize: 3, padding: 1 };
    const residual = chain(
      tensor,
      ...normalized({ name: `${name}_conv1`, ...window, strides }, `${name}_bn1`),
      relu(`${name}_relu1`),
      ...normalized({ name: `${name}_conv2`, ...window }, `${name}_bn2`),
    );
    return chain(joined(name, residual, shortcut(tensor, block, filters)), relu(`${name}_relu2`));
  };
}

/** How many times wider a bottleneck's output is than its middle. */
const EXPANSION = 4;

/** Convolutions 1 x 1, 3 x 3 and 1 x 1; the stride is that of the middle one. */
const bottleneck: ResNet['block'] = (tensor, block) => {
  const { name, channels, strides } = block;
  const filters = EXPANSION * channels;
  const middle = { filters: channels, kernelSize: 3, padding: 1, strides };
  const residual = chain(
    tensor,
    ...normalized({ name: `${name}_conv1`, filters: channels, kernelSize: 1 }, `${name}_bn1`),
    relu(`${name}_relu1`),
    ...normalized({ name: `${name}_conv2`, ...middle }, `${name}_bn2`),
    relu(`${name}_relu2`),
    ...normalized({ name: `${name}_conv3`, filters, kernelSize: 1 }, `${name}_bn3`),
  );
  return chain(joined(name, residual, projection(tensor, block, filters)), relu(`${name}_relu3`));
};

function build({ network, stem, stages, block }: ResNet, options: ZooOptions): LayersModel {
  const images = input({ name: 'input', shape: imageShape(network, options) });
  const first = { name: 'conv1', filters: scaled(stem, options), kernelSize: 3, padding: 1 };
  let tensor = chain(images, ...normalized(first, 'bn1'), relu('relu1'));
  stages.forEach(({ channels, blocks }, stage) => {
    for (let index = 0; index < blocks; index++) {
      tensor = block(tensor, {
        name: `layer${stage + 1}_${index}`,
        channels: scaled(channels, options),
        strides: stage > 0 && index === 0 ? 2 : 1,
      });
    }
  });
  const outputs = chain(
    tensor,
    layers.globalAveragePooling2d({ name: 'gap' }),
    outputLayer(network, 'fc', options.classes),
  );
  return model({ name: network, inputs: images, outputs });
}

/** Stages of so many blocks, each twice as wide as the one before. */
function doubling(first: number, blocks: readonly number[]): ResNet['stages'] {
  return blocks.map((count, index) => ({ channels: first * 2 ** index, blocks: count }));
}

export function resnet18(options: ZooOptions): LayersModel {
  const stages = doubling(64, [2, 2, 2, 2]);
  return build({ network: 'resnet18', stem: 64, stages, block: basicBlock(projection) }, options);
}

export function resnet20(options: ZooOptions): LayersModel {
  const stages = doubling(16, [3, 3, 3]);
  return build({ network: 'resnet20', stem: 16, stages, block: basicBlock(withoutParameters) }, options);
}

export function resnet50(options: ZooOptions): LayersModel {
  const stages = doubling(64, [3, 4, 6, 3]);
  return build({ network: 'resnet50', stem: 64, stages, block: bottleneck }, options);
}
