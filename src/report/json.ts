import { type Report, validateReport } from './schema.js';
import { toJson } from './text.js';

/** The report as JSON, checked, its keys in the order of the schema. */
export function renderJson(report: Report): string {
  return toJson(validateReport(report));
}
