import { type Command, Option } from 'commander';
import { prunedModelStages, pruningStages } from '../analysis/stages.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AnalyzeConfig, PruneConfig } from '../config.js';
import { InputError } from '../errors.js';
import type { Progress } from '../progress.js';
import type { PruneSummary } from '../report/prune-summary.js';
import { schemaVersion } from '../report/schema-version.js';
import { toJson } from '../report/text.js';
import { analyzeSettings, configSetting, weightsSetting } from './analyze-settings.js';
import type { Context, Surroundings } from './context.js';
import { deliver } from './delivery.js';
import { exitCodes } from './failure.js';
import { addHelpAfter } from './help.js';
import { configOption, dataInput, fileInput, type Input, modelInputs } from './inputs.js';
import {
  addMethodOptions,
  choiceWithoutData,
  type MethodFlags,
  methodStages,
  readMethod,
} from './method-settings.js';
import { modelAnalysisStages } from './model-analysis.js';
import { checkModelOutput } from './model-output.js';
import { addOption, addOptionGroup, addOutputOptions, summaryFormat } from './options.js';
import { checkApart, stdoutOutput } from './output.js';
import { type AmountFlags, limitSetting, ratioSetting, readAmount } from './prune-amount.js';
import { readingStage, readModel } from './read-model.js';
import {
  type Flags,
  pathFrom,
  readWeightsOption,
  resolveAnalyzeConfig,
  resolveSettings,
} from './resolve-config.js';
import { readFlags, readSetting, type Setting } from './settings.js';
import { pathOptions, refuseStdin, refuseStdout } from './standard-streams.js';
import { trainSettings } from './train-settings.js';
import { text } from './values.js';

/** Options of `prune` besides those of `analyze`. */
export interface PruneFlags extends AmountFlags, MethodFlags {
  output?: string;
  gate?: string[];
  sparse?: boolean;
  force?: boolean;
  format?: string;
  quiet?: boolean;
}

const gateSetting: Setting<string> = {
  option: 'gate',
  value: 'EXPR',
  help: 'write nothing unless the pruned model keeps this, as --require of gate; it is measured for that; repeatable',
  examples: ['"pruned.headroom >= 0"', '"pruned.accuracy >= 97%"'],
  read: text,
  repeatable: true,
};

const outputSetting: Setting<string> = {
  ...trainSettings.output,
  value: 'PATH',
  help: 'folder of the pruned checkpoint, or file of the pruned ONNX model',
  examples: ['models/pruned', 'pruned.onnx'],
};

/** Settings of an analysis that change what is pruned; the others only change the report. */
const limitKeys = [
  'testExamples',
  'loss',
  'epsilon',
  'epsilonExamples',
  'curvature',
  'negative',
  'probes',
  'steps',
  'tolerancePoints',
  'accuracyTolerancePoints',
  'reorthogonalization',
] as const;

/** Refuses an output that would be written over a file that is read: model, weights, report, data, configuration. */
async function checkOutputApart(
  output: string,
  checkpoint: Checkpoint,
  read: { weights: string | null; report: string | null; allocation: string | null; data: string | null },
  flags: Flags,
  context: Surroundings,
): Promise<void> {
  const { written } = await context.work.checkpointFiles(checkpoint, output);
  const inputs: Input[] = [
    ...modelInputs(checkpoint, { weights: read.weights, config: configOption(flags, context.cwd) }, context),
    ...(read.report === null ? [] : [fileInput('--report', read.report)]),
    ...(read.allocation === null ? [] : [fileInput('--allocation', read.allocation)]),
    ...(read.data === null ? [] : [dataInput(read.data)]),
  ];
  await checkApart(
    [...stdoutOutput(context.host), { option: '--output', path: output, files: written }],
    inputs,
  );
}

/** Whether the model is analysed: for the limit to prune to where no report tells it, or for gates. */
function analyzesFirst({ atLimit, report, gate }: PruneFlags): boolean {
  return gate !== undefined || (atLimit !== undefined && report === undefined);
}

/** The gates, checked as far as that can be done before the work. */
async function readPruneGates({ gate = [], report }: PruneFlags): Promise<readonly string[]> {
  if (gate.length === 0) {
    return [];
  }
  if (report !== undefined) {
    throw new InputError(
      'usage/report',
      '--gate analyses the model itself, to measure the pruned one beside it; leave out --report',
    );
  }
  const { checkFields, readGates } = await import('../gate/run-gates.js');
  const { gateSubjectJsonSchema } = await import('../gate/schema.js');
  checkFields(readGates({ require: gate }, 'error'), gateSubjectJsonSchema());
  return gate;
}

/** The analysis stops when a limit is settled: it must be the one that is asked for. */
function settling(limit: PruneConfig['atLimit'], analysis: AnalyzeConfig): AnalyzeConfig {
  // Here, --tune trains what was pruned.
  const config = { ...analysis, tuneEpochs: 0 };
  const bound = (['gaussian-width', 'sharp'] as const).find((name) => limit?.startsWith(name));
  return bound === undefined ? config : { ...config, bound };
}

/**
 * Prunes a model as the options say, and writes the result.
 *
 * @throws InputError for a wrong option, an output that cannot be written, or input that cannot be read
 */
