/** ONNX files, made in memory. */
import { createHash } from 'node:crypto';
import { ONNX_ATTRIBUTE_TYPES, ONNX_TYPES, onnxSchema } from '../../src/onnx-schema.js';

/** An attribute as tests write it: a tensor is one, `{ float: x }` and `{ floats: [..] }` are not integers. */
export type AttributeValue =
  | number
  | readonly number[]
  | string
  | readonly string[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: InitializerSpec }
  | { readonly graph: GraphSpec }
  /** An AttributeProto in full, but for its name. */
  | { readonly message: Record<string, unknown> };

/** A node. */
export interface NodeSpec {
  opType: string;
  inputs?: readonly string[];
  outputs?: readonly string[];
  attributes?: Readonly<Record<string, AttributeValue>>;
  name?: string;
  domain?: string;
}

type TensorType = keyof typeof ONNX_TYPES;

/** A tensor: either `values`, which are stored as raw data, or the fields of a TensorProto as they are. */
export interface InitializerSpec {
  name?: string;
  shape: readonly number[];
  /** float32 unless given. */
  type?: TensorType;
  /** Stored as raw data: of type float32, integers and bool from numbers, else give the bits as a typed array. */
  values?: ArrayLike<number> | ArrayBufferView;
  /** Fields of the TensorProto, e.g. `{ floatData: [1, 2] }`. */
  fields?: Readonly<Record<string, unknown>>;
}

/** A sparse initialiser. */
export interface SparseSpec {
  name: string;
  shape: readonly number[];
  values: InitializerSpec;
  indices: InitializerSpec;
}

/** An input or output; float32 unless given. A string is a free extent, a number one that is fixed. */
export interface ValueSpec {
  name: string;
  shape?: readonly (number | string)[];
  type?: TensorType;
}

/** A graph; what is left out is empty. */
export interface GraphSpec {
  nodes?: readonly NodeSpec[];
  initializers?: readonly InitializerSpec[];
  sparse?: readonly SparseSpec[];
  inputs?: readonly ValueSpec[];
  outputs?: readonly ValueSpec[];
}

/** A function of a model. */
export interface FunctionSpec {
  name: string;
  domain: string;
  overload?: string;
  inputs: readonly string[];
  outputs: readonly string[];
  nodes: readonly NodeSpec[];
  /** Names of attributes without a default. */
  attributes?: readonly string[];
  defaults?: Readonly<Record<string, AttributeValue>>;
  /** Version of the default operators, 17 unless given. */
  opset?: number;
  domains?: Readonly<Record<string, number>>;
}

/** A model; what is left out is empty. */
export interface ModelSpec extends GraphSpec {
  functions?: readonly FunctionSpec[];
  /** Version of the default operators, 17 unless given; null for none. */
  opset?: number | null;
  /** Further operator sets, by domain. */
  domains?: Readonly<Record<string, number>>;
  metadata?: Readonly<Record<string, string>>;
  irVersion?: number;
  producer?: readonly [name: string, version: string];
}

const RAW_ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  bool: Uint8Array,
} as const;

