/** Networks of dense layers alone. */
import { layers, type Sequential, sequential } from '../../tfjs-layers.js';
import { outputLayer, RELU } from './building-blocks.js';
import { exampleSize, type ZooOptions } from './options.js';

/** Hidden layers of the paper's networks. */
const FC5 = [1000, 600, 300, 100];
const FC12 = [1000, 900, 800, 750, 700, 650, 600, 500, 400, 200, 100];

/** Dense layers with relu: 784-300-100-10 for MNIST by default (LeNet-300-100, LeCun et al. 1998). */
export function multilayerPerceptron(options: ZooOptions): Sequential {
  return perceptron('mlp', options, options.hidden);
}

export function fc5(options: ZooOptions): Sequential {
  return perceptron('fc5', options, FC5);
}

export function fc12(options: ZooOptions): Sequential {
  return perceptron('fc12', options, FC12);
}

/** MLPNet, without biases; its layers are called as those of the published checkpoint. */
export function mlpnet(options: ZooOptions): Sequential {
  return sequential({
    name: 'mlpnet',
    layers: [
      layers.dense({
        name: 'fc1',
        units: 40,
        useBias: false,
        inputShape: [exampleSize(options)],
        ...RELU,
      }),
      layers.dense({ name: 'fc2', units: 20, useBias: false, ...RELU }),
      outputLayer('mlpnet', 'fc3', options.classes, { useBias: false }),
    ],
  });
}

function perceptron(
  network: 'mlp' | 'fc5' | 'fc12',
  options: ZooOptions,
  hidden: readonly number[],
): Sequential {
  return sequential({
    name: network,
    layers: [
      ...hidden.map((units, index) =>
        layers.dense({
          name: `dense_${index + 1}`,
          units,
          ...(index === 0 && { inputShape: [exampleSize(options)] }),
          ...RELU,
        }),
      ),
      outputLayer(network, `dense_${hidden.length + 1}`, options.classes),
    ],
  });
}
