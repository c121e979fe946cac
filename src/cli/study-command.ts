import { mkdir } from 'node:fs/promises';
import { Argument, type Command } from 'commander';
import { InputError } from '../errors.js';
import { schemaVersion } from '../report/schema-version.js';
import type { ReportDocument } from '../report/sections.js';
import { toJson } from '../report/text.js';
import { STUDY_DATA_STAGE, STUDY_NAMES, type StudyName } from '../study/names.js';
import { writeFault } from '../whole-files.js';
import { weightsSetting } from './analyze-settings.js';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { addHelpAfter } from './help.js';
import { addOption, addOptionGroup, addOutputOptions, outputFormat } from './options.js';
import type { Flags } from './resolve-config.js';
import { readSetting, type Setting } from './settings.js';
import { dataSettings, engineSettings } from './shared-settings.js';
import { pathOptions, refuseStdin, refuseStdout } from './standard-streams.js';
import { readStudyConfig, resultFiles } from './study-config.js';
import { studySettings } from './study-settings.js';

interface StudyFlags {
  quick?: boolean;
  dryRun?: boolean;
  format?: string;
  quiet?: boolean;
}

type Format = 'table' | 'json' | 'markdown';

/** A result in one of the forms, by what it says as JSON and as a document. */
async function rendered(
  format: Format,
  json: unknown,
  document: () => ReportDocument,
  context: Context,
): Promise<string> {
  switch (format) {
    case 'json':
      return toJson(json);
    case 'markdown':
      return (await import('../report/markdown.js')).renderMarkdownDocument(document());
    case 'table':
      return (await import('../report/table.js')).renderDocument(
        document(),
        await context.colors(),
        context.page,
      );
  }
}

async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new InputError('output/write-failed', `--output ${folder}: cannot be made (${writeFault(cause)})`, {
      cause,
    });
  });
}

async function runStudy(name: StudyName, flags: Flags & StudyFlags, context: Context): Promise<void> {
  refuseStdin(pathOptions(flags, ['data', 'model', 'weights']));
  refuseStdout(pathOptions(flags, ['output']));
  const format = flags.format === undefined ? 'table' : readSetting(outputFormat, flags.format, null);
  const progress = await context.progress(flags.quiet === true, [STUDY_DATA_STAGE]);
  const config = await readStudyConfig(name, flags, context, progress);
  if (flags.dryRun) {
    const cells = await context.work.planStudy(config, progress);
    const { describePlan } = await import('../report/study-plan.js');
    const json = { schemaVersion, ok: true, study: name, cells };
    await deliver(
      { stdout: await rendered(format, json, () => describePlan(name, cells), context) },
      progress,
      context,
    );
    return;
  }
  await makeFolder(config.output);
  const result = await context.work.study(config, progress);
  const { describeStudy } = await import('../report/study-document.js');
  const as = (form: Format) => rendered(form, result, () => describeStudy(result), context);
  const { json, md, html } = resultFiles(config.output, name);
  const option = '--output';
  const page = async () => (await import('../report/html/study-page.js')).renderStudyHtml(result);
  await deliver(
    {
      stdout: await as(format),
      files: [
        { option, path: json, content: () => as('json') },
        { option, path: md, content: () => as('markdown') },
        { option, path: html, content: page },
      ],
    },
    progress,
    context,
  );
}

/** Adds the command `study` to the program. */
export function addStudyCommand(program: Command, context: Context): void {
  const command = program
    .command('study')
    .summary('carry out an experiment of the paper, resumable')
    .description(
      'Carries out an experiment as a plan of cells: trainings, analyses and prunings. Each cell is kept in the ' +
        'folder as soon as it is finished and is not computed again: a study that was stopped goes on where it was.',
    )
    .addArgument(new Argument('<name>', 'which experiment').choices(STUDY_NAMES));
  command.optionsGroup('Study:');
  addOption(command, studySettings.output as Setting<unknown>);
  command.option(
    '--dry-run',
    'print the cells, and how long they may take by those of their kind that are finished in the folder',
  );
  command.option('--quick', 'small settings, for a first look within minutes; its numbers are no result');
  addOption(command, studySettings.seeds as Setting<unknown>);
  addOptionGroup(command, 'Data:', dataSettings, ['data', 'labelColumn', 'layout', 'normalize']);
  addOptionGroup(command, 'Network:', studySettings, [
    'model',
    'network',
    'hidden',
    'width',
    'epochs',
    'learningRate',
    'augment',
    'l1',
  ]);
  addOption(command, weightsSetting as Setting<unknown>);
  addOptionGroup(command, 'Cells:', studySettings, [
    'examples',
    'ratios',
    'methods',
    'calibration',
    'budget',
    'baselineRate',
    'scales',
    'rows',
    'scoreL2',
    'rounds',
  ]);
  addOptionGroup(command, 'Running:', engineSettings, ['seed', 'backend', 'threads']);
  addOutputOptions(command, outputFormat);
  addHelpAfter(command, {
    examples: [
      'prune-limit study pruners --model models/mlp --data data/mnist -o studies/mlp',
      'prune-limit study pruners --data data/mnist --quick -o studies/first-look',
      'prune-limit study pruners --model models/mlp --data data/mnist --dry-run -o studies/mlp',
    ],
  });
  command.action((name: StudyName, flags: Flags & StudyFlags) => runStudy(name, flags, context));
}
