/** The analysis of a model as commands ask for it: options, configuration files, metadata of the model. */
import type { Command } from 'commander';
import { analysisStages } from '../analysis/stages.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AnalyzeConfig, ResumeOptions } from '../config.js';
import type { Progress } from '../progress.js';
import type { Report } from '../report/schema.js';
import { analyzeSettings, configSetting, weightsSetting } from './analyze-settings.js';
import type { Surroundings } from './context.js';
import { configOption, dataInput, type Input, modelInputs } from './inputs.js';
import { addOption, addOptionGroup } from './options.js';
import { checkApart, checkOutput, folderOutput, type Output, stdoutOutput } from './output.js';
import { readingStage, readModel } from './read-model.js';
import { type Flags, pathFrom, readWeightsOption, resolveAnalyzeConfig } from './resolve-config.js';
import { resumeOutputs } from './resume-options.js';
import type { Setting } from './settings.js';

/** The stages of the progress of `analyzeModel`. */
export const modelAnalysisStages: readonly string[] = [readingStage, ...Object.values(analysisStages)];

/** A model that was read, and how it is to be analysed. */
export interface PreparedAnalysis {
  checkpoint: Checkpoint;
  config: AnalyzeConfig;
}

/**
 * Reads a model and settles how it is analysed.
 *
 * @param outputs what the command is going to write: refused before the work where they could not be written,
 *   or are read
 * @param inputs what the command reads besides
 */
export async function prepareAnalysis(
  model: string,
  flags: Flags,
  context: Surroundings,
  progress: Progress,
  outputs: readonly Output[],
  inputs: readonly Input[],
): Promise<PreparedAnalysis> {
  const weights = readWeightsOption(flags, context.cwd);
  const checkpoint = await readModel(pathFrom(context.cwd, model), weights, progress, context);
  const config = await resolveAnalyzeConfig(
    { flags, modelPath: checkpoint.path, cwd: context.host.cwd(), metadata: checkpoint.metadata },
    progress,
  );
  const written = [
    ...outputs,
    ...(config.dumpGraph === null ? [] : [await folderOutput('--dump-graph', config.dumpGraph, '.onnx')]),
  ];
  for (const output of written) {
    await checkOutput(output);
  }
  await checkApart(
    [...stdoutOutput(context.host), ...written],
    [
      ...modelInputs(checkpoint, { weights, config: configOption(flags, context.cwd) }, context),
      dataInput(config.data),
      ...inputs,
    ],
  );
  return { checkpoint, config };
}

/** Carries out an analysis. */
export async function analyzePrepared(
  { checkpoint, config }: PreparedAnalysis,
  context: Surroundings,
  progress: Progress,
  resume: ResumeOptions | null = null,
): Promise<Report> {
  const { validateReport } = await import('../report/schema.js');
  return validateReport(await context.work.analyze(config, progress, checkpoint, resume));
}

/** Reads and analyses a model, as `prepareAnalysis` and `analyzePrepared`. */
export async function analyzeModel(
  model: string,
  flags: Flags,
  context: Surroundings,
  progress: Progress,
  outputs: readonly Output[],
  inputs: readonly Input[],
  resume: ResumeOptions | null = null,
): Promise<Report> {
  const written = [...outputs, ...resumeOutputs(resume)];
  const prepared = await prepareAnalysis(model, flags, context, progress, written, inputs);
  return analyzePrepared(prepared, context, progress, resume);
}

/** Adds the options of an analysis to a command, in the groups of its help. */
export function addAnalyzeOptions(command: Command): void {
  command.optionsGroup('Model:');
  addOption(command, weightsSetting as Setting<unknown>);
  addOption(command, configSetting as Setting<unknown>);
  addOptionGroup(command, 'Data:', analyzeSettings, [
    'data',
    'labelColumn',
    'layout',
    'normalize',
    'examples',
    'sample',
    'testExamples',
  ]);
  addOptionGroup(command, 'Theory:', analyzeSettings, [
    'loss',
    'epsilon',
    'epsilonExamples',
    'curvature',
    'negative',
    'bound',
    'probes',
    'steps',
    'tolerancePoints',
    'reorthogonalization',
  ]);
  addOptionGroup(command, 'Pruning:', analyzeSettings, [
    'ratios',
    'accuracyTolerancePoints',
    'layers',
    'patterns',
    'weightScales',
    'rowNorms',
    'tuneEpochs',
    'include',
    'exclude',
  ]);
  addOptionGroup(command, 'Running:', analyzeSettings, [
    'seed',
    'backend',
    'threads',
    'memoryLimitBytes',
    'productPlan',
    'shards',
    'dumpGraph',
  ]);
}
