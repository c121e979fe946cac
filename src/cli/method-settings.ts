/** The options of `prune` that say by which method. */
import type { Command } from 'commander';
import { methodStages as stages } from '../analysis/stages.js';
import type { MethodConfig } from '../config.js';
import { InputError } from '../errors.js';
import type { Progress } from '../progress.js';
import { PRUNING_METHODS, type PruningMethodName } from '../pruning/methods/names.js';
import { addOption } from './options.js';
import { type ResolveRequest, resolveAnalyzeConfig } from './resolve-config.js';
import { readSetting, type Setting } from './settings.js';
import { oneOf, wholeNumber } from './values.js';

/** Options as the command line gives them. */
export interface MethodFlags {
  method?: string;
  calibration?: string;
  recalibrateBatchNorm?: boolean;
}

const DEFAULT_CALIBRATION = 1000;

const methodSetting: Setting<PruningMethodName> = {
  option: 'method',
  value: 'NAME',
  help: `how to prune, and to measure the outcome on --data: ${PRUNING_METHODS.join(', ')}`,
  defaultText: 'magnitude, without data',
  examples: ['saliency', 'magnitude'],
  read: oneOf(...PRUNING_METHODS),
};

const calibrationSetting: Setting<number> = {
  option: 'calibration',
  value: 'N',
  help: 'distinct training examples that --method may see',
  defaultText: String(DEFAULT_CALIBRATION),
  examples: ['1000'],
  read: wholeNumber(2),
};

/**
 * The method that is asked for, with its data; null without one.
 *
 * @throws InputError `usage/calibration` without a method, `usage/no-data` without data
 */
export async function readMethod(
  flags: MethodFlags,
  request: ResolveRequest,
  progress: Progress,
): Promise<MethodConfig | null> {
  if (flags.method === undefined) {
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
    return null;
  }
  const name = readSetting(methodSetting, flags.method, null);
  const examples =
    flags.calibration === undefined
      ? DEFAULT_CALIBRATION
      : readSetting(calibrationSetting, flags.calibration, null);
  const config = await resolveAnalyzeConfig(request, progress);
  // Nothing here needs examples for epsilon.
  return {
    name,
    ...(flags.recalibrateBatchNorm && { recalibrateBatchNorm: true }),
    problem: { ...config, examples, epsilonExamples: examples },
  };
}

/** The stages of progress while pruning. */
export function methodStages({ method }: MethodFlags): readonly string[] {
  return method === undefined ? ['pruning'] : Object.values(stages);
}

/** Adds the options to `prune`. */
export function addMethodOptions(command: Command): void {
  command.optionsGroup('Method:');
  addOption(command, methodSetting as Setting<unknown>);
  addOption(command, calibrationSetting as Setting<unknown>);
  command.option(
    '--recalibrate-batch-norm',
    'take means and variances of batch normalisations anew, on the examples that --method may see',
  );
}
