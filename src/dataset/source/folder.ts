/** Folders of data files, on disk or in an archive. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../errors.js';
import { diskFile, fileError, readBytes, type SourceFile } from './file.js';

/** Files of a folder that are looked into: sets have a handful, and what is not looked at first is hardly data. */
const MAX_SNIFFED_FILES = 256;

/** What names of pictures end in. They are taken by name: a folder of them has too many to look into. */
const IMAGE_NAME = /\.(png|jpe?g|bmp|gif|webp|tiff?|ppm|pgm)$/i;

/** Compressed bytes of one picture; an input of a network has some thousands. */
const MAX_IMAGE_BYTES = 2 ** 26;

/** A picture, by its name. */
export interface ImageFile {
  name: string;
  /** Where it is, for messages. */
  path: string;
  /** Its bytes, not to be written to. */
  read(): Promise<Uint8Array>;
}

/** A folder that has not been looked into. */
export interface SubFolder {
  name: string;
  path: string;
  open(): Promise<SourceFolder>;
}

/** A folder and what is in it, each sorted by name. Hidden files and folders are left out. */
export interface SourceFolder {
  path: string;
  /** Files that are no pictures; of more than 256 those whose names are likely. */
  files: readonly SourceFile[];
  images: readonly ImageFile[];
  folders: readonly SubFolder[];
}

/** Smaller is more likely to be data, by name. */
function rank(name: string): number {
  if (/train|test|t10k|val/i.test(name)) {
    return 0;
  }
  return /\.(csv|tsv|npz|bin|data|parquet|gz|tgz|zip|tar)$|ubyte/i.test(name) ? 1 : 2;
}

/** Names that are worth a look into the file, sorted; all others are passed over. */
function likelyNames(names: readonly string[]): string[] {
  const sorted = names.filter((name) => !IMAGE_NAME.test(name)).sort();
  return sorted
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, MAX_SNIFFED_FILES)
    .sort();
}

/** macOS leaves files that begin with a dot, and a folder of such, beside what it archives. */
function isHidden(name: string): boolean {
  return name.startsWith('.') || name === '__MACOSX';
}

/**
 * A folder on disk. Links are followed.
 *
 * @throws InputError when it, or a file that is looked into, cannot be read
 */
export async function openFolder(path: string): Promise<SourceFolder> {
  const names: string[] = [];
  const folders: SubFolder[] = [];
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    throw fileError(path, error);
  });
  for (const entry of entries) {
    const { name } = entry;
    const target = join(path, name);
    if (isHidden(name)) {
      continue;
    }
    const kind = entry.isSymbolicLink() ? await stat(target).catch(() => entry) : entry;
    if (kind.isDirectory()) {
      folders.push({ name, path: target, open: () => openFolder(target) });
    } else if (kind.isFile()) {
      names.push(name);
    }
  }
  const files: SourceFile[] = [];
  for (const name of likelyNames(names)) {
    files.push(await diskFile(join(path, name), name));
  }
  const images = names
    .filter((name) => IMAGE_NAME.test(name))
    .sort()
    .map((name) => ({
      name,
      path: join(path, name),
      read: () => readBytes(join(path, name), MAX_IMAGE_BYTES),
    }));
  return { path, files, images, folders: folders.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** A member of an archive as a file with a path within the archive, its parts separated by slashes. */
export interface Member {
  name: string;
  /** The file under its own name, looked into. */
  open(name: string): SourceFile;
}

/** Longest name that file systems take, in most of which it is counted in bytes. */
const MAX_NAME_LENGTH = 255;

/** Deeper members are no data set, and a crafted archive must not cost a folder for each of its bytes. */
const MAX_DEPTH = 16;

/**
 * The members of an archive as folders. Members with `..`, hidden ones, those 17 and more folders deep and those
 * with names of more than 255 characters are left out.
 *
 * @param path of the archive, for messages
 */
export function archiveFolder(path: string, members: readonly Member[]): SourceFolder {
  const rows = members
    .map((member) => ({
      member,
      parts: member.name.split('/').filter((part) => part !== '' && part !== '.'),
    }))
    .filter(({ parts }) => parts.length > 0 && parts.length <= MAX_DEPTH)
    .filter(({ parts }) => !parts.some((part) => isHidden(part) || part.length > MAX_NAME_LENGTH));
  return folderOf(path, rows);
}

interface Row {
  member: Member;
  /** Path from the folder, at least one part. */
  parts: readonly string[];
}

/** The bytes of a picture in an archive. */
async function readImage(file: SourceFile): Promise<Uint8Array> {
  if (file.size > MAX_IMAGE_BYTES) {
    throw new InputError(
      'dataset/too-large',
      `${file.path}: ${file.size} bytes, more than the ${MAX_IMAGE_BYTES} that are read at once; make it smaller`,
    );
  }
  return file.read(MAX_IMAGE_BYTES);
}

function folderOf(path: string, rows: readonly Row[]): SourceFolder {
  const here = new Map<string, Member>();
  const below = new Map<string, Row[]>();
  for (const { member, parts } of rows) {
    const [first, ...rest] = parts;
    if (rest.length === 0) {
      here.set(first, member);
    } else {
      const folder = below.get(first) ?? [];
      folder.push({ member, parts: rest });
      below.set(first, folder);
    }
  }
  const open = (name: string): SourceFile => (here.get(name) as Member).open(name);
  const names = [...here.keys()];
  return {
    path,
    files: likelyNames(names).map(open),
    images: names
      .filter((name) => IMAGE_NAME.test(name))
      .sort()
      .map((name) => ({ name, path: `${path}/${name}`, read: () => readImage(open(name)) })),
    folders: [...below]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inside]) => ({
        name,
        path: `${path}/${name}`,
        open: async () => folderOf(`${path}/${name}`, inside),
      })),
  };
}
