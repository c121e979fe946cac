import { layers, type Sequential, sequential } from '../../tfjs-layers.js';
import { convolution, outputLayer, RELU } from './building-blocks.js';
import { imageShape, scaled, type ZooOptions } from './options.js';

/** Pixels a side that the first convolution (11 x 11 at stride 4) is made for. */
const IMAGE_SIZE = 224;

/** The whole factor that brings an image closest to 224 pixels without going beyond: 7 for 32 pixels, as in the paper. */
function enlargement(height: number, width: number): number {
  return Math.max(1, Math.floor(IMAGE_SIZE / Math.min(height, width)));
}

/**
 * AlexNet (Krizhevsky et al. 2012) in the form of the paper's code: no groups,
 * no local normalisation, no dropout. Smaller images are enlarged inside the
 * network, by repeating pixels.
 */
export function alexnet(options: ZooOptions): Sequential {
  const inputShape = imageShape('alexnet', options);
  const width = (units: number): number => scaled(units, options);
  const factor = enlargement(inputShape[0], inputShape[1]);
  const activation = 'relu';
  const pool = (index: number) =>
    layers.maxPooling2d({ name: `pool_${index}`, poolSize: [3, 3], strides: [2, 2] });
  const first = {
    name: 'conv_1',
    filters: width(96),
    kernelSize: 11,
    strides: 4,
    padding: 1,
    activation,
  } as const;
  return sequential({
    name: 'alexnet',
    layers: [
      ...(factor === 1
        ? convolution({ ...first, inputShape })
        : [
            layers.upSampling2d({ name: 'enlarge', size: [factor, factor], inputShape }),
            ...convolution(first),
          ]),
      pool(1),
      ...convolution({ name: 'conv_2', filters: width(256), kernelSize: 5, padding: 2, activation }),
      pool(2),
      ...convolution({ name: 'conv_3', filters: width(384), kernelSize: 3, padding: 1, activation }),
      ...convolution({ name: 'conv_4', filters: width(384), kernelSize: 3, padding: 1, activation }),
      ...convolution({ name: 'conv_5', filters: width(256), kernelSize: 3, padding: 1, activation }),
      pool(3),
      layers.flatten({ name: 'flatten' }),
      layers.dense({ name: 'dense_1', units: width(4096), ...RELU }),
      layers.dense({ name: 'dense_2', units: width(4096), ...RELU }),
      outputLayer('alexnet', 'dense_3', options.classes),
    ],
  });
}
