/** Reading ONNX models (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). */
import { createHash } from 'node:crypto';
import { InputError } from '../../errors.js';
import type { CheckpointWeight, OnnxCheckpoint } from '../checkpoint.js';
import { checkFile, readInto } from '../files.js';
import { parseJson } from '../json.js';
import type { OnnxGraph, OnnxTensor } from '../onnx-graph.js';
import { printable, quoted } from '../printable.js';
import { type FunctionTable, functionTable } from './bodies.js';
import { readConstants } from './constants.js';
import { type ExternalFiles, MAX_TOTAL_BYTES, readExternalFiles } from './external.js';
import { inlinedNodes, weightNames } from './inline.js';
import { invalidGraph, readValue, sortNodes } from './nodes.js';
import { modelOpset } from './opset.js';
import { decodeSparse, type Initializer, readSparseHead, type SparseHead } from './sparse.js';
import {
  countOf,
  decodeRaw,
  decodeTensor,
  ELEMENT_RULES,
  expandedElements,
  readTensorHead,
  requireModest,
  type TensorHead,
} from './tensors.js';
import {
  messageOf,
  messagesOf,
  readMessage,
  textOf,
  textsOf,
  type WireField,
  type WireMessage,
  type WireSource,
} from './wire.js';

/** The metadata_props entry that is read; other tools' are left alone. */
export const METADATA_KEY = 'pruneLimit';

/** A model as it lies in its files. */
export interface OnnxFile {
  source: WireSource & { bytes: Uint8Array<ArrayBuffer> };
  model: WireMessage;
  graph: WireMessage;
  functions: FunctionTable;
  /** In file order, those in Constant nodes, functions and branches last. */
  initializers: Initializer[];
  external: ExternalFiles;
  /** As `OnnxCheckpoint` says it. */
  sha256: string;
}

/**
 * Reads an ONNX model. Shapes and sizes are checked against the files before anything is allocated. Initialisers may
 * hold infinities, which masks do: which of them are trained weights, the network knows. Functions are put in the place
 * of their calls; training information and the bodies of loops are passed over.
 *
 * @throws InputError that names the file and the byte, tensor or node
 */
export async function readOnnx(path: string): Promise<OnnxCheckpoint> {
  const file = await readOnnxFile(path);
  const { source, model, initializers } = file;
  const weights: CheckpointWeight[] = [];
  const constants = new Map<string, OnnxTensor>();
  const shared: SharedValues = new Map();
  for (const initializer of initializers) {
    const tensor = decodeInitializer(file, initializer, shared);
    const { name, head } = initializer;
    if (tensor.type !== 'float') {
      constants.set(name, tensor);
      continue;
    }
    weights.push({
      name,
      shape: tensor.shape,
      dtype: 'float32',
      values: tensor.values as Float32Array,
      storage: head.type === 'float16' ? { dtype: 'float16' } : null,
    });
  }
  return {
    format: 'onnx',
    path,
    sha256: file.sha256,
    fileSha256: file.sha256,
    graph: readGraph(file, constants),
    weights,
    metadata: readMetadata(source, model),
  };
}

/**
 * Reads the files of a model without decoding its tensors.
 *
 * @throws InputError as `readOnnx`
 */
export async function readOnnxFile(path: string): Promise<OnnxFile> {
  const source = { bytes: await readModelFile(path), path };
  const model = readMessage(source, 'Model');
  const graph = messageOf(model, 'graph');
  if (graph === null) {
    throw new InputError(
      'checkpoint/invalid-onnx',
      `${printable(path)} is not a valid ONNX file: it holds no graph; is it complete, and is it one?`,
    );
  }
  const functions = functionTable(source, model);
  const declared = readInitializers(source, graph);
  const taken = [...declared.map(({ name }) => name), ...inputNames(source, graph)];
  const constants = readConstants(source, graph, functions, new Set(taken));
  const initializers = [...declared, ...constants];
  const expanded = initializers.reduce((sum, each) => sum + elementsOf(each), 0);
  requireModest(source, initializers.at(-1)?.name ?? '', expanded);
  const heads = initializers.map(({ head }) => head);
  const external = await readExternalFiles(path, heads, source.bytes.length);
  const hash = createHash('sha256').update(source.bytes);
  for (const { bytes } of external.files) hash.update(bytes);
  return { source, model, graph, functions, initializers, external, sha256: hash.digest('hex') };
}

/** Names of the graph's inputs; old files list initialisers, too. */
export function inputNames(source: WireSource, graph: WireMessage): string[] {
  return messagesOf(graph, 'input').map((input) => textOf(source, input, 'name'));
}

