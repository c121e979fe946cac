/** Which ONNX models prune-limit wrote itself, and nobody changed since: those may be replaced unasked. */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { type OnnxFile, readOnnxFile } from './reader.js';
import { encodeField } from './rewrite.js';
import { textOf, type WireField } from './wire.js';

/**
 * The metadata_props entry of a model that was written here, always the last field of the file. Its value names the
 * sha256 of all bytes before it and of the external data: tools that change a model keep entries, but not those bytes.
 */
const WRITTEN_BY_KEY = 'writtenBy';

function markOf(parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return `prune-limit sha256:${hash.digest('hex')}`;
}

/** The mark as a field, to be put behind all other bytes of a model. */
export function ownershipField(model: Uint8Array, { external }: OnnxFile): Uint8Array[] {
  const text = new TextEncoder();
  const value = markOf([model, ...external.files.map(({ bytes }) => bytes)]);
  return encodeField('Model', 'metadataProps', [
    ...encodeField('StringEntry', 'key', [text.encode(WRITTEN_BY_KEY)]),
    ...encodeField('StringEntry', 'value', [text.encode(value)]),
  ]);
}

/** Marks of an earlier writing. */
export function ownershipFields({ source, model }: OnnxFile): WireField[] {
  return model.fields.filter(
    ({ name, message }) => name === 'metadataProps' && textOf(source, message!, 'key') === WRITTEN_BY_KEY,
  );
}

/**
 * The files of an ONNX model that prune-limit wrote, external data included; empty where there is none at that path,
 * it is someone else's, or was changed since.
 */
export async function ownOnnxFiles(path: string): Promise<string[]> {
  try {
    const file = await readOnnxFile(path);
    const { source, external } = file;
    const mark = ownershipFields(file).at(-1);
    if (mark?.end !== source.bytes.length) return [];
    const value = textOf(source, mark.message!, 'value');
    const parts = [source.bytes.subarray(0, mark.tag), ...external.files.map(({ bytes }) => bytes)];
    if (value !== markOf(parts)) return [];
    const locations = external.files.flatMap((external) => external.locations);
    return [path, ...locations.map((location) => join(dirname(path), location))];
  } catch {
    return []; // whatever cannot be read is not known to be ours
  }
}
