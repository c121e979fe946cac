import { sum, type Tensor, type Tensor2D, tensor, valueAndGrads } from '@tensorflow/tfjs-core';
import protobuf from 'protobufjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { onnxGraphOf } from '../../../src/compute/compile/native-session.js';
import { encodeOnnxModel, type OnnxGraph } from '../../../src/compute/compile/onnx-model.js';
import { unfoldFilterGradients } from '../../../src/compute/compile/restructure.js';
import { separateFused } from '../../../src/compute/compile/separate-fused.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import { traceTemplate } from '../../../src/compute/compile/trace.js';
import { numbered } from '../../../src/compute/tensor-program.js';
import { exampleLosses } from '../../../src/network/loss.js';
import { weightTensors } from '../../../src/network/network.js';
import { smallConvNet } from '../../support/network-cases.js';
import { type SeededProblem, withProblem } from '../../support/problems.js';
import { hasNative, native } from './support.js';

/** Fields as the ONNX project numbers them (onnx.proto), under its names. */
const onnx = protobuf
  .parse(
    `syntax = "proto2";
  message AttributeProto {
    optional string name = 1; optional int32 type = 20; optional float f = 2; optional int64 i = 3;
    optional bytes s = 4; repeated float floats = 7; repeated int64 ints = 8;
  }
  message NodeProto {
    repeated string input = 1; repeated string output = 2; optional string name = 3;
    optional string op_type = 4; optional string domain = 7; repeated AttributeProto attribute = 5;
  }
  message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
  message TensorProto {
    repeated int64 dims = 1; optional int32 data_type = 2; optional string name = 8; optional bytes raw_data = 9;
  }
  message Dimension { optional int64 dim_value = 1; optional string dim_param = 2; }
  message TensorShapeProto { repeated Dimension dim = 1; }
  message TypeTensor { optional int32 elem_type = 1; optional TensorShapeProto shape = 2; }
  message TypeProto { optional TypeTensor tensor_type = 1; }
  message ValueInfoProto { optional string name = 1; optional TypeProto type = 2; }
  message GraphProto {
    repeated NodeProto node = 1; optional string name = 2; repeated TensorProto initializer = 5;
    repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12;
  }
  message ModelProto {
    optional int64 ir_version = 1; repeated OperatorSetIdProto opset_import = 8;
    optional string producer_name = 2; optional GraphProto graph = 7;
  }`,
    { keepCase: true },
  )
  .root.lookupType('ModelProto');

const model: OnnxGraph = {
  name: 'leaky',
  nodes: [
    { opType: 'LeakyRelu', inputs: ['x'], outputs: ['a'], attributes: { alpha: { float: 0.25 } } },
    { opType: 'Transpose', inputs: ['a'], outputs: ['b'], attributes: { perm: [1, 0] } },
    { opType: 'Softmax', inputs: ['b'], outputs: ['c'], attributes: { axis: -1 } },
    { opType: 'Where', inputs: ['mask', 'c', 'b'], outputs: ['d'], attributes: {} },
    { opType: 'Reshape', inputs: ['d', 'shape'], outputs: ['y'], attributes: {} },
  ],
  initializers: [
    { name: 'mask', type: 'bool', shape: [1, 2], data: Uint8Array.of(0, 1) },
    { name: 'shape', type: 'int64', shape: [1], data: BigInt64Array.of(-1n) },
  ],
  inputs: [{ name: 'x', type: 'float32', shape: [2, 1] }],
  outputs: [{ name: 'y', type: 'float32', shape: [2] }],
};

describe('ONNX models', () => {
  it('have every field where the ONNX schema has it', () => {
    const decoded = onnx.toObject(onnx.decode(encodeOnnxModel(model)), { longs: Number, bytes: Array });
    const tensorType = (dims: number[]) => ({
      tensor_type: { elem_type: 1, shape: { dim: dims.map((dim_value) => ({ dim_value })) } },
    });
    expect(decoded).toEqual({
      ir_version: 8,
      producer_name: 'prune-limit',
      opset_import: [{ version: 17 }],
      graph: {
        name: 'leaky',
        node: [
          {
            name: 'LeakyRelu_0',
            op_type: 'LeakyRelu',
            input: ['x'],
            output: ['a'],
            attribute: [{ name: 'alpha', f: 0.25, type: 1 }],
          },
          {
            name: 'Transpose_1',
            op_type: 'Transpose',
            input: ['a'],
            output: ['b'],
            attribute: [{ name: 'perm', ints: [1, 0], type: 7 }],
          },
          {
            name: 'Softmax_2',
            op_type: 'Softmax',
            input: ['b'],
            output: ['c'],
            attribute: [{ name: 'axis', i: -1, type: 2 }],
          },
          { name: 'Where_3', op_type: 'Where', input: ['mask', 'c', 'b'], output: ['d'] },
          { name: 'Reshape_4', op_type: 'Reshape', input: ['d', 'shape'], output: ['y'] },
        ],
        initializer: [
          { name: 'mask', data_type: 9, dims: [1, 2], raw_data: [0, 1] },
          { name: 'shape', data_type: 7, dims: [1], raw_data: Array(8).fill(255) },
        ],
        input: [{ name: 'x', type: tensorType([2, 1]) }],
        output: [{ name: 'y', type: tensorType([2]) }],
      },
    });
  });

  it.skipIf(!hasNative)('run in ONNX Runtime', async () => {
    const { runtime } = native;
    const session = await runtime.InferenceSession.create(encodeOnnxModel(model));
    const { y } = await session.run({ x: new runtime.Tensor('float32', Float32Array.of(-2, 1), [2, 1]) });
    const softmax = Math.E ** 1 / (Math.E ** 1 + Math.E ** -0.5);
    expect(y.dims).toEqual([2]);
    expect((y.data as Float32Array)[0]).toBe(-0.5);
    expect((y.data as Float32Array)[1]).toBeCloseTo(softmax, 6);
    await session.release();
  });
});

describe('compiling twice', () => {
  beforeAll(async () => {
    await prepareBackend('wasm');
  });

  const compiled = ({ network, loss, source }: SeededProblem): Uint8Array => {
    const template = traceTemplate(
      ({ x, y, ...weights }) =>
        numbered(
          'g',
          valueAndGrads((...at: Tensor[]) => sum(exampleLosses(loss, network.logits(at, x), y as Tensor2D)))(
            Object.values(weights),
          ).grads,
        ),
      (batchSize) => ({
        ...numbered('w', weightTensors(network, network.weights)),
        x: tensor(source.inputs(0, batchSize), [batchSize, ...source.shape]),
        y: tensor(source.targets(0, batchSize), [batchSize, network.outputs]),
      }),
    );
    const separated = separateFused(template.instantiate(4));
    return encodeOnnxModel(onnxGraphOf(simplify(unfoldFilterGradients(separated, [], false)), 'gradient'));
  };

  it('gives the same bytes', async () => {
    const models: Uint8Array[] = [];
    for (let i = 0; i < 2; i++) {
      await withProblem(smallConvNet, { seed: 6 }, async (problem) => {
        models.push(compiled(problem), compiled(problem));
      });
    }
    expect(models[0].length).toBeGreaterThan(1000);
    for (const other of models.slice(1)) {
      expect(Buffer.compare(models[0], other)).toBe(0);
    }
  });
});
