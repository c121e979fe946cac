import protobuf from 'protobufjs/light.js';

/**
 * The messages of onnx.proto (https://github.com/onnx/onnx, IR version 10),
 * those for training and for several devices left out.
 *
 * Numbers are packed, as proto3 and every known exporter write them; a reader
 * takes unpacked ones too.
 */
export const onnxSchema = protobuf.Root.fromJSON({
  nested: {
    Model: {
      fields: {
        irVersion: { id: 1, type: 'int64' },
        producerName: { id: 2, type: 'string' },
        producerVersion: { id: 3, type: 'string' },
        domain: { id: 4, type: 'string' },
        modelVersion: { id: 5, type: 'int64' },
        docString: { id: 6, type: 'string' },
        graph: { id: 7, type: 'Graph' },
        opsetImport: { id: 8, rule: 'repeated', type: 'OperatorSet' },
        metadataProps: { id: 14, rule: 'repeated', type: 'StringEntry' },
        functions: { id: 25, rule: 'repeated', type: 'Function' },
      },
    },
    OperatorSet: { fields: { domain: { id: 1, type: 'string' }, version: { id: 2, type: 'int64' } } },
    StringEntry: { fields: { key: { id: 1, type: 'string' }, value: { id: 2, type: 'string' } } },
    Graph: {
      fields: {
        node: { id: 1, rule: 'repeated', type: 'Node' },
        name: { id: 2, type: 'string' },
        initializer: { id: 5, rule: 'repeated', type: 'Tensor' },
        docString: { id: 10, type: 'string' },
        input: { id: 11, rule: 'repeated', type: 'ValueInfo' },
        output: { id: 12, rule: 'repeated', type: 'ValueInfo' },
        valueInfo: { id: 13, rule: 'repeated', type: 'ValueInfo' },
        sparseInitializer: { id: 15, rule: 'repeated', type: 'SparseTensor' },
      },
    },
    Node: {
      fields: {
        input: { id: 1, rule: 'repeated', type: 'string' },
        output: { id: 2, rule: 'repeated', type: 'string' },
        name: { id: 3, type: 'string' },
        opType: { id: 4, type: 'string' },
        attribute: { id: 5, rule: 'repeated', type: 'Attribute' },
        docString: { id: 6, type: 'string' },
        domain: { id: 7, type: 'string' },
        overload: { id: 8, type: 'string' },
      },
    },
    Function: {
      fields: {
        name: { id: 1, type: 'string' },
        input: { id: 4, rule: 'repeated', type: 'string' },
        output: { id: 5, rule: 'repeated', type: 'string' },
        attribute: { id: 6, rule: 'repeated', type: 'string' },
        node: { id: 7, rule: 'repeated', type: 'Node' },
        docString: { id: 8, type: 'string' },
        opsetImport: { id: 9, rule: 'repeated', type: 'OperatorSet' },
        domain: { id: 10, type: 'string' },
        attributeProto: { id: 11, rule: 'repeated', type: 'Attribute' },
        overload: { id: 13, type: 'string' },
      },
    },
    Attribute: {
      fields: {
        name: { id: 1, type: 'string' },
        f: { id: 2, type: 'float' },
        i: { id: 3, type: 'int64' },
        s: { id: 4, type: 'bytes' },
        t: { id: 5, type: 'Tensor' },
        g: { id: 6, type: 'Graph' },
        floats: { id: 7, rule: 'repeated', type: 'float' },
        ints: { id: 8, rule: 'repeated', type: 'int64' },
        strings: { id: 9, rule: 'repeated', type: 'bytes' },
        tensors: { id: 10, rule: 'repeated', type: 'Tensor' },
        graphs: { id: 11, rule: 'repeated', type: 'Graph' },
        docString: { id: 13, type: 'string' },
        type: { id: 20, type: 'int32' },
        refAttrName: { id: 21, type: 'string' },
        sparseTensor: { id: 22, type: 'SparseTensor' },
      },
    },
    Tensor: {
      fields: {
        dims: { id: 1, rule: 'repeated', type: 'int64' },
        dataType: { id: 2, type: 'int32' },
        floatData: { id: 4, rule: 'repeated', type: 'float' },
        int32Data: { id: 5, rule: 'repeated', type: 'int32' },
        stringData: { id: 6, rule: 'repeated', type: 'bytes' },
        int64Data: { id: 7, rule: 'repeated', type: 'int64' },
        name: { id: 8, type: 'string' },
        rawData: { id: 9, type: 'bytes' },
        doubleData: { id: 10, rule: 'repeated', type: 'double' },
        uint64Data: { id: 11, rule: 'repeated', type: 'uint64' },
        docString: { id: 12, type: 'string' },
        externalData: { id: 13, rule: 'repeated', type: 'StringEntry' },
        dataLocation: { id: 14, type: 'int32' },
      },
    },
    SparseTensor: {
      fields: {
        values: { id: 1, type: 'Tensor' },
        indices: { id: 2, type: 'Tensor' },
        dims: { id: 3, rule: 'repeated', type: 'int64' },
      },
    },
    ValueInfo: { fields: { name: { id: 1, type: 'string' }, type: { id: 2, type: 'ValueType' } } },
    ValueType: { fields: { tensorType: { id: 1, type: 'TensorType' } } },
    TensorType: { fields: { elemType: { id: 1, type: 'int32' }, shape: { id: 2, type: 'Shape' } } },
    Shape: { fields: { dim: { id: 1, rule: 'repeated', type: 'Dimension' } } },
    Dimension: {
      oneofs: { value: { oneof: ['dimValue', 'dimParam'] } },
      fields: { dimValue: { id: 1, type: 'int64' }, dimParam: { id: 2, type: 'string' } },
    },
  },
});

/** Numbers of TensorProto.DataType. */
export const ONNX_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;

/** Numbers of AttributeProto.AttributeType. */
export const ONNX_ATTRIBUTE_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;
