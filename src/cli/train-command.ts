import { join } from 'node:path';
import { Argument, type Command } from 'commander';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { type TrainConfig, trainDefaults } from '../config.js';
import { InputError } from '../errors.js';
import { schemaVersion } from '../report/schema-version.js';
import { toJson } from '../report/text.js';
import { recipeLine } from '../report/train-summary.js';
import { isConvolutional, zooNames } from '../training/zoo/catalogue.js';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { addHelpAfter } from './help.js';
import { dataInput } from './inputs.js';
import { checkModelOutput } from './model-output.js';
import { addOption, addOptionGroup, addOutputOptions, summaryFormat } from './options.js';
import { checkApart, checkOutputFile, checkOutputFolder, stdoutOutput } from './output.js';
import { readingStage, readModel } from './read-model.js';
import { type Flags, pathFrom } from './resolve-config.js';
import { readFlags, readSetting } from './settings.js';
import { pathOptions, refuseStdin, refuseStdout } from './standard-streams.js';
import { type ChosenRecipe, chosenRecipe, recipeReadingSetting, recipeSetting } from './train-recipe.js';
import { trainSettings } from './train-settings.js';

interface OutputFlags {
  format?: string;
  quiet?: boolean;
  list?: boolean;
  html?: string;
}

function readConfig(
  named: TrainConfig['network'],
  chosen: ChosenRecipe | null,
  flags: Flags,
  context: Context,
): TrainConfig {
  const given = readFlags(trainSettings, flags);
  const network = named ?? (given.from == null ? (chosen?.settings.network ?? null) : null);
  if ((network === null) === (given.from == null)) {
    throw new InputError(
      'usage/network',
      `say ${network === null ? '' : 'either '}what to train: a network by name, as in train mlp, a model to go on from, as in train --from model.json, or a recipe, as in train --recipe fc5-cifar10`,
    );
  }
  const { data, output } = given;
  if (data === undefined) {
    throw new InputError(
      'usage/no-data',
      'say what to train on with --data PATH, for example --data data/mnist',
    );
  }
  if (output === undefined) {
    throw new InputError('usage/output', 'say where to write with -o DIR, for example -o models/mlp');
  }
  const config: TrainConfig = {
    ...trainDefaults,
    ...chosen?.settings,
    ...given,
    ...(chosen !== null && { recipe: chosen.recipe }),
    network,
    data: pathFrom(context.cwd, data),
    output: pathFrom(context.cwd, output),
    from: given.from == null ? null : pathFrom(context.cwd, given.from),
    resume: given.resume == null ? null : pathFrom(context.cwd, given.resume),
    log: given.log == null ? null : pathFrom(context.cwd, given.log),
    force: flags.force === true,
  };
  if (config.nesterov && config.optimizer !== 'sgd') {
    throw new InputError('usage/nesterov', '--nesterov goes with --optimizer sgd');
  }
  if (config.schedule === 'multi-step' && config.milestones.length === 0) {
    throw new InputError(
      'usage/milestones',
      '--schedule multi-step needs --milestones, for example --milestones 80,120',
    );
  }
  if (config.schedule !== 'multi-step' && given.milestones !== undefined) {
    throw new InputError('usage/milestones', '--milestones goes with --schedule multi-step');
  }
  if (config.schedule !== 'cosine' || config.scheduleUnit !== 'batches') {
    if (given.cosinePeriod != null) {
      throw new InputError(
        'usage/cosine-period',
        '--cosine-period goes with --schedule cosine and --schedule-unit batches',
      );
    }
    config.cosinePeriod = null;
  }
  if (network !== 'mlp' && given.hidden !== undefined) {
    throw new InputError(
      'usage/hidden',
      `--hidden goes with mlp; the layers of ${network ?? 'a given model'} are fixed`,
    );
  }
  if ((network === null || !isConvolutional(network)) && given.width !== undefined) {
    throw new InputError(
      'usage/width',
      `--width goes with convolutional networks (${zooNames.filter(isConvolutional).join(', ')}), not with ${network ?? 'a given model'}`,
    );
  }
  return config;
}

async function runList(flags: OutputFlags, context: Context): Promise<void> {
  const format = flags.format === undefined ? 'table' : readSetting(summaryFormat, flags.format, null);
  const list = (await import('./train-list.js')).trainList();
  const { renderTrainList } = await import('../report/train-list.js');
  const stdout =
    format === 'json'
      ? toJson({ schemaVersion, ok: true, ...list })
      : renderTrainList(list, await context.colors(), context.page);
  await deliver({ stdout }, await context.progress(true, []), context);
}

/**
 * Where the model goes, checked: a folder, or the file of an ONNX model. None of its files is one that is read.
 *
 * @param given the model to go on from; null: there is none
 */
