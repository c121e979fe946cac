/** Writing ONNX models: the file that was read, with other values in its weights. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import { InputError } from '../../errors.js';
import { type CheckpointWeight, elementCount, type OnnxCheckpoint } from '../checkpoint.js';
import { fileToWrite, type NewFile, writeFilesAtomically } from '../files.js';
import { printable, quoted } from '../printable.js';
import { requireFinite } from '../quantization.js';
import { changedElements, elementBytes, encodeSparse, putElements, smallerSparse } from './elements.js';
import type { ExternalFile } from './external.js';
import { replaceFolded } from './folded.js';
import { ownershipField, ownershipFields } from './own-output.js';
import {
  inputNames,
  METADATA_KEY,
  metadataEntry,
  type OnnxFile,
  readMetadata,
  readOnnxFile,
} from './reader.js';
import { encodeField, type FieldEdits, rewritten } from './rewrite.js';
import type { Initializer } from './sparse.js';
import { countOf, ELEMENT_RULES, expandedElements, MAX_EXPANDED_ELEMENTS } from './tensors.js';
import { integerOf } from './wire.js';

/** The IR version that brought sparse initialisers (ONNX 1.6). */
const MIN_SPARSE_IR_VERSION = 6;

/** How an ONNX model is written. */
export interface OnnxWriteOptions {
  /**
   * Store weights as positions and values of what is not 0 where that takes fewer bytes. Weights in external
   * data, Constant nodes or branches and those that are inputs of the graph, too, stay dense.
   */
  sparse?: boolean;
  /** Mark the model as written by prune-limit, by which `ownOnnxFiles` knows it. */
  mark?: boolean;
}

/**
 * Writes an ONNX model with its weights and its `pruneLimit` metadata as the checkpoint has them. All else is
 * taken from the file that the checkpoint was read from, byte for byte: that must still be there unchanged.
 * Unchanged values keep their bits, changed ones their element type; kernels that nodes computed become constants. Files of external data are copied with
 * the same changes to where the new model looks for them.
 *
 * @param output the file to write, or a folder, in which the file gets the name it was read from
 * @returns the paths written, the model last
 * @throws InputError when the model that was read is not there, has changed or would be overwritten, when a
 *   value does not fit its element type, or a file cannot be written
 */
export async function writeOnnx(
  checkpoint: OnnxCheckpoint,
  output: string,
  options: OnnxWriteOptions = {},
): Promise<string[]> {
  const file = await checkOnnxOutput(checkpoint, output, options);
  const target = await fileToWrite(output, basename(checkpoint.path));
  const edits: FieldEdits = new Map();
  changeWeights(file, checkpoint.weights, edits, options.sparse === true);
  replaceFolded(file, checkpoint, edits);
  const appended = changeMetadata(file, checkpoint.metadata, edits);
  for (const mark of ownershipFields(file)) edits.set(mark, []);
  const unmarked = Buffer.concat([...rewritten(file.source.bytes, file.model, edits), ...appended]);
  const mark = options.mark ? ownershipField(unmarked, file) : [];
  const bytes = Buffer.concat([unmarked, ...mark]);
  const copies = file.external.files.flatMap((external) =>
    copyNames(external).map((name): NewFile => ({ name, data: external.bytes })),
  );
  return writeFilesAtomically(dirname(target), [...copies, { name: basename(target), data: bytes }]);
}

/** The files that an ONNX model was read from, and those that `writeOnnx` writes where there is an output. */
export async function onnxFiles(
  checkpoint: OnnxCheckpoint,
  output: string | null,
): Promise<{ read: string[]; written: string[] }> {
  const { external } = await readOnnxFile(checkpoint.path);
  const read = [checkpoint.path, ...external.files.map(({ path }) => path)];
  if (output === null) return { read, written: [] };
  const target = await fileToWrite(output, basename(checkpoint.path));
  const copies = external.files.flatMap(copyNames).map((name) => join(dirname(target), name));
  return { read, written: [...copies, target] };
}

