import { lstat, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import type { Command } from 'commander';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { InputError } from '../errors.js';
import type { Report } from '../report/schema.js';
import { printable, toJson } from '../report/text.js';
import { analyzeSettings, weightsSetting } from './analyze-settings.js';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { addHelpAfter } from './help.js';
import { fileInput } from './inputs.js';
import { addOption } from './options.js';
import { checkApart, checkOutputFile, stdoutOutput } from './output.js';
import { readingStage, readModel } from './read-model.js';
import { configFileName, type Flags, pathFrom, readWeightsOption } from './resolve-config.js';
import { readSetting, type Setting } from './settings.js';
import { readStoredReport } from './stored-report.js';

interface InitFlags {
  report?: string;
  force?: boolean;
  quiet?: boolean;
}

/** What a configuration file starts with. */
interface InitialConfig {
  data?: string;
  normalize?: unknown;
  gate?: string[];
}

/** The name under which data is looked for beside a model. */
const DATA_FOLDER = 'data';

/** A fraction as a percentage with one decimal that is not above it. */
function floorPercent(fraction: number): string {
  const tenths = Math.floor(fraction * 1000);
  // Rounding may put what a gate reads above the fraction.
  const percent = tenths / 10 / 100 > fraction ? (tenths - 1) / 10 : tenths / 10;
  return `${percent.toFixed(1)}%`;
}

/**
 * Requirements that a report keeps: its limits, or the lower ends of their intervals, rounded down to 0.1 points.
 * Limits that are unresolved are left out, as no gate on them can pass.
 */
export function gatesOfReport({ limits }: Pick<Report, 'limits'>): string[] {
  const { slice, gaussianWidth, sharp } = limits;
  return [
    `limits.slice.pruned >= ${floorPercent(slice.pruned)}`,
    ...Object.entries({ gaussianWidth, sharp })
      .filter(([, { settled }]) => settled)
      .map(([name, { low }]) => `limits.${name}.pruned >= ${floorPercent(low)}`),
  ];
}

/** The settings of a model's metadata, checked; what is not there is absent. */
function fromMetadata({ metadata, path }: Checkpoint): Pick<InitialConfig, 'data' | 'normalize'> {
  const found = metadata.pruneLimit ?? {};
  const values = found as Readonly<Record<string, unknown>>;
  const file = `${path}: userDefinedMetadata.pruneLimit`;
  if (typeof found !== 'object' || Array.isArray(found)) {
    throw new InputError('config/not-an-object', `${file}: not a JSON object`);
  }
  const config: Record<string, unknown> = {};
  for (const key of ['data', 'normalize'] as const) {
    const value = Object.hasOwn(values, key) ? (values[key] ?? null) : null;
    if (value !== null) {
      readSetting(analyzeSettings[key] as Setting<unknown>, value, file);
      config[key] = value;
    }
  }
  return config;
}

/** A path as it is written in a file of that folder. */
function seenFrom(folder: string, path: string): string {
  const seen = relative(resolve(folder), resolve(path)).split(sep).join('/');
  return seen === '' ? '.' : seen;
}

async function readModelsReport(path: string, checkpoint: Checkpoint): Promise<Report> {
  const report = await readStoredReport(path);
  if (report.model.sha256 !== checkpoint.sha256) {
    throw new InputError(
      'init/other-model',
      `--report ${printable(path)} is of another model than ${printable(checkpoint.path)} (the sha256 differ); analyse this one first`,
    );
  }
  return report;
}

async function runInit(model: string, flags: Flags & InitFlags, context: Context): Promise<void> {
  const progress = await context.progress(flags.quiet === true, [readingStage]);
  const weights = readWeightsOption(flags, context.cwd);
  const checkpoint = await readModel(pathFrom(context.cwd, model), weights, progress, context);
  const folder = dirname(checkpoint.path);
  const output = { option: configFileName, path: join(folder, configFileName) };
  const inTheWay = await lstat(output.path).catch(() => null);
  if (inTheWay !== null && flags.force !== true) {
    throw new InputError(
      'init/exists',
      `${printable(output.path)} exists; add --force to write it anew, which loses what it says`,
    );
  }
  await checkOutputFile(output.option, output.path);
  const reportPath = flags.report === undefined ? null : pathFrom(context.cwd, flags.report);
  const { read } = await context.work.checkpointFiles(checkpoint, null);
  await checkApart(
    [...stdoutOutput(context.host), output],
    [
      { name: `the model ${checkpoint.path}`, files: async () => read },
      ...(reportPath === null ? [] : [fileInput('--report', reportPath)]),
    ],
  );
  const report = reportPath === null ? null : await readModelsReport(reportPath, checkpoint);

  const config: InitialConfig = fromMetadata(checkpoint);
  if (report !== null) {
    config.data ??= seenFrom(folder, pathFrom(context.cwd, report.data.path));
    config.normalize ??= report.options.normalize ?? undefined;
    config.gate = gatesOfReport(report);
  }
  const beside = await stat(join(folder, DATA_FOLDER)).catch(() => null);
  if (config.data === undefined && beside?.isDirectory()) {
    config.data = DATA_FOLDER;
    progress.note(
      `data: the folder ${join(folder, DATA_FOLDER)} beside the model, which was not looked into`,
    );
  }
  if (config.data === undefined) {
    progress.note(`data: not known; add "data" to ${output.path}, or give --data`);
  }
  const content = toJson(config);
  await deliver({ stdout: content, files: [{ ...output, content: async () => content }] }, progress, context);
}

/** Adds the command `init` to the program. */
export function addInitCommand(program: Command, context: Context): void {
  const command = program
    .command('init')
    .summary(`write a first ${configFileName} next to a model`)
    .description(
      `Writes ${configFileName} next to a model, with what is known: data and normalisation, and, from a report, gates at its limits. Prints what it writes.`,
    )
    .argument('<model>', 'what analyze takes as a model');
  addOption(command, weightsSetting as Setting<unknown>);
  command.option('--report <FILE>', 'JSON report of this model, whose limits become gates');
  command.option('--force', `replace a ${configFileName} that is there`);
  command.option('-q, --quiet', 'no progress and no notes on stderr');
  addHelpAfter(command, {
    examples: ['prune-limit init models/mlp', 'prune-limit init models/mlp --report report.json'],
  });
  command.action((model: string, flags: Flags & InitFlags) => runInit(model, flags, context));
}
