/** Two small convolutional networks called LeNet. */
import { layers, type Sequential, sequential } from '../../tfjs-layers.js';
import { convolution, outputLayer, RELU } from './building-blocks.js';
import { imageShape, scaled, type ZooOptions } from './options.js';

interface LeNetShape {
  filters: readonly [number, number];
  /** Of the first convolution; the second has none. */
  padding: number;
}

function leNet(
  network: 'lenet' | 'lenet5',
  options: ZooOptions,
  { filters, padding }: LeNetShape,
): Sequential {
  const inputShape = imageShape(network, options);
  const width = (units: number): number => scaled(units, options);
  const [first, second] = filters;
  return sequential({
    name: network,
    layers: [
      ...convolution({
        name: 'conv_1',
        filters: width(first),
        kernelSize: 5,
        padding,
        inputShape,
        activation: 'relu',
      }),
      layers.maxPooling2d({ name: 'pool_1', poolSize: 2 }),
      ...convolution({ name: 'conv_2', filters: width(second), kernelSize: 5, activation: 'relu' }),
      layers.maxPooling2d({ name: 'pool_2', poolSize: 2 }),
      layers.flatten({ name: 'flatten' }),
      layers.dense({ name: 'dense_1', units: width(120), ...RELU }),
      layers.dense({ name: 'dense_2', units: width(84), ...RELU }),
      outputLayer(network, 'dense_3', options.classes),
    ],
  });
}

/** The LeNet of the paper's code: no padding, and more filters than the original. */
export function lenet(options: ZooOptions): Sequential {
  return leNet('lenet', options, { filters: [16, 32], padding: 0 });
}

/**
 * The layers of LeNet-5 (LeCun et al. 1998) with relu and max pooling, as it is
 * used today: the first convolution keeps the size of the image, which the
 * original padded from 28 to 32 pixels.
 */
export function lenet5(options: ZooOptions): Sequential {
  return leNet('lenet5', options, { filters: [6, 16], padding: 2 });
}
