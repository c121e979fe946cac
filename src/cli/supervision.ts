/**
 * A process that computes, and one that watches over it. Numeric libraries keep the event loop of a process busy for
 * as long as a product of a large network takes, minutes on some backends; in that time it can react to nothing. So
 * it is left to the signals' default effect, and who started it says what has happened.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Writable } from 'node:stream';

/** How long a process that writes files may take to remove the temporary ones. */
const GRACE_MILLISECONDS = 2000;

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type EndingSignal = (typeof ENDING_SIGNALS)[number];

/** The part of Node's `process` that a watcher uses. */
export interface Watcher {
  stderr: Writable & { isTTY?: boolean };
  exitCode?: number | string | null | undefined;
  on(event: EndingSignal, listener: (signal: EndingSignal) => void): unknown;
  off(event: EndingSignal, listener: (signal: EndingSignal) => void): unknown;
}

/** Clears a line that a bar of progress was left on. */
const CLEAR_LINE = '\r\u001b[2K';

/**
 * What follows on `interrupted` of a process that was asked to end.
 *
 * @param where what it sent last, where it sends strings; null: nothing
 */
export type InterruptedWords = (seconds: number, where: string | null) => string;

/** What to say of a process that a signal ended. */
function endedBy(signal: NodeJS.Signals): string {
  switch (signal) {
    case 'SIGINT':
    case 'SIGTERM':
    case 'SIGHUP':
      return 'interrupted';
    case 'SIGKILL':
    case 'SIGABRT':
      return `ended by ${signal}, as a rule because memory ran out; give a smaller --memory-limit or fewer --examples`;
    case 'SIGSEGV':
    case 'SIGBUS':
    case 'SIGILL':
    case 'SIGFPE':
      return `ended by ${signal}, a crash of a native library; try --backend wasm`;
    default:
      return `ended by ${signal}`;
  }
}

/** Resolves when a process runs; null where the system does not let it start. */
function started(child: ChildProcess): Promise<ChildProcess | null> {
  return new Promise((resolve) => {
    child.once('spawn', () => resolve(child));
    child.once('error', () => resolve(null));
  });
}

/**
 * Runs a program of Node in a process of its own, with the same stdin, stdout and stderr, until it ends, and sets the
 * exit code: its own, or 128 + n where signal n ended it. SIGINT, SIGTERM and SIGHUP are handed on; a second one, or
 * two seconds, end it whatever it does. It has an IPC channel, which is closed when the watcher is gone.
 *
 * @param argv options of Node, the script and its arguments
 * @returns false where no process could be started
 */
export async function supervise(
  watcher: Watcher,
  argv: readonly string[],
  interruptedWords: InterruptedWords = () => '',
): Promise<boolean> {
  const start = performance.now();
  const child = await started(
    spawn(process.execPath, argv, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] }),
  );
  if (child === null) {
    return false;
  }
  let where: string | null = null;
  child.on('message', (message) => {
    where = typeof message === 'string' ? message : where;
  });
  let asked: EndingSignal | null = null;
  let deadline: NodeJS.Timeout | undefined;
  const hangUp = (): void => {}; // a terminal that is gone takes no words
  const onSignal = (signal: EndingSignal): void => {
    if (asked !== null) {
      child.kill('SIGKILL');
      return;
    }
    asked = signal;
    child.kill(signal);
    deadline = setTimeout(() => child.kill('SIGKILL'), GRACE_MILLISECONDS);
  };
  watcher.stderr.on('error', hangUp);
  for (const signal of ENDING_SIGNALS) {
    watcher.on(signal, onSignal);
  }
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('exit', (...ending) => resolve(ending));
  });
  clearTimeout(deadline);
  for (const signal of ENDING_SIGNALS) {
    watcher.off(signal, onSignal);
  }
  if (signal === null) {
    watcher.exitCode = code;
    return true;
  }
  const cause: NodeJS.Signals = asked ?? signal;
  watcher.exitCode = 128 + constants.signals[cause];
  const interrupted = asked === 'SIGINT' || asked === 'SIGTERM';
  const more = interrupted ? interruptedWords((performance.now() - start) / 1000, where) : '';
  watcher.stderr.write(`${watcher.stderr.isTTY ? CLEAR_LINE : ''}prune-limit: ${endedBy(cause)}${more}\n`);
  return true;
}
