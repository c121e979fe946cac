/** Reports that stand in files, as commands read them. */
import { parseReport } from '../report/parse-report.js';
import type { Report } from '../report/schema.js';
import { printable } from '../report/text.js';
import { readReportText } from '../report-file.js';

function readText(path: string): Promise<string> {
  return readReportText(path, printable(path), 'report/unreadable');
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