/**
 * What can be known before there is anything to write.
 *
 * @returns the files of the input
 * @throws InputError as `writeOnnx` for all but values and the writing itself
 */
export async function checkOnnxOutput(
  checkpoint: OnnxCheckpoint,
  output: string,
  options: OnnxWriteOptions,
): Promise<OnnxFile> {
  if (checkpoint.path === '') {
    throw new InputError(
      'checkpoint/no-source',
      'an ONNX model is written by changing the file it was read from, and this one was read from none.',
    );
  }
  const file = await readOnnxFile(checkpoint.path);
  if (file.sha256 !== checkpoint.fileSha256) {
    throw new InputError(
      'checkpoint/changed',
      `${printable(checkpoint.path)} or its external data has changed since it was read; start again.`,
    );
  }
  if (options.sparse) requireSparseVersion(file);
  await protectInput(file, await fileToWrite(output, basename(checkpoint.path)));
  return file;
}

/**
 * Refuses, before long work, weights that could not be written with numbers of their own: those of bfloat16, which
 * holds too few digits of what is computed in float32, and those that have their external data in common with others.
 *
 * @param names of the weights that are to change
 * @throws InputError
 */
export async function checkChangeable({ path }: OnnxCheckpoint, names: ReadonlySet<string>): Promise<void> {
  const { initializers, external } = await readOnnxFile(path);
  const places = new Map<string, string>();
  for (const { name, head } of initializers) {
    if (names.has(name) && head.type === 'bfloat16') {
      throw new InputError(
        'checkpoint/not-representable',
        `${printable(path)}: weight ${quoted(name)} is stored as bfloat16, which cannot hold trained numbers; export the model in float32.`,
      );
    }
    const range = external.ranges.get(head);
    if (range === undefined || range.start === range.end) continue;
    const key = `${external.files.indexOf(range.file)}:${range.start}`;
    const other = places.get(key);
    if (other !== undefined && (names.has(name) || names.has(other))) throw sharedData(path, name);
    places.set(key, name);
  }
}

/** Tied weights in external data have one place in the file, so they cannot come to differ. */
function sharedData(path: string, name: string): InputError {
  return new InputError(
    'checkpoint/shared-data',
    `${printable(path)}: weight ${quoted(name)} has its data in common with another one and cannot be changed ` +
      'alone; store them apart, or exclude both.',
  );
}

function changeWeights(
  file: OnnxFile,
  weights: readonly CheckpointWeight[],
  edits: FieldEdits,
  wantSparse: boolean,
): void {
  const { path } = file.source;
  const floats = file.initializers.filter(({ head }) => ELEMENT_RULES[head.type].kind === 'float');
  requireSameWeights(floats, weights);
  const inputs = new Set(inputNames(file.source, file.graph));
  const shared = new Map<string, Uint8Array>();
  let expanded = file.initializers.reduce(
    (sum, { head, sparse }) => sum + (sparse ? countOf(sparse.shape) : expandedElements(head)),
    0,
  );
  for (const [i, initializer] of floats.entries()) {
    const { name, field, head, sparse, owner } = initializer;
    const weight = weights[i]!;
    const old = elementBytes(file, initializer);
    const changed = changedElements(old, head.type, weight, path);
    if (changed) requireFinite(weight, path);
    requireSharedAlike(file, initializer, changed ?? old, shared);
    if (sparse !== null) {
      if (changed) edits.set(field, encodeSparse(file, initializer, changed));
      continue;
    }
    const count = countOf(head.shape);
    const canBeSparse =
      wantSparse &&
      owner === null &&
      head.external === null &&
      !inputs.has(name) &&
      expanded + count <= MAX_EXPANDED_ELEMENTS;
    const smaller = canBeSparse ? smallerSparse(file, initializer, changed ?? old) : null;
    if (smaller) {
      expanded += count;
      edits.set(field, smaller);
    } else if (changed) putElements(file, head, changed, edits);
  }
}

