/** Files that commands write: checked before the work, then written whole or not at all. */
import { randomUUID } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { access, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { InputError } from '../errors.js';

async function statOrNull(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return null;
    }
    throw new InputError('output/unreachable', `${path}: cannot be looked at (${code})`, { cause });
  }
}

async function checkFolder(option: string, path: string, folder: string): Promise<void> {
  const found = await statOrNull(folder);
  if (found === null) {
    throw new InputError(
      'output/no-folder',
      `${option} ${path}: the folder ${folder} does not exist; create it first, for example mkdir -p ${folder}`,
    );
  }
  if (!found.isDirectory()) {
    throw new InputError(
      'output/no-folder',
      `${option} ${path}: ${folder} is not a folder; name another one`,
    );
  }
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new InputError(
      'output/not-writable',
      `${option} ${path}: the folder ${folder} is not writable; name another one`,
      { cause },
    );
  }
}

/**
 * Refuses a file that could not be written, or that the command reads.
 *
 * @param option the option that names it, for messages
 * @param inputs files and folders that must stay as they are
 */
export async function checkOutputFile(
  option: string,
  path: string,
  inputs: readonly string[],
): Promise<void> {
  await checkFolder(option, path, dirname(path));
  const found = await statOrNull(path);
  if (found === null) {
    return;
  }
  if (found.isDirectory()) {
    throw new InputError('output/is-a-folder', `${option} ${path}: is a folder; name a file in it`);
  }
  const target = await realpath(path);
  for (const input of inputs) {
    if ((await statOrNull(input)) === null) {
      continue;
    }
    const source = await realpath(input);
    if (target === source || target.startsWith(source.endsWith(sep) ? source : source + sep)) {
      throw new InputError(
        'output/is-input',
        `${option} ${path}: is read by this command; name another file`,
      );
    }
  }
}

/** Refuses a folder that could not be written, or that holds the model which is read. */
export async function checkOutputFolder(
  option: string,
  path: string,
  modelFolder: string | null,
): Promise<void> {
  const found = await statOrNull(path);
  if (found === null) {
    await checkFolder(option, path, dirname(path));
    return;
  }
  await checkFolder(option, path, path);
  if (modelFolder !== null && (await realpath(path)) === (await realpath(modelFolder))) {
    throw new InputError(
      'output/is-input',
      `${option} ${path}: holds the model that is read; name another folder`,
    );
  }
}

/** Writes a file under a temporary name beside it, then renames: no reader sees half a file. */
export async function writeWhole(path: string, content: string): Promise<void> {
  const found = await statOrNull(path);
  try {
    if (found !== null && !found.isFile()) {
      await writeFile(path, content); // a device or a pipe cannot be replaced
      return;
    }
    const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
    try {
      await writeFile(temporary, content, { flag: 'wx' });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new InputError('output/write-failed', `${path}: cannot be written (${code})`, { cause });
  }
}
