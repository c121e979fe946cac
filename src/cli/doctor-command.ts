import type { Command } from 'commander';
import { schemaVersion } from '../report/schema-version.js';
import { toJson } from '../report/text.js';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { addHelpAfter } from './help.js';
import { addOutputOptions, summaryFormat } from './options.js';
import { readSetting } from './settings.js';

interface DoctorFlags {
  format?: string;
  quiet?: boolean;
}

async function runDoctor(flags: DoctorFlags, context: Context): Promise<void> {
  const format = flags.format === undefined ? 'table' : readSetting(summaryFormat, flags.format, null);
  const progress = await context.progress(flags.quiet === true, []);
  const report = await context.work.diagnose(progress);
  const { renderDoctorReport } = await import('../report/doctor-report.js');
  const stdout =
    format === 'json'
      ? toJson({ schemaVersion, ok: true, ...report })
      : renderDoctorReport(report, await context.colors(), context.page);
  await deliver({ stdout }, progress, context);
}

/** Adds the command `doctor` to the program. */
export function addDoctorCommand(program: Command, context: Context): void {
  const command = program
    .command('doctor')
    .summary('show the numeric backends of this machine and their speed')
    .description('Shows which numeric backends work on this machine, their versions and measured speed.');
  addOutputOptions(command, summaryFormat);
  addHelpAfter(command, { examples: ['prune-limit doctor', 'prune-limit doctor --format json'] });
  command.action((flags: DoctorFlags) => runDoctor(flags, context));
}
