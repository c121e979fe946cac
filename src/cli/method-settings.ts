/** The options of `prune` that say by which method. */
import type { Command } from 'commander';
import { methodStages as stages } from '../analysis/stages.js';
import { DEFAULT_CALIBRATION, type MethodConfig } from '../config.js';
import { InputError } from '../errors.js';
import type { Progress } from '../progress.js';
import { chooseMethod, type MethodChoice } from '../pruning/methods/choice.js';
import {
  AUTO_METHOD,
  isTrainingMethod,
  PRUNING_METHODS,
  TRAINING_METHODS,
} from '../pruning/methods/names.js';
import { SCORE_L2 } from '../retraining/settings.js';
import { addOption } from './options.js';
import { type ResolveRequest, resolveAnalyzeConfig, resolveSettings } from './resolve-config.js';
import { readSetting, type Setting } from './settings.js';
import {
  augmentation,
  nonNegativeNumber,
  numberBetween,
  oneOf,
  positiveNumber,
  wholeNumber,
} from './values.js';

/** Options as the command line gives them. */
export interface MethodFlags {
  method?: string;
  calibration?: string;
  budget?: string;
  tune?: string;
  augment?: string;
  learningRate?: string;
  scoreL2?: string;
  recalibrateBatchNorm?: boolean;
}

const methodSetting: Setting<MethodConfig['name']> = {
  option: 'method',
  value: 'NAME',
  help: `how to prune, and to measure the outcome on --data: ${PRUNING_METHODS.join(', ')}; or ${AUTO_METHOD}, what was measured to be best under --budget and --calibration`,
  defaultText: 'magnitude, without data',
  examples: ['saliency', 'magnitude'],
  read: oneOf(...PRUNING_METHODS, AUTO_METHOD),
};

const calibrationSetting: Setting<number> = {
  option: 'calibration',
  value: 'N',
  help: 'distinct training examples that --method and --tune may see',
  defaultText: `${DEFAULT_CALIBRATION}; all where weights are trained`,
  examples: ['1000'],
  read: wholeNumber(2),
};

/** More would be training anew, which \`train\` does and can resume. */
const MOST_EPOCHS = 10_000;

const budgetSetting: Setting<number> = {
  option: 'budget',
  value: 'EPOCHS',
  help: `passes over the examples for a method that trains (${TRAINING_METHODS.join(', ')}); may be a part of one, and of ${AUTO_METHOD} 0`,
  defaultText: '1',
  examples: ['5', '0.5'],
  read: numberBetween(0, MOST_EPOCHS),
};

const tuneSetting: Setting<number> = {
  option: 'tune',
  value: 'EPOCHS',
  help: 'train the kept weights afterwards, the others held at 0; may be a part of an epoch',
  defaultText: '0',
  examples: ['1', '0.2'],
  read: numberBetween(0, MOST_EPOCHS),
};

const augmentSetting: Setting<MethodConfig['augment']> = {
  option: 'augment',
  value: 'LIST',
  help: 'change images at random while training, or for --recalibrate-batch-norm: crop=N (N pixels of padding), flip',
  defaultText: 'nothing',
  examples: ['crop=4,flip'],
  read: augmentation,
};

const learningRateSetting: Setting<number | 'auto'> = {
  option: 'learning-rate',
  value: 'X|auto',
  help: 'of training; auto: train by gradual and --tune with three rates, for three times the cost, and take the network of the lowest training loss',
  defaultText: 'by the network',
  examples: ['0.01', 'auto'],
  read: (given) => (given === 'auto' ? given : positiveNumber(given)),
};

/** Of the method that trains scores; studies have it, too. */
export const scoreL2Setting: Setting<number> = {
  option: 'score-l2',
  value: 'X',
  help: 'weight of the penalty sum p^2 over the scores of rare-gems; 0: none',
  defaultText: SCORE_L2.toExponential(),
  examples: ['1e-4', '0'],
  read: nonNegativeNumber,
};

/** Options that say how to train. */
const trainingSettings = {
  budget: budgetSetting,
  tune: tuneSetting,
  augment: augmentSetting,
  learningRate: learningRateSetting,
  scoreL2: scoreL2Setting,
};

/**
 * The method that is asked for, with its data; null without one.
 *
 * @throws InputError `usage/calibration` and `usage/training` without a method, `usage/no-data` without data
 */
