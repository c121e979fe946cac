/**
 * The networks that `train` knows by name: what is said of them without
 * building them. Loads no numeric library.
 */

/** What the data of a network is usually like; parameters are counted for it. */
interface UsualData {
  /** Shape of an example, channels last. */
  exampleShape: readonly number[];
  classes: number;
}

interface CatalogueEntry {
  /** One line. */
  description: string;
  /** Where the architecture is from. */
  source: string;
  /** Takes images of at least so many pixels a side, and `width`; null: takes any examples. */
  smallestImage: number | null;
  /**
   * Variance of the output layer's initial kernel times its fan-in: 2 as of the
   * other kernels (He et al. 2015 for a rectified layer), or 1, for no
   * activation follows.
   */
  outputGain: 1 | 2;
  usualData: UsualData;
  /** Weights of kernels for that data, and default widths. */
  prunableWeights: number;
}

const MNIST: UsualData = { exampleShape: [28, 28, 1], classes: 10 };
const CIFAR_10: UsualData = { exampleShape: [32, 32, 3], classes: 10 };
const CIFAR_100: UsualData = { exampleShape: [32, 32, 3], classes: 100 };

/** The code of the paper; it initialises every kernel, the last too, as `kaiming_normal_(a=0, fan_in, leaky_relu)`. */
const PAPER = 'QiaozheZhang/Global-One-shot-Pruning, model.py';

/** Every network, in the order in which they are listed. */
export const zooCatalogue = {
  mlp: {
    description: 'dense layers with relu, --hidden wide',
    source: 'LeNet-300-100 of LeCun et al. 1998 by default',
    smallestImage: null,
    outputGain: 1,
    usualData: MNIST,
    prunableWeights: 266_200,
  },
  mlpnet: {
    description: 'dense layers 40-20 without biases',
    source: 'MLPNet of Singh & Alistarh 2020 (WoodFisher)',
    smallestImage: null,
    outputGain: 1,
    usualData: MNIST,
    prunableWeights: 32_360,
  },
  fc5: {
    description: 'dense layers 1000-600-300-100',
    source: PAPER,
    smallestImage: null,
    outputGain: 2,
    usualData: CIFAR_10,
    prunableWeights: 3_883_000,
  },
  fc12: {
    description: 'dense layers 1000, 900, 800, 750, 700, 650, 600, 500, 400, 200 and 100 wide',
    source: PAPER,
    smallestImage: null,
    outputGain: 2,
    usualData: CIFAR_10,
    prunableWeights: 7_263_000,
  },
  lenet: {
    description: '16 and 32 convolutions 5 x 5, dense layers 120-84',
    source: PAPER,
    smallestImage: 16,
    outputGain: 2,
    usualData: CIFAR_10,
    prunableWeights: 120_920,
  },
  lenet5: {
    description: '6 and 16 convolutions 5 x 5, dense layers 120-84',
    source: 'LeCun et al. 1998, with relu and max pooling',
    smallestImage: 12,
    outputGain: 1,
    usualData: MNIST,
    prunableWeights: 61_470,
  },
  alexnet: {
    description: '5 convolutions on images enlarged to about 224 pixels, dense layers 4096-4096',
    source: PAPER,
    smallestImage: 8,
    outputGain: 2,
    usualData: CIFAR_10,
    prunableWeights: 46_778_400,
  },
  vgg16: {
    description: '13 convolutions 3 x 3 with biases and batch normalisation, one dense layer',
    source: PAPER,
    smallestImage: 32,
    outputGain: 2,
    usualData: CIFAR_10,
    prunableWeights: 14_715_584,
  },
  resnet18: {
    description: '8 basic blocks, 64 to 512 wide, 1 x 1 convolutions as shortcuts',
    source: PAPER,
    smallestImage: 8,
    outputGain: 2,
    usualData: CIFAR_100,
    prunableWeights: 11_210_432,
  },
  resnet20: {
    description: '9 basic blocks, 16 to 64 wide, shortcuts without parameters',
    source: 'He et al. 2016, section 4.2, option A; initial weights as in akamaster/pytorch_resnet_cifar10',
    smallestImage: 8,
    outputGain: 2,
    usualData: CIFAR_10,
    prunableWeights: 268_336,
  },
  resnet50: {
    description: '16 bottleneck blocks, 64 to 512 wide, 1 x 1 convolutions as shortcuts',
    source: PAPER,
    smallestImage: 8,
    outputGain: 2,
    usualData: CIFAR_100,
    prunableWeights: 23_652_032,
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ZooName = keyof typeof zooCatalogue;

/** The names of all networks, in the order of the catalogue. */
export const zooNames = Object.keys(zooCatalogue) as [ZooName, ...ZooName[]];

/** Whether a network takes images only, and can be made narrower or wider as a whole. */
export function isConvolutional(name: ZooName): boolean {
  return zooCatalogue[name].smallestImage !== null;
}
