/** Paths of one machine on another. */
import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { InputError } from '../errors.js';

/** A path as it is sent to workers: relative to the working directory where it lies below, else absolute. */
export function sharedPath(path: string): string {
  const below = relative(process.cwd(), resolve(path));
  return below !== '' && !below.startsWith('..') && !isAbsolute(below)
    ? below.split(sep).join('/')
    : resolve(path);
}

/**
 * Where a path that was sent lies on this machine: below a folder, links followed.
 *
 * @param root the folder; absolute paths have to lie in it, too
 * @throws InputError for a path that does not exist, or leads out of the folder
 */
export async function placeBelow(root: string, sent: string): Promise<string> {
  const found = await realpath(resolve(root, sent)).catch((cause: unknown) => {
    throw new InputError('workers/no-file', `${sent}: there is no such file below --root ${root}`, { cause });
  });
  const folder = await realpath(root);
  const within = relative(folder, found);
  if (within.startsWith('..') || isAbsolute(within)) {
    throw new InputError(
      'workers/outside',
      `${sent}: is not below --root ${root}; name a folder that holds it with --root`,
    );
  }
  return resolve(root, sent);
}
