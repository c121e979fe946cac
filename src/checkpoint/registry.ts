/** The formats a checkpoint can have. What a file is, is decided by its content. */
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InputError } from '../errors.js';
import type { Checkpoint } from './checkpoint.js';
import { checkFile, existing, readInto, readProblem } from './files.js';
import {
  layersFilesRead,
  layersFilesToWrite,
  readTfjsArchitecture,
  readTfjsLayers,
  writeTfjsLayers,
} from './layers/layers-model.js';
import { ownLayersFiles } from './layers/own-output.js';
import { printable, quotedList } from './printable.js';

/** The ONNX format, loaded where a model is in it. */
const onnx = {
  ownOutput: () => import('./onnx/own-output.js'),
  reader: () => import('./onnx/reader.js'),
  writer: () => import('./onnx/writer.js'),
};

/** Enough for every signature and for white space before the first brace of a JSON file. */
const SNIFFED_BYTES = 256;

/** How to get from a Keras model to one that can be read. */
const CONVERT_KERAS =
  'tensorflowjs_converter --input_format=keras model.h5 DIR (TF_USE_LEGACY_KERAS=1, package tf_keras), or export it to ONNX';

/** Formats that are recognised in order to say what to do about them. */
const UNSUPPORTED: { matches: (head: Uint8Array, path: string) => boolean; what: string; todo: string }[] = [
  {
    matches: (head) => startsWith(head, [0x89, 0x48, 0x44, 0x46]),
    what: 'a Keras HDF5 file',
    todo: `convert it with ${CONVERT_KERAS}`,
  },
  {
    matches: (head, path) => startsWith(head, [0x50, 0x4b]) && !/\.pth?$/i.test(path),
    what: 'a zip archive, such as a .keras file',
    todo: `save the Keras model as .h5 and convert it with ${CONVERT_KERAS}`,
  },
  {
    matches: (head, path) => startsWith(head, [0x50, 0x4b]) || /\.pth?$/i.test(path),
    what: 'a PyTorch file',
    todo: 'export the network to ONNX with torch.onnx.export(model, example, "model.onnx")',
  },
];

/**
 * Reads a checkpoint.
 *
 * @param path a model.json or ONNX model, by whatever name, or a directory that holds one
 * @param options `withoutWeights`: the weights are to be replaced, so that they may be left unread, their values
 *   empty, their files absent
 * @throws InputError that says what is wrong, where, and for other formats what to convert them to
 */
export async function readCheckpoint(
  path: string,
  options: { withoutWeights?: boolean } = {},
): Promise<Checkpoint> {
  const readLayers = options.withoutWeights ? readTfjsArchitecture : readTfjsLayers;
  const found = await stat(path).catch((error) => Promise.reject(readProblem(error, path)));
  const file = found.isDirectory() ? await modelInDirectory(path) : path;
  const head = await readHead(file);
  if (looksLikeJson(head)) return readLayers(file);
  const unsupported = UNSUPPORTED.find(({ matches }) => matches(head, file));
  if (unsupported) {
    throw new InputError(
      'checkpoint/unsupported-format',
      `${printable(file)} is ${unsupported.what}, which is not supported yet: ${unsupported.todo}.`,
    );
  }
  if (looksLikeOnnx(head, file)) return (await onnx.reader()).readOnnx(file);
  // A damaged model.json: its reader says where it stops being one.
  if (/\.json$/i.test(file)) return readLayers(file);
  throw new InputError(
    'checkpoint/unsupported-format',
    `${printable(file)} is ${head.length ? 'a file of an unknown format' : 'empty'}, which is not supported: ` +
      'give an ONNX model, or the model.json of a TensorFlow.js LayersModel, as model.save() or tensorflowjs_converter writes it.',
  );
}

/** How a checkpoint is written. */
export interface WriteOptions {
  /** ONNX only: as `OnnxWriteOptions` says. */
  sparse?: boolean;
  /** Mark the checkpoint as written by prune-limit, so that it may replace it again. */
  mark?: boolean;
}

/**
 * The files that a checkpoint was read from, and those that `writeCheckpoint` writes where an output is given.
 *
 * @throws InputError when an ONNX model cannot be read again
 */
export async function checkpointFiles(
  checkpoint: Checkpoint,
  output: string | null = null,
): Promise<{ read: string[]; written: string[] }> {
  if (checkpoint.format === 'onnx') return (await onnx.writer()).onnxFiles(checkpoint, output);
  return {
    read: await layersFilesRead(checkpoint),
    written: output === null ? [] : layersFilesToWrite(checkpoint, output),
  };
}

