/** Finds the data below a path: torchvision keeps it in MNIST/raw, archives have a folder around it. */

import { InputError } from '../errors.js';
import { foreignFile } from './foreign.js';
import type { Format } from './format.js';
import { isArchive, openArchive } from './source/archive.js';
import type { SourceFile } from './source/file.js';
import type { SourceFolder, SubFolder } from './source/folder.js';
import type { Source } from './source/open.js';

/** Levels of folders below the path that are looked into: `root/MNIST/raw` needs 2, an archive around it one more. */
const MAX_LEVELS = 3;

/** Folders of a level that are looked into; a folder of more is no collection of data sets. */
const MAX_FOLDERS = 64;

/** A place and the formats that are there. */
export interface Found {
  source: Source;
  formats: readonly Format[];
}

async function formatsOf(folder: SourceFolder, formats: readonly Format[]): Promise<Format[]> {
  const matches = await Promise.all(formats.map((format) => format.matchesFolder(folder)));
  const sure = formats.filter((_, index) => matches[index] === 'yes');
  return sure.length > 0 ? sure : formats.filter((_, index) => matches[index] === 'perhaps');
}

/** Folders one after another, as each takes file descriptors; one that may not be read, as lost+found, is passed over. */
async function openAll(folders: readonly SubFolder[]): Promise<SourceFolder[]> {
  const opened: SourceFolder[] = [];
  for (const folder of folders.slice(0, MAX_FOLDERS)) {
    try {
      opened.push(await folder.open());
    } catch (error) {
      if (!(error instanceof InputError)) {
        throw error;
      }
    }
  }
  return opened;
}

/** The first places with data, level by level. */
async function findBelow(start: SourceFolder, formats: readonly Format[]): Promise<Found[]> {
  let level = [start];
  for (let depth = 0; depth <= MAX_LEVELS && level.length > 0; depth++) {
    const found: Found[] = [];
    for (const folder of level) {
      const here = await formatsOf(folder, formats);
      if (here.length > 0) {
        found.push({ source: { kind: 'folder', path: folder.path, folder }, formats: here });
      }
    }
    if (found.length > 0) {
      return found;
    }
    level = depth === MAX_LEVELS ? [] : await openAll(level.flatMap((folder) => folder.folders));
  }
  return [];
}

function severalPlaces(path: string, places: readonly string[]): InputError {
  const names = places.slice(0, 4).map((place) => place.slice(-60));
  return new InputError(
    'dataset/ambiguous',
    `${path}: holds several data sets (${names.join(', ')}${places.length > 4 ? ', ...' : ''}); give one of them`,
  );
}

/** The refusal of a file in a folder or below it that is known and not read; null where there is none. */
async function foreignBelow(folder: SourceFolder, levels: number): Promise<InputError | null> {
  const refusal = folder.files.map(foreignFile).find((error) => error !== null) ?? null;
  if (refusal !== null || levels === 0) {
    return refusal;
  }
  for (const below of await openAll(folder.folders)) {
    const error = await foreignBelow(below, levels - 1);
    if (error !== null) {
      return error;
    }
  }
  return null;
}

function noData(path: string, folder: SourceFolder, understood: string): InputError {
  const names = [
    ...folder.folders.map(({ name }) => `${name}/`),
    ...folder.files.map(({ name }) => name),
    ...folder.images.map(({ name }) => name),
  ];
  const shown = names.slice(0, 5).map((name) => name.slice(0, 20));
  const holds =
    names.length === 0 ? 'holds no files' : `holds ${shown.join(', ')}${names.length > 5 ? ', ...' : ''}`;
  return new InputError('dataset/format', `${path}: no data that is understood (${holds}); ${understood}`);
}

/** Where the data of a folder is; throws where there is none. */
async function locateInFolder(
  { path, folder }: Source & { kind: 'folder' },
  formats: readonly Format[],
  understood: string,
  intoArchives: boolean,
): Promise<Found> {
  const found = await findBelow(folder, formats);
  if (found.length === 1) {
    return found[0];
  }
  const archives = folder.files.filter((file) => isArchive(file) && foreignFile(file) === null);
  const places = found.length > 0 ? found.map(({ source }) => source.path) : archives.map(({ name }) => name);
  if (places.length > 1) {
    throw severalPlaces(path, places);
  }
  const foreign = await foreignBelow(folder, MAX_LEVELS);
  if (foreign !== null) {
    throw foreign;
  }
  if (archives.length === 0 || !intoArchives) {
    throw noData(path, folder, understood);
  }
  const [archive] = archives;
  const inside = { kind: 'folder', path: archive.path, folder: await openArchive(archive) } as const;
  return locateInFolder(inside, formats, understood, false);
}

/**
 * Finds where the data of a path is and which formats it may have: the file, the folder, the one folder below it that
 * holds data (up to three levels), or the one archive.
 *
 * @param refuse says why a single file is not read
 * @param understood says what may be given, for messages
 * @throws InputError where nothing or several things are found
 */
export async function locate(
  source: Source,
  formats: readonly Format[],
  refuse: (file: SourceFile) => InputError,
  understood: string,
): Promise<Found> {
  if (source.kind === 'folder') {
    return locateInFolder(source, formats, understood, true);
  }
  const { file, path } = source;
  const foreign = foreignFile(file);
  if (foreign !== null) {
    throw foreign;
  }
  if (isArchive(file)) {
    const folder = await openArchive(file);
    return locateInFolder({ kind: 'folder', path, folder }, formats, understood, false);
  }
  const matching = formats.filter((format) => format.matchesFile(file));
  if (matching.length === 0) {
    throw refuse(file);
  }
  return { source, formats: matching };
}
