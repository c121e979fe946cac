import type { Command } from 'commander';
import type { ReportComparison } from '../gate/schema.js';
import { toJson } from '../report/text.js';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { addHelpAfter } from './help.js';
import { addOutputOptions, outputFormat } from './options.js';
import { renderDocumentAs } from './render-report.js';
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
    case 'table':
      return renderDocumentAs(
        (await import('../gate/describe.js')).describeComparison(comparison),
        format,
        context,
      );
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
  const progress = await context.progress(true, []);
  await deliver({ stdout: await render(comparison, format, context) }, progress, context);
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
  addHelpAfter(command, {
    examples: [
      'prune-limit compare base.json report.json',
      'prune-limit compare base.json report.json --format markdown > comment.md',
    ],
  });
  command.action((before: string, after: string, flags: CompareFlags) =>
    runCompare(before, after, flags, context),
  );
}
