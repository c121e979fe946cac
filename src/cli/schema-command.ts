import { Argument, type Command } from 'commander';
import { toJson } from '../report/text.js';
import type { Context } from './context.js';
import { addHelpAfter } from './help.js';

async function schemaOf(of: string): Promise<Record<string, unknown>> {
  switch (of) {
    case 'config':
      return (await import('./config-schema.js')).configJsonSchema();
    case 'gate':
      return (await import('../gate/schema.js')).gateJsonSchema();
    case 'compare':
      return (await import('../gate/schema.js')).comparisonJsonSchema();
    case 'inspect':
      return (await import('../report/inspection.js')).inspectionJsonSchema();
    case 'study':
      return (await import('../report/study-schema.js')).studyJsonSchema();
    default:
      return (await import('../report/schema.js')).reportJsonSchema();
  }
}

/** Adds the command `schema` to the program. */
export function addSchemaCommand(program: Command, context: Context): void {
  const command = program
    .command('schema')
    .summary('print the JSON Schema of a report, a result or prune-limit.json')
    .description(
      'Prints the JSON Schema (draft 2020-12) of the JSON report that analyze writes, of the results of gate, compare, inspect and study, or of a configuration file.',
    )
    .addArgument(
      new Argument('[of]', 'what the schema is of')
        .choices(['report', 'config', 'gate', 'compare', 'inspect', 'study'])
        .default('report'),
    )
    .helpOption('-h, --help', 'show this help')
    .action(async (of: string) => {
      await context.stdout.write(toJson(await schemaOf(of)));
    });
  addHelpAfter(command, {
    examples: [
      'prune-limit schema > report.schema.json',
      'prune-limit schema config > prune-limit.schema.json',
    ],
  });
}
