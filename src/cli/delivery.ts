import { InputError } from '../errors.js';
import type { Context } from './context.js';
import { writeOutput } from './output.js';
import type { ShownProgress } from './progress.js';

/** What a command has come to. */
export interface Result {
  stdout: string;
  /** Files besides, made when it is their turn. */
  files?: readonly { option: string; path: string; content(): Promise<string> }[];
}

/**
 * Writes a result: stdout first, then the files. What cannot be written does not keep the rest from it.
 *
 * @param progress what the computation itself could not write is told with the rest; closed, as nothing is left to do
 * @throws InputError that names every file which is missing
 */
export async function deliver(result: Result, progress: ShownProgress, context: Context): Promise<void> {
  progress.close();
  await context.stdout.write(result.stdout);
  const failures: InputError[] = [...progress.unwrittenOutputs];
  for (const { option, path, content } of result.files ?? []) {
    const text = await content();
    try {
      await writeOutput(option, path, text);
    } catch (error) {
      if (!(error instanceof InputError)) {
        throw error;
      }
      failures.push(error);
    }
  }
  const [first, ...others] = failures;
  if (first !== undefined) {
    const messages = [first, ...others].map(({ message }) => message);
    throw others.length === 0 ? first : new InputError(first.code, messages.join('; '), { cause: first });
  }
}
