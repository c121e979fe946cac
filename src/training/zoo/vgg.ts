import { layers, type Sequential, sequential } from '../../tfjs-layers.js';
import { batchNormalization, convolution, outputLayer, relu } from './building-blocks.js';
import { imageShape, scaled, type ZooOptions } from './options.js';

/** Channels of the convolutions between poolings: configuration D of Simonyan & Zisserman 2015. */
const STAGES = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
];

/**
 * VGG16 for small images, with batch normalisation after every convolution and
 * a single dense layer. Of 32 x 32 pixels five poolings leave one; what larger
 * images leave is averaged.
 */
export function vgg16(options: ZooOptions): Sequential {
  const inputShape = imageShape('vgg16', options);
  let count = 0;
  const block = (filters: number) => {
    count++;
    return [
      ...convolution({
        name: `conv_${count}`,
        filters: scaled(filters, options),
        kernelSize: 3,
        padding: 1,
        ...(count === 1 && { inputShape }),
      }),
      batchNormalization(`bn_${count}`),
      relu(`relu_${count}`),
    ];
  };
  return sequential({
    name: 'vgg16',
    layers: [
      ...STAGES.flatMap((stage, index) => [
        ...stage.flatMap(block),
        layers.maxPooling2d({ name: `pool_${index + 1}`, poolSize: 2 }),
      ]),
      layers.globalAveragePooling2d({ name: 'average' }),
      outputLayer('vgg16', 'dense', options.classes),
    ],
  });
}
