/**
 * Wrong usage or bad input: something the person at the prompt can mend.
 *
 * The message is one line that says what is wrong, where (file, weight, byte,
 * option) and what to do about it. The command line prints it without a stack
 * and exits with code 2. Any other error that reaches the command line is
 * treated as a defect of prune-limit (exit code 70).
 */
export class InputError extends Error {
  /** Stable machine-readable identifier, e.g. `checkpoint/missing-file`. */
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'InputError';
    this.code = code;
  }
}
