import protobuf from 'protobufjs/light.js';

/** The part of the ONNX schema (onnx.proto, IR version 8) that compiled programs use. */
const schema = protobuf.Root.fromJSON({
  nested: {
    Model: {
      fields: {
        irVersion: { id: 1, type: 'int64' },
        producerName: { id: 2, type: 'string' },
        graph: { id: 7, type: 'Graph' },
        opsetImport: { id: 8, rule: 'repeated', type: 'OperatorSet' },
      },
    },
    OperatorSet: { fields: { domain: { id: 1, type: 'string' }, version: { id: 2, type: 'int64' } } },
    Graph: {
      fields: {
        node: { id: 1, rule: 'repeated', type: 'Node' },
        name: { id: 2, type: 'string' },
        initializer: { id: 5, rule: 'repeated', type: 'Tensor' },
        input: { id: 11, rule: 'repeated', type: 'ValueInfo' },
        output: { id: 12, rule: 'repeated', type: 'ValueInfo' },
      },
    },
    Node: {
      fields: {
        input: { id: 1, rule: 'repeated', type: 'string' },
        output: { id: 2, rule: 'repeated', type: 'string' },
        name: { id: 3, type: 'string' },
        opType: { id: 4, type: 'string' },
        attribute: { id: 5, rule: 'repeated', type: 'Attribute' },
      },
    },
    Attribute: {
      fields: {
        name: { id: 1, type: 'string' },
        f: { id: 2, type: 'float' },
        i: { id: 3, type: 'int64' },
        s: { id: 4, type: 'bytes' },
        ints: { id: 8, rule: 'repeated', type: 'int64' },
        type: { id: 20, type: 'int32' },
      },
    },
    Tensor: {
      fields: {
        dims: { id: 1, rule: 'repeated', type: 'int64' },
        dataType: { id: 2, type: 'int32' },
        name: { id: 8, type: 'string' },
        rawData: { id: 9, type: 'bytes' },
      },
    },
    ValueInfo: { fields: { name: { id: 1, type: 'string' }, type: { id: 2, type: 'ValueType' } } },
    ValueType: { fields: { tensorType: { id: 1, type: 'TensorType' } } },
    TensorType: { fields: { elemType: { id: 1, type: 'int32' }, shape: { id: 2, type: 'Shape' } } },
    Shape: { fields: { dim: { id: 1, rule: 'repeated', type: 'Dimension' } } },
    Dimension: { fields: { dimValue: { id: 1, type: 'int64' } } },
  },
});

/** ONNX's numbers for element types. */
export const ONNX_TYPES = { float32: 1, int32: 6, int64: 7, bool: 9 } as const;
export type OnnxType = keyof typeof ONNX_TYPES;

/** ONNX's numbers for attribute types. */
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, ints: 7 } as const;

/** IR version 8 belongs to opset 17, which every ONNX Runtime since 1.12 knows. */
const IR_VERSION = 8;
/** The operator set the lowerings are written for. */
export const OPSET = 17;

/** An attribute: integers, lists of them and strings; a float is written as `{ float: x }`. */
export type OnnxAttribute = number | readonly number[] | string | { readonly float: number };

/** One ONNX operator call; tensors by name. */
export interface OnnxNode {
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
  shape: readonly number[];
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
    return { name, i: value, type: ATTRIBUTE_TYPES.int };
  }
  if (typeof value === 'string') {
    return { name, s: new TextEncoder().encode(value), type: ATTRIBUTE_TYPES.string };
  }
  return 'float' in value
    ? { name, f: value.float, type: ATTRIBUTE_TYPES.float }
    : { name, ints: [...(value as readonly number[])], type: ATTRIBUTE_TYPES.ints };
}

function valueMessage({ name, type, shape }: OnnxValue): Record<string, unknown> {
  const dim = shape.map((dimValue) => ({ dimValue }));
  return { name, type: { tensorType: { elemType: ONNX_TYPES[type], shape: { dim } } } };
}

/** The bytes of an ONNX model file. */
export function encodeOnnxModel(graph: OnnxGraph): Uint8Array {
  const model = schema.lookupType('Model');
  return model
    .encode({
      irVersion: IR_VERSION,
      producerName: 'prune-limit',
      opsetImport: [{ domain: '', version: OPSET }],
      graph: {
        name: graph.name,
        node: graph.nodes.map(({ opType, inputs, outputs, attributes }, index) => ({
          name: `${opType}_${index}`,
          opType,
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
      },
    })
    .finish();
}
