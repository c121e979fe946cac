import type { Colors } from '../report/layout.js';
import type { Channel } from './channel.js';
import type { Host, Work } from './host.js';
import type { ShownProgress } from './progress.js';

/** What every command is given. */
export interface Context {
  host: Host;
  work: Work;
  version: string;
  /**
   * Prefix for relative paths of options.
   *
   * @throws InputError where the working directory is gone
   */
  readonly cwd: string;
  /** Where the result goes. */
  stdout: Channel;
  /** Progress on stderr; one for the whole run. */
  progress(quiet: boolean): Promise<ShownProgress>;
  /** Colours for stdout. */
  colors(): Promise<Colors>;
}

/**
 * `NO_COLOR` and `--no-color` turn colour off, `FORCE_COLOR` turns it on; else
 * a terminal has it (https://no-color.org, https://force-color.org).
 */
export function colorEnabled(host: Host): boolean {
  if (host.argv.includes('--no-color') || isSet(host.env.NO_COLOR)) {
    return false;
  }
  if (isSet(host.env.FORCE_COLOR)) {
    return host.env.FORCE_COLOR !== '0' && host.env.FORCE_COLOR !== 'false';
  }
  return host.stdout.isTTY === true && host.env.TERM !== 'dumb';
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