async function checkedOutput(
  config: TrainConfig,
  given: Checkpoint | null,
  html: string | null,
  { host, work }: Context,
): Promise<string> {
  let { output } = config;
  if (given === null) {
    await checkOutputFolder('--output', output, null);
  } else {
    output = await checkModelOutput(output, given, null);
  }
  const files =
    given === null
      ? ['weights.bin', 'model.json'].map((name) => join(output, name))
      : (await work.checkpointFiles(given, output)).written;
  const read = given && {
    name: `--from ${config.from}`,
    files: async () => (await work.checkpointFiles(given, null)).read,
  };
  await checkApart(
    [
      ...stdoutOutput(host),
      { option: '--output', path: output, files },
      ...(html === null ? [] : [{ option: '--html', path: html }]),
    ],
    [dataInput(config.data), ...(read === null ? [] : [read])],
  );
  return output;
}

async function runTrain(
  network: TrainConfig['network'],
  flags: Flags & OutputFlags,
  context: Context,
): Promise<void> {
  if (flags.list) {
    await runList(flags, context);
    return;
  }
  refuseStdin(pathOptions(flags, ['data', 'from']));
  refuseStdout(pathOptions(flags, ['output', 'html']));
  const chosen = await chosenRecipe(network, flags);
  const config = readConfig(network, chosen, flags, context);
  const format = flags.format === undefined ? 'table' : readSetting(summaryFormat, flags.format, null);
  const html = flags.html === undefined ? null : pathFrom(context.cwd, flags.html);
  if (html !== null) {
    await checkOutputFile('--html', html);
  }
  const progress = await context.progress(flags.quiet === true, [
    ...(config.from === null ? [] : [readingStage]),
    'reading the data',
    'training',
    'measuring',
  ]);
  if (chosen !== null) {
    progress.note(`recipe: ${recipeLine(chosen.recipe)}; it is for ${chosen.data}`);
  }
  const given = config.from === null ? null : await readModel(config.from, null, progress, context);
  const output = await checkedOutput(config, given, html, context);
  const summary = await context.work.train({ ...config, output }, progress, given);
  const { renderTrainSummary } = await import('../report/train-summary.js');
  const stdout =
    format === 'json'
      ? toJson({ schemaVersion, ok: true, ...summary })
      : renderTrainSummary(summary, await context.colors(), context.page);
  const page = {
    option: '--html',
    content: async () =>
      (await import('../report/html/training-page.js')).renderTrainingHtml(summary, { ...config }),
  };
  await deliver({ stdout, files: html === null ? [] : [{ ...page, path: html }] }, progress, context);
}

/** Adds the command `train` to the program. */
export function addTrainCommand(program: Command, context: Context): void {
  const command = program
    .command('train')
    .summary('train a small network, dense or with an l1 penalty')
    .description(
      'Trains a network by stochastic gradient descent and writes a TensorFlow.js layers model, or goes on from an ' +
        'ONNX model and writes that. With --l1 its weights become sparse enough to be pruned in one shot.',
    )
    .addArgument(new Argument('[network]', 'which network').choices(zooNames));
  command.optionsGroup('Recipe:');
  addOption(command, recipeSetting);
  addOption(command, recipeReadingSetting);
  command.option('--list', 'show all networks and recipes, and train nothing');
  addOptionGroup(command, 'Data:', trainSettings, ['data', 'labelColumn', 'layout', 'normalize']);
  addOptionGroup(command, 'Checkpoint:', trainSettings, ['from', 'output', 'weightsDtype', 'recordData']);
  command.option('--force', 'replace files at --output that prune-limit did not write, too');
  addOptionGroup(command, 'Training:', trainSettings, [
    'hidden',
    'width',
    'epochs',
    'batchSize',
    'l1',
    'l1On',
    'l2',
    'weightDecay',
    'optimizer',
    'learningRate',
    'momentum',
    'nesterov',
    'labelSmoothing',
    'augment',
    'warmUpEpochs',
    'schedule',
    'milestones',
    'decay',
    'scheduleUnit',
    'cosinePeriod',
    'targetLoss',
    'targetAccuracy',
  ]);
  addOptionGroup(command, 'Running:', trainSettings, [
    'resume',
    'log',
    'seed',
    'backend',
    'threads',
    'memoryLimitBytes',
  ]);
  addOutputOptions(command, summaryFormat, [
    ['--html <FILE>', 'also write a web page with the learning curves'],
  ]);
  addHelpAfter(command, {
    examples: [
      'prune-limit train mlp --data data/mnist --normalize 0.1307/0.3081 -o models/mlp',
      'prune-limit train mlp --data data/mnist --l1 5e-5 --epochs 15 -o models/mlp-l1',
      'prune-limit train lenet5 --data data/mnist --schedule multi-step --milestones 5,8 -o models/lenet5',
      'prune-limit train --list',
      'prune-limit train --recipe fc5-cifar10 --data data/cifar10 --epochs 20 -o models/fc5',
      'prune-limit train --from resnet20.onnx --data data/cifar-10 --epochs 5 -o resnet20-tuned.onnx',
    ],
  });
  command.action((network: TrainConfig['network'] | undefined, flags: Flags & OutputFlags) =>
    runTrain(network ?? null, flags, context),
  );
}
