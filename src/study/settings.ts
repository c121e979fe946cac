/** What the command `study` is asked to do, as plain values. */
import type { PruningMethodName } from '../pruning/methods/names.js';
import type { CellAnalysis, TrainCell } from './cell.js';
import type { StudyName } from './names.js';

/** What a study is told. */
export interface StudySettings {
  /** Whether a model is given; without, networks are trained. */
  givenModel: boolean;
  /** Of every analysis. */
  analysis: CellAnalysis;
  /** Of every training; its l1 is that of networks with the penalty. */
  training: TrainCell['config'];
  /** Pruned fractions. */
  ratios: readonly number[];
  methods: readonly PruningMethodName[];
  /** Independent runs of what is random, with the seeds `seed`, `seed + 1`, .. */
  seeds: number;
  seed: number;
  /** Distinct training examples that methods may see that do not train. */
  calibration: number;
  /** Epochs of methods that train. */
  budgetEpochs: number;
  /** Step size at first of weights in `lomp`, `imp` and `rare-gems`; null: their own. */
  baselineRate: number | null;
  /** Weight of the penalty over the scores of `rare-gems` where there is one. */
  scoreL2: number;
  /** Factors on all weights. */
  scales: readonly number[];
  /** Rows of the curvature. */
  rows: number;
  /** Prunings of iterative magnitude pruning. */
  rounds: number;
}

/** What `study` is asked to do. */
export interface StudyConfig {
  name: StudyName;
  /** Folder of the cells, the models and the result. */
  output: string;
  /** The model that is looked at, and a file whose weights replace its own; null: the study trains its own. */
  model: string | null;
  weights: string | null;
  settings: StudySettings;
  /** Small settings for a first look. */
  quick: boolean;
}
