import { NotCompilableError } from '../compute/compile/trace.js';
import { InputError } from '../errors.js';

/**
 * Rethrows what went wrong in an analysis that was under way. A native program
 * that ran at the start and fails later has run out of memory, as a rule: the
 * person at the prompt can mend that.
 *
 * @throws InputError for a failed native program; else the error itself
 */
export function explainNativeFailure(error: unknown): never {
  if (error instanceof NotCompilableError) {
    throw new InputError(
      'backend/failed',
      `${error.message}; if memory ran out, give a smaller --memory-limit, else use --backend wasm`,
      { cause: error },
    );
  }
  throw error;
}