async function readModelFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await checkFile(path);
  if (file.size > MAX_TOTAL_BYTES) {
    throw new InputError(
      'checkpoint/too-large',
      `${printable(path)} has ${file.size} bytes; an ONNX file, being a protobuf message, has at most ${MAX_TOTAL_BYTES}: ` +
        'larger models keep their weights in external data.',
    );
  }
  const bytes = new Uint8Array(file.size);
  await readInto(file, bytes);
  return bytes;
}

/** Elements that take more memory than the file. */
function elementsOf({ head, sparse }: Pick<Initializer, 'head' | 'sparse'>): number {
  return sparse ? countOf(sparse.shape) : expandedElements(head);
}

function readInitializers(source: WireSource, graph: WireMessage): Initializer[] {
  const initializers: Initializer[] = [];
  const names = new Set<string>();
  let expanded = 0;
  for (const field of graph.fields) {
    let sparse: SparseHead | null = null;
    let head: TensorHead;
    if (field.name === 'initializer') {
      head = readTensorHead(source, field.message!);
    } else if (field.name === 'sparseInitializer') {
      sparse = readSparseHead(source, field.message!);
      head = sparse.values;
    } else continue;
    const { name } = head;
    if (name === '') throw invalidGraph(source.path, 'an initialiser has no name.');
    if (names.has(name)) {
      throw invalidGraph(source.path, `two initialisers are named ${quoted(name)}; names must be unique.`);
    }
    expanded += elementsOf({ head, sparse });
    requireModest(source, name, expanded);
    names.add(name);
    initializers.push({ name, field, head, sparse, owner: null });
  }
  return initializers;
}

/** Values of external data by where they lie: tied weights have them in common. */
type SharedValues = Map<string, OnnxTensor['values']>;

function decodeInitializer(
  { source, external }: OnnxFile,
  { head, sparse }: Initializer,
  shared: SharedValues,
): OnnxTensor {
  if (sparse !== null) return decodeSparse(source, sparse);
  const range = external.ranges.get(head);
  if (range === undefined) return decodeTensor(source, head);
  const key = `${external.files.indexOf(range.file)}:${range.start}:${range.end}`;
  const values = shared.get(key) ?? decodeRaw(range.file.bytes.subarray(range.start, range.end), head.type);
  shared.set(key, values);
  const { kind, range: limits } = ELEMENT_RULES[head.type];
  return { shape: head.shape, type: kind, values, ...(limits && { range: limits }) };
}

function readGraph(
  { source, model, graph, functions, initializers }: OnnxFile,
  constants: OnnxGraph['constants'],
): OnnxGraph {
  const { path } = source;
  const initialised = new Set(initializers.map(({ name }) => name));
  const inputs = messagesOf(graph, 'input')
    .map((message) => readValue(source, message))
    .filter(({ name }) => !initialised.has(name));
  const known = new Set(initialised);
  for (const { name } of inputs) {
    if (name === '' || known.has(name)) {
      throw invalidGraph(path, `two inputs are named ${quoted(name)}, or one has no name.`);
    }
    known.add(name);
  }
  const opset = modelOpset(source, model);
  const results = messagesOf(graph, 'node').flatMap((node) => textsOf(source, node, 'output'));
  const taken = new Set([...known, ...results]);
  const weights = weightNames(initializers);
  const nodes = sortNodes(inlinedNodes({ source, functions, opset, weights, taken }, graph), known, path);
  for (const output of nodes.flatMap((node) => node.outputs)) known.add(output);
  const outputs = messagesOf(graph, 'output').map((message) => readValue(source, message));
  for (const { name } of outputs) {
    if (name !== '' && known.has(name)) continue;
    throw invalidGraph(path, `its output ${quoted(name)} is computed by no node.`);
  }
  const producer = `${textOf(source, model, 'producerName')} ${textOf(source, model, 'producerVersion')}`;
  return { nodes, inputs, outputs, constants, opset, producer: producer.trim() };
}

/** The metadata_props entry `pruneLimit`; null where there is none. */
export function metadataEntry(source: WireSource, model: WireMessage): WireField | null {
  const entries = model.fields.filter(
    ({ name, message }) => name === 'metadataProps' && textOf(source, message!, 'key') === METADATA_KEY,
  );
  if (entries.length <= 1) return entries[0] ?? null;
  throw new InputError(
    'checkpoint/invalid-metadata',
    `${printable(source.path)}: ${entries.length} entries of metadata_props are named ${METADATA_KEY}.`,
  );
}

/** `metadata` of the checkpoint: the parsed JSON of the entry. */
export function readMetadata(source: WireSource, model: WireMessage): Record<string, unknown> {
  const entry = metadataEntry(source, model);
  if (entry === null) return {};
  const text = textOf(source, entry.message!, 'value');
  const where = `${source.path}: metadata_props entry ${METADATA_KEY}`;
  const value = parseJson(new TextEncoder().encode(text), where);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { [METADATA_KEY]: value };
  throw new InputError('checkpoint/invalid-metadata', `${printable(where)} is not a JSON object.`);
}
