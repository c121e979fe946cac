import type { Command } from 'commander';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { addHelpAfter } from './help.js';
import { addOutputOptions, outputFormat } from './options.js';
import { renderDocumentAs } from './render-report.js';
import { pathFrom } from './resolve-config.js';
import { readSetting } from './settings.js';

interface InspectFlags {
  format?: string;
}

async function runInspect(file: string, flags: InspectFlags, context: Context): Promise<void> {
  const format = flags.format === undefined ? 'table' : readSetting(outputFormat, flags.format, null);
  const progress = await context.progress(true, []);
  const inspection = await context.work.inspect(pathFrom(context.cwd, file));
  const { describeInspection } = await import('../report/inspection.js');
  const stdout =
    format === 'json'
      ? (await import('../report/text.js')).toJson(inspection)
      : await renderDocumentAs(describeInspection(inspection), format, context);
  await deliver({ stdout }, progress, context);
}

/** Adds the command `inspect` to the program. */
export function addInspectCommand(program: Command, context: Context): void {
  const command = program
    .command('inspect')
    .summary('zeros, patterns and sizes of a file of weights')
    .description(
      'Shows which weights of a file are zero, the patterns and empty channels that they make, and what they are worth in bytes. Needs no data, and computes nothing.',
    )
    .argument('<file>', 'model as analyze takes it, or weights in a .safetensors or .npz file');
  addOutputOptions(command, outputFormat);
  addHelpAfter(command, {
    examples: [
      'prune-limit inspect models/mlp-pruned',
      'prune-limit inspect weights.safetensors --format json | jq .kernels.sparsity',
    ],
  });
  command.action((file: string, flags: InspectFlags) => runInspect(file, flags, context));
}
