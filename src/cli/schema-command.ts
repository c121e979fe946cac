import type { Command } from 'commander';
import { toJson } from '../report/text.js';
import type { Context } from './context.js';
import { addHelpAfter } from './help.js';

/** Adds the command `schema` to the program. */
export function addSchemaCommand(program: Command, context: Context): void {
  const command = program
    .command('schema')
    .summary('print the JSON Schema of the report')
    .description('Prints the JSON Schema (draft 2020-12) of the JSON report that analyze writes.')
    .helpOption('-h, --help', 'show this help')
    .action(async () => {
      const { reportJsonSchema } = await import('../report/schema.js');
      await context.stdout.write(toJson(reportJsonSchema()));
    });
  addHelpAfter(command, { examples: ['prune-limit schema > report.schema.json'] });
}
