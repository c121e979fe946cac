import { appendFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { prunedModelStages } from '../analysis/stages.js';
import { InputError } from '../errors.js';
import type { Gate, JudgedReport } from '../gate/run-gates.js';
import type { GateReport } from '../gate/schema.js';
import type { Progress } from '../progress.js';
import { toJson } from '../report/text.js';
import { analyzeSettings } from './analyze-settings.js';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { exitCodes } from './failure.js';
import { analyzedSubject, type GateTarget, storedSubject } from './gate-subject.js';
import { addHelpAfter } from './help.js';
import { addAnalyzeOptions, modelAnalysisStages } from './model-analysis.js';
import { addOption, addOutputOptions } from './options.js';
import type { Output } from './output.js';
import { renderDocumentAs, renderReport } from './render-report.js';
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
  pruned?: string;
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
    default:
      return renderDocumentAs((await import('../gate/describe.js')).describeGate(result), format, context);
  }
}

/** Where the baseline is, and what names it. */
interface Baseline {
  path: string;
  named: string;
}

/** The baseline; null where `--update` is to make the first one. */
async function readBaseline(baseline: Baseline | null, update: boolean): Promise<JudgedReport | null> {
  if (baseline === null) {
    return null;
  }
  const { path, named } = baseline;
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
          `${named} ${path}: there is no such file; add --update to write the first one`,
        )
      : error;
  }
}

/**
 * What is asked for: by options, else by the configuration file. A baseline that only the file names is left alone
 * where nothing is compared with it.
 */
async function readDemands(
  flags: Flags & GateFlags,
  model: string | null,
  context: Context,
): Promise<{ gates: Gate[]; baseline: Baseline | null; configFile: string | null }> {
  const update = flags.update === true;
  const { checkFields, readGates, requirePruned } = await import('../gate/run-gates.js');
  const { gateSubjectJsonSchema } = await import('../gate/schema.js');
  const asked = readGates(flags, 'error');
  const { findConfiguredGates } = await import('./gate-config.js');
  const configured = await findConfiguredGates(flags, model, context.cwd);
  const gates = asked.length > 0 ? asked : (configured?.gates ?? []);
  if (gates.length === 0 && !update) {
    throw new InputError(
      'usage/no-gate',
      'say what is asked for with --require, --max-drop or --max-rise, for example --require "limits.slice.pruned >= 0.9", or with "gate" in prune-limit.json',
    );
  }
  // A misspelt field must not be told after a long analysis.
  checkFields(gates, gateSubjectJsonSchema());
  requirePruned(gates, flags.pruned !== undefined);
  const needed = update || gates.some(({ demand }) => demand.kind !== 'require');
  const configuredBaseline =
    needed && configured !== null && configured.baseline !== null
      ? { path: configured.baseline, named: `${configured.file}: "baseline"` }
      : null;
  const baseline =
    flags.baseline === undefined
      ? configuredBaseline
      : { path: pathFrom(context.cwd, flags.baseline), named: '--baseline' };
  if (baseline === null && needed) {
    throw new InputError(
      'usage/baseline',
      'gates of change and --update need --baseline FILE, the JSON report to compare with, or "baseline" in prune-limit.json',
    );
  }
  return { gates, baseline, configFile: configured?.file ?? null };
}

