/**
 * What each command is asked to do, as plain values: options, configuration
 * files and model metadata have been read, checked and merged (src/cli), and
 * paths can be opened as they stand.
 */
import type { Augmentation } from './dataset/augmentation.js';
import type { MethodChoice } from './pruning/methods/choice.js';
import type { PruningMethodName } from './pruning/methods/names.js';
import type { LimitChoice } from './report/limit-choices.js';
import type { ZooName } from './training/zoo/catalogue.js';

export type LossChoice = 'auto' | 'cross-entropy' | 'binary-cross-entropy' | 'mse';
export type BackendChoice = 'auto' | 'tensorflow' | 'onnx' | 'onnx-web' | 'wasm' | 'cpu';

/** Per channel, applied after byte images are divided by 255. */
export interface NormalizeConfig {
  mean: number[];
  std: number[];
}

/** How the tolerated loss increase is found. */
export type EpsilonConfig =
  /** Standard deviation of the mini-batch mean loss, the paper's choice. */
  | { rule: 'batch-std' }
  /** A loss difference. */
  | { rule: 'absolute'; value: number }
  /** Per cent of the dense loss. */
  | { rule: 'percent'; value: number };

/** What `analyze` is asked to do. */
export interface AnalyzeConfig {
  /** Path of model.json. */
  model: string;
  /** A file whose weights replace those of the model; null: the model's own. */
  weights: string | null;
  data: string;
  labelColumn: string | null;
  layout: 'NHWC' | 'NCHW' | null;
  normalize: NormalizeConfig | null;
  loss: LossChoice;
  /** Training examples for curvature and the measured loss. */
  examples: number | 'all';
  sample: 'random' | 'first';
  testExamples: number | 'all';
  epsilon: EpsilonConfig;
  /** Training examples that `batch-std` is measured on; chosen as `examples` are. */
  epsilonExamples: number | 'all';
  curvature: 'hessian' | 'ggn';
  negative: 'abs' | 'clip';
  bound: 'gaussian-width' | 'sharp';
  /** Random vectors of the spectrum; null: as many as the tolerance takes (`sufficientProbes`). */
  probes: number | null;
  /** Budget of Lanczos steps per probe; fewer are taken where the limit settles earlier. */
  steps: number;
  /** A limit is settled when its 95 % interval reaches no further than this many percentage points to each side. */
  tolerancePoints: number;
  /** Test accuracy may fall by this many percentage points. */
  accuracyTolerancePoints: number;
  /** Pruned fractions of the measured curve, ascending, in [0, 1). */
  ratios: number[];
  /** Sensitivities of layers: where they take few products, or always; full: limits of single layers and allocations, too. */
  layers: 'auto' | 'always' | 'full';
  /** Structured removals that are measured, as `readPattern` reads them: `2:4`, `channel:50%`. */
  patterns: string[];
  /** Factors on all weights for which the limits are predicted. */
  weightScales: number[];
  /** Rows of the curvature whose norms are computed. */
  rowNorms: number;
  /** Epochs of each retraining on the way to the tuned limits, may be a part of one; 0: these are not searched. */
  tuneEpochs: number;
  /** Globs over weight names; empty: every prunable weight. */
  include: string[];
  exclude: string[];
  seed: number;
  backend: BackendChoice;
  threads: number | null;
  memoryLimitBytes: number | null;
  reorthogonalization: 'auto' | 'full' | 'none';
  /** What is kept between compiled curvature products. */
  productPlan: 'auto' | 'kept' | 'recomputed' | 'whole';
  /** Folder for the compiled programs as ONNX files; null: none. */
  dumpGraph: string | null;
  /** Shards that the training examples are cut into; null: none, or, with `workers`, as many as suit their number. */
  shards: number | null;
  /** What computes the shards; null: this process. */
  workers: WorkersConfig | null;
}

/** Workers that are met at a Redis or Valkey server. */
export interface WorkersConfig {
  /** With user and password, where it has them: never to be shown. */
  url: string;
  /** Workers whose arithmetic differs in the last digits may take part. */
  allowDrift: boolean;
}

