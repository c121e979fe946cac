import { ONNX_ATTRIBUTE_TYPES, ONNX_TYPES, onnxSchema } from '../../onnx-schema.js';

/** Element types that occur in compiled programs. */
export type OnnxType = 'float32' | 'float64' | 'int32' | 'int64' | 'bool';

/** IR version 8 belongs to opset 17, which every ONNX Runtime since 1.12 knows. */
const IR_VERSION = 8;
/** The operator set the lowerings are written for. */
export const OPSET = 17;

/** An attribute: integers, lists of them and strings; a float is written as `{ float: x }`, a graph that an operator runs as `{ graph: g }`. */
export type OnnxAttribute =
  | number
  | readonly number[]
  | string
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly graph: OnnxGraph };

/** One ONNX operator call; tensors by name. */
export interface OnnxNode {
  /** Operators outside of ONNX's own set with their domain in front: `com.microsoft.Name`. */
  opType: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** A tensor stored in the model. */
export interface OnnxTensor {
  name: string;
  type: OnnxType;
  shape: readonly number[];
  data: Float32Array | Int32Array | BigInt64Array | Uint8Array;
}

/** An input or output of the model. */
export interface OnnxValue {
  name: string;
  type: OnnxType;
  /** Extents; a name for one that differs between runs. */
  shape: readonly (number | string)[];
}

/** A program as ONNX describes it. */
export interface OnnxGraph {
  name: string;
  nodes: readonly OnnxNode[];
  initializers: readonly OnnxTensor[];
  inputs: readonly OnnxValue[];
  outputs: readonly OnnxValue[];
}

function attributeMessage(name: string, value: OnnxAttribute): Record<string, unknown> {
  if (typeof value === 'number') {
    return { name, i: value, type: ONNX_ATTRIBUTE_TYPES.int };
  }
  if (typeof value === 'string') {
    return { name, s: new TextEncoder().encode(value), type: ONNX_ATTRIBUTE_TYPES.string };
  }
  if ('floats' in value) {
    return { name, floats: [...value.floats], type: ONNX_ATTRIBUTE_TYPES.floats };
  }
  if ('graph' in value) {
    return { name, g: graphMessage(value.graph), type: ONNX_ATTRIBUTE_TYPES.graph };
  }
  return 'float' in value
    ? { name, f: value.float, type: ONNX_ATTRIBUTE_TYPES.float }
    : { name, ints: [...(value as readonly number[])], type: ONNX_ATTRIBUTE_TYPES.ints };
}

function valueMessage({ name, type, shape }: OnnxValue): Record<string, unknown> {
  const dim = shape.map((extent) =>
    typeof extent === 'string' ? { dimParam: extent } : { dimValue: extent },
  );
  return { name, type: { tensorType: { elemType: ONNX_TYPES[type], shape: { dim } } } };
}

/** The domain of an operator, empty for ONNX's own, and its name there. */
function qualifiedName(opType: string): [domain: string, name: string] {
  const end = opType.lastIndexOf('.');
  return [opType.slice(0, Math.max(0, end)), opType.slice(end + 1)];
}

function graphMessage(graph: OnnxGraph): Record<string, unknown> {
  return {
    name: graph.name,
    node: graph.nodes.map(({ opType, inputs, outputs, attributes }, index) => ({
      name: `${opType}_${index}`,
      ...(opType.includes('.') ? { domain: qualifiedName(opType)[0] } : {}),
      opType: qualifiedName(opType)[1],
      input: inputs,
      output: outputs,
      attribute: Object.entries(attributes).map(([name, value]) => attributeMessage(name, value)),
    })),
    initializer: graph.initializers.map(({ name, type, shape, data }) => ({
      name,
      dataType: ONNX_TYPES[type],
      dims: [...shape],
      rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    })),
    input: graph.inputs.map(valueMessage),
    output: graph.outputs.map(valueMessage),
  };
}

/** The domains of operators outside of ONNX's own set, those of graphs within a graph too. */
function domainsOf({ nodes }: OnnxGraph): Set<string> {
  return new Set(
    nodes.flatMap(({ opType, attributes }) => [
      ...(opType.includes('.') ? [qualifiedName(opType)[0]] : []),
      ...Object.values(attributes).flatMap((value) =>
        typeof value === 'object' && 'graph' in value ? [...domainsOf(value.graph)] : [],
      ),
    ]),
  );
}

/** The bytes of an ONNX model file. */
export function encodeOnnxModel(graph: OnnxGraph): Uint8Array {
  const opsetImport = [
    { domain: '', version: OPSET },
    ...[...domainsOf(graph)].map((domain) => ({ domain, version: 1 })),
  ];
  const message = {
    irVersion: IR_VERSION,
    producerName: 'prune-limit',
    opsetImport,
    graph: graphMessage(graph),
  };
  return onnxSchema.lookupType('Model').encode(message).finish();
}
