/** Reports that stand in files, as commands read them. */
import { open } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { parseReport } from '../report/parse-report.js';
import type { Report } from '../report/schema.js';
import { printable } from '../report/text.js';

/** More is no report: that of ResNet50 has some hundred kilobytes. */
const maxReportBytes = 64 * 2 ** 20;

/**
 * The text of a file that may hold a report.
 *
 * @throws InputError `report/unreadable`, `report/too-large`
 */
async function readText(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size > maxReportBytes) {
        throw new InputError(
          'report/too-large',
          `${printable(path)}: ${size} bytes are no report of prune-limit`,
        );
      }
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof InputError) {
      throw cause;
    }
    const { code } = cause as NodeJS.ErrnoException;
    throw new InputError('report/unreadable', `${printable(path)}: cannot be read (${code})`, { cause });
  }
}

/**
 * Reads a report.
 *
 * @throws InputError as `parseReport`, and where the file cannot be read
 */
export async function readStoredReport(path: string): Promise<Report> {
  return parseReport(await readText(path), printable(path));
}

/**
 * A report, where the file is one or the object of a failed run; null for
 * anything else, such as a model.
 */
export async function readReportIfOne(path: string): Promise<Report | null> {
  if (!path.toLowerCase().endsWith('.json')) {
    return null;
  }
  const text = await readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const isReport = typeof value === 'object' && value !== null && 'schemaVersion' in value && 'ok' in value;
  return isReport ? parseReport(text, printable(path)) : null;
}
