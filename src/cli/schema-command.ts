import { Argument, type Command } from 'commander';
import { toJson } from '../report/text.js';
import type { Context } from './context.js';
import { addHelpAfter } from './help.js';

/** Adds the command `schema` to the program. */
export function addSchemaCommand(program: Command, context: Context): void {
  const command = program
    .command('schema')
    .summary('print the JSON Schema of the report or of prune-limit.json')
    .description(
      'Prints the JSON Schema (draft 2020-12) of the JSON report that analyze writes, or of a configuration file.',
    )
    .addArgument(
      new Argument('[of]', 'what the schema is of').choices(['report', 'config']).default('report'),
    )
    .helpOption('-h, --help', 'show this help')
    .action(async (of: 'report' | 'config') => {
      const schema =
        of === 'config'
          ? (await import('./config-schema.js')).configJsonSchema()
          : (await import('../report/schema.js')).reportJsonSchema();
      await context.stdout.write(toJson(schema));
    });
  addHelpAfter(command, {
    examples: [
      'prune-limit schema > report.schema.json',
      'prune-limit schema config > prune-limit.schema.json',
    ],
  });
}
