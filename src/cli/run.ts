import { withoutLibraryOutput } from '../library-output.js';
import { type Context, colorEnabled } from './context.js';
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
      argument === '--format=json' || (argument === '--format' && argv[index + 1] === 'json'),
  );
}

/** A reader that closed the pipe (`| head`) has seen enough: no error. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') {
    throw error;
  }
}

/**
 * Runs the command line of `host` and sets its exit code. The process ends by
 * itself once its output has drained.
 */
export async function run(host: Host, work: Work = lazyWork): Promise<void> {
  host.stdout.on('error', ignoreClosedPipe);
  host.stderr.on('error', ignoreClosedPipe);
  const { version } = readPackage();
  let progress: ShownProgress | null = null;
  const context: Context = {
    host,
    work,
    version,
    cwd: workingDirectory(host.cwd()),
    progress: async (quiet) => {
      const { createProgress } = await import('./progress.js');
      progress = createProgress({ stream: host.stderr, quiet });
      return progress;
    },
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
    host.stderr.write(failure.text);
    if (wantsJson(host.argv)) {
      host.stdout.write(failureJson(failure));
    }
  };
  const interrupt = (): void => {
    progress?.close();
    host.stderr.write('prune-limit: interrupted\n');
    host.exit(exitCodes.interrupted);
  };
  const crash = (error: unknown): void => {
    fail(error);
    host.exit(exitCodes.defect);
  };

  host.on('SIGINT', interrupt);
  host.on('uncaughtException', crash);
  try {
    await withoutLibraryOutput(() => program.parseAsync(host.argv));
  } catch (error) {
    fail(error);
  } finally {
    host.off('SIGINT', interrupt);
    host.off('uncaughtException', crash);
  }
}
