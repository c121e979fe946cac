/**
 * The settings of the commands, each described once: its option, its key in
 * configuration files, how it is read, its help and an example of a right value.
 */
import { type AnalyzeConfig, analyzeDefaults, type TrainConfig, trainDefaults } from '../config.js';
import { InputError } from '../errors.js';
import * as read from './values.js';

export interface Setting<T> {
  /** Name of the option without dashes, e.g. `label-column`. */
  option: string;
  /** One letter, e.g. `o`. */
  short?: string;
  /** Placeholder of the value in help, e.g. `NAME`. */
  value: string;
  help: string;
  /** As shown in help; none where being absent needs no words. */
  defaultText?: string;
  /** Right values, for messages. */
  examples: readonly [string, ...string[]];
  read: read.Reader<T>;
  /** The option may be repeated; its values arrive as an array. */
  repeatable?: boolean;
  /** The value is a path, relative to the file that names it. */
  path?: boolean;
}

export type Settings<Config> = { [Key in keyof Config]-?: Setting<Exclude<Config[Key], null>> };

/** What `analyze` can be told, by option, configuration file or metadata. */
export type AnalyzeSettings = Omit<AnalyzeConfig, 'model' | 'weights'>;

type DataSettings = Pick<AnalyzeConfig, 'data' | 'labelColumn' | 'layout' | 'normalize'>;
type EngineSettings = Pick<AnalyzeConfig, 'seed' | 'backend' | 'threads'>;

const dataSettings: Settings<DataSettings> = {
  data: {
    option: 'data',
    value: 'PATH',
    help: 'data set: a folder of IDX or CIFAR files, an .npz or a .csv file',
    examples: ['data/mnist'],
    read: read.text,
    path: true,
  },
  labelColumn: {
    option: 'label-column',
    value: 'NAME',
    help: 'column of a CSV file that holds the label',
    defaultText: 'one called label, class, target or y',
    examples: ['label'],
    read: read.text,
  },
  layout: {
    option: 'layout',
    value: 'NHWC|NCHW',
    help: 'order of the axes of stored images',
    defaultText: "the format's own",
    examples: ['NHWC', 'NCHW'],
    read: read.oneOf('NHWC', 'NCHW'),
  },
  normalize: {
    option: 'normalize',
    value: 'M[,M..]/S[,S..]',
    help: 'mean and standard deviation per channel, after byte images are divided by 255',
    defaultText: 'none',
    examples: ['0.1307/0.3081', '0.49,0.48,0.45/0.25,0.24,0.26'],
    read: read.normalization,
  },
};

const engineSettings: Settings<EngineSettings> = {
  seed: {
    option: 'seed',
    value: 'N',
    help: 'seed of every random choice',
    defaultText: String(analyzeDefaults.seed),
    examples: ['0'],
    read: read.wholeNumber(0, 2 ** 31 - 1),
  },
  backend: {
    option: 'backend',
    value: 'NAME',
    help: 'auto, tensorflow, onnx, wasm or cpu',
    defaultText: analyzeDefaults.backend,
    examples: ['auto', 'wasm'],
    read: read.oneOf('auto', 'tensorflow', 'onnx', 'wasm', 'cpu'),
  },
  threads: {
    option: 'threads',
    value: 'N',
    help: 'threads of the numeric library',
    defaultText: 'its own choice',
    examples: ['2'],
    read: read.wholeNumber(1, 1024),
  },
};

