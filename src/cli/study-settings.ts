/** Settings of `study`, besides those of data and engine. */
import { type TrainConfig, trainDefaults } from '../config.js';
import { PRUNING_METHODS, type PruningMethodName } from '../pruning/methods/names.js';
import { BASELINE_RATE } from '../retraining/settings.js';
import { zooNames } from '../training/zoo/catalogue.js';
import { scoreL2Setting } from './method-settings.js';
import type { Settings } from './settings.js';
import { trainSettings } from './train-settings.js';
import * as read from './values.js';

/** What a study can be told. */
export interface StudyOptions {
  output: string;
  model: string;
  network: NonNullable<TrainConfig['network']>;
  hidden: number[];
  width: number;
  epochs: number;
  learningRate: number;
  augment: NonNullable<TrainConfig['augment']>;
  l1: number;
  examples: number | 'all';
  ratios: number[];
  methods: PruningMethodName[];
  seeds: number;
  calibration: number;
  budget: number;
  baselineRate: number;
  scales: number[];
  rows: number;
  scoreL2: number;
  rounds: number;
}

/** What is taken where nothing is given. */
export const studyDefaults = {
  hidden: trainDefaults.hidden,
  epochs: 10,
  l1: 5e-5,
  ratios: [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98],
  seeds: 3,
  calibration: 1000,
  budget: 1,
  scales: [2, 3, 4, 5],
  rows: 100,
  rounds: 10,
};

/** The same where a first look is asked for; `hidden` is that of mlp. */
export const quickDefaults: typeof studyDefaults = {
  hidden: [32],
  epochs: 2,
  l1: 5e-5,
  ratios: [0.5, 0.9],
  seeds: 2,
  calibration: 200,
  budget: 1,
  scales: [2],
  rows: 10,
  rounds: 4,
};

/** What analyses are told for a first look. */
export const quickAnalysis = { examples: 256, steps: 60 };

const quickly = (value: unknown, quick: unknown): string => `${value}; ${quick} with --quick`;

function methodList(value: unknown): PruningMethodName[] {
  const names = Array.isArray(value) ? value : read.text(value).split(',');
  return names.map((name) => read.oneOf(...PRUNING_METHODS)(String(name).trim()));
}

export const studySettings: Settings<StudyOptions> = {
  output: {
    option: 'output',
    short: 'o',
    value: 'DIR',
    help: 'folder of the cells, the models and the result: NAME.json, NAME.md and NAME.html',
    examples: ['studies/mnist'],
    read: read.text,
    path: true,
  },
  model: {
    option: 'model',
    value: 'MODEL',
    help: 'look at this model',
    defaultText: 'train --network',
    examples: ['models/mlp'],
    read: read.text,
    path: true,
  },
  network: {
    option: 'network',
    value: 'NAME',
    help: `which network to train: ${zooNames.join(', ')}`,
    defaultText: 'mlp',
    examples: ['mlp', 'lenet5'],
    read: read.oneOf(...zooNames),
  },
  hidden: {
    ...trainSettings.hidden,
    defaultText: quickly(studyDefaults.hidden.join(','), quickDefaults.hidden.join(',')),
  },
  width: trainSettings.width,
  epochs: { ...trainSettings.epochs, defaultText: quickly(studyDefaults.epochs, quickDefaults.epochs) },
  learningRate: trainSettings.learningRate,
  augment: {
    ...trainSettings.augment,
    help: 'change images at random in every training, of prunings too: crop=N (N pixels of padding), flip',
  },
  l1: {
    ...trainSettings.l1,
    help: 'weight of the penalty sum |w| of networks that are trained with one',
    defaultText: String(studyDefaults.l1),
  },
  examples: {
    option: 'examples',
    value: 'N|all',
    help: 'training examples for curvature and the measured loss of analyses',
    defaultText: quickly(2048, quickAnalysis.examples),
    examples: ['2048', 'all'],
    read: read.countOrAll(1),
  },
  ratios: {
    option: 'ratios',
    value: 'LIST',
    help: 'pruned fractions, of pruners',
    defaultText: quickly(studyDefaults.ratios.join(','), quickDefaults.ratios.join(',')),
    examples: ['0.8,0.9,0.95'],
    read: read.prunedFractions,
  },
  methods: {
    option: 'methods',
    value: 'LIST',
    help: 'of pruners, as --method of prune knows them',
    defaultText: 'all',
    examples: ['magnitude,woodfisher,gradual'],
    read: methodList,
  },
  seeds: {
    option: 'seeds',
    value: 'N',
    help: 'independent runs of what is random',
    defaultText: quickly(studyDefaults.seeds, quickDefaults.seeds),
    examples: ['3'],
    read: read.wholeNumber(1, 1000),
  },
  calibration: {
    option: 'calibration',
    value: 'N',
    help: 'distinct training examples that methods may see that do not train',
    defaultText: quickly(studyDefaults.calibration, quickDefaults.calibration),
    examples: ['1000'],
    read: read.wholeNumber(2),
  },
  budget: {
    option: 'budget',
    value: 'EPOCHS',
    help: 'passes over the training examples for methods that train',
    defaultText: String(studyDefaults.budget),
    examples: ['5', '0.5'],
    read: read.positiveNumber,
  },
  baselineRate: {
    option: 'baseline-rate',
    value: 'X',
    help: 'step size at first of weights in lomp, imp and rare-gems',
    defaultText: String(BASELINE_RATE),
    examples: ['0.01'],
    read: read.positiveNumber,
  },
  scales: {
    option: 'weight-scales',
    value: 'LIST',
    help: 'factors on all weights, of weight-scale',
    defaultText: quickly(studyDefaults.scales.join(','), quickDefaults.scales.join(',')),
    examples: ['2,3,4,5'],
    read: read.factors,
  },
  rows: {
    option: 'row-norms',
    value: 'N',
    help: 'rows of the curvature, of row-norms',
    defaultText: quickly(studyDefaults.rows, quickDefaults.rows),
    examples: ['100'],
    read: read.wholeNumber(1),
  },
  scoreL2: {
    ...scoreL2Setting,
    help: 'weight of the penalty sum p^2 over the scores of rare-gems, of l2 and baselines',
    read: read.positiveNumber,
  },
  rounds: {
    option: 'rounds',
    value: 'N',
    help: 'prunings of iterative, each of a fifth of what is left',
    defaultText: quickly(studyDefaults.rounds, quickDefaults.rounds),
    examples: ['10'],
    read: read.wholeNumber(1, 30),
  },
};
