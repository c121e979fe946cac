/** What a data path leads to. */

import { stat } from 'node:fs/promises';
import { InputError } from '../../errors.js';
import { diskFile, fileError, type SourceFile } from './file.js';
import { openFolder, type SourceFolder } from './folder.js';

/** A file, or a folder on disk or in an archive. */
export type Source =
  | { kind: 'file'; path: string; file: SourceFile }
  | { kind: 'folder'; path: string; folder: SourceFolder };

/** The files of a folder, or the one file. */
export function folderFiles(source: Source): readonly SourceFile[] {
  return source.kind === 'file' ? [source.file] : source.folder.files;
}

/**
 * Looks at a path: a file with its first bytes, or a folder with those of its files.
 *
 * @throws InputError when the path does not exist, cannot be read or is neither file nor folder
 */
export async function openSource(path: string): Promise<Source> {
  const status = await stat(path).catch((error: unknown) => {
    throw fileError(path, error);
  });
  if (status.isFile()) {
    return { kind: 'file', path, file: await diskFile(path, path) };
  }
  if (status.isDirectory()) {
    return { kind: 'folder', path, folder: await openFolder(path) };
  }
  throw new InputError(
    'dataset/not-a-file',
    `${path}: neither a file nor a directory; give one of these to --data`,
  );
}
