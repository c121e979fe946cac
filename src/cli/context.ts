import type { Colors, Page } from '../report/layout.js';
import type { Channel } from './channel.js';
import type { Host, OutputStream, Work } from './host.js';
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
  /**
   * Progress on stderr; one for the whole run.
   *
   * @param plan names of the stages to come, in order
   */
  progress(quiet: boolean, plan: readonly string[]): Promise<ShownProgress>;
  /** Colours for stdout. */
  colors(): Promise<Colors>;
  /** What is laid out for stdout fits this. */
  page: Page;
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

/** Columns of a page that has none of its own, the fewest that anything is laid out for, and the most that are easy to read. */
const STANDARD_COLUMNS = 80;
const FEWEST_COLUMNS = 40;
const MOST_COLUMNS = 120;

/**
 * The page that a stream shows: as wide as `COLUMNS` says where it is set, else the terminal, else 80 columns. Frames
 * are of ASCII where the locale is set to another character set than UTF-8 (POSIX: LC_ALL, LC_CTYPE, LANG).
 */
export function pageOf(stream: OutputStream, env: Host['env']): Page {
  const asked = /^\d{1,4}$/.test(env.COLUMNS ?? '') ? Number(env.COLUMNS) : 0;
  const columns = asked || (stream.isTTY ? stream.columns : 0) || STANDARD_COLUMNS;
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find(isSet);
  return {
    width: Math.min(MOST_COLUMNS, Math.max(FEWEST_COLUMNS, columns)),
    unicode: locale === undefined || /utf-?8/i.test(locale),
  };
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
