import { InputError } from '../errors.js';
import type { Context } from './context.js';
import { writeOutput, writeOutputFolder } from './output.js';
import type { ShownProgress } from './progress.js';

/** What a command has come to. */
export interface Result {
  stdout: string;
  /** Files besides, made when it is their turn. */
  files?: readonly { option: string; path: string; content(): Promise<string> }[];
  /** Folders of files, by name, made after the files. */
  folders?: readonly { option: string; path: string; contents(): Promise<ReadonlyMap<string, string>> }[];
}

/** What a result leaves behind, in order: each is made when it is its turn, then written. */
function writers({ files = [], folders = [] }: Result): (() => Promise<() => Promise<void>>)[] {
  return [
    ...files.map(({ option, path, content }) => async () => {
      const made = await content();
      return () => writeOutput(option, path, made);
    }),
    ...folders.map(({ option, path, contents }) => async () => {
      const made = await contents();
      return () => writeOutputFolder(option, path, made);
    }),
  ];
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
  for (const make of writers(result)) {
    const write = await make();
    try {
      await write();
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
