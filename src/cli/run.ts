import { InputError } from '../errors.js';
import { withoutLibraryOutput } from '../library-output.js';
import { openChannel } from './channel.js';
import { type Context, colorEnabled, pageOf } from './context.js';
import { describeFailure, exitCodes, failureJson } from './failure.js';
import { type Host, lazyWork, type Work } from './host.js';
import { readPackage } from './package.js';
import { createProgram } from './program.js';
import type { ShownProgress } from './progress.js';
import { workingDirectory } from './resolve-config.js';

/** Known before options are parsed, so that wrong usage is told as JSON too. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (argument, index) =>
      argument === '--format=json' ||
      argument === '--json=-' ||
      (argument === '--format' && argv[index + 1] === 'json') ||
      (argument === '--json' && argv[index + 1] === '-'),
  );
}

/** The working directory as a prefix of paths; a process outlives the folder that it was started in. */
function startingFolder(host: Host): string {
  try {
    return workingDirectory(host.cwd());
  } catch (cause) {
    throw new InputError(
      'usage/no-working-directory',
      'the working directory does not exist any more; change to one that does, for example with cd ~',
      { cause },
    );
  }
}

/**
 * Runs the command line of `host` and sets its exit code. The process ends by
 * itself once its output has drained.
 */
export async function run(host: Host, work: Work = lazyWork): Promise<void> {
  // Also for a failure that comes when all else is done: there is no result then.
  const failLate = (): void => {
    host.exitCode ||= exitCodes.badInput;
  };
  const stdout = openChannel(host.stdout, 'stdout', failLate);
  const stderr = openChannel(host.stderr, 'stderr', failLate);
  const { version } = readPackage();
  let progress: ShownProgress | null = null;
  const context: Context = {
    host,
    work,
    version,
    stdout,
    get cwd() {
      return startingFolder(host);
    },
    progress: async (quiet, plan) => {
      const { createProgress } = await import('./progress.js');
      const { toldProgress } = await import('./whereabouts.js');
      const shown = createProgress({
        stream: host.stderr,
        quiet,
        plan,
        width: () => pageOf(host.stderr, host.env).width,
      });
      progress = toldProgress(shown, host);
      return progress;
    },
    page: pageOf(host.stdout, host.env),
    colors: async () => (await import('picocolors')).default.createColors(colorEnabled(host)),
  };
  const program = createProgram(context);

  const fail = (error: unknown): void => {
    progress?.close();
    const named = program.commands.find((command) => command.name() === host.argv[2]);
    const commandName = named === undefined ? 'prune-limit' : `prune-limit ${named.name()}`;
    const failure = describeFailure(error, { commandName, version });
    if (failure === null) {
      return;
    }
    host.exitCode = failure.exitCode;
    stderr.write(failure.text);
    if (wantsJson(host.argv) && !stdout.used) {
      stdout.write(failureJson(failure));
    }
  };
  const crash = (error: unknown): void => {
    fail(error);
    host.exit(exitCodes.defect);
  };

  host.on('uncaughtException', crash);
  try {
    await withoutLibraryOutput(() => program.parseAsync(host.argv), 'process').catch(fail);
    await stdout.settled();
    if (stdout.fault !== null) {
      fail(stdout.fault);
    }
    await stderr.settled();
  } finally {
    host.off('uncaughtException', crash);
  }
}
