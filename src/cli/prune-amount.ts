/** How much `prune` removes: a ratio, what a limit says, or an allocation of a report. */
import type { PruneConfig } from '../config.js';
import { InputError } from '../errors.js';
import { limitChoices } from '../report/limit-choices.js';
import type { Flags } from './resolve-config.js';
import { readSetting, type Setting } from './settings.js';
import { oneOf, prunedFraction } from './values.js';

/** Options that say how much, as the command line gives them. */
export interface AmountFlags {
  ratio?: string;
  /** true where no limit is named. */
  atLimit?: string | true;
  report?: string;
  allocation?: string;
}

export const ratioSetting: Setting<number> = {
  option: 'ratio',
  value: 'P',
  help: 'fraction of the prunable weights to set to 0, in [0, 1), or a percentage',
  examples: ['0.9', '90%'],
  read: prunedFraction,
};

export const limitSetting: Setting<NonNullable<PruneConfig['atLimit']>> = {
  option: 'at-limit',
  value: 'NAME',
  help:
    'prune as far as a limit says: slice (when no name is given), gaussian-width, sharp, their safe ends ' +
    'gaussian-width:low, sharp:low, or as measured: loss, accuracy, no-significant-fall',
  examples: ['slice', 'gaussian-width:low', 'accuracy'],
  read: oneOf(...limitChoices),
};

/** Options that do not go with `--allocation`. */
const refused = ['atLimit', 'method', 'report', 'gate', 'include', 'exclude'] as const;

/**
 * An allocation says how much of each weight is pruned; `--ratio` only names its total.
 *
 * @throws InputError `usage/allocation` for an option that says otherwise
 */
function refuseBesideAllocation(flags: Flags): void {
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

/**
 * The amount that is asked for.
 *
 * @throws InputError `usage/amount`, `usage/report` or `usage/allocation` for options that do not go together
 */
export function readAmount(flags: Flags & AmountFlags): Pick<PruneConfig, 'ratio' | 'atLimit'> {
  if (flags.allocation !== undefined) {
    refuseBesideAllocation(flags);
    const { ratio } = flags;
    return { ratio: ratio === undefined ? null : readSetting(ratioSetting, ratio, null), atLimit: null };
  }
  if ((flags.ratio === undefined) === (flags.atLimit === undefined)) {
    throw new InputError(
      'usage/amount',
      'give either --ratio or --at-limit, for example --ratio 0.9 or --at-limit slice',
    );
  }
  if (flags.ratio !== undefined) {
    if (flags.report !== undefined) {
      throw new InputError('usage/report', '--report goes with --at-limit; --ratio says the amount itself');
    }
    return { ratio: readSetting(ratioSetting, flags.ratio, null), atLimit: null };
  }
  if (flags.report !== undefined && (flags.include !== undefined || flags.exclude !== undefined)) {
    throw new InputError(
      'usage/report',
      'with --report, the weights to prune are those of the report; leave out --include and --exclude',
    );
  }
  const limit = flags.atLimit === true ? 'slice' : flags.atLimit;
  return { ratio: null, atLimit: readSetting(limitSetting, limit, null) };
}
