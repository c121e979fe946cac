/** Which part of a set a file is, by its name. */

/** A part of a set. */
export type Part = 'train' | 'test' | 'validation';

/** The parts of a set. */
export const PARTS: readonly Part[] = ['train', 'test', 'validation'];

/** Not those of strains and constraints, nor the latest and fastest. `.tra` and `.tes` are names of UCI's repository. */
const NAMES: Record<Part, RegExp> = {
  train: /(?<!s)train|\.tra(?:\.gz)?$/i,
  test: /(?<!la|fas|con|pro|grea)test|\.tes(?:\.gz)?$/i,
  validation: /(?:^|[^a-z])(?:val|valid|validation|dev)(?:[^a-z]|$)/i,
};

/** The one part that a name speaks of; null for none and for several. */
export function partOf(name: string): Part | null {
  const parts = PARTS.filter((part) => NAMES[part].test(name));
  return parts.length === 1 ? parts[0] : null;
}
