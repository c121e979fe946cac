import { appendFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { InputError } from '../errors.js';
import type { JudgedReport } from '../gate/run-gates.js';
import type { GateReport } from '../gate/schema.js';
import { toJson } from '../report/text.js';
import { addAnalyzeOptions, analyzeModel } from './analyze-command.js';
import { analyzeSettings } from './analyze-settings.js';
import type { Context } from './context.js';
import { exitCodes } from './failure.js';
import { addOption, addOutputOptions } from './options.js';
import { checkOutputFile, writeWhole } from './output.js';
import { type Flags, pathFrom } from './resolve-config.js';
import { readFlags, readSetting, type Setting } from './settings.js';
import { readReportIfOne, readStoredReport } from './stored-report.js';
import { oneOf, text } from './values.js';

interface GateFlags {
  require?: string[];
  maxDrop?: string[];
  maxRise?: string[];
  baseline?: string;
  update?: boolean;
  inconclusive?: string;
  junit?: string;
  format?: string;
  quiet?: boolean;
}

const gateFormat: Setting<'table' | 'json' | 'markdown' | 'github'> = {
  option: 'format',
  value: 'table|json|markdown|github',
  help: 'what is written to stdout; github: annotations of a workflow run',
  defaultText: 'table',
  examples: ['table', 'json', 'markdown', 'github'],
  read: oneOf('table', 'json', 'markdown', 'github'),
};

const inconclusiveSetting: Setting<'fail' | 'pass' | 'warn'> = {
  option: 'inconclusive',
  value: 'fail|pass|warn',
  help: 'what an inconclusive gate is: its interval straddles the threshold, or the number is unresolved',
  defaultText: 'fail',
  examples: ['fail', 'pass', 'warn'],
  read: oneOf('fail', 'pass', 'warn'),
};

const demandSettings: readonly Setting<string>[] = [
  {
    option: 'require',
    value: 'EXPR',
    help: 'a field of the report, a relation and a number; repeatable',
    examples: ['"limits.slice.pruned >= 0.9"', '"accuracy.test >= 97%"'],
    read: text,
    repeatable: true,
  },
  {
    option: 'max-drop',
    value: 'EXPR',
    help: 'by how much a field may fall below that of --baseline; a fall counts beyond both intervals; repeatable',
    examples: ['"limits.slice.pruned 2 points"'],
    read: text,
    repeatable: true,
  },
  {
    option: 'max-rise',
    value: 'EXPR',
    help: 'the same for fields that may not rise; repeatable',
    examples: ['"loss.value 5%"'],
    read: text,
    repeatable: true,
  },
];

async function render(
  result: GateReport,
  format: 'table' | 'json' | 'markdown' | 'github',
  context: Context,
): Promise<string> {
  switch (format) {
    case 'json':
      return toJson(result);
    case 'github':
      return (await import('../gate/github.js')).renderGithubAnnotations(result);
    case 'markdown': {
      const { renderMarkdownDocument } = await import('../report/markdown.js');
      return renderMarkdownDocument((await import('../gate/describe.js')).describeGate(result));
    }
    case 'table': {
      const { renderDocument } = await import('../report/table.js');
      const { describeGate } = await import('../gate/describe.js');
      return renderDocument(describeGate(result), await context.colors());
    }
  }
}

/** The baseline; null where `--update` is to make the first one. */
async function readBaseline(path: string | null, update: boolean): Promise<JudgedReport | null> {
  if (path === null) {
    return null;
  }
  try {
    return { report: await readStoredReport(path), source: path };
  } catch (error) {
    const absent =
      error instanceof InputError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    if (absent && update) {
      return null;
    }
    throw absent
      ? new InputError(
          'gate/no-baseline',
          `--baseline ${path}: there is no such file; add --update to write the first one`,
        )
      : error;
  }
}

async function runGate(target: string, flags: Flags & GateFlags, context: Context): Promise<void> {
  readFlags(analyzeSettings, flags);
  const format = flags.format === undefined ? 'table' : readSetting(gateFormat, flags.format, null);
  const rule =
    flags.inconclusive === undefined ? 'fail' : readSetting(inconclusiveSetting, flags.inconclusive, null);
  const update = flags.update === true;
  const { readGates, judgeGates } = await import('../gate/run-gates.js');
  const gates = readGates(flags, 'error');
  if (gates.length === 0 && !update) {
    throw new InputError(
      'usage/no-gate',
      'say what is asked for with --require, --max-drop or --max-rise, for example --require "limits.slice.pruned >= 0.9"',
    );
  }
  const baselinePath = flags.baseline === undefined ? null : pathFrom(context.cwd, flags.baseline);
  if (baselinePath === null && (update || gates.some(({ demand }) => demand.kind !== 'require'))) {
    throw new InputError(
      'usage/baseline',
      '--max-drop, --max-rise and --update need --baseline FILE, the JSON report to compare with',
    );
  }
  const junit = flags.junit === undefined ? null : pathFrom(context.cwd, flags.junit);
  const progress = await context.progress(flags.quiet === true);
  const path = pathFrom(context.cwd, target);
  const baseline = await readBaseline(baselinePath, update);
  const checkOutputs = async (inputs: readonly string[]): Promise<void> => {
    if (junit !== null) {
      await checkOutputFile('--junit', junit, [...inputs, ...(baselinePath === null ? [] : [baselinePath])]);
    }
    if (update && baselinePath !== null) {
      await checkOutputFile('--baseline', baselinePath, inputs);
    }
  };
  const stored = await readReportIfOne(path);
  if (stored !== null) {
    await checkOutputs([path]);
  }
  const report = stored ?? (await analyzeModel(target, flags, context, progress, checkOutputs));
  const { reportJsonSchema } = await import('../report/schema.js');
  const result = judgeGates(gates, { report, source: path }, baseline, rule, reportJsonSchema());

  if (junit !== null) {
    await writeWhole(junit, (await import('../gate/junit.js')).renderJunit(result));
  }
  const required = result.gates.filter(({ kind, level }) => kind === 'require' && level === 'error');
  if (update && required.some(({ verdict }) => verdict === 'fail')) {
    progress.note(`baseline ${baselinePath} stays as it is: a requirement fails`);
  } else if (update && baselinePath !== null) {
    await writeWhole(baselinePath, (await import('../report/json.js')).renderJson(report));
    progress.note(`baseline written: ${baselinePath}`);
  }
  const summary = context.host.env.GITHUB_STEP_SUMMARY;
  if (summary !== undefined && summary !== '') {
    await appendFile(summary, await render(result, 'markdown', context)).catch(
      (error: NodeJS.ErrnoException) =>
        progress.note(`GITHUB_STEP_SUMMARY cannot be written (${error.code})`),
    );
  }
  progress.close();
  context.host.stdout.write(await render(result, format, context));
  if (result.verdict !== 'pass') {
    context.host.exitCode = exitCodes.gateFailed;
  }
}

/** Adds the command `gate` to the program. */
export function addGateCommand(program: Command, context: Context): void {
  const command = program
    .command('gate')
    .summary('judge a report or a model: exit 1 where a gate fails')
    .description(
      'Judges a report of analyze, or analyses a model first, and exits with 0 where every gate passes\n' +
        'and with 1 where one fails or is inconclusive. A number that is not there is an error (2).',
    )
    .argument('<input>', 'JSON report of analyze, or what analyze takes as a model');
  command.optionsGroup('Gates:');
  for (const setting of demandSettings) {
    addOption(command, setting as Setting<unknown>);
  }
  command.option('--baseline <FILE>', 'JSON report that changes are measured from');
  command.option('--update', 'write the baseline anew, unless a requirement fails');
  addOption(command, inconclusiveSetting as Setting<unknown>);
  addAnalyzeOptions(command);
  addOutputOptions(command, gateFormat, [
    ['--junit <FILE>', 'also write the results as JUnit XML to a file'],
  ]);
  command.addHelpText(
    'after',
    `
Fields are named as in the JSON report, with dots: limits.slice.pruned, accuracy.test,
curve[pruned=0.9].accuracy. Short names: slice, gaussianWidth, sharp, connected, loss, accuracy.

Examples:
  prune-limit gate models/mlp --require "slice >= 0.8" --require "accuracy >= 97%"
  prune-limit gate report.json --baseline base.json --max-drop "limits.slice.pruned 2 points"
  prune-limit gate report.json --baseline base.json --update
  prune-limit gate report.json --require "slice >= 0.8" --format github`,
  );
  command.action((target: string, flags: Flags & GateFlags) => runGate(target, flags, context));
}
