/** Files that hold a report: regular, and of no more bytes than a report has. */
import { readFile, stat } from 'node:fs/promises';
import { InputError } from './errors.js';

/** Reports are a few hundred kilobytes; prevents reading without end what is none. */
const MAX_REPORT_BYTES = 64 * 2 ** 20;

/**
 * The text of a report's file. Pipes and devices are refused unread: they may have no end.
 *
 * @param named how messages call the file, e.g. `--report r.json`
 * @param code of the errors
 * @throws InputError where it cannot be read, is no regular file or too large; its cause is that of the file system
 */
export async function readReportText(path: string, named: string, code: string): Promise<string> {
  const refused = (why: string, cause?: unknown): InputError =>
    new InputError(code, `${named}: ${why}`, { cause });
  try {
    const found = await stat(path);
    if (!found.isFile()) {
      throw refused('is no regular file; name a JSON report that analyze wrote');
    }
    if (found.size > MAX_REPORT_BYTES) {
      throw refused(`${found.size} bytes are no report; name a JSON report that analyze wrote`);
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    throw error instanceof InputError
      ? error
      : refused(`cannot be read (${(error as NodeJS.ErrnoException).code})`, error);
  }
}
