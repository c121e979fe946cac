import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { relative } from 'node:path';
import { filesBelow } from './files-below.js';

/**
 * SHA-256, in hexadecimal, over the names and the SHA-256 of the files at or below a path, in the order of the names.
 *
 * @returns null where there is no file
 */
export async function dataDigest(path: string): Promise<string | null> {
  const files = (await filesBelow(path)).sort();
  const digest = createHash('sha256');
  for (const file of files) {
    const content = createHash('sha256');
    for await (const chunk of createReadStream(file)) {
      content.update(chunk as Buffer);
    }
    digest.update(`${relative(path, file)}\n${content.digest('hex')}\n`);
  }
  return files.length === 0 ? null : digest.digest('hex');
}
