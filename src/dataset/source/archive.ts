/** Archives as folders: zip and tar, the latter gzipped or not. Nothing of them is written to disk. */

import { InputError } from '../../errors.js';
import { startsWith } from '../../formats/signature.js';
import { firstMemberName, MAX_MEMBER_BYTES, openZip, ZIP_SIGNATURE } from '../../formats/zip.js';
import { HEAD_BYTES, memoryFile, type SourceFile } from './file.js';
import { archiveFolder, type Member, type SourceFolder } from './folder.js';

/** ImageNet has 1.3 million pictures; the count is what a crafted archive keeps a reader busy with. */
const MAX_MEMBERS = 2 ** 21;

/** What the members of a tar archive hold together, which are kept in memory. CIFAR-10 has 184 MB. */
const MAX_TAR_BYTES = MAX_MEMBER_BYTES;

/** `ustar` at byte 257: POSIX and GNU tar (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html). */
function isTar({ head }: SourceFile): boolean {
  return Buffer.from(head.subarray(257, 262)).toString('latin1') === 'ustar';
}

/** Whether a zip archive is one of NumPy's, by its first member or its name. */
export function isNpz(file: SourceFile): boolean {
  return (
    startsWith(file.head, ZIP_SIGNATURE) &&
    (/\.npz$/i.test(file.name) || /\.npy$/i.test(firstMemberName(file.head)))
  );
}

/** Whether a file is an archive of files; one of NumPy's is a format of its own. */
export function isArchive(file: SourceFile): boolean {
  return isTar(file) || (startsWith(file.head, ZIP_SIGNATURE) && !isNpz(file));
}

/**
 * An archive as a folder. Members of a zip are unpacked when they are read, those of a tar at once.
 *
 * @throws InputError when it is damaged, or holds more than is read
 */
export async function openArchive(file: SourceFile): Promise<SourceFolder> {
  return archiveFolder(file.path, isTar(file) ? await tarMembers(file) : await zipMembers(file));
}

async function zipMembers(file: SourceFile): Promise<Member[]> {
  const { path } = file;
  return openZip(await file.read(), path, MAX_MEMBERS).map((entry) => ({
    name: entry.name,
    open: (name) => memoryFile(name, `${path}/${entry.name}`, entry.size, entry.peek(HEAD_BYTES), entry.read),
  }));
}

function tooLarge(path: string): InputError {
  return new InputError(
    'dataset/archive-too-large',
    `${path}: unpacks to more than ${MAX_TAR_BYTES} bytes or ${MAX_MEMBERS} files; unpack it and give the folder`,
  );
}

function corruptTar(path: string, error: Error): InputError {
  return new InputError(
    'dataset/corrupt-tar',
    `${path}: damaged tar archive (${error.message.replace(/\s+/g, ' ').slice(0, 80)}); download or make it again`,
    { cause: error },
  );
}

async function tarMembers(file: SourceFile): Promise<Member[]> {
  const { Parser } = await import('tar');
  const { path } = file;
  const members: Member[] = [];
  let memberBytes = 0;
  let failure: Error | null = null;
  const parser = new Parser({
    strict: true,
    filter: (_, entry) => 'type' in entry && (entry.type === 'File' || entry.type === 'OldFile'),
  });
  parser.on('error', (error: Error) => {
    failure ??= corruptTar(path, error);
  });
  parser.on('entry', (entry) => {
    memberBytes += entry.size;
    if (memberBytes > MAX_TAR_BYTES || members.length === MAX_MEMBERS) {
      throw tooLarge(path);
    }
    const content = new Uint8Array(entry.size);
    let filled = 0;
    entry.on('data', (chunk: Buffer) => {
      content.set(chunk, filled);
      filled += chunk.length;
    });
    members.push({
      name: entry.path,
      open: (name) =>
        memoryFile(
          name,
          `${path}/${entry.path}`,
          content.length,
          content.subarray(0, HEAD_BYTES),
          () => content,
        ),
    });
  });
  let bytes = 0;
  for await (const chunk of file.stream() as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > 2 * MAX_TAR_BYTES) {
      throw tooLarge(path);
    }
    parser.write(chunk);
    if (failure) {
      throw failure;
    }
  }
  parser.end();
  if (failure) {
    throw failure;
  }
  return members;
}
