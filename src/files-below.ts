/** The files of a folder that holds many. */
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Files of a folder that are looked at; no folder of single images has as many. */
const MOST_FILES = 1_000_000;

/** Regular files at or below a path, links followed; none where it leads nowhere. */
export async function filesBelow(path: string): Promise<string[]> {
  const files: string[] = [];
  const visited = new Set<string>();
  const folders = [path];
  for (
    let folder = folders.pop();
    folder !== undefined && files.length < MOST_FILES;
    folder = folders.pop()
  ) {
    const found = await stat(folder, { bigint: true }).catch(() => null);
    if (!found?.isDirectory()) {
      if (found !== null) {
        files.push(folder);
      }
      continue;
    }
    const identity = `${found.dev}:${found.ino}`;
    if (visited.has(identity)) {
      continue;
    }
    visited.add(identity);
    for await (const entry of await opendir(folder).catch(() => [])) {
      const inside = join(folder, entry.name);
      if (entry.isFile()) {
        files.push(inside);
      } else {
        folders.push(inside);
      }
    }
  }
  return files;
}
