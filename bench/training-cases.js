/** What `npm run bench -- --train` measures. */

/** Examples of a step. */
export const BATCH = 128;
export const CLASSES = 10;

/**
 * @typedef {object} TrainingCase
 * @property {string} name what the table calls it, and --only looks in
 * @property {string} zoo of the zoo
 * @property {string} architecture of bench/peers/networks.py
 * @property {number[]} exampleShape channels last
 * @property {number[]} [hidden] widths of the hidden layers of an mlp
 * @property {number} [width] factor on the channels
 * @property {number} steps taken at a time, enough for half a second: training takes thousands
 * @property {number} required how many times PyTorch's speed it has to be
 */

/** @type {TrainingCase[]} */
export const trainingCases = [
  {
    name: 'MLP 784-300-100-10',
    zoo: 'mlp',
    architecture: 'mlp',
    exampleShape: [784],
    hidden: [300, 100],
    steps: 200,
    required: 1.5,
  },
  { name: 'FC5', zoo: 'fc5', architecture: 'mlp', exampleShape: [3072], steps: 16, required: 1.3 },
  {
    name: 'LeNet-5',
    zoo: 'lenet5',
    architecture: 'lenet5',
    exampleShape: [28, 28, 1],
    steps: 40,
    required: 1.2,
  },
  {
    name: 'ResNet20',
    zoo: 'resnet20',
    architecture: 'resnet20',
    exampleShape: [32, 32, 3],
    steps: 2,
    required: 1,
  },
  {
    name: 'VGG16 at quarter width',
    zoo: 'vgg16',
    architecture: 'vgg16',
    exampleShape: [32, 32, 3],
    width: 0.25,
    steps: 2,
    required: 1,
  },
];
