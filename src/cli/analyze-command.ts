import type { Command } from 'commander';
import { analysisStages } from '../analysis/stages.js';
import { InputError } from '../errors.js';
import type { Report } from '../report/schema.js';
import { analyzeSettings, weightsSetting } from './analyze-settings.js';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { addHelpAfter } from './help.js';
import { configOption, dataInput, modelInputs } from './inputs.js';
import { addOption, addOptionGroup, addOutputOptions, outputFormat } from './options.js';
import { checkApart, checkOutputFile, checkOutputFolder, programsOutput, stdoutOutput } from './output.js';
import { readingStage, readModel } from './read-model.js';
import { type Flags, pathFrom, readWeightsOption, resolveAnalyzeConfig } from './resolve-config.js';
import { readFlags, readSetting, type Setting } from './settings.js';
import { pathOptions, refuseStdin, refuseStdout } from './standard-streams.js';

interface OutputFlags {
  format?: string;
  json?: string;
  markdown?: string;
  quiet?: boolean;
}

type ReportFormat = 'table' | 'json' | 'markdown';

async function render(report: Report, format: ReportFormat, context: Context): Promise<string> {
  switch (format) {
    case 'json':
      return (await import('../report/json.js')).renderJson(report);
    case 'markdown':
      return (await import('../report/markdown.js')).renderMarkdown(report);
    case 'table':
      return (await import('../report/table.js')).renderTable(report, await context.colors(), context.page);
  }
}

/** What stdout carries: what `--format` says, or a file that is named `-`; one of them. */
function stdoutFormat(flags: OutputFlags): ReportFormat {
  const format = flags.format === undefined ? null : readSetting(outputFormat, flags.format, null);
  const [kind, other] = (['json', 'markdown'] as const).filter((name) => flags[name] === '-');
  if (kind !== undefined && (other !== undefined || (format !== null && format !== kind))) {
    throw new InputError(
      'usage/stdout',
      `--${kind} - and ${other === undefined ? `--format ${format}` : `--${other} -`} both go to stdout, which carries one result; name a file, for example --${kind} report.${kind === 'json' ? 'json' : 'md'}`,
    );
  }
  return kind ?? format ?? 'table';
}

async function runAnalyze(model: string, flags: Flags & OutputFlags, context: Context): Promise<void> {
  readFlags(analyzeSettings, flags); // before anything is read: a bad value is the first thing to say
  refuseStdin({ '<model>': model, ...pathOptions(flags, ['data', 'weights']) });
  refuseStdout(pathOptions(flags, ['dumpGraph']));
  const format = stdoutFormat(flags);
  const files = (['json', 'markdown'] as const)
    .filter((kind) => flags[kind] !== undefined && flags[kind] !== '-')
    .map((kind) => ({ kind, path: pathFrom(context.cwd, flags[kind]!) }));
  const outputs = files.map(({ kind, path }) => ({ option: `--${kind}`, path }));
  await checkApart([...stdoutOutput(context.host), ...outputs], []);
  const progress = await context.progress(flags.quiet === true, [
    readingStage,
    ...Object.values(analysisStages),
  ]);
  const weights = readWeightsOption(flags, context.cwd);
  const checkpoint = await readModel(pathFrom(context.cwd, model), weights, progress, context);
  const config = await resolveAnalyzeConfig(
    { flags, modelPath: checkpoint.path, cwd: context.host.cwd(), metadata: checkpoint.metadata },
    progress,
  );
  for (const { option, path } of outputs) {
    await checkOutputFile(option, path);
  }
  if (config.dumpGraph !== null) {
    await checkOutputFolder('--dump-graph', config.dumpGraph, null);
  }
  await checkApart(
    [
      ...stdoutOutput(context.host),
      ...outputs,
      ...(config.dumpGraph === null ? [] : [await programsOutput('--dump-graph', config.dumpGraph)]),
    ],
    [
      ...modelInputs(checkpoint, { weights, config: configOption(flags, context.cwd) }, context),
      dataInput(config.data),
    ],
  );

  const { validateReport } = await import('../report/schema.js');
  const report = validateReport(await context.work.analyze(config, progress, checkpoint));

  if (format === 'json') {
    for (const warning of report.warnings) {
      progress.note(`warning: ${warning}`); // a table shows them itself
    }
  }
  const result = {
    stdout: await render(report, format, context),
    files: files.map(({ kind, path }) => ({
      option: `--${kind}`,
      path,
      content: () => render(report, kind, context),
    })),
  };
  await deliver(result, progress, context);
}

/** Adds the command `analyze` to the program. */
export function addAnalyzeCommand(program: Command, context: Context): void {
  const command = program
    .command('analyze')
    .summary('how far a network can be pruned: theory against measurement')
    .description(
      'Estimates from the curvature of the loss how far a network can be pruned, prunes it step by ' +
        'step, measures, and shows theory and measurement side by side.',
    )
    .argument(
      '<model>',
      'ONNX model, model.json of a TensorFlow.js layers model, or the folder that holds it',
    );
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
  addOutputOptions(command, outputFormat, [
    ['--json <FILE>', 'also write the report as JSON to a file; - is stdout, in place of the table'],
    ['--markdown <FILE>', 'also write the report as Markdown to a file, or to stdout with -'],
  ]);
  addHelpAfter(command, {
    paragraphs: [
      'Options that are not given come from prune-limit.json next to the model or in the working directory, then from the model\'s own metadata (userDefinedMetadata.pruneLimit), then from the defaults. Keys there are the names of the options: {"data": "../mnist", "labelColumn": "y"}.',
    ],
    examples: [
      'prune-limit analyze models/mlp',
      'prune-limit analyze models/mlp/model.json --data data/mnist --normalize 0.1307/0.3081',
      'prune-limit analyze resnet20.onnx --data cifar-10-batches-bin --examples 512',
      'prune-limit analyze models/mlp --epsilon 1% --examples all --tolerance 0.2',
      'prune-limit analyze models/mlp --exclude "dense_3/*" --json report.json --markdown report.md',
      'prune-limit analyze models/mlp --format json --quiet | jq .limits',
    ],
  });
  command.action((model: string, flags: Flags & OutputFlags) => runAnalyze(model, flags, context));
}
