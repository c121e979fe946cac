/** What `study` is asked to do, from its options and the metadata of its model. */
import { readFile } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { analyzeDefaults, trainDefaults } from '../config.js';
import { InputError } from '../errors.js';
import type { Progress } from '../progress.js';
import { PRUNING_METHODS } from '../pruning/methods/names.js';
import { SCORE_L2 } from '../retraining/settings.js';
import type { StudyName } from '../study/names.js';
import type { StudyConfig } from '../study/settings.js';
import type { Surroundings } from './context.js';
import { dataInput, modelInputs } from './inputs.js';
import { checkApart, checkOutputFolder, stdoutOutput } from './output.js';
import { readModel } from './read-model.js';
import { type Flags, pathFrom, readWeightsOption, resolveAnalyzeConfig } from './resolve-config.js';
import { readFlags } from './settings.js';
import { dataSettings, engineSettings } from './shared-settings.js';
import { quickAnalysis, quickDefaults, studyDefaults, studySettings } from './study-settings.js';

/** The files of a result, by what they end in. */
export function resultFiles(folder: string, name: StudyName): Record<'json' | 'md' | 'html', string> {
  const file = (ending: string): string => join(folder, `${name}.${ending}`);
  return { json: file('json'), md: file('md'), html: file('html') };
}

/** Refuses a folder where a result would be written over a file that is none. */
async function checkOwn(folder: string, name: StudyName): Promise<void> {
  const { json, md, html } = resultFiles(folder, name);
  const texts = await Promise.all([json, md, html].map((path) => readFile(path, 'utf8').catch(() => null)));
  const own = texts[0]?.includes(`"study": "${name}"`) === true;
  const foreign = [json, md, html].find((_, index) => texts[index] !== null);
  if (!own && foreign !== undefined) {
    throw new InputError(
      'output/not-ours',
      `--output ${folder}: holds ${foreign}, which no study wrote; name another folder`,
    );
  }
}

/** The options that an analysis has, too. */
function analysisFlags(flags: Flags): Flags {
  const names = [...Object.keys(dataSettings), ...Object.keys(engineSettings)];
  return Object.fromEntries(Object.entries(flags).filter(([key]) => names.includes(key)));
}

/**
 * What a study is to do, from its options.
 *
 * @throws InputError for options that are missing or cannot be used
 */
export async function readStudyConfig(
  name: StudyName,
  flags: Flags,
  context: Surroundings,
  progress: Progress,
): Promise<StudyConfig> {
  const given = readFlags(studySettings, flags);
  const quick = flags.quick === true;
  const defaults = quick ? quickDefaults : studyDefaults;
  if (given.output === undefined) {
    throw new InputError('usage/output', 'say where to write with -o DIR, for example -o studies/mnist');
  }
  const output = pathFrom(context.cwd, given.output);
  const weights = readWeightsOption(flags, context.cwd);
  if (given.model === undefined && weights !== null) {
    throw new InputError('usage/weights', '--weights goes with --model');
  }
  if (given.model === undefined && flags.data === undefined) {
    throw new InputError(
      'usage/no-data',
      'say what to train on with --data PATH, for example --data data/mnist, or give a model that knows its data with --model',
    );
  }
  const checkpoint =
    given.model === undefined
      ? null
      : await readModel(pathFrom(context.cwd, given.model), weights, progress, context);
  const request = {
    flags: analysisFlags(flags),
    modelPath: checkpoint?.path ?? join(output, 'model.json'),
    cwd: context.host.cwd(),
    metadata: checkpoint?.metadata ?? {},
  };
  const { model: _, weights: __, ...resolved } = await resolveAnalyzeConfig(request, progress);
  const { data, labelColumn, layout, normalize, seed, backend, threads } = resolved;
  const inData = relative(resolve(data), resolve(output));
  if (!inData.startsWith('..') && !isAbsolute(inData)) {
    throw new InputError(
      'output/in-data',
      `--output ${output}: lies in --data ${data}, and what is written there would be taken for data; name another folder`,
    );
  }
  // How data is read decides nothing of a training, and is no part of a cell.
  const { memoryLimitBytes: ___, ...trainingDefaults } = trainDefaults;
  await checkOutputFolder('--output', output, null);
  await checkOwn(output, name);
  await checkApart(
    [
      ...stdoutOutput(context.host),
      { option: '--output', path: output, files: Object.values(resultFiles(output, name)) },
    ],
    [
      dataInput(data),
      ...(checkpoint === null ? [] : modelInputs(checkpoint, { weights, config: null }, context)),
    ],
  );
  return {
    name,
    output,
    model: checkpoint?.path ?? null,
    weights,
    quick,
    settings: {
      givenModel: checkpoint !== null,
      analysis: {
        ...resolved,
        examples: given.examples ?? (quick ? quickAnalysis.examples : resolved.examples),
        ...(quick && { steps: quickAnalysis.steps }),
        ratios: given.ratios ?? analyzeDefaults.ratios,
        dumpGraph: null,
      },
      training: {
        ...trainingDefaults,
        ...{ data, labelColumn, layout, normalize, seed, backend, threads },
        network: given.network ?? 'mlp',
        hidden: given.hidden ?? defaults.hidden,
        width: given.width ?? trainDefaults.width,
        epochs: given.epochs ?? defaults.epochs,
        learningRate: given.learningRate ?? trainDefaults.learningRate,
        l1: given.l1 ?? defaults.l1,
        augment: given.augment ?? null,
      },
      ratios: given.ratios ?? defaults.ratios,
      methods: given.methods ?? PRUNING_METHODS,
      seeds: given.seeds ?? defaults.seeds,
      seed,
      calibration: given.calibration ?? defaults.calibration,
      budgetEpochs: given.budget ?? defaults.budget,
      baselineRate: given.baselineRate ?? null,
      scales: given.scales ?? defaults.scales,
      rows: given.rows ?? defaults.rows,
      scoreL2: given.scoreL2 ?? SCORE_L2,
      rounds: given.rounds ?? defaults.rounds,
    },
  };
}
