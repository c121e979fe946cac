/** Options of the programming interface: those of the command line, in camelCase. */
import type { AnalyzeConfig, BackendChoice, LossChoice } from './config.js';
import type { LimitChoice } from './report/limit-choices.js';
import type { StudyName } from './study/names.js';

/** Which data, and how it is read. */
export interface DataOptions {
  /** Data set: a path as `--data` takes it. */
  data?: string;
  /** Column of a CSV file that holds the label. */
  labelColumn?: string;
  /** Order of images where their file does not tell it. */
  layout?: 'NHWC' | 'NCHW';
  /** Mean and standard deviation of each channel, after byte images are divided by 255. */
  normalize?: string | { mean: number[]; std: number[] };
}

/** Options of `analyze`; all but `model` have the defaults of the command line. */
export interface AnalyzeOptions extends DataOptions {
  /** An ONNX model, a model.json of a TensorFlow.js layers model, or the folder that holds it. */
  model: string;
  /** A file whose weights replace those of the model. */
  weights?: string;
  /** A configuration file, in place of a prune-limit.json next to the model or in the working directory. */
  config?: string;
  examples?: number | 'all';
  sample?: AnalyzeConfig['sample'];
  testExamples?: number | 'all';
  loss?: LossChoice;
  /** A loss difference, `"batch-std"`, or a percentage of the loss such as `"1%"`. */
  epsilon?: number | string;
  epsilonExamples?: number | 'all';
  curvature?: AnalyzeConfig['curvature'];
  negative?: AnalyzeConfig['negative'];
  bound?: AnalyzeConfig['bound'];
  probes?: number;
  steps?: number;
  /** Percentage points. */
  tolerance?: number;
  reorthogonalization?: AnalyzeConfig['reorthogonalization'];
  /** Percentage points. */
  accuracyTolerance?: number;
  /** Pruned fractions in [0, 1). */
  ratios?: number[];
  /** Sensitivities of layers: `"auto"` (or false) where they take few products, `"always"` (or true); `"full"`: limits of single layers and allocations, too. */
  layers?: boolean | AnalyzeConfig['layers'];
  /** Structured removals to predict and measure, such as `"2:4"` and `"channel:30%"`. */
  patterns?: string | string[];
  /** Factors on all weights for which the limits are predicted; costs no product. */
  weightScales?: number[] | string;
  /** Rows of the curvature whose L1 norms are computed, one product each. */
  rowNorms?: number;
  /** Epochs of each retraining on the way to the tuned limits, may be a part of one; in `prune`, epochs that the kept weights are trained for afterwards. */
  tune?: number;
  /** Globs over weight names. */
  include?: string | string[];
  exclude?: string | string[];
  seed?: number;
  backend?: BackendChoice;
  threads?: number;
  /** Bytes, or a size such as `"1.5G"`. */
  memoryLimit?: number | string;
  productPlan?: AnalyzeConfig['productPlan'];
  /** Shards that the examples are cut into. */
  shards?: number;
  /** Folder for the compiled programs. */
  dumpGraph?: string;
  /** File that results are kept in while the analysis runs, and from which one that was stopped goes on. */
  resume?: string;
  /** That file stays when the analysis has succeeded. */
  keepState?: boolean;
  /** Server at which workers compute the shards, `redis://` or `rediss://`. */
  workers?: string;
  /** Workers whose arithmetic differs in the last digits may take part. */
  allowDrift?: boolean;
}

/** Options of `prune`: one of `ratio` and `atLimit`, and those of the analysis that finds the limit. */
export interface PruneOptions extends Omit<AnalyzeOptions, 'resume' | 'keepState'> {
  /** Fraction of the prunable weights, in [0, 1). */
  ratio?: number;
  /** How to prune, on data; left out: the smallest magnitudes, without data. */
  method?: string;
  /** Distinct training examples that the method may see. */
  calibration?: number;
  atLimit?: LimitChoice;
  /** Folder of the pruned checkpoint, or file of the pruned ONNX model. */
  output: string;
  /** A report of `analyze`, as JSON, to take the limit from. */
  report?: string;
  /** A report of `analyze` with `layers: "full"`, as JSON, in place of an amount: each layer is pruned to its part there; `ratio` may name the total. */
  allocation?: string;
  /** Requirements on the pruned network, such as `pruned.headroom >= 0`, without which nothing is written: `files` is empty then. */
  gate?: readonly string[];
  sparse?: boolean;
}

/** Options of `study`; all but `name` and `output` have the defaults of the command line. */
export interface StudyOptions extends DataOptions {
  name: StudyName;
  /** Folder of the cells and models. */
  output: string;
  /** The model that is looked at; left out: the study trains its own, and `data` is needed. */
  model?: string;
  weights?: string;
  network?: string;
  hidden?: number[];
  width?: number;
  epochs?: number;
  learningRate?: number;
  /** Random changes of images in every training: `crop=4`, `flip`. */
  augment?: string[];
  l1?: number;
  examples?: number | 'all';
  /** Pruned fractions in [0, 1). */
  ratios?: number[];
  methods?: string[];
  seeds?: number;
  calibration?: number;
  budget?: number;
  /** Step size at first of weights in `lomp`, `imp` and `rare-gems`. */
  baselineRate?: number;
  weightScales?: number[];
  rowNorms?: number;
  /** Weight of the penalty over the scores of `rare-gems`. */
  scoreL2?: number;
  rounds?: number;
  /** Small settings, for a first look. */
  quick?: boolean;
  seed?: number;
  backend?: BackendChoice;
  threads?: number;
}

/** What a caller is told while work goes on. */
export type ProgressUpdate =
  /** How far a stage is, in a unit of its own; `total` is an upper bound. */
  | { kind: 'stage'; stage: string; done: number; total: number; ended: boolean }
  /** A remark that the command line writes to stderr. */
  | { kind: 'note'; message: string };

/** Is called with every update. */
export type OnProgress = (update: ProgressUpdate) => void;