export async function pruneModel(
  model: string,
  flags: Flags & PruneFlags,
  context: Surroundings,
  progress: Progress,
): Promise<PruneSummary> {
  readFlags(analyzeSettings, flags);
  refuseStdin({ '<model>': model, ...pathOptions(flags, ['data', 'weights', 'report', 'allocation']) });
  refuseStdout(pathOptions(flags, ['output']));
  const amount = readAmount(flags);
  const gates = await readPruneGates(flags);
  if (flags.output === undefined) {
    throw new InputError(
      'usage/output',
      'say where to write with -o PATH, for example -o models/pruned or -o pruned.onnx',
    );
  }
  const givenOutput = pathFrom(context.cwd, readSetting(outputSetting, flags.output, null));
  const weights = readWeightsOption(flags, context.cwd);
  const checkpoint = await readModel(pathFrom(context.cwd, model), weights, progress, context);
  if (flags.sparse && checkpoint.format !== 'onnx') {
    throw new InputError(
      'usage/sparse',
      '--sparse is for ONNX models; a TensorFlow.js layers model has no sparse weights, leave it out',
    );
  }
  const output = await checkModelOutput(givenOutput, checkpoint, weights);

  const request = {
    flags,
    modelPath: checkpoint.path,
    cwd: context.host.cwd(),
    metadata: checkpoint.metadata,
  };
  const analyze = analyzesFirst(flags)
    ? settling(amount.atLimit, await resolveAnalyzeConfig(request, progress))
    : null;
  const choice = await choiceWithoutData(flags, request, progress);
  const method = choice === null ? await readMethod(flags, request, progress) : null;
  const { include, exclude } = analyze ?? (await resolveSettings(request, progress)).config;
  const report = flags.report === undefined ? null : pathFrom(context.cwd, flags.report);
  const allocation = flags.allocation === undefined ? null : pathFrom(context.cwd, flags.allocation);
  const data = (analyze ?? method?.problem)?.data ?? null;
  await checkOutputApart(output, checkpoint, { weights, report, allocation, data }, flags, context);
  return context.work.prune(
    {
      model: checkpoint.path,
      weights,
      output,
      force: flags.force === true,
      sparse: flags.sparse === true,
      ...amount,
      report,
      ...(allocation !== null && { allocation }),
      include,
      exclude,
      analyze,
      ...(gates.length > 0 && { gates }),
      ...(method && { method }),
      ...(choice && { choice }),
    },
    progress,
    checkpoint,
  );
}

async function runPrune(model: string, flags: Flags & PruneFlags, context: Context): Promise<void> {
  const format = flags.format === undefined ? 'table' : readSetting(summaryFormat, flags.format, null);
  const progress = await context.progress(flags.quiet === true, [
    ...(analyzesFirst(flags) ? modelAnalysisStages : [readingStage]),
    ...methodStages(flags),
    ...(flags.gate === undefined ? [] : [prunedModelStages.measuring]),
    pruningStages.sizes,
  ]);
  const summary = await pruneModel(model, flags, context, progress);
  const { gateRefused, renderPruneSummary } = await import('../report/prune-summary.js');
  const stdout =
    format === 'json'
      ? toJson({ schemaVersion, ok: true, ...summary })
      : renderPruneSummary(summary, await context.colors(), context.page);
  if (gateRefused(summary)) {
    context.host.exitCode = exitCodes.gateFailed;
  }
  await deliver({ stdout }, progress, context);
}

/** Adds the command `prune` to the program. */
export function addPruneCommand(program: Command, context: Context): void {
  const command = program
    .command('prune')
    .summary('set the smallest weights to 0 and write the checkpoint')
    .description(
      'Sets the weights of smallest magnitude to 0, over all prunable weights at once, or those that --method ' +
        'chooses, and writes the result as a new checkpoint. The model that is read stays as it is.',
    )
    .argument(
      '<model>',
      'ONNX model, model.json of a TensorFlow.js layers model, or the folder that holds it',
    );
  command.optionsGroup('How far (one of):');
  addOption(command, ratioSetting as Setting<unknown>);
  command.addOption(new Option('--at-limit [NAME]', limitSetting.help));
  addMethodOptions(command);
  command.optionsGroup('Pruning:');
  addOption(command, outputSetting as Setting<unknown>);
  addOption(command, gateSetting as Setting<unknown>);
  command.option('--force', 'replace files at --output that prune-limit did not write, too');
  command.option(
    '--sparse',
    'store ONNX weights as positions and values of what is left, where that is smaller',
  );
  addOption(command, weightsSetting as Setting<unknown>);
  addOption(command, configSetting as Setting<unknown>);
  command.option('--report <FILE>', 'take the limit from this JSON report of analyze');
  command.option(
    '--allocation <FILE>',
    'prune each layer to its part in this JSON report of analyze --layers full; --ratio names its total (default: the smallest)',
  );
  addOptionGroup(command, 'Pruning:', analyzeSettings, ['include', 'exclude']);
  addOptionGroup(command, 'Finding the limit without --report, and measuring:', analyzeSettings, [
    'data',
    'labelColumn',
    'layout',
    'normalize',
    'examples',
    'sample',
    ...limitKeys,
    'seed',
    'backend',
    'threads',
    'memoryLimitBytes',
  ]);
  addOutputOptions(command, summaryFormat);
  addHelpAfter(command, {
    examples: [
      'prune-limit prune models/mlp --ratio 0.9 -o models/mlp-90',
      'prune-limit prune models/mlp --at-limit -o models/mlp-pruned',
      'prune-limit prune resnet20.onnx --at-limit slice -o resnet20-pruned.onnx',
      'prune-limit prune models/mlp --at-limit gaussian-width:low --report report.json -o models/sparse',
      'prune-limit prune models/mlp --allocation report.json -o models/mlp-allocated',
      'prune-limit prune models/mlp --ratio 0.9 -o models/mlp-90 --gate "headroom >= 0" --gate "pruned.accuracy >= 97%"',
      'prune-limit prune model.onnx --ratio 0.95 --sparse -o pruned.onnx',
      'prune-limit prune models/mlp --ratio 0.9 --method saliency --calibration 500 -o models/mlp-90',
    ],
  });
  command.action((model: string, flags: Flags & PruneFlags) => runPrune(model, flags, context));
}
