/** Reading and writing TensorFlow.js LayersModels: model.json and binary weight shards. */
import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../../errors.js';
import { type CheckpointWeight, elementCount, type LayersCheckpoint } from '../checkpoint.js';
import {
  type CheckedFile,
  checkFile,
  type NewFile,
  readInto,
  readProblem,
  resolveInside,
  writeFilesAtomically,
} from '../files.js';
import { printable, quoted, quotedList } from '../printable.js';
import { decodeValues, encodeValues, requireFinite } from '../quantization.js';
import { parseManifest, type WeightGroup, WRITTEN_BY_KEY } from './manifest.js';
import { writtenBy } from './own-output.js';

/** model.json of the largest published Keras models is under 2 MiB; parsed JSON takes many times its size. */
const MAX_MODEL_JSON_BYTES = 64 * 2 ** 20;

/** All shards together: half a billion float32, far beyond networks whose curvature can be computed in memory. */
const MAX_WEIGHT_BYTES = 2 * 2 ** 30;

/**
 * Reads a LayersModel. Paths, shapes and sizes are checked against the files before anything is allocated,
 * and every float weight is checked to be finite. The state of optimizers is left out.
 *
 * @param path of model.json
 * @throws InputError that names the file and the weight
 */
export async function readTfjsLayers(path: string): Promise<LayersCheckpoint> {
  const bytes = await readModelJson(path);
  const { topology, metadata, extra, groups } = parseManifest(bytes, path);
  const shards = await checkShards(groups, path);
  const hash = createHash('sha256').update(bytes);
  const weights: CheckpointWeight[] = [];
  const manifestGroups: number[] = [];
  for (const [g, group] of groups.entries()) {
    const data = await readShards(shards[g]!);
    hash.update(data);
    const decoded = decodeGroup(group, data);
    for (const weight of decoded) requireFinite(weight, path);
    weights.push(...decoded);
    manifestGroups.push(decoded.length);
  }
  return {
    format: 'tfjs-layers',
    path,
    sha256: hash.digest('hex'),
    topology,
    weights,
    metadata,
    manifestGroups,
    extra,
  };
}

/**
 * Reads the model.json of a LayersModel alone: its weights have names, shapes and dtypes, but no values, and the
 * shards need not exist.
 *
 * @param path of model.json, over which alone the sha256 is
 * @throws InputError that names the file and the weight
 */
export async function readTfjsArchitecture(path: string): Promise<LayersCheckpoint> {
  const bytes = await readModelJson(path);
  const { topology, metadata, extra, groups } = parseManifest(bytes, path);
  const specs = groups.map(({ weights }) => weights.filter(({ optimizer }) => !optimizer));
  return {
    format: 'tfjs-layers',
    path,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    topology,
    weights: specs.flat().map(({ name, shape, dtype }) => ({
      name,
      shape,
      dtype,
      values: new Float32Array(0),
      storage: null,
    })),
    metadata,
    manifestGroups: specs.map((group) => group.length),
    extra,
  };
}

async function readModelJson(path: string): Promise<Uint8Array> {
  const file = await checkFile(path);
  if (file.size > MAX_MODEL_JSON_BYTES) {
    throw new InputError(
      'checkpoint/too-large',
      `${printable(path)} has ${file.size} bytes; a model.json may have ${MAX_MODEL_JSON_BYTES}. Is it one?`,
    );
  }
  const bytes = new Uint8Array(file.size);
  await readInto(file, bytes);
  return bytes;
}

/** The shards of every group, found inside the model's folder, with sizes that fit the weights exactly. */
async function checkShards(groups: readonly WeightGroup[], path: string): Promise<CheckedFile[][]> {
  const directory = dirname(path);
  const folder = await realpath(directory).catch((error) => Promise.reject(readProblem(error, directory)));
  const shards: CheckedFile[][] = [];
  let total = 0;
  for (const group of groups) {
    const files: CheckedFile[] = [];
    for (const shard of group.paths) files.push(await resolveInside(folder, shard, path));
    const found = requireExactSize(group, files, path);
    total += found;
    if (total > MAX_WEIGHT_BYTES) {
      throw new InputError(
        'checkpoint/too-large',
        `${printable(path)}: the weight files have more than ${MAX_WEIGHT_BYTES} bytes together, the most that is read; ` +
          `the limit is passed at ${quotedList(group.paths)}.`,
      );
    }
    shards.push(files);
  }
  return shards;
}

function requireExactSize(group: WeightGroup, files: readonly CheckedFile[], path: string): number {
  const found = files.reduce((sum, file) => sum + file.size, 0);
  const fail = (problem: string) =>
    new InputError(
      'checkpoint/size-mismatch',
      `${printable(path)}: ${files.length ? quotedList(group.paths) : 'a group without weight files'} ` +
        `should hold ${expected} bytes, found ${found}: ${problem}`,
    );
  const expected = group.weights.reduce((sum, weight) => sum + weight.byteLength, 0);
  let end = 0;
  for (const weight of group.weights) {
    end += weight.byteLength;
    if (end <= found) continue;
    throw fail(
      `weight ${quoted(weight.name)} [${weight.shape.join(', ')}] needs bytes ${end - weight.byteLength} to ${end}; is a file cut short?`,
    );
  }
  if (end === found) return found;
  const last = group.weights.at(-1);
  throw fail(
    `${found - end} bytes are left after ${last ? `the last weight ${quoted(last.name)}` : 'no weights'}; do the files belong to this model?`,
  );
}

async function readShards(files: readonly CheckedFile[]): Promise<Uint8Array> {
  const data = new Uint8Array(files.reduce((sum, file) => sum + file.size, 0));
  let offset = 0;
  for (const file of files) {
    await readInto(file, data.subarray(offset, offset + file.size));
    offset += file.size;
  }
  return data;
}

