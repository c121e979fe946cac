/** Errors as messages and exit codes. */
import { CommanderError } from 'commander';
import { InputError } from '../errors.js';
import { schemaVersion } from '../report/schema-version.js';
import { printable, toJson } from '../report/text.js';

export const exitCodes = { done: 0, gateFailed: 1, badInput: 2, defect: 70 } as const;

export interface Failure {
  exitCode: number;
  code: string;
  message: string;
  /** What stderr shows; empty where all has been said. */
  text: string;
}

function usageFailure(error: CommanderError, commandName: string): Failure {
  const kind = error.code
    .replace(/^commander\./, '')
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const said = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  const message = `${said}; see ${commandName} --help`;
  return {
    exitCode: exitCodes.badInput,
    code: `usage/${kind}`,
    message,
    text: `prune-limit: ${printable(message)}\n`,
  };
}

/** What to do about an error that comes from a limit of the system, wherever it was met; null for others. */
function systemLimit(error: unknown): string | null {
  // Convolutions allocate within WebAssembly, where no guard of ours is, and abort.
  if (error instanceof Error && error.name === 'RuntimeError' && error.message.startsWith('Aborted(')) {
    return 'WebAssembly gave up, as it does where its 4 GB of memory are full: lower --memory-limit; if that does not help, install @tensorflow/tfjs-node and give --backend tensorflow';
  }
  switch ((error as NodeJS.ErrnoException | null)?.code) {
    case 'EMFILE':
      return 'more files would have to be open than this shell allows; raise the limit, for example with ulimit -n 1024';
    case 'ENFILE':
      return 'more files are open than this machine allows; close some programs and try again';
    default:
      return null;
  }
}

/**
 * What to say about an error, and the exit code; null where it is no failure
 * (help and version were asked for).
 */
export function describeFailure(
  error: unknown,
  context: { commandName: string; version: string },
): Failure | null {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) {
      return null;
    }
    if (error.code === 'commander.help') {
      return {
        exitCode: exitCodes.badInput,
        code: 'usage/no-command',
        message: 'no command given',
        text: '',
      };
    }
    return usageFailure(error, context.commandName);
  }
  if (error instanceof InputError) {
    return {
      exitCode: exitCodes.badInput,
      code: error.code,
      message: error.message,
      text: `prune-limit: ${printable(error.message)}\n`,
    };
  }
  const limit = systemLimit(error);
  if (limit !== null) {
    return {
      exitCode: exitCodes.badInput,
      code: 'system/limit',
      message: limit,
      text: `prune-limit: ${limit}\n`,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? (error.stack ?? message) : message;
  return {
    exitCode: exitCodes.defect,
    code: 'internal',
    message,
    text:
      `prune-limit: internal error: ${printable(message)}\n${stack}\n` +
      `This is a defect of prune-limit ${context.version} (Node ${process.version}, ${process.platform} ${process.arch}). ` +
      'For a report, keep the lines above, the command with all its options, and the model and data that it read.\n',
  };
}

/** The object that stands on stdout in place of a result. */
export function failureJson({ code, message }: Failure): string {
  return toJson({ schemaVersion, ok: false, error: { code, message } });
}
