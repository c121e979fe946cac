import type { Command } from 'commander';
import type { ReportComparison } from '../gate/schema.js';
import { toJson } from '../report/text.js';
import type { Context } from './context.js';
import { addOutputOptions, outputFormat } from './options.js';
import { pathFrom } from './resolve-config.js';
import { readSetting } from './settings.js';
import { readStoredReport } from './stored-report.js';

interface CompareFlags {
  format?: string;
}

async function render(
  comparison: ReportComparison,
  format: 'table' | 'json' | 'markdown',
  context: Context,
): Promise<string> {
  switch (format) {
    case 'json':
      return toJson(comparison);
    case 'markdown':
      return (await import('../gate/pull-request-comment.js')).renderPullRequestComment(comparison);
    case 'table': {
      const { renderDocument } = await import('../report/table.js');
      const { describeComparison } = await import('../gate/describe.js');
      return renderDocument(describeComparison(comparison), await context.colors());
    }
  }
}

async function runCompare(
  before: string,
  after: string,
  flags: CompareFlags,
  context: Context,
): Promise<void> {
  const format = flags.format === undefined ? 'table' : readSetting(outputFormat, flags.format, null);
  const [old, current] = [before, after].map((path) => pathFrom(context.cwd, path)) as [string, string];
  const { compareReports } = await import('../gate/comparison.js');
  const { reportJsonSchema } = await import('../report/schema.js');
  const comparison = compareReports(
    { report: await readStoredReport(old), source: before },
    { report: await readStoredReport(current), source: after },
    reportJsonSchema(),
  );
  context.host.stdout.write(await render(comparison, format, context));
}

/** Adds the command `compare` to the program. */
export function addCompareCommand(program: Command, context: Context): void {
  const command = program
    .command('compare')
    .summary('what moved between two reports, beyond uncertainty or not')
    .description(
      'Shows which numbers moved from one JSON report of analyze to another: beyond the intervals of\n' +
        'both, or within them. As Markdown it fits a comment on a pull request.',
    )
    .argument('<before>', 'JSON report')
    .argument('<after>', 'JSON report');
  addOutputOptions(command, outputFormat);
  command.addHelpText(
    'after',
    `
Examples:
  prune-limit compare base.json report.json
  prune-limit compare base.json report.json --format markdown > comment.md`,
  );
  command.action((before: string, after: string, flags: CompareFlags) =>
    runCompare(before, after, flags, context),
  );
}
