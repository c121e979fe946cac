import type { Command } from 'commander';
import { allowDriftSetting, analyzeSettings, workersSetting } from './analyze-settings.js';
import type { Context } from './context.js';
import { addHelpAfter } from './help.js';
import { addAnalyzeOptions, analyzeModel, modelAnalysisStages } from './model-analysis.js';
import { addOption, addOutputOptions, outputFormat } from './options.js';
import { checkApart, stdoutOutput } from './output.js';
import { deliverReport, type ReportOutputFlags, reportFileOptions, reportOutputs } from './render-report.js';
import type { Flags } from './resolve-config.js';
import { addResumeOptions, endResume, readResume, resumeOutputs } from './resume-options.js';
import { readFlags, type Setting } from './settings.js';
import { pathOptions, refuseStdin, refuseStdout } from './standard-streams.js';

interface OutputFlags extends ReportOutputFlags {
  quiet?: boolean;
}

async function runAnalyze(model: string, flags: Flags & OutputFlags, context: Context): Promise<void> {
  readFlags(analyzeSettings, flags); // before anything is read: a bad value is the first thing to say
  refuseStdin({ '<model>': model, ...pathOptions(flags, ['data', 'weights']) });
  refuseStdout(pathOptions(flags, ['dumpGraph', 'plots']));
  const resume = readResume(flags, context.cwd);
  const outputs = await reportOutputs(flags, context.cwd);
  await checkApart([...stdoutOutput(context.host), ...outputs.written, ...resumeOutputs(resume)], []);
  const progress = await context.progress(flags.quiet === true, modelAnalysisStages);
  const report = await analyzeModel(model, flags, context, progress, outputs.written, [], resume);
  if (outputs.format === 'json') {
    for (const warning of report.warnings) {
      progress.note(`warning: ${warning}`); // a table shows them itself
    }
  }
  await deliverReport(report, outputs, progress, context);
  await endResume(resume);
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
  addAnalyzeOptions(command);
  addResumeOptions(command, 'Running:');
  addOption(command, workersSetting as Setting<unknown>);
  addOption(command, allowDriftSetting as Setting<unknown>);
  addOutputOptions(command, outputFormat, reportFileOptions);
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
      'prune-limit analyze models/mlp --html report.html --plots pictures',
      'prune-limit analyze resnet20.onnx --data cifar-10-batches-bin --resume resnet20.state',
      'prune-limit analyze models/mlp --format json --quiet | jq .limits',
    ],
  });
  command.action((model: string, flags: Flags & OutputFlags) => runAnalyze(model, flags, context));
}
