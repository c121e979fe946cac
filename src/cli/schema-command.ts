import { Argument, type Command } from 'commander';
import { toJson } from '../report/text.js';
import type { Context } from './context.js';

/** Adds the command `schema` to the program. */
export function addSchemaCommand(program: Command, context: Context): void {
  program
    .command('schema')
    .summary('print the JSON Schema of the report or of prune-limit.json')
    .description(
      'Prints the JSON Schema (draft 2020-12) of the JSON report that analyze writes, or of a\nconfiguration file.',
    )
    .addArgument(
      new Argument('[of]', 'what the schema is of').choices(['report', 'config']).default('report'),
    )
    .helpOption('-h, --help', 'show this help')
    .addHelpText(
      'after',
      '\nExamples:\n  prune-limit schema > report.schema.json\n  prune-limit schema config > prune-limit.schema.json',
    )
    .action(async (of: 'report' | 'config') => {
      const schema =
        of === 'config'
          ? (await import('./config-schema.js')).configJsonSchema()
          : (await import('../report/schema.js')).reportJsonSchema();
      context.host.stdout.write(toJson(schema));
    });
}
