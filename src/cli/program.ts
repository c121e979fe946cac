import { Command } from 'commander';
import { addAnalyzeCommand } from './analyze-command.js';
import { addCompareCommand } from './compare-command.js';
import type { Context } from './context.js';
import { addDoctorCommand } from './doctor-command.js';
import { addGateCommand } from './gate-command.js';
import { addPruneCommand } from './prune-command.js';
import { addSchemaCommand } from './schema-command.js';
import { addTrainCommand } from './train-command.js';

const maxHelpWidth = 100;

/** The whole command line. Commander neither exits nor prints errors; `run` does. */
export function createProgram(context: Context): Command {
  const { host } = context;
  const helpWidth = (columns: number | undefined): number => Math.min(columns ?? maxHelpWidth, maxHelpWidth);
  const program = new Command('prune-limit')
    .description('How far can a trained neural network be pruned before it breaks?')
    .version(context.version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: () => {},
      getOutHelpWidth: () => helpWidth(host.stdout.columns),
      getErrHelpWidth: () => helpWidth(host.stderr.columns),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showSuggestionAfterError(true);
  addAnalyzeCommand(program, context);
  addPruneCommand(program, context);
  addTrainCommand(program, context);
  addGateCommand(program, context);
  addCompareCommand(program, context);
  addSchemaCommand(program, context);
  addDoctorCommand(program, context);
  program.addHelpText(
    'after',
    `
Exit codes:
  0    done
  1    a gate failed
  2    wrong usage or bad input; one line on stderr says what and where
  70   a defect of prune-limit
  130  interrupted

Examples:
  prune-limit train mlp --data data/mnist --l1 5e-5 -o models/mlp
  prune-limit analyze models/mlp
  prune-limit analyze models/mlp --format json | jq .limits
  prune-limit prune models/mlp --at-limit slice -o models/mlp-pruned`,
  );
  return program;
}
