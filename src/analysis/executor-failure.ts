import { NotCompilableError } from '../compute/compile/trace.js';
import { InputError } from '../errors.js';

/**
 * Rethrows what went wrong in a computation that was under way. A compiled program
 * that ran at the start and fails later has run out of memory, as a rule: the
 * person at the prompt can mend that.
 *
 * @param smaller the option that makes do with less memory
 * @throws InputError for a failed program; else the error itself
 */
export function explainExecutorFailure(error: unknown, smaller = '--memory-limit'): never {
  if (error instanceof NotCompilableError) {
    throw new InputError(
      'backend/failed',
      `${error.message}; if memory ran out, give a smaller ${smaller}, else use --backend wasm`,
      { cause: error },
    );
  }
  throw error;
}
