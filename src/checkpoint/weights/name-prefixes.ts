/** Steps that the names of many weights begin with: an average of weights, a part of a checkpoint, a wrapper. */
import { steps } from './weight-names.js';

/** Checkpoints nest two or three deep; a longer prefix is a part of the network. */
const MAX_STEPS = 3;

/** Names that begin with the same steps. */
export interface PrefixedNames {
  /** The steps, each followed by the separator that the first name has there; empty for no steps. */
  prefix: string;
  /** Number of steps. */
  length: number;
  /** Positions of the names. */
  indices: number[];
}

/**
 * All sets of names that share their first steps, up to three, shorter prefixes first; two steps, a layer and a part
 * of it, are left of each.
 */
export function belowPrefixes(names: readonly string[]): PrefixedNames[] {
  const found = new Map<string, PrefixedNames>();
  for (const [index, name] of names.entries()) {
    const path = steps(name);
    for (let length = 0; length <= Math.min(MAX_STEPS, path.length - 2); length++) {
      const shared = path.slice(0, length);
      const key = `${length}:${shared.join('/')}`;
      const group = found.get(key) ?? { prefix: prefixText(name, shared), length, indices: [] };
      group.indices.push(index);
      found.set(key, group);
    }
  }
  return [...found.values()].sort((a, b) => a.length - b.length);
}

function prefixText(name: string, shared: readonly string[]): string {
  const separator = name.includes('/') ? '/' : '.';
  return shared.map((step) => `${step}${separator}`).join('');
}

/** Number of steps that all names begin with, a layer and a part being left of each. */
export function commonSteps(names: readonly string[]): number {
  const paths = names.map(steps);
  const [first] = paths;
  if (first === undefined) return 0;
  let count = 0;
  while (paths.every((path) => path.length > count + 2 && path[count] === first[count])) count++;
  return count;
}
