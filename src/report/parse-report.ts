import { InputError } from '../errors.js';
import { type Report, reportSchema } from './schema.js';
import { describeIssues } from './schema-issues.js';

/**
 * Reads a report back.
 *
 * @param json the text of the report
 * @param source where it came from, for messages
 */
export function parseReport(json: string, source: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new InputError('report/not-json', `${source} is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof value === 'object' && value !== null && (value as { ok?: unknown }).ok === false) {
    throw new InputError('report/failed-run', `${source} is the error object of a failed run, not a report`);
  }
  const result = reportSchema.safeParse(value);
  if (!result.success) {
    throw new InputError(
      'report/wrong-shape',
      `${source} is not a report of prune-limit analyze: ${describeIssues(result.error)}`,
      { cause: result.error },
    );
  }
  return result.data;
}
