/** What breaks a schema, in words. */
import { z } from 'zod';

function describeIssue(issue: z.core.$ZodIssue): string {
  const location = issue.path.length > 0 ? z.core.toDotPath(issue.path) : 'top level';
  const { expected } = issue as { expected?: string };
  return expected === undefined
    ? `${issue.message} (${location})`
    : `${issue.message} (${location}, expected ${expected})`;
}

/** The first three issues with their places, and how many more there are. */
export function describeIssues(error: z.ZodError): string {
  const shown = error.issues.slice(0, 3).map(describeIssue).join('; ');
  const more = error.issues.length - 3;
  return more > 0 ? `${shown}; and ${more} more` : shown;
}