export async function readMethod(
  flags: MethodFlags,
  request: ResolveRequest,
  progress: Progress,
): Promise<MethodConfig | null> {
  const asked = <T>(setting: Setting<T>, given: string | undefined, otherwise: T): T =>
    given === undefined ? otherwise : readSetting(setting, given, null);
  const tuneEpochs = asked(tuneSetting, flags.tune, 0);
  if (flags.method === undefined && tuneEpochs === 0) {
    if (flags.calibration !== undefined) {
      throw new InputError(
        'usage/calibration',
        '--calibration says how many examples --method may see; name one, for example --method saliency',
      );
    }
    if (flags.recalibrateBatchNorm) {
      throw new InputError(
        'usage/recalibrate',
        '--recalibrate-batch-norm goes with --method; name one, for example --method magnitude',
      );
    }
    const training = Object.entries(trainingSettings).find(
      ([key]) => flags[key as keyof MethodFlags] !== undefined,
    );
    if (training !== undefined) {
      throw new InputError(
        'usage/training',
        `--${training[1].option} is for methods that train; name one, for example --method gradual, or use --tune 1`,
      );
    }
    return null;
  }
  const name = asked(methodSetting, flags.method, 'magnitude');
  if (flags.budget !== undefined && name !== AUTO_METHOD && !isTrainingMethod(name)) {
    throw new InputError(
      'usage/training',
      `--budget is for methods that train (${TRAINING_METHODS.join(', ')}), and --method ${name} does not; use --tune for epochs afterwards`,
    );
  }
  if (flags.scoreL2 !== undefined && name !== 'rare-gems') {
    throw new InputError(
      'usage/training',
      `--score-l2 is for --method rare-gems, and --method ${name} has no scores; leave it out`,
    );
  }
  const learningRate = asked<number | 'auto' | null>(learningRateSetting, flags.learningRate, null);
  if (learningRate === 'auto' && isTrainingMethod(name) && name !== 'gradual') {
    throw new InputError(
      'usage/training',
      `--learning-rate auto is for --method gradual and for --tune after methods that do not train; ${name} has a rate of its own`,
    );
  }
  const budgetEpochs = asked(budgetSetting, flags.budget, 1);
  const neverTrains =
    tuneEpochs === 0 && !isTrainingMethod(name) && !(name === AUTO_METHOD && budgetEpochs > 0);
  const unused = (['learningRate', 'augment'] as const).find((key) => flags[key] !== undefined);
  const ofStatistics = unused === 'augment' && flags.recalibrateBatchNorm;
  if (neverTrains && unused !== undefined && !ofStatistics) {
    throw new InputError(
      'usage/training',
      `--${trainingSettings[unused].option} is of training, and nothing is trained here; use --tune 1 to train afterwards, or leave it out`,
    );
  }
  if (isTrainingMethod(name) && budgetEpochs === 0) {
    throw new InputError(
      'usage/training',
      `--budget 0: --method ${name} trains; give a part of an epoch at least`,
    );
  }
  if (flags.recalibrateBatchNorm && (isTrainingMethod(name) || tuneEpochs > 0)) {
    throw new InputError(
      'usage/recalibrate',
      '--recalibrate-batch-norm is for pruning without training, which moves these statistics itself; leave it out',
    );
  }
  const calibration =
    flags.calibration === undefined ? null : readSetting(calibrationSetting, flags.calibration, null);
  const trains = isTrainingMethod(name) || (name === AUTO_METHOD && budgetEpochs > 0);
  const examples = calibration ?? (trains ? 'all' : DEFAULT_CALIBRATION);
  const config = await resolveAnalyzeConfig(request, progress);
  return {
    name,
    ...(flags.recalibrateBatchNorm && { recalibrateBatchNorm: true }),
    // Nothing here needs examples for epsilon.
    problem: { ...config, examples, epsilonExamples: examples },
    budgetEpochs,
    tuneEpochs,
    tuneExamples: calibration ?? 'all',
    augment: asked(augmentSetting, flags.augment, null),
    learningRate,
    ...(flags.scoreL2 !== undefined && { scoreL2: readSetting(scoreL2Setting, flags.scoreL2, null) }),
  };
}

/** Options that ask for data, whatever is chosen. */
const dataOptions = ['calibration', 'budget', 'tune', 'recalibrateBatchNorm'] as const;

/**
 * What `--method auto` comes to where there are no data and nothing asks for any; null for anything else.
 *
 * @throws InputError as configurations do
 */
export async function choiceWithoutData(
  flags: MethodFlags,
  request: ResolveRequest,
  progress: Progress,
): Promise<MethodChoice | null> {
  if (flags.method !== AUTO_METHOD || dataOptions.some((option) => flags[option] !== undefined)) {
    return null;
  }
  const { config } = await resolveSettings(request, progress);
  const nothing = { examples: 0, budgetEpochs: 0, prunedFraction: 0 };
  return config.data === null ? chooseMethod(nothing, new Map()) : null;
}

/** The stages of progress while pruning. */
export function methodStages({ method, tune }: MethodFlags): readonly string[] {
  if (method === undefined && tune === undefined) {
    return ['pruning'];
  }
  const { pruning, training, ...others } = stages;
  if (method === AUTO_METHOD) {
    // What is chosen hangs on the data.
    return [stages.data, ...(tune === undefined ? [] : [stages.training]), stages.measuring];
  }
  const trains = TRAINING_METHODS.some((name) => name === method);
  const { data, measuring } = others;
  return [
    data,
    ...(trains ? [] : [pruning, measuring]),
    ...(trains || tune !== undefined ? [training, measuring] : []),
  ];
}

/** Adds the options to `prune`. */
export function addMethodOptions(command: Command): void {
  command.optionsGroup('Method:');
  addOption(command, methodSetting as Setting<unknown>);
  for (const setting of [calibrationSetting, ...Object.values(trainingSettings)]) {
    addOption(command, setting as Setting<unknown>);
  }
  command.option(
    '--recalibrate-batch-norm',
    'take means and variances of batch normalisations anew, on the examples that --method may see, changed by --augment',
  );
}