function rawBytes(type: TensorType, values: ArrayLike<number> | ArrayBufferView): Uint8Array {
  let array = values;
  if (!ArrayBuffer.isView(values)) {
    if (type === 'int64' || type === 'uint64') array = BigInt64Array.from(Array.from(values), BigInt);
    else if (type in RAW_ARRAYS) array = RAW_ARRAYS[type as keyof typeof RAW_ARRAYS].from(values);
    else throw new Error(`give the bits of ${type} as a typed array`);
  }
  const view = array as ArrayBufferView;
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** A TensorProto for the schema's encoder. */
export function tensorMessage(spec: InitializerSpec): Record<string, unknown> {
  const { name = '', shape, type = 'float32', values, fields = {} } = spec;
  const rawData = values === undefined ? {} : { rawData: rawBytes(type, values) };
  return { name, dims: [...shape], dataType: ONNX_TYPES[type], ...rawData, ...fields };
}

function attributeMessage(name: string, value: AttributeValue): Record<string, unknown> {
  const types = ONNX_ATTRIBUTE_TYPES;
  const text = new TextEncoder();
  if (typeof value === 'number') return { name, i: value, type: types.int };
  if (typeof value === 'string') return { name, s: text.encode(value), type: types.string };
  if (Array.isArray(value)) {
    return typeof value[0] === 'string'
      ? { name, strings: value.map((part) => text.encode(part)), type: types.strings }
      : { name, ints: [...value], type: types.ints };
  }
  if ('float' in value) return { name, f: value.float, type: types.float };
  if ('floats' in value) return { name, floats: [...value.floats], type: types.floats };
  if ('tensor' in value) return { name, t: tensorMessage(value.tensor), type: types.tensor };
  if ('graph' in value) return { name, g: graphMessage(name, value.graph), type: types.graph };
  return { name, ...(value as { message: Record<string, unknown> }).message };
}

function valueMessage({ name, shape, type = 'float32' }: ValueSpec): Record<string, unknown> {
  const dim = shape?.map((extent) =>
    typeof extent === 'number' ? { dimValue: extent } : { dimParam: extent },
  );
  return { name, type: { tensorType: { elemType: ONNX_TYPES[type], ...(dim && { shape: { dim } }) } } };
}

function nodeMessage({
  name,
  domain,
  opType,
  inputs,
  outputs,
  attributes,
}: NodeSpec): Record<string, unknown> {
  return {
    opType,
    input: [...(inputs ?? [])],
    output: [...(outputs ?? [])],
    ...(name !== undefined && { name }),
    ...(domain !== undefined && { domain }),
    attribute: Object.entries(attributes ?? {}).map(([key, value]) => attributeMessage(key, value)),
  };
}

function graphMessage(name: string, spec: GraphSpec): Record<string, unknown> {
  return {
    name,
    node: (spec.nodes ?? []).map(nodeMessage),
    initializer: (spec.initializers ?? []).map(tensorMessage),
    sparseInitializer: (spec.sparse ?? []).map((sparse) => ({
      values: tensorMessage({ ...sparse.values, name: sparse.name }),
      indices: tensorMessage({ type: 'int64', ...sparse.indices }),
      dims: [...sparse.shape],
    })),
    input: (spec.inputs ?? []).map(valueMessage),
    output: (spec.outputs ?? []).map(valueMessage),
  };
}

function importMessages(
  opset: number | null,
  domains: Readonly<Record<string, number>>,
): Record<string, unknown>[] {
  return [
    ...(opset === null ? [] : [{ domain: '', version: opset }]),
    ...Object.entries(domains).map(([domain, version]) => ({ domain, version })),
  ];
}

function functionMessage(spec: FunctionSpec): Record<string, unknown> {
  const { name, domain, overload, attributes = [], defaults = {}, opset = 17, domains = {} } = spec;
  return {
    name,
    domain,
    ...(overload !== undefined && { overload }),
    input: [...spec.inputs],
    output: [...spec.outputs],
    attribute: [...attributes],
    attributeProto: Object.entries(defaults).map(([key, value]) => attributeMessage(key, value)),
    node: spec.nodes.map(nodeMessage),
    opsetImport: importMessages(opset, domains),
  };
}

/** The ModelProto of a model, for tests that change it before it is encoded. */
export function modelMessage(spec: ModelSpec): Record<string, unknown> {
  const { opset = 17, domains = {}, metadata = {}, irVersion = 8, producer = ['', ''] } = spec;
  return {
    irVersion,
    producerName: producer[0],
    producerVersion: producer[1],
    opsetImport: importMessages(opset, domains),
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: graphMessage('graph', spec),
    ...(spec.functions && { functions: spec.functions.map(functionMessage) }),
  };
}

/** The bytes of an ONNX file. */
export function encodeModel(spec: ModelSpec): Uint8Array {
  return encodeMessage(modelMessage(spec));
}

/** The bytes of a ModelProto. */
export function encodeMessage(message: Record<string, unknown>): Uint8Array {
  return onnxSchema.lookupType('Model').encode(message).finish();
}

/** The file of a model as `prune` writes it: the mark is its last field, over all bytes before it. */
export function markedModel(spec: ModelSpec): Buffer {
  const bytes = encodeModel(spec);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const mark = { key: 'writtenBy', value: `prune-limit sha256:${sha256}` };
  return Buffer.concat([bytes, encodeMessage({ metadataProps: [mark] })]);
}
