import type { Command } from 'commander';
import { InputError } from '../errors.js';
import type { Progress } from '../progress.js';
import type { Report } from '../report/schema.js';
import { analyzeSettings, weightsSetting } from './analyze-settings.js';
import type { Context } from './context.js';
import { addOption, addOptionGroup, addOutputOptions, outputFormat } from './options.js';
import { checkOutputFile, writeWhole } from './output.js';
import { type Flags, pathFrom, readWeightsOption, resolveAnalyzeConfig } from './resolve-config.js';
import { readFlags, readSetting, type Setting } from './settings.js';

interface OutputFlags {
  format?: string;
  json?: string;
  markdown?: string;
  quiet?: boolean;
}

const examples = `
Examples:
  prune-limit analyze models/mlp
  prune-limit analyze models/mlp/model.json --data data/mnist --normalize 0.1307/0.3081
  prune-limit analyze resnet20.onnx --data cifar-10-batches-bin --examples 512
  prune-limit analyze models/mlp --epsilon 1% --examples all --tolerance 0.2
  prune-limit analyze models/mlp --exclude "dense_3/*" --json report.json --markdown report.md
  prune-limit analyze models/mlp --format json --quiet | jq .limits`;

async function render(
  report: Report,
  format: 'table' | 'json' | 'markdown',
  context: Context,
): Promise<string> {
  switch (format) {
    case 'json':
      return (await import('../report/json.js')).renderJson(report);
    case 'markdown':
      return (await import('../report/markdown.js')).renderMarkdown(report);
    case 'table':
      return (await import('../report/table.js')).renderTable(report, await context.colors());
  }
}

/**
 * Analyses a model as the options, the configuration files and the metadata of the model say.
 *
 * @param checkOutputs called before the work with the files and folders that it reads
 */
export async function analyzeModel(
  model: string,
  flags: Flags,
  context: Context,
  progress: Progress,
  checkOutputs: (inputs: readonly string[]) => Promise<void>,
): Promise<Report> {
  const weights = readWeightsOption(flags, context.cwd);
  const checkpoint = await context.work.readCheckpoint(pathFrom(context.cwd, model), weights, progress);
  const config = await resolveAnalyzeConfig(
    { flags, modelPath: checkpoint.path, cwd: context.host.cwd(), metadata: checkpoint.metadata },
    progress,
  );
  await checkOutputs([config.model, config.data, ...(weights === null ? [] : [weights])]);
  const { validateReport } = await import('../report/schema.js');
  return validateReport(await context.work.analyze(config, progress, checkpoint));
}

async function runAnalyze(model: string, flags: Flags & OutputFlags, context: Context): Promise<void> {
  readFlags(analyzeSettings, flags); // before anything is read: a bad value is the first thing to say
  const format = flags.format === undefined ? 'table' : readSetting(outputFormat, flags.format, null);
  const files = (['json', 'markdown'] as const)
    .filter((kind) => flags[kind] !== undefined)
    .map((kind) => ({ kind, path: pathFrom(context.cwd, flags[kind]!) }));
  if (files.length === 2 && files[0]!.path === files[1]!.path) {
    throw new InputError('usage/same-file', `--json and --markdown name the same file ${files[0]!.path}`);
  }
  const progress = await context.progress(flags.quiet === true);
  const report = await analyzeModel(model, flags, context, progress, async (inputs) => {
    for (const { kind, path } of files) {
      await checkOutputFile(`--${kind}`, path, inputs);
    }
  });

  for (const { kind, path } of files) {
    await writeWhole(path, await render(report, kind, context));
  }
  if (format === 'json') {
    for (const warning of report.warnings) {
      progress.note(`warning: ${warning}`); // a table shows them itself
    }
  }
  progress.close();
  context.host.stdout.write(await render(report, format, context));
}

/** Adds the command `analyze` to the program. */
export function addAnalyzeCommand(program: Command, context: Context): void {
  const command = program
    .command('analyze')
    .summary('how far a network can be pruned: theory against measurement')
    .description(
      'Estimates from the curvature of the loss how far a network can be pruned, prunes it step by\n' +
        'step, measures, and shows theory and measurement side by side.',
    )
    .argument(
      '<model>',
      'ONNX model, model.json of a TensorFlow.js layers model, or the folder that holds it',
    );
  addAnalyzeOptions(command);
  addOutputOptions(command, outputFormat, [
    ['--json <FILE>', 'also write the report as JSON to a file'],
    ['--markdown <FILE>', 'also write the report as Markdown to a file'],
  ]);
  command.addHelpText(
    'after',
    `
Options that are not given come from prune-limit.json next to the model or in the working
directory, then from the model's own metadata (userDefinedMetadata.pruneLimit), then from the
defaults. Keys there are the names of the options: {"data": "../mnist", "labelColumn": "y"}.
${examples}`,
  );
  command.action((model: string, flags: Flags & OutputFlags) => runAnalyze(model, flags, context));
}

/** Adds the options of an analysis to a command, in the groups of its help. */
export function addAnalyzeOptions(command: Command): void {
  command.optionsGroup('Model:');
  addOption(command, weightsSetting as Setting<unknown>);
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
    'include',
    'exclude',
  ]);
  addOptionGroup(command, 'Running:', analyzeSettings, [
    'seed',
    'backend',
    'threads',
    'memoryLimitBytes',
    'productPlan',
    'dumpGraph',
  ]);
}
