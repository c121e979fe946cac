import type { Command } from 'commander';
import type { Context } from './context.js';
import { addHelpAfter } from './help.js';
import { fileInput } from './inputs.js';
import { addOutputOptions, outputFormat } from './options.js';
import { checkApart, checkOutput, stdoutOutput } from './output.js';
import { deliverReport, type ReportOutputFlags, reportFileOptions, reportOutputs } from './render-report.js';
import { pathFrom } from './resolve-config.js';
import { pathOptions, refuseStdin, refuseStdout } from './standard-streams.js';
import { readStoredReport } from './stored-report.js';

async function runReport(file: string, flags: ReportOutputFlags, context: Context): Promise<void> {
  refuseStdin({ '<file>': file });
  refuseStdout(pathOptions({ ...flags }, ['plots']));
  const outputs = await reportOutputs(flags, context.cwd);
  const path = pathFrom(context.cwd, file);
  for (const output of outputs.written) {
    await checkOutput(output);
  }
  await checkApart([...stdoutOutput(context.host), ...outputs.written], [fileInput('the report', path)]);
  const progress = await context.progress(true, []);
  await deliverReport(await readStoredReport(path), outputs, progress, context);
}

/** Adds the command `report` to the program. */
export function addReportCommand(program: Command, context: Context): void {
  const command = program
    .command('report')
    .summary('show a stored report again, in any form')
    .description(
      'Shows a JSON report of analyze again, as a table, as Markdown, as a web page or as pictures. Computes nothing.',
    )
    .argument('<file>', 'JSON report');
  addOutputOptions(command, outputFormat, reportFileOptions);
  addHelpAfter(command, {
    examples: [
      'prune-limit report report.json',
      'prune-limit report report.json --markdown report.md --html report.html',
      'prune-limit report report.json --plots pictures',
    ],
  });
  command.action((file: string, flags: ReportOutputFlags) => runReport(file, flags, context));
}