async function runGate(target: string, flags: Flags & GateFlags, context: Context): Promise<void> {
  readFlags(analyzeSettings, flags);
  const format = flags.format === undefined ? 'table' : readSetting(gateFormat, flags.format, null);
  const rule =
    flags.inconclusive === undefined ? 'fail' : readSetting(inconclusiveSetting, flags.inconclusive, null);
  const update = flags.update === true;
  const path = pathFrom(context.cwd, target);
  const stored = await readReportIfOne(path);
  const { gates, baseline, configFile } = await readDemands(flags, stored === null ? path : null, context);
  const baselinePath = baseline?.path ?? null;
  const outputs: Output[] = [
    ...(flags.junit === undefined ? [] : [{ option: '--junit', path: pathFrom(context.cwd, flags.junit) }]),
    ...(update ? [{ option: '--baseline', path: baselinePath! }] : []),
  ];
  const progress = await context.progress(flags.quiet === true, [
    ...modelAnalysisStages,
    ...(flags.pruned === undefined ? [] : Object.values(prunedModelStages)),
  ]);
  const before = await readBaseline(baseline, update);
  const asked: GateTarget = { target, path, prunedFile: flags.pruned ?? null, outputs, configFile };
  const subject = await (stored === null
    ? analyzedSubject(asked, flags, context, progress)
    : storedSubject(stored, asked, flags, context, progress));
  const { report } = subject;
  const [{ judgeGates }, { gateSubjectJsonSchema }] = await Promise.all([
    import('../gate/run-gates.js'),
    import('../gate/schema.js'),
  ]);
  const result = judgeGates(gates, { ...subject, source: target }, before, rule, gateSubjectJsonSchema());

  if (rule === 'warn') {
    const { gateSentence } = await import('../gate/describe.js');
    for (const open of result.gates.filter(({ verdict }) => verdict === 'inconclusive')) {
      progress.note(`warning: ${gateSentence(open)}`);
    }
  }
  const required = result.gates.filter(({ kind, level }) => kind === 'require' && level === 'error');
  const keep = update && required.some(({ verdict }) => verdict === 'fail');
  if (update) {
    progress.note(
      keep
        ? `baseline ${baselinePath} stays as it is: a requirement fails`
        : `baseline: ${baselinePath} is written anew`,
    );
  }
  const contents: Record<string, () => Promise<string>> = {
    '--junit': async () => (await import('../gate/junit.js')).renderJunit(result),
    '--baseline': () => renderReport(report, 'json', context),
  };
  await appendStepSummary(result, context, progress);
  if (result.verdict !== 'pass') {
    context.host.exitCode = exitCodes.gateFailed;
  }
  await deliver(
    {
      stdout: await render(result, format, context),
      files: outputs
        .filter(({ option }) => !(keep && option === '--baseline'))
        .map((output) => ({ ...output, content: contents[output.option]! })),
    },
    progress,
    context,
  );
}

/** Adds the result to the page of a GitHub workflow's run, where this is a step of one. */
async function appendStepSummary(result: GateReport, context: Context, progress: Progress): Promise<void> {
  const path = context.host.env.GITHUB_STEP_SUMMARY;
  if (path === undefined || path === '') {
    return;
  }
  await appendFile(path, await render(result, 'markdown', context)).catch((error: NodeJS.ErrnoException) =>
    progress.note(`GITHUB_STEP_SUMMARY ${path}: cannot be written (${error.code})`),
  );
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
  command.option(
    '--pruned <FILE>',
    'compressed model, or its weights, to judge beside the dense one: fields pruned.sparsity, pruned.headroom, ...',
  );
  command.option('--update', 'write the baseline anew, unless a requirement fails');
  addOption(command, inconclusiveSetting as Setting<unknown>);
  addAnalyzeOptions(command);
  addOutputOptions(command, gateFormat, [
    ['--junit <FILE>', 'also write the results as JUnit XML to a file'],
  ]);
  addHelpAfter(command, {
    paragraphs: [
      'Without --require, --max-drop and --max-rise, the gates are those of the key "gate" in prune-limit.json.',
      'Fields are named as in the JSON report, with dots: limits.slice.pruned, accuracy.test, curve[pruned=0.9].accuracy. Short names: slice, gaussianWidth, sharp, connected, loss, accuracy, sparsity, headroom.',
      'With --pruned: pruned.sparsity over the prunable weights of the dense model, pruned.loss, pruned.lossIncrease and pruned.accuracy as measured on the same data, pruned.headroom (limits.slice.pruned less the sparsity), pruned.gaussianWidth.headroom, pruned.sharp.headroom.',
    ],
    examples: [
      'prune-limit gate models/mlp --require "slice >= 0.8" --require "accuracy >= 97%"',
      'prune-limit gate report.json --baseline base.json --max-drop "limits.slice.pruned 2 points"',
      'prune-limit gate report.json --baseline base.json --update',
      'prune-limit gate report.json --require "slice >= 0.8" --format github',
      'prune-limit gate dense.onnx --data data --pruned pruned.onnx --require "sparsity >= 0.8" --require "headroom >= 0"',
    ],
  });
  command.action((target: string, flags: Flags & GateFlags) => runGate(target, flags, context));
}
