/** `-` in place of a path, which other tools take for stdin or stdout. */
import { InputError } from '../errors.js';
import type { Flags } from './resolve-config.js';

/** Options that name paths, by how they are written; those that were given. */
export function pathOptions(flags: Flags, keys: readonly string[]): Record<string, unknown> {
  const given = keys.filter((key) => flags[key] !== undefined);
  return Object.fromEntries(
    given.map((key) => [`--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, flags[key]]),
  );
}

function refuse(paths: Readonly<Record<string, unknown>>, why: string): void {
  const option = Object.keys(paths).find((name) => paths[name] === '-');
  if (option !== undefined) {
    throw new InputError('usage/standard-stream', `${option} -: ${why}; a file of that name is ./-`);
  }
}

/**
 * Refuses `-` for something that is read: models and data are looked at more than once, and from several places.
 *
 * @param paths by the option that names them
 * @throws InputError
 */
export function refuseStdin(paths: Readonly<Record<string, unknown>>): void {
  refuse(paths, 'nothing is read from stdin; write it to a file and name that');
}

/**
 * Refuses `-` for something that is written and cannot go to stdout, which carries the result.
 *
 * @param paths by the option that names them
 * @throws InputError
 */
export function refuseStdout(paths: Readonly<Record<string, unknown>>): void {
  refuse(paths, 'stdout carries the summary; name a file or folder');
}