/** Everything of `AnalyzeConfig` that has a default; `model`, `weights` and `data` have none. */
export const analyzeDefaults: Omit<AnalyzeConfig, 'model' | 'weights' | 'data'> = {
  labelColumn: null,
  layout: null,
  normalize: null,
  loss: 'auto',
  examples: 2048,
  sample: 'random',
  testExamples: 'all',
  epsilon: { rule: 'batch-std' },
  epsilonExamples: 'all',
  curvature: 'hessian',
  negative: 'abs',
  bound: 'gaussian-width',
  probes: null,
  steps: 300,
  tolerancePoints: 1,
  accuracyTolerancePoints: 0.5,
  ratios: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99],
  layers: 'auto',
  patterns: [],
  weightScales: [],
  rowNorms: 0,
  tuneEpochs: 0,
  include: [],
  exclude: [],
  seed: 0,
  backend: 'auto',
  threads: null,
  memoryLimitBytes: null,
  reorthogonalization: 'auto',
  productPlan: 'auto',
  dumpGraph: null,
  shards: null,
  workers: null,
};

/** Where an analysis keeps its results while it runs. */
export interface ResumeOptions {
  file: string;
  /** The file stays when the analysis has succeeded, for others of the same model, data and examples. */
  keep: boolean;
  /** Every result is written at once, whatever that costs; left out: at the pace of `writingPace`. */
  eager?: true;
}

/** What `prune` is asked to do. */
export interface PruneConfig {
  /** Path of model.json or of an ONNX model; it is read, never written. */
  model: string;
  /** A file whose weights replace those of the model, which then have its size; default null: the model's own. */
  weights?: string | null;
  /** Directory that the pruned checkpoint is written to, or the file, for an ONNX model. */
  output: string;
  /** Replace files at `output` that prune-limit did not write itself, too; default false. */
  force?: boolean;
  /** Store weights as positions and values of what is left where that is smaller; ONNX only. */
  sparse: boolean;
  /** Fraction to prune; null when `atLimit` says it. */
  ratio: number | null;
  atLimit: LimitChoice | null;
  /** A report of `analyze` to take the limit from. */
  report: string | null;
  /** A report of `analyze` to take the part of each weight from; `ratio` names its total, null the smallest. */
  allocation?: string;
  include: string[];
  exclude: string[];
  /** How to find the limit where no report is given, and to measure for `gates`. */
  analyze: AnalyzeConfig | null;
  /** Requirements on the pruned network without which nothing is written; with any, `analyze` is given. */
  gates?: readonly string[];
  /** Which weights, and what becomes of the others; left out: the smallest magnitudes, without data. */
  method?: MethodConfig;
  /** Says that and why plain magnitude pruning was chosen, where `auto` was asked for without data. */
  choice?: MethodChoice;
}

/** Distinct training examples that a method sees that does not train, unless it is said. */
export const DEFAULT_CALIBRATION = 1000;

/** How `prune` prunes by a method that looks at the network on its data. */
export interface MethodConfig {
  /** `auto`: what was measured to be best under the budget and the examples. */
  name: PruningMethodName | 'auto';
  /** Takes the statistics of batch normalisations anew, over the same examples, changed by `augment`. */
  recalibrateBatchNorm?: boolean;
  /** Data, loss and engine; its `examples` are the distinct training examples that the method may see, but for `auto`. */
  problem: AnalyzeConfig;
  /** Epochs of a method that trains. */
  budgetEpochs: number;
  /** Epochs that the kept weights are trained for afterwards, the mask held; 0: none. */
  tuneEpochs: number;
  /** Training examples that training may see. */
  tuneExamples: number | 'all';
  augment: Augmentation | null;
  /** Of training; null: what suits the network; `auto`: of a few rates that of the lowest training loss. */
  learningRate: number | 'auto' | null;
  /** Weight of the penalty sum p^2 over the scores of `rare-gems`, 0: none; left out: what suits the network. */
  scoreL2?: number;
}