/**
 * Refuses, before long work, what `writeCheckpoint` would refuse after it, as far as that can be known, and files in
 * its way that are not prune-limit's own: own are those that bear its mark and were not changed since.
 *
 * @param options `force`: replace other files, too
 * @throws InputError as `writeCheckpoint`, or `output/exists`
 */
export async function checkOutput(
  checkpoint: Checkpoint,
  output: string,
  options: WriteOptions & { force?: boolean } = {},
): Promise<void> {
  if (checkpoint.format === 'onnx') {
    await (await onnx.writer()).checkOnnxOutput(checkpoint, output, options);
  }
  if (options.force) return;
  const { written } = await checkpointFiles(checkpoint, output);
  const model = written.at(-1)!;
  await requireOwn(await existing(written), async () =>
    checkpoint.format === 'onnx' ? (await onnx.ownOutput()).ownOnnxFiles(model) : ownLayersFiles(output),
  );
}

/**
 * Refuses files in the way of a LayersModel of one group of weights, as `checkOutput`, before there is a checkpoint.
 *
 * @throws InputError `output/exists`
 */
export async function checkLayersFolder(directory: string): Promise<void> {
  const written = layersFilesToWrite({ manifestGroups: [0] }, directory);
  await requireOwn(await existing(written), () => ownLayersFiles(directory));
}

async function requireOwn(inTheWay: readonly string[], own: () => Promise<string[]>): Promise<void> {
  if (inTheWay.length === 0) return;
  const known = new Set((await own()).map((path) => resolve(path)));
  const foreign = inTheWay.find((path) => !known.has(resolve(path)));
  if (foreign === undefined) return;
  throw new InputError(
    'output/exists',
    `${printable(foreign)} exists, and was not written by prune-limit or was changed since: name another place with -o, or replace it with --force.`,
  );
}

/**
 * Writes a checkpoint in the format it has; what is written reads back bit for bit.
 *
 * @param output a LayersModel's directory, made if need be; an ONNX model's file, or the directory it goes to
 *   under the name it was read from. Must not be what the checkpoint was read from
 * @returns the paths written, the model last
 */
export async function writeCheckpoint(
  checkpoint: Checkpoint,
  output: string,
  options: WriteOptions = {},
): Promise<string[]> {
  if (checkpoint.format === 'onnx') return (await onnx.writer()).writeOnnx(checkpoint, output, options);
  if (options.sparse) {
    throw new InputError(
      'usage/sparse',
      `${printable(checkpoint.path)}: --sparse is for ONNX models; a TensorFlow.js LayersModel has no sparse weights.`,
    );
  }
  return writeTfjsLayers(checkpoint, output, options);
}

async function modelInDirectory(directory: string): Promise<string> {
  const path = join(directory, 'model.json');
  if (await exists(path)) return path;
  const models = await onnxFilesIn(directory);
  if (models.length === 1) return join(directory, models[0]!);
  if (models.length > 1) {
    throw new InputError(
      'checkpoint/missing-file',
      `${printable(directory)} holds ${models.length} ONNX models, ${quotedList(models)}; name the one that is meant.`,
    );
  }
  if (await exists(join(directory, 'saved_model.pb'))) {
    throw new InputError(
      'checkpoint/unsupported-format',
      `${printable(directory)} is a TensorFlow SavedModel, which is not supported yet: save the Keras model as .h5 and ` +
        `convert it with ${CONVERT_KERAS}.`,
    );
  }
  throw new InputError(
    'checkpoint/missing-file',
    `${printable(directory)} holds no model.json and no .onnx file; give an ONNX model or the directory of a TensorFlow.js LayersModel.`,
  );
}

async function onnxFilesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error) => Promise.reject(readProblem(error, directory)));
  return names.filter((name) => /\.onnx$/i.test(name)).sort();
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

async function readHead(path: string): Promise<Uint8Array> {
  const file = await checkFile(path);
  const head = new Uint8Array(Math.min(SNIFFED_BYTES, file.size));
  await readInto(file, head, head.length);
  return head;
}

function startsWith(bytes: Uint8Array, signature: readonly number[]): boolean {
  return signature.every((byte, i) => bytes[i] === byte);
}

/** The first character that is not white space opens an object. */
function looksLikeJson(head: Uint8Array): boolean {
  return /^\s*\{/.test(new TextDecoder().decode(head));
}

/** A protobuf ModelProto starts with field 1, ir_version, a small varint. */
function looksLikeOnnx(head: Uint8Array, path: string): boolean {
  return /\.onnx$/i.test(path) || (startsWith(head, [0x08]) && (head[1] ?? 0x80) < 0x20);
}