/** Other weights than the file's are a defect of the caller: a plain error. */
function requireSameWeights(floats: readonly Initializer[], weights: readonly CheckpointWeight[]): void {
  const same =
    floats.length === weights.length &&
    floats.every(({ name, head, sparse }, i) => {
      const { name: own, shape, values } = weights[i]!;
      const stored = sparse?.shape ?? head.shape;
      return (
        name === own &&
        values instanceof Float32Array &&
        values.length === elementCount(shape) &&
        stored.length === shape.length &&
        stored.every((size, axis) => size === shape[axis])
      );
    });
  if (!same) throw new Error('the weights of the checkpoint are not those of its file');
}

function requireSparseVersion({ source, model }: OnnxFile): void {
  const version = integerOf(source, model, 'irVersion');
  if (version >= MIN_SPARSE_IR_VERSION) return;
  throw new InputError(
    'checkpoint/no-sparse',
    `${printable(source.path)} has IR version ${version}; sparse initialisers are part of ONNX from ${MIN_SPARSE_IR_VERSION} on: ` +
      'leave --sparse out, or export the model anew.',
  );
}

function requireSharedAlike(
  { source, external }: OnnxFile,
  { name, head }: Initializer,
  bytes: Uint8Array,
  shared: Map<string, Uint8Array>,
): void {
  const range = external.ranges.get(head);
  if (range === undefined || range.start === range.end) return;
  const key = `${external.files.indexOf(range.file)}:${range.start}`;
  const other = shared.get(key);
  if (other !== undefined && Buffer.compare(other, bytes) !== 0) {
    throw sharedData(source.path, name);
  }
  shared.set(key, bytes);
}

/** Sets the entry `pruneLimit` where it differs from the file's; returns what is to be added to the model. */
function changeMetadata(
  { source, model }: OnnxFile,
  metadata: OnnxCheckpoint['metadata'],
  edits: FieldEdits,
): Uint8Array[] {
  const wanted = metadata[METADATA_KEY];
  const value = JSON.stringify(wanted);
  if (wanted === undefined || value === JSON.stringify(readMetadata(source, model)[METADATA_KEY])) return [];
  const text = new TextEncoder();
  const field = encodeField('Model', 'metadataProps', [
    ...encodeField('StringEntry', 'key', [text.encode(METADATA_KEY)]),
    ...encodeField('StringEntry', 'value', [text.encode(value)]),
  ]);
  const entry = metadataEntry(source, model);
  if (entry === null) return field;
  edits.set(entry, field);
  return [];
}

/** Where a model looks for a file of external data, relative to its folder. */
function copyNames({ locations }: ExternalFile): string[] {
  return [...new Set(locations.map((location) => posix.normalize(location)))];
}

/** Refuses to replace a file that was read, by whatever path, or a copy of external data by the model. */
async function protectInput({ source, external }: OnnxFile, target: string): Promise<void> {
  const inputs = await Promise.all([source.path, ...external.files.map(({ path }) => path)].map(identity));
  const copies = external.files.flatMap(copyNames).map((name) => join(dirname(target), name));
  if (copies.includes(join(dirname(target), basename(target)))) {
    throw new InputError(
      'checkpoint/overwrites-input',
      `${printable(source.path)} has external data of the name ${quoted(basename(target))}, which the new model would have, too; give it another name.`,
    );
  }
  for (const path of [...copies, target]) {
    const found = await identity(path);
    if (found === null || !inputs.includes(found)) continue;
    throw new InputError(
      'checkpoint/overwrites-input',
      `${printable(path)} is a file of the input model ${printable(source.path)} and would be overwritten; ` +
        `write to another ${external.files.length > 0 ? 'folder' : 'file'}.`,
    );
  }
}

/** What a path leads to, whatever its names; null where there is nothing. */
async function identity(path: string): Promise<string | null> {
  return stat(path, { bigint: true }).then(
    ({ dev, ino }) => `${dev}:${ino}`,
    () => null,
  );
}