export const analyzeSettings: Settings<AnalyzeSettings> = {
  ...dataSettings,
  examples: {
    option: 'examples',
    value: 'N|all',
    help: 'training examples for curvature and the measured loss',
    defaultText: String(analyzeDefaults.examples),
    examples: ['2048', 'all'],
    read: read.countOrAll(1),
  },
  sample: {
    option: 'sample',
    value: 'random|first',
    help: 'which examples: a seeded subset, or the first in file order',
    defaultText: analyzeDefaults.sample,
    examples: ['random', 'first'],
    read: read.oneOf('random', 'first'),
  },
  testExamples: {
    option: 'test-examples',
    value: 'N|all',
    help: 'test examples for accuracy',
    defaultText: String(analyzeDefaults.testExamples),
    examples: ['10000', 'all'],
    read: read.countOrAll(1),
  },
  loss: {
    option: 'loss',
    value: 'NAME',
    help: 'auto (from training configuration, last layer and labels), cross-entropy, binary-cross-entropy or mse',
    defaultText: analyzeDefaults.loss,
    examples: ['auto', 'cross-entropy'],
    read: read.oneOf('auto', 'cross-entropy', 'binary-cross-entropy', 'mse'),
  },
  epsilon: {
    option: 'epsilon',
    value: 'RULE',
    help: 'tolerated loss increase: batch-std, a number, or a percentage of the loss',
    defaultText: 'batch-std',
    examples: ['batch-std', '0.05', '1%'],
    read: read.epsilon,
  },
  curvature: {
    option: 'curvature',
    value: 'hessian|ggn',
    help: 'Hessian, or generalised Gauss-Newton matrix',
    defaultText: analyzeDefaults.curvature,
    examples: ['hessian', 'ggn'],
    read: read.oneOf('hessian', 'ggn'),
  },
  negative: {
    option: 'negative',
    value: 'abs|clip',
    help: 'negative eigenvalues count by magnitude, or as 0',
    defaultText: analyzeDefaults.negative,
    examples: ['abs', 'clip'],
    read: read.oneOf('abs', 'clip'),
  },
  bound: {
    option: 'bound',
    value: 'gaussian-width|sharp',
    help: 'the limit that gives the lower bound',
    defaultText: analyzeDefaults.bound,
    examples: ['gaussian-width', 'sharp'],
    read: read.oneOf('gaussian-width', 'sharp'),
  },
  probes: {
    option: 'probes',
    value: 'N',
    help: 'random vectors that the spectrum is estimated with',
    defaultText: '1 or 2, as --tolerance takes',
    examples: ['2'],
    read: read.wholeNumber(1),
  },
  steps: {
    option: 'steps',
    value: 'N',
    help: 'at most so many Lanczos steps per probe',
    defaultText: String(analyzeDefaults.steps),
    examples: ['300'],
    read: read.wholeNumber(2),
  },
  tolerancePoints: {
    option: 'tolerance',
    value: 'POINTS',
    help: 'stop when the limit is settled to so many percentage points',
    defaultText: String(analyzeDefaults.tolerancePoints),
    examples: ['0.5'],
    read: read.positiveNumber,
  },
  reorthogonalization: {
    option: 'reorthogonalization',
    value: 'NAME',
    help: 'of the Lanczos vectors: auto, full or none',
    defaultText: analyzeDefaults.reorthogonalization,
    examples: ['auto', 'none'],
    read: read.oneOf('auto', 'full', 'none'),
  },
  accuracyTolerancePoints: {
    option: 'accuracy-tolerance',
    value: 'POINTS',
    help: 'percentage points that test accuracy may fall',
    defaultText: String(analyzeDefaults.accuracyTolerancePoints),
    examples: ['0.5'],
    read: read.numberBetween(0, 100),
  },
  ratios: {
    option: 'ratios',
    value: 'LIST',
    help: 'pruned fractions of the measured curve',
    defaultText: analyzeDefaults.ratios.join(','),
    examples: ['0.5,0.8,0.9'],
    read: read.prunedFractions,
  },
  include: {
    option: 'include',
    value: 'GLOB',
    help: 'prune only weights with such a name; may be repeated',
    examples: ['"dense_*/kernel"'],
    read: read.globs,
    repeatable: true,
  },
  exclude: {
    option: 'exclude',
    value: 'GLOB',
    help: 'do not prune weights with such a name; may be repeated',
    examples: ['"dense_3/*"'],
    read: read.globs,
    repeatable: true,
  },
  ...engineSettings,
  memoryLimitBytes: {
    option: 'memory-limit',
    value: 'SIZE',
    help: 'memory that tensors may take, e.g. 512M or 1.5G',
    defaultText: "half of the machine's",
    examples: ['512M', '1.5G', '2GiB'],
    read: read.memorySize,
  },
  productPlan: {
    option: 'product-plan',
    value: 'NAME',
    help: 'what compiled products share: auto, kept (computed once), recomputed (once a pass) or whole (nothing)',
    defaultText: analyzeDefaults.productPlan,
    examples: ['auto', 'recomputed'],
    read: read.oneOf('auto', 'kept', 'recomputed', 'whole'),
  },
  dumpGraph: {
    option: 'dump-graph',
    value: 'DIR',
    help: 'write the compiled programs there as ONNX files',
    examples: ['graphs'],
    read: read.text,
    path: true,
  },
};

/** `--weights`: a part of the model, like the argument, so that no configuration file or metadata can name it. */
export const weightsSetting: Setting<string> = {
  option: 'weights',
  value: 'FILE',
  help: 'take the weights from this .safetensors or .npz file; of the model, only the network',
  defaultText: "the model's own",
  examples: ['model.safetensors'],
  read: read.text,
};

