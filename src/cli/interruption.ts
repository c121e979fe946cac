/** What to say of a run that was interrupted. */
import { duration } from './stage-words.js';

/** A run that took less is started again. */
const LEAST_SECONDS = 60;
/** A stage's name and numbers are shorter. */
const MOST_CHARACTERS = 120;

/**
 * Says where an analysis was, and how the next one can go on from there, where there is a state or that was worth a word.
 *
 * @param options of the command line
 * @param where as the run has told it last; null: it has not
 * @returns what follows on `interrupted`; empty where that says it all
 */
export function interruptedAnalysis(
  options: readonly string[],
  seconds: number,
  where: string | null,
): string {
  const resumes = options.some((option) => /^--resume(=|$)/.test(option));
  if (seconds < LEAST_SECONDS && !resumes) {
    return '';
  }
  const after = seconds < LEAST_SECONDS ? '' : ` after ${duration(seconds)}`;
  const place = where === null ? '' : ` (${where.slice(0, MOST_CHARACTERS)})`;
  if (resumes) {
    return `${after}${place}; the same command goes on from the file of --resume`;
  }
  return `${after}${place}; with --resume FILE a run keeps what it computes, and goes on from there`;
}
