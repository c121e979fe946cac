import type { Command } from 'commander';
import type { AnalyzeConfig } from '../config.js';
import { analyzeSettings } from './analyze-settings.js';
import type { Context } from './context.js';
import { addHelpAfter } from './help.js';
import { addOption } from './options.js';
import { pathFrom } from './resolve-config.js';
import { readServerUrl } from './server-url.js';
import { readSetting, type Setting } from './settings.js';
import { text } from './values.js';

interface WorkerFlags {
  root?: string;
  backend?: string;
  threads?: string;
  memoryLimit?: string;
  quiet?: boolean;
}

const rootSetting: Setting<string> = {
  option: 'root',
  value: 'DIR',
  help: 'folder below which models and data lie as they do below the folder that analyze is started in',
  defaultText: 'the working directory',
  examples: ['/srv/prune-limit'],
  read: text,
};

async function runWorker(url: string | undefined, flags: WorkerFlags, context: Context): Promise<void> {
  const read = <Key extends 'backend' | 'threads' | 'memoryLimitBytes'>(
    key: Key,
    value: string | undefined,
    otherwise: AnalyzeConfig[Key],
  ): AnalyzeConfig[Key] =>
    value === undefined
      ? otherwise
      : (readSetting(analyzeSettings[key] as Setting<unknown>, value, null) as AnalyzeConfig[Key]);
  const config = {
    url: readServerUrl(url, context.host.env, '<redis-url>'),
    root: pathFrom(context.cwd, flags.root === undefined ? '.' : readSetting(rootSetting, flags.root, null)),
    backend: read('backend', flags.backend, 'auto'),
    threads: read('threads', flags.threads, null),
    memoryLimitBytes: read('memoryLimitBytes', flags.memoryLimit, null),
  };
  const progress = await context.progress(flags.quiet === true, []);
  await context.work.worker(config, progress);
}

/** Adds the command `worker` to the program. */
export function addWorkerCommand(program: Command, context: Context): void {
  const command = program
    .command('worker')
    .summary('compute shards for analyze --workers, on as many machines as there are')
    .description(
      'Takes part in every analysis that is started with --workers at the same Redis or Valkey server, until it is stopped. It reads model and data from its own files, checks that they are the same, and runs no code that it receives. Whoever can write to the server can keep its workers busy: keep it private.',
    )
    .argument('[redis-url]', 'the server, redis:// or rediss:// (default: PRUNE_LIMIT_REDIS_URL)');
  addOption(command, rootSetting as Setting<unknown>);
  const { backend, threads, memoryLimitBytes } = analyzeSettings;
  command.optionsGroup('Running:');
  addOption(command, backend as Setting<unknown>);
  addOption(command, {
    ...threads,
    defaultText: 'those of the analysis, for the same digits',
  } as Setting<unknown>);
  addOption(command, memoryLimitBytes as Setting<unknown>);
  command
    .optionsGroup('Output:')
    .option('-q, --quiet', 'no notes on stderr')
    .option('--no-color', 'no colour (as with NO_COLOR; FORCE_COLOR turns it on)')
    .helpOption('-h, --help', 'show this help');
  addHelpAfter(command, {
    paragraphs: [
      'User and password come from the address or from PRUNE_LIMIT_REDIS_USERNAME and PRUNE_LIMIT_REDIS_PASSWORD; they are never printed. The authority of a certificate of your own is named in NODE_EXTRA_CA_CERTS.',
    ],
    examples: [
      'prune-limit worker redis://queue.example:6379 --root /srv/prune-limit',
      'prune-limit analyze models/resnet50 --data data/imagenet --workers redis://queue.example:6379',
    ],
  });
  command.action((url: string | undefined, flags: WorkerFlags) => runWorker(url, flags, context));
}
