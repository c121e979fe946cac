/** Small ONNX models. */
import { ONNX_TYPES, onnxSchema } from '../../../dist/onnx-schema.js';
import { bytesOf, encoder, normals, sizeOf } from './basics.js';

function tensorMessage(name, shape, values = normals(sizeOf(shape), name)) {
  return { name, dims: shape, dataType: ONNX_TYPES.float32, rawData: bytesOf(values) };
}

function valueInfo(name, shape) {
  const dim = shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType: ONNX_TYPES.float32, shape: { dim } } } };
}

const int = (name, i) => ({ name, type: 2, i });
const ints = (name, list) => ({ name, type: 7, ints: list });

/** A small convolutional network with external data, a sparse initialiser and a constant node. */
export function onnxModel() {
  const external = normals(27 * 4, 'fc.weight');
  const node = (opType, input, output, attribute = []) => ({
    opType,
    name: `${opType}_${output}`,
    input,
    output: [output],
    attribute,
  });
  const model = {
    irVersion: 8,
    producerName: 'fuzz',
    opsetImport: [{ domain: '', version: 17 }],
    metadataProps: [{ key: 'note', value: 'small' }],
    graph: {
      name: 'g',
      node: [
        node('Conv', ['x', 'conv.weight', 'conv.bias'], 'c', [
          ints('kernel_shape', [2, 2]),
          ints('strides', [1, 1]),
          ints('pads', [0, 0, 0, 0]),
        ]),
        node('BatchNormalization', ['c', 'bn.weight', 'bn.bias', 'bn.mean', 'bn.var'], 'b'),
        node('Relu', ['b'], 'r'),
        node('Constant', [], 'shape', [
          {
            name: 'value',
            type: 4,
            t: { dims: [2], dataType: ONNX_TYPES.int64, rawData: bytesOf(BigInt64Array.of(-1n, 27n)) },
          },
        ]),
        node('Reshape', ['r', 'shape'], 'f'),
        node('Gemm', ['f', 'fc.weight', 'fc.bias'], 'h', [
          int('transB', 1),
          { name: 'alpha', type: 1, f: 1 },
        ]),
        node('Tanh', ['h'], 't'),
        node('MatMul', ['t', 'out.weight'], 'l'),
        node('Softmax', ['l'], 'y', [int('axis', -1)]),
      ],
      initializer: [
        tensorMessage('conv.weight', [3, 1, 2, 2]),
        { name: 'conv.bias', dims: [3], dataType: ONNX_TYPES.float32, floatData: [0.1, 0.2, 0.3] },
        tensorMessage('bn.weight', [3], Float32Array.of(1, 1.5, 0.5)),
        tensorMessage('bn.bias', [3]),
        tensorMessage('bn.mean', [3]),
        tensorMessage('bn.var', [3], Float32Array.of(1, 2, 3)),
        {
          name: 'fc.weight',
          dims: [4, 27],
          dataType: ONNX_TYPES.float32,
          dataLocation: 1,
          externalData: [
            { key: 'location', value: 'net.data' },
            { key: 'offset', value: '0' },
            { key: 'length', value: String(external.byteLength) },
          ],
        },
        tensorMessage('fc.bias', [4]),
      ],
      sparseInitializer: [
        {
          values: tensorMessage('out.weight', [3]),
          indices: { dims: [3], dataType: ONNX_TYPES.int64, rawData: bytesOf(BigInt64Array.of(0n, 3n, 7n)) },
          dims: [4, 2],
        },
      ],
      input: [valueInfo('x', ['N', 1, 4, 4])],
      output: [valueInfo('y', ['N', 2])],
    },
  };
  return {
    'net.onnx': Uint8Array.from(onnxSchema.lookupType('Model').encode(model).finish()),
    'net.data': bytesOf(external),
  };
}

/** A graph of the operators that shape, slice, pad and reduce, with positions and shapes as constants and in nodes. */
export function shapingModel() {
  const int64s = (name, list) => ({
    name,
    dims: [list.length],
    dataType: ONNX_TYPES.int64,
    rawData: bytesOf(BigInt64Array.from(list, BigInt)),
  });
  const node = (opType, input, output, attribute = []) => ({
    opType,
    name: `${opType}_${output}`,
    input,
    output: [output].flat(),
    attribute,
  });
  const model = {
    irVersion: 8,
    producerName: 'fuzz',
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'g',
      node: [
        node('Pad', ['x', 'pads'], 'a', [{ name: 'mode', type: 3, s: encoder.encode('reflect') }]),
        node('Slice', ['a', 'starts', 'ends', 'axes'], 'b'),
        node('Transpose', ['b'], 'c', [ints('perm', [0, 2, 3, 1])]),
        node('MatMul', ['c', 'w1'], 'd'),
        node('Split', ['d'], ['e1', 'e2'], [int('axis', -1)]),
        node('Sigmoid', ['e1'], 'f'),
        node('Mul', ['f', 'e2'], 'g'),
        node('Concat', ['g', 'e1'], 'h', [int('axis', 3)]),
        node('Gather', ['h', 'rows'], 'i', [int('axis', 1)]),
        node('ReduceMean', ['i'], 'j', [ints('axes', [1, 2]), int('keepdims', 0)]),
        node('Shape', ['j'], 's'),
        node('ConstantOfShape', ['size'], 'ones', [
          { name: 'value', type: 4, t: { dims: [1], dataType: ONNX_TYPES.float32, floatData: [1] } },
        ]),
        node('Expand', ['ones', 's'], 'k'),
        node('Add', ['j', 'k'], 'l'),
        node('Unsqueeze', ['l', 'one'], 'm'),
        node('Squeeze', ['m', 'one'], 'n'),
        node('Clip', ['n', 'low', 'high'], 'o'),
        node('LayerNormalization', ['o', 'scale'], 'p', [int('axis', -1)]),
        node('Gemm', ['p', 'w2'], 'y'),
      ],
      initializer: [
        int64s('pads', [0, 0, 1, 1, 0, 0, 1, 1]),
        int64s('starts', [0, 1]),
        int64s('ends', [1000, 5]),
        int64s('axes', [2, 3]),
        int64s('rows', [0, 2, -1]),
        int64s('size', [1]),
        int64s('one', [1]),
        tensorMessage('w1', [1, 4]),
        tensorMessage('low', [], Float32Array.of(-1)),
        tensorMessage('high', [], Float32Array.of(6)),
        tensorMessage('scale', [4]),
        tensorMessage('w2', [4, 3]),
      ],
      input: [valueInfo('x', ['N', 1, 4, 4])],
      output: [valueInfo('y', ['N', 3])],
    },
  };
  return { 'net.onnx': Uint8Array.from(onnxSchema.lookupType('Model').encode(model).finish()) };
}
