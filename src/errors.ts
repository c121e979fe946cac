/** Most characters of a message: with the program's name before it, a line has 300. */
const MAX_MESSAGE = 285;

/** Of these, so many from its beginning, which says what is wrong and where; the rest from its end: what to do. */
const HEAD = 160;

/** A message that a crafted or very long name made too long, cut in its middle at spaces where there are some. */
function cut(message: string): string {
  if (message.length <= MAX_MESSAGE) {
    return message;
  }
  const head = message.slice(0, HEAD).replace(/(?<=.{80})\s\S*$/s, '');
  const tail = message.slice(message.length - (MAX_MESSAGE - HEAD - 5)).replace(/^\S*\s(?=.{40})/s, '');
  return `${head} ... ${tail}`;
}

/**
 * Wrong usage or bad input: something the person at the prompt can mend.
 *
 * The message is one line, cut to 285 characters, that says what is wrong, where (file, weight, byte,
 * option) and what to do about it. The command line prints it without a stack
 * and exits with code 2. Any other error that reaches the command line is
 * treated as a defect of prune-limit (exit code 70).
 */
export class InputError extends Error {
  /** Stable machine-readable identifier, e.g. `checkpoint/missing-file`. */
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(cut(message), options);
    this.name = 'InputError';
    this.code = code;
  }
}