/** What `train` is asked to do. */
export interface TrainConfig {
  network: ZooName | null;
  /** Path of a model to go on from, in place of a network by name; null: none. */
  from: string | null;
  data: string;
  labelColumn: string | null;
  layout: 'NHWC' | 'NCHW' | null;
  /** Directory that the checkpoint is written to. */
  output: string;
  /** Replace files there that prune-limit did not write itself, too; default false. */
  force?: boolean;
  /** Where the checkpoint's metadata says the data is, relative to the checkpoint; null: the path of `data`. */
  recordData: string | null;
  normalize: NormalizeConfig | null;
  /** Widths of the hidden layers of `mlp`. */
  hidden: number[];
  /** Factor on the channels and hidden units of a convolutional network. */
  width: number;
  /** Weight of the penalty sum |w|. */
  l1: number;
  /** Which weights the l1 penalty acts on: prunable kernels, or all that are trained. */
  l1On: 'kernels' | 'all';
  /** Weight of the penalty 1/2 sum w^2 over prunable kernels. */
  l2: number;
  /** Weight of the same penalty over all weights that are trained. */
  weightDecay: number;
  optimizer: 'sgd' | 'adam';
  /** Momentum that looks ahead; `sgd` only. */
  nesterov: boolean;
  /** Share of the targets that is spread evenly over the classes. */
  labelSmoothing: number;
  /** Random changes of training images; null: none. */
  augment: { cropPadding: number; flip: boolean } | null;
  /** The run ends after an epoch with such a training loss or less, or accuracy or more; null: it does not. */
  targetLoss: number | null;
  targetAccuracy: number | null;
  epochs: number;
  batchSize: number;
  learningRate: number;
  momentum: number;
  /** Epochs over which the learning rate rises to its full value. */
  warmUpEpochs: number;
  schedule: 'constant' | 'cosine' | 'multi-step';
  /** Epochs after which `multi-step` multiplies the learning rate by `decay`. */
  milestones: number[];
  decay: number;
  /** What `epochs` and `milestones` count in the schedule. */
  scheduleUnit: 'epochs' | 'batches';
  /** Batches after which a cosine that counts batches comes round; null: twice `epochs`. */
  cosinePeriod: number | null;
  /** The recipe that settings are from, in which reading, and the options that went before it. */
  recipe?: { name: string; as: 'coded' | 'meant'; overridden: string[] };
  /** Folder of the run's state, from which it goes on; null: none is kept. */
  resume: string | null;
  /** File of JSON lines, one an epoch; null: none. */
  log: string | null;
  /** What the examples may take, in bytes; more are streamed where the format can be. Null: half of the machine's memory. */
  memoryLimitBytes: number | null;
  seed: number;
  weightsDtype: 'float32' | 'float16';
  backend: BackendChoice;
  threads: number | null;
}

/** Everything of `TrainConfig` that has a default of its own. */
export const trainDefaults: Omit<TrainConfig, 'network' | 'data' | 'output' | 'force' | 'recipe'> = {
  from: null,
  labelColumn: null,
  layout: null,
  recordData: null,
  normalize: null,
  hidden: [300, 100],
  width: 1,
  l1: 0,
  l1On: 'kernels',
  l2: 0,
  weightDecay: 0,
  optimizer: 'sgd',
  nesterov: false,
  labelSmoothing: 0,
  augment: null,
  targetLoss: null,
  targetAccuracy: null,
  epochs: 10,
  batchSize: 128,
  learningRate: 0.1,
  momentum: 0.9,
  warmUpEpochs: 0,
  schedule: 'cosine',
  milestones: [],
  decay: 0.1,
  scheduleUnit: 'epochs',
  cosinePeriod: null,
  resume: null,
  log: null,
  memoryLimitBytes: null,
  seed: 0,
  weightsDtype: 'float32',
  backend: 'auto',
  threads: null,
};
