/** Which LayersModels prune-limit wrote itself, and nobody changed since: those may be replaced unasked. */
import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkFile, readInto, resolveInside } from '../files.js';
import { parseJson } from '../json.js';
import { parseManifest, WRITTEN_BY_KEY } from './manifest.js';

/** The value of `WRITTEN_BY_KEY` for weight files of that content, in order. */
export function writtenBy(shards: readonly Uint8Array[]): { name: string; weightsSha256: string } {
  const hash = createHash('sha256');
  for (const shard of shards) hash.update(shard);
  return { name: 'prune-limit', weightsSha256: hash.digest('hex') };
}

/** A larger model.json is not looked into, and so is not known to be one of ours. */
const MAX_MODEL_JSON_BYTES = 64 * 2 ** 20;

/**
 * The files of a LayersModel that prune-limit wrote into a folder, model.json included; empty where there is none, it
 * is someone else's, or was changed since.
 */
export async function ownLayersFiles(directory: string): Promise<string[]> {
  const path = join(directory, 'model.json');
  try {
    const file = await checkFile(path);
    if (file.size > MAX_MODEL_JSON_BYTES) return [];
    const bytes = await readWhole(path);
    const mark = (parseJson(bytes, path) as Record<string, unknown>)[WRITTEN_BY_KEY];
    const folder = await realpath(dirname(path));
    const names = parseManifest(bytes, path).groups.flatMap((group) => group.paths);
    const shards: Uint8Array[] = [];
    for (const name of names) shards.push(await readWhole((await resolveInside(folder, name, path)).path));
    if (JSON.stringify(mark) !== JSON.stringify(writtenBy(shards))) return [];
    return [path, ...names.map((name) => join(directory, name))];
  } catch {
    return []; // whatever cannot be read is not known to be ours
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  const file = await checkFile(path);
  const bytes = new Uint8Array(file.size);
  await readInto(file, bytes);
  return bytes;
}
