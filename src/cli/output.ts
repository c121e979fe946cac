/** Files that commands write: checked before the work, then written whole or not at all. */
import { constants, type Stats } from 'node:fs';
import { access, readdir, readlink, realpath, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../errors.js';
import { UnwrittenFileError, writeFault, writeWholeFiles } from '../whole-files.js';
import type { Host } from './host.js';
import type { Input } from './inputs.js';

/** Something that a command writes. */
export interface Output {
  /** The option that names it. */
  readonly option: string;
  /** As it was named. */
  readonly path: string;
  /** The files that are written, where these have other names: `path` is their folder. */
  readonly files?: readonly string[];
}

/** Links that are followed from one path; Linux follows as many. */
const MOST_LINKS = 40;

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
 * Refuses a file that could not be written.
 *
 * @param option the option that names it, for messages
 * @throws InputError
 */
export async function checkOutputFile(option: string, path: string): Promise<void> {
  await checkFolder(option, path, dirname(path));
  if ((await statOrNull(path))?.isDirectory()) {
    throw new InputError('output/is-a-folder', `${option} ${path}: is a folder; name a file in it`);
  }
}

/**
 * Refuses a folder that could not be written, or that holds the model which is read.
 *
 * @throws InputError
 */
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
  if (modelFolder !== null && (await identity(path)) === (await identity(modelFolder))) {
    throw new InputError(
      'output/is-input',
      `${option} ${path}: holds the model that is read; name another folder`,
    );
  }
}

/**
 * Refuses what could not be written: a file, or the folder of several.
 *
 * @throws InputError
 */
export async function checkOutput({ option, path, files }: Output): Promise<void> {
  await (files === undefined ? checkOutputFile(option, path) : checkOutputFolder(option, path, null));
}

/** Device and number of what a path leads to, the same under all its names; null where that is nothing. */
async function identity(path: string): Promise<string | null> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found && `${found.dev}:${found.ino}`;
}

/**
 * Where a file comes to lie that is written to a path: links are followed, also those to a file that is yet to be
 * made.
 */
async function destination(path: string, links = MOST_LINKS): Promise<string> {
  const folder = await realpath(dirname(path)).catch(() => resolve(dirname(path)));
  const here = join(folder, basename(path));
  const link = links === 0 ? null : await readlink(here).catch(() => null);
  return link === null ? here : destination(resolve(folder, link), links - 1);
}

interface PlacedFile {
  output: Output;
  path: string;
  destination: string;
  identity: string | null;
}

/** Where an output's files come to lie; nothing is lost in a device, such as /dev/null. */
async function placed(output: Output): Promise<PlacedFile[]> {
  const files = await Promise.all(
    (output.files ?? [output.path]).map(async (path) => ({
      output,
      path,
      destination: await destination(path),
      identity: await identity(path),
      device: (await stat(path).catch(() => null))?.isCharacterDevice() ?? false,
    })),
  );
  return files.filter(({ device }) => !device);
}

function samePlace(a: PlacedFile, b: PlacedFile): boolean {
  return a.identity === null ? a.destination === b.destination : a.identity === b.identity;
}

/**
 * Refuses outputs that are a file which the command reads, by whatever name or link, and two that are one file.
 *
 * @throws InputError that names both
 */
export async function checkApart(outputs: readonly Output[], inputs: readonly Input[]): Promise<void> {
  const files = (await Promise.all(outputs.map(placed))).flat();
  for (const [index, file] of files.entries()) {
    const other = files
      .slice(0, index)
      .find((before) => before.output !== file.output && samePlace(before, file));
    if (other !== undefined) {
      throw new InputError(
        'usage/same-file',
        `${other.output.option} and ${file.output.option} name the same file ${file.path}; name two`,
      );
    }
  }
  const there = files.filter((file) => file.identity !== null);
  for (const input of there.length === 0 ? [] : inputs) {
    const read = new Set<string | null>();
    for (const path of await input.files()) {
      read.add(await identity(path));
    }
    const hit = there.find((file) => read.has(file.identity));
    if (hit !== undefined) {
      throw new InputError(
        'output/is-input',
        `${hit.output.option} ${hit.path}: is a file of ${input.name}, which this command reads; name another one`,
      );
    }
  }
}

/** Where stdout leads, if that is known: it may have been redirected into a file that is read. */
export function stdoutOutput({ stdout }: Host): Output[] {
  return stdout.fd === undefined ? [] : [{ option: 'stdout', path: `/dev/fd/${stdout.fd}` }];
}

/** A folder for files with names that only the work tells: those of their kind that it holds might be replaced. */
export async function folderOutput(
  option: string,
  folder: string,
  ending: '.onnx' | '.svg',
): Promise<Output> {
  const names = await readdir(folder).catch(() => []);
  const replaced = names.filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
  return { option, path: folder, files: [folder, ...replaced] };
}

/** The error for an option's file or folder that could not be written. */
function writeFailure(option: string, path: string, error: unknown): InputError {
  const cause = error instanceof UnwrittenFileError ? error.cause : error;
  return new InputError(
    'output/write-failed',
    `${option} ${path}: cannot be written (${writeFault(cause)})`,
    {
      cause: error,
    },
  );
}

/**
 * Writes files into a folder, which is made if need be: all of them or none. Files of other names stay.
 *
 * @param files by name
 * @throws InputError
 */
export async function writeOutputFolder(
  option: string,
  folder: string,
  files: ReadonlyMap<string, string>,
): Promise<void> {
  try {
    await writeWholeFiles(Array.from(files, ([name, data]) => ({ path: join(folder, name), data })));
  } catch (error) {
    throw writeFailure(option, folder, error);
  }
}

/**
 * Writes a file whole or not at all; where a link is at its place, what that leads to. A device or a pipe, which cannot
 * be replaced, is written into.
 *
 * @throws InputError
 */
export async function writeOutput(option: string, path: string, content: string): Promise<void> {
  try {
    const found = await stat(path).catch(() => null);
    if (found !== null && !found.isFile() && !found.isDirectory()) {
      await writeFile(path, content);
    } else {
      await writeWholeFiles([{ path: await destination(path), data: content }]);
    }
  } catch (error) {
    throw writeFailure(option, path, error);
  }
}