/** What `train` can be told; the network is its argument. */
export const trainSettings: Settings<Omit<TrainConfig, 'network'>> = {
  ...dataSettings,
  recordData: {
    option: 'record-data',
    value: 'PATH',
    help: "where the checkpoint's metadata says the data is, relative to the checkpoint",
    defaultText: 'where --data is',
    examples: ['../mnist'],
    read: read.text,
  },
  output: {
    option: 'output',
    short: 'o',
    value: 'DIR',
    help: 'folder of the checkpoint to write',
    examples: ['models/mlp'],
    read: read.text,
    path: true,
  },
  hidden: {
    option: 'hidden',
    value: 'LIST',
    help: 'widths of the hidden layers of mlp',
    defaultText: trainDefaults.hidden.join(','),
    examples: ['300,100'],
    read: read.wholeNumbers,
  },
  l1: {
    option: 'l1',
    value: 'X',
    help: 'weight of the penalty sum |w|',
    defaultText: String(trainDefaults.l1),
    examples: ['5e-5'],
    read: read.nonNegativeNumber,
  },
  l2: {
    option: 'l2',
    value: 'X',
    help: 'weight of the penalty 1/2 sum w^2',
    defaultText: String(trainDefaults.l2),
    examples: ['1e-4'],
    read: read.nonNegativeNumber,
  },
  epochs: {
    option: 'epochs',
    value: 'N',
    help: 'passes over the training examples',
    defaultText: String(trainDefaults.epochs),
    examples: ['10'],
    read: read.wholeNumber(1),
  },
  batchSize: {
    option: 'batch-size',
    value: 'N',
    help: 'examples of a mini-batch',
    defaultText: String(trainDefaults.batchSize),
    examples: ['128'],
    read: read.wholeNumber(1),
  },
  learningRate: {
    option: 'learning-rate',
    value: 'X',
    help: 'step size of stochastic gradient descent',
    defaultText: String(trainDefaults.learningRate),
    examples: ['0.1'],
    read: read.positiveNumber,
  },
  momentum: {
    option: 'momentum',
    value: 'X',
    help: 'from 0 (none) to below 1',
    defaultText: String(trainDefaults.momentum),
    examples: ['0.9'],
    read: read.numberBetween(0, 0.9999),
  },
  warmUpEpochs: {
    option: 'warm-up',
    value: 'EPOCHS',
    help: 'epochs over which the learning rate rises to its full value',
    defaultText: String(trainDefaults.warmUpEpochs),
    examples: ['1'],
    read: read.nonNegativeNumber,
  },
  schedule: {
    option: 'schedule',
    value: 'NAME',
    help: 'of the learning rate: constant, cosine or multi-step',
    defaultText: trainDefaults.schedule,
    examples: ['cosine', 'multi-step'],
    read: read.oneOf('constant', 'cosine', 'multi-step'),
  },
  milestones: {
    option: 'milestones',
    value: 'LIST',
    help: 'epochs after which multi-step multiplies the learning rate by --decay',
    examples: ['80,120'],
    read: read.wholeNumbers,
  },
  decay: {
    option: 'decay',
    value: 'X',
    help: 'factor at each milestone',
    defaultText: String(trainDefaults.decay),
    examples: ['0.1'],
    read: read.positiveNumber,
  },
  ...engineSettings,
  weightsDtype: {
    option: 'weights-dtype',
    value: 'NAME',
    help: 'how weights are stored: float32 or float16',
    defaultText: trainDefaults.weightsDtype,
    examples: ['float32', 'float16'],
    read: read.oneOf('float32', 'float16'),
  },
};

/** The key of an option in configuration files, as in commander's options: `label-column` is `labelColumn`. */
export function settingKey(setting: { option: string }): string {
  return setting.option.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * Reads one value, adding to an error where the value stands and how a right one looks.
 *
 * @param file the file that holds the value; null for the option itself
 */
export function readSetting<T>(setting: Setting<T>, value: unknown, file: string | null): T {
  try {
    return setting.read(value);
  } catch (error) {
    if (!(error instanceof read.ValueError)) {
      throw error;
    }
    const option = `--${setting.option}`;
    const where = file === null ? option : `${file}: "${settingKey(setting)}"`;
    const shown =
      typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
    const right =
      file === null
        ? setting.examples.map((example) => `${option} ${example}`).join(', ')
        : setting.examples.map((example) => JSON.stringify(example.replaceAll('"', ''))).join(', ');
    throw new InputError(
      file === null ? 'usage/option-value' : 'config/value',
      `${where}: ${shown} ${error.message}; for example ${right}`,
    );
  }
}

/** Reads the options that were given; the rest is absent from the result. */
export function readFlags<Config>(
  settings: Settings<Config>,
  flags: Readonly<Record<string, unknown>>,
): Partial<Config> {
  const result: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(settings) as [string, Setting<unknown>][]) {
    const given = flags[settingKey(setting)];
    if (given !== undefined) {
      result[key] = readSetting(setting, given, null);
    }
  }
  return result as Partial<Config>;
}
