import type { Command } from 'commander';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { addHelpAfter } from './help.js';
import { fileInput } from './inputs.js';
import { addOutputOptions, outputFormat } from './options.js';
import { checkApart, checkOutputFile, stdoutOutput } from './output.js';
import { renderReport } from './render-report.js';
import { pathFrom } from './resolve-config.js';
import { readSetting } from './settings.js';
import { readStoredReport } from './stored-report.js';

interface ReportFlags {
  format?: string;
  markdown?: string;
}

async function runReport(file: string, flags: ReportFlags, context: Context): Promise<void> {
  const format = flags.format === undefined ? 'table' : readSetting(outputFormat, flags.format, null);
  const path = pathFrom(context.cwd, file);
  const outputs =
    flags.markdown === undefined
      ? []
      : [{ option: '--markdown', path: pathFrom(context.cwd, flags.markdown) }];
  for (const output of outputs) {
    await checkOutputFile(output.option, output.path);
  }
  await checkApart([...stdoutOutput(context.host), ...outputs], [fileInput('the report', path)]);
  const progress = await context.progress(true, []);
  const report = await readStoredReport(path);
  const files = outputs.map((output) => ({
    ...output,
    content: () => renderReport(report, 'markdown', context),
  }));
  await deliver({ stdout: await renderReport(report, format, context), files }, progress, context);
}

/** Adds the command `report` to the program. */
export function addReportCommand(program: Command, context: Context): void {
  const command = program
    .command('report')
    .summary('show a stored report again, in any form')
    .description('Shows a JSON report of analyze again, as a table or as Markdown. Computes nothing.')
    .argument('<file>', 'JSON report');
  addOutputOptions(command, outputFormat, [
    ['--markdown <FILE>', 'also write the report as Markdown to a file'],
  ]);
  addHelpAfter(command, {
    examples: ['prune-limit report report.json', 'prune-limit report report.json --markdown report.md'],
  });
  command.action((file: string, flags: ReportFlags) => runReport(file, flags, context));
}
