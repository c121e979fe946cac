/** stdout and stderr, written so that nothing is cut short without a word, and no failure of theirs ends in a stack. */
import { fstatSync, writeSync } from 'node:fs';
import { InputError } from '../errors.js';
import { writeFault } from '../whole-files.js';
import type { OutputStream } from './host.js';

/** A stream and what went wrong with it. */
export interface Channel {
  /** Whether anything was written. */
  readonly used: boolean;
  /** The first failure; null without one. A reader that closed the pipe (`| head`) has seen enough: no failure. */
  readonly fault: InputError | null;
  /** Writes all of a text; a failure is in `fault` afterwards. */
  write(text: string): Promise<void>;
  /** Resolves when all that was asked for is written, or has failed. */
  settled(): Promise<void>;
}

function isFile(fd: number | undefined): boolean {
  try {
    return fd !== undefined && fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

/** Node takes a write to a file that the disk cut short for done; this one goes on until all is there or an error says why not. */
function writeToFile(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done);
  }
}

/**
 * Opens a channel onto a stream of the process.
 *
 * @param name for messages
 * @param onFault called with the first failure, also with one that comes late
 */
export function openChannel(
  stream: OutputStream,
  name: 'stdout' | 'stderr',
  onFault: (fault: InputError) => void,
): Channel {
  let used = false;
  let fault: InputError | null = null;
  let closed = false;
  let last: Promise<void> = Promise.resolve();
  const onError = (error: NodeJS.ErrnoException): void => {
    closed ||= error.code === 'EPIPE';
    if (closed || fault !== null) {
      return;
    }
    fault = new InputError(`output/${name}`, `${name} cannot be written (${writeFault(error)})`, {
      cause: error,
    });
    onFault(fault);
  };
  stream.on('error', onError);
  return {
    get used() {
      return used;
    },
    get fault() {
      return fault;
    },
    write: (text) => {
      used = true;
      last = new Promise((resolve) => {
        const written = (error?: Error | null): void => {
          if (error) {
            onError(error);
          }
          resolve();
        };
        if (!isFile(stream.fd)) {
          stream.write(text, written);
          return;
        }
        try {
          writeToFile(stream.fd as number, text);
          written();
        } catch (error) {
          written(error as Error);
        }
      });
      return last;
    },
    settled: () => last,
  };
}
