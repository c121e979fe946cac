/** Options of `prune` that do not go with `--allocation`. */
import { InputError } from '../errors.js';
import type { Flags } from './resolve-config.js';

const refused = ['atLimit', 'report', 'gate', 'include', 'exclude'] as const;

/**
 * An allocation says how much of each weight is pruned; `--ratio` only names its total.
 *
 * @throws InputError `usage/allocation` for an option that says otherwise
 */
export function refuseBesideAllocation(flags: Flags): void {
  const name = refused.find((option) => flags[option] !== undefined);
  if (name !== undefined) {
    throw new InputError(
      'usage/allocation',
      name === 'gate'
        ? '--allocation goes without --gate; judge what it writes with gate MODEL --pruned FILE'
        : `--allocation says which weights are pruned and how far; leave out --${name === 'atLimit' ? 'at-limit' : name}`,
    );
  }
}
