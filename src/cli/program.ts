import { Command } from 'commander';
import { addAnalyzeCommand } from './analyze-command.js';
import { addCompareCommand } from './compare-command.js';
import { addCompletionCommand } from './completion-command.js';
import { type Context, pageOf } from './context.js';
import { addDataCommand } from './data-command.js';
import { addDoctorCommand } from './doctor-command.js';
import { addGateCommand } from './gate-command.js';
import { addHelpAfter, helpItem } from './help.js';
import { addInitCommand } from './init-command.js';
import { addInspectCommand } from './inspect-command.js';
import { addPruneCommand } from './prune-command.js';
import { addReportCommand } from './report-command.js';
import { addSchemaCommand } from './schema-command.js';
import { addStudyCommand } from './study-command.js';
import { addTrainCommand } from './train-command.js';
import { addWorkerCommand } from './worker-command.js';

/** The whole command line. Commander neither exits nor prints errors; `run` does. */
export function createProgram(context: Context): Command {
  const { host } = context;
  const program = new Command('prune-limit')
    .description('How far can a trained neural network be pruned before it breaks?')
    .version(context.version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        context.stdout.write(text);
      },
      writeErr: (text) => host.stderr.write(text),
      outputError: () => {},
      getOutHelpWidth: () => context.page.width,
      getErrHelpWidth: () => pageOf(host.stderr, host.env).width,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ formatItem: helpItem, minWidthToWrap: 1 })
    .showSuggestionAfterError(true);
  addAnalyzeCommand(program, context);
  addPruneCommand(program, context);
  addTrainCommand(program, context);
  addStudyCommand(program, context);
  addWorkerCommand(program, context);
  addDataCommand(program, context);
  addInspectCommand(program, context);
  addGateCommand(program, context);
  addInitCommand(program, context);
  addCompareCommand(program, context);
  addReportCommand(program, context);
  addSchemaCommand(program, context);
  addDoctorCommand(program, context);
  addCompletionCommand(program, context);
  addHelpAfter(program, {
    table: {
      title: 'Exit codes:',
      rows: [
        ['0', 'done'],
        ['1', 'a gate failed'],
        ['2', 'wrong usage, bad input or an output that cannot be written; one line on stderr says which'],
        ['70', 'a defect of prune-limit'],
        ['130', 'interrupted (128 + n after signal n)'],
      ],
    },
    examples: [
      'prune-limit train mlp --data data/mnist --l1 5e-5 -o models/mlp',
      'prune-limit analyze models/mlp',
      'prune-limit analyze models/mlp --format json | jq .limits',
      'prune-limit prune models/mlp --at-limit slice -o models/mlp-pruned',
    ],
  });
  return program;
}