function decodeGroup(group: WeightGroup, data: Uint8Array): CheckpointWeight[] {
  const weights: CheckpointWeight[] = [];
  let offset = 0;
  for (const { name, shape, dtype, storage, byteLength, optimizer } of group.weights) {
    const bytes = data.subarray(offset, offset + byteLength);
    offset += byteLength;
    if (!optimizer)
      weights.push({ name, shape, dtype, values: decodeValues(bytes, dtype, storage), storage });
  }
  return weights;
}

/**
 * Writes a LayersModel: one shard per group and model.json, which reads back bit for bit.
 *
 * A weight keeps its storage type where no bit is lost by it, else it is written as its dtype. Files of the
 * same names are replaced atomically, model.json last; the files the checkpoint was read from never are.
 *
 * @param directory made if need be
 * @param options `mark`: as written by prune-limit, by which `ownLayersFiles` knows it
 * @returns the paths written, model.json last
 * @throws InputError `checkpoint/overwrites-input`, `checkpoint/cannot-write` or `checkpoint/non-finite-weight`
 */
export async function writeTfjsLayers(
  checkpoint: LayersCheckpoint,
  directory: string,
  options: { mark?: boolean } = {},
): Promise<string[]> {
  requireConsistent(checkpoint);
  const modelPath = join(directory, 'model.json');
  const names = shardNames(checkpoint);
  const files: NewFile[] = [];
  const manifest: unknown[] = [];
  let start = 0;
  for (const [g, count] of checkpoint.manifestGroups.entries()) {
    const name = names[g]!;
    const group = checkpoint.weights.slice(start, start + count);
    start += count;
    for (const weight of group) requireFinite(weight, modelPath);
    const encoded = group.map(encodeValues);
    files.push({ name, data: Buffer.concat(encoded.map(({ bytes }) => bytes)) });
    const weights = group.map(({ name, shape, dtype }, i) => {
      const { storage } = encoded[i]!;
      // original_dtype is what the Python converter writes and reads; tfjs goes by dtype.
      return {
        name,
        shape,
        dtype,
        ...(storage && { quantization: { ...storage, original_dtype: dtype } }),
      };
    });
    manifest.push({ paths: [name], weights });
  }
  const json = {
    format: 'layers-model',
    ...checkpoint.extra,
    modelTopology: checkpoint.topology,
    weightsManifest: manifest,
    ...(Object.keys(checkpoint.metadata).length > 0 && { userDefinedMetadata: checkpoint.metadata }),
    ...(options.mark && { [WRITTEN_BY_KEY]: writtenBy(files.map(({ data }) => data as Uint8Array)) }),
  };
  files.push({ name: 'model.json', data: JSON.stringify(json) });
  await protectInput(checkpoint.path, directory, files);
  return writeFilesAtomically(directory, files);
}

/** Names of the weight files that `writeTfjsLayers` writes, in order. */
function shardNames({ manifestGroups }: Pick<LayersCheckpoint, 'manifestGroups'>): string[] {
  return manifestGroups.length === 1
    ? ['weights.bin']
    : manifestGroups.map((_, group) => `group${group + 1}-shard1of1.bin`);
}

/** The files that `writeTfjsLayers` writes into a directory. */
export function layersFilesToWrite(
  checkpoint: Pick<LayersCheckpoint, 'manifestGroups'>,
  directory: string,
): string[] {
  return [...shardNames(checkpoint), 'model.json'].map((name) => join(directory, name));
}

/** The files that a LayersModel was read from; model.json alone where its shards were not. */
export async function layersFilesRead({ path }: Pick<LayersCheckpoint, 'path'>): Promise<string[]> {
  const folder = await realpath(dirname(path)).catch(() => null);
  return folder === null ? [path] : [path, ...(await inputShards(path, folder))];
}

/** Defects of the caller, not of input: these are plain errors. */
function requireConsistent({ weights, manifestGroups }: LayersCheckpoint): void {
  const grouped = manifestGroups.reduce((sum, count) => sum + count, 0);
  if (grouped !== weights.length) {
    throw new Error(`manifestGroups counts ${grouped} weights, the checkpoint has ${weights.length}`);
  }
  for (const { name, shape, values } of weights) {
    if (elementCount(shape) !== values.length) {
      throw new Error(`weight ${name} has ${values.length} values for shape [${shape.join(', ')}]`);
    }
  }
}

/** Refuses to write into the folder of the input model, or over one of its shards in another folder. */
async function protectInput(input: string, directory: string, files: readonly NewFile[]): Promise<void> {
  const inputFolder = input === '' ? null : await realpath(dirname(input)).catch(() => null);
  const folder = await realpath(directory).catch(() => null);
  if (inputFolder === null || folder === null || !(await isFile(input))) return;
  const shards = folder === inputFolder ? [] : await inputShards(input, inputFolder);
  if (folder !== inputFolder && !files.some(({ name }) => shards.includes(join(folder, name)))) return;
  throw new InputError(
    'checkpoint/overwrites-input',
    `${printable(directory)} holds the files of the input model ${printable(input)}, which would be overwritten; give another directory.`,
  );
}

async function isFile(path: string): Promise<boolean> {
  return checkFile(path).then(
    () => true,
    () => false,
  );
}

/** Real paths of the input's shards; none where it can no longer be read. */
async function inputShards(input: string, folder: string): Promise<string[]> {
  try {
    const { groups } = parseManifest(await readModelJson(input), input);
    const files = groups.flatMap((group) => group.paths.map((path) => resolveInside(folder, path, input)));
    return (await Promise.all(files)).map(({ path }) => path);
  } catch {
    return [];
  }
}
