/** Settings of `analyze`. */
import { type AnalyzeConfig, analyzeDefaults } from '../config.js';
import type { Setting, Settings } from './settings.js';
import { dataSettings, engineSettings } from './shared-settings.js';
import * as read from './values.js';

/** More shards than machines anyone has, and less than what handing them out would take. */
const MOST_SHARDS = 4096;

/** What `analyze` can be told, by option, configuration file or metadata. */
export type AnalyzeSettings = Omit<AnalyzeConfig, 'model' | 'weights' | 'workers'>;

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
  epsilonExamples: {
    option: 'epsilon-examples',
    value: 'N|all',
    help: 'training examples that --epsilon batch-std is measured on',
    defaultText: String(analyzeDefaults.epsilonExamples),
    examples: ['10000', 'all'],
    read: read.countOrAll(1),
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
    read: read.percentagePoints(read.positiveNumber),
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
    read: read.percentagePoints(read.numberBetween(0, 100)),
  },
  ratios: {
    option: 'ratios',
    value: 'LIST',
    help: 'pruned fractions of the measured curve, or percentages',
    defaultText: analyzeDefaults.ratios.join(','),
    examples: ['0.5,0.8,0.9', '50%,80%,90%'],
    read: read.prunedFractions,
  },
  layers: {
    option: 'layers',
    value: 'full',
    valueOptional: true,
    help:
      'always compute what each layer adds to the predicted loss increase (auto: where it takes few products); ' +
      'full: the limit of each layer alone and the best allocation of a total to layers, too',
    defaultText: analyzeDefaults.layers,
    examples: ['full', 'always', 'auto'],
    read: read.layersChoice,
  },
  patterns: {
    option: 'patterns',
    value: 'LIST',
    help:
      'structured removals to predict and measure: KEPT:GROUP along the inputs, such as 2:4, ' +
      'or channel:SHARE of the output channels (channel alone: 50%)',
    examples: ['2:4,1:4', 'channel:30%'],
    read: read.patterns,
  },
  weightScales: {
    option: 'weight-scales',
    value: 'LIST',
    help: 'predict the limits for all weights multiplied by these factors, too, the curvature unchanged',
    examples: ['2,3,4,5'],
    read: read.factors,
  },
  rowNorms: {
    option: 'row-norms',
    value: 'N',
    help: 'norms of N rows of the curvature, of small weights to large ones; one product each',
    defaultText: String(analyzeDefaults.rowNorms),
    examples: ['100'],
    read: read.wholeNumber(0),
  },
  tuneEpochs: {
    option: 'tune',
    value: 'EPOCHS',
    help:
      'search how far retraining of what is kept brings loss and accuracy back: so many epochs of the training split ' +
      'at each of some 10 to 20 pruned fractions; may be a part of one',
    defaultText: String(analyzeDefaults.tuneEpochs),
    examples: ['1', '0.2'],
    read: read.numberBetween(0, 10_000),
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
  shards: {
    option: 'shards',
    value: 'N',
    help: 'cut the examples into N shards, added up along a fixed tree: the same digits whoever computes them',
    defaultText: 'none',
    examples: ['16'],
    read: read.wholeNumber(1, MOST_SHARDS),
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

/** `--workers`: what it sends goes to that server, so that no file can name it. */
export const workersSetting: Setting<string> = {
  option: 'workers',
  value: 'URL',
  valueOptional: true,
  help: 'have the shards computed by every prune-limit worker at this Redis or Valkey server (default: PRUNE_LIMIT_REDIS_URL)',
  examples: ['redis://queue.example:6379'],
  read: read.text,
};

/** `--allow-drift`: with `--workers`. */
export const allowDriftSetting: Setting<boolean> = {
  option: 'allow-drift',
  help: 'workers whose arithmetic differs in the last digits may take part',
  examples: [''],
  read: (value) => value === true,
};

/** `--config`: where the other settings come from, so that no configuration file can name it. */
export const configSetting: Setting<string> = {
  option: 'config',
  value: 'FILE',
  help: 'take options from this file, in place of a prune-limit.json',
  defaultText: 'the one next to the model, else in the working directory',
  examples: ['prune-limit.ci.json'],
  read: read.text,
};
