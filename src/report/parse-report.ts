import { InputError } from '../errors.js';
import { type Report, reportSchema } from './schema.js';
import { describeIssues } from './schema-issues.js';
import { schemaVersion } from './schema-version.js';

/**
 * Reads the JSON of a report, of any version.
 *
 * @throws InputError where it is no JSON, or the error object of a failed run
 */
export function parseJson(json: string, source: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new InputError('report/not-json', `${source} is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof value === 'object' && value !== null && (value as { ok?: unknown }).ok === false) {
    throw new InputError('report/failed-run', `${source} is the error object of a failed run, not a report`);
  }
  return value;
}

/**
 * Reads a report back.
 *
 * @param json the text of the report
 * @param source where it came from, for messages
 * @throws InputError where it is none, or of another version
 */
export function parseReport(json: string, source: string): Report {
  const value = parseJson(json, source);
  const { schemaVersion: version, ok } = (value ?? {}) as Record<string, unknown>;
  if (ok === true && typeof version === 'number' && version !== schemaVersion) {
    throw new InputError(
      'report/other-version',
      `${source} is a report of schemaVersion ${version}, and this prune-limit reads ${schemaVersion}: ` +
        (version < schemaVersion
          ? 'analyse the model again'
          : 'use the version that wrote it, or a later one'),
    );
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
