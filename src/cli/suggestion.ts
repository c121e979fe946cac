import { distance } from 'fastest-levenshtein';
import { quoted } from '../formats/quoted.js';

/** A name further away than this was hardly meant, also by share of its letters: commander's values for options. */
const LARGEST_DISTANCE = 3;
const LEAST_SIMILARITY = 0.4;

/**
 * A name that is not known, as a message says it, with the nearest that is.
 *
 * @param known names that are right
 * @param list where all of them are listed, for a name that is near none
 */
export function suggestion(unknown: string, known: readonly string[], list: string): string {
  // Far longer names are near to none, and the distance takes time with their length.
  const compared = unknown.slice(0, 100).toLowerCase();
  const [nearest] = known
    .map((name) => ({ name, edits: distance(compared, name.toLowerCase()) }))
    .filter(
      ({ name, edits }) =>
        edits <= LARGEST_DISTANCE && 1 - edits / Math.max(name.length, compared.length) > LEAST_SIMILARITY,
    )
    .sort((a, b) => a.edits - b.edits);
  return nearest === undefined
    ? `${quoted(unknown)}; ${list}`
    : `${quoted(unknown)}; did you mean ${JSON.stringify(nearest.name)}?`;
}
