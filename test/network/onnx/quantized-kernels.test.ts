/** Kernels stored as integer codes behind DequantizeLinear: analysed as numbers, pruned as codes. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readOnnx } from '../../../src/checkpoint/onnx/reader.js';
import { prepareBackend } from '../../../src/compute/backend.js';
import { createNetwork } from '../../../src/network/create-network.js';
import { hasNative } from '../../compute/compile/support.js';
import {
  type InitializerSpec,
  type ModelSpec,
  markedModel,
  type NodeSpec,
} from '../../support/onnx-files.js';
import { onnxCheckpoint } from '../../support/onnx-models.js';
import { distance, normalInputs, outputOf, pruned, runtimeOutputOfFile, withFile } from './support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

const CODES = [-100, -50, -3, 2, 10, 20, 33, 47, 60, 80, 100, 127];
const shape = [4, 3];
const raw = (
  name: string,
  type: InitializerSpec['type'],
  own: number[],
  values: number[],
): InitializerSpec => ({
  name,
  shape: own,
  type,
  values,
});

interface Quantization {
  codes: InitializerSpec;
  scale: InitializerSpec;
  zeroPoint?: InitializerSpec;
  attributes?: NodeSpec['attributes'];
  opset?: number;
}

/** x [N, 3] times a kernel [4, 3] of codes, plus a bias of int32 codes. */
function model({ codes, scale, zeroPoint, attributes = {}, opset = 13 }: Quantization): ModelSpec {
  return {
    opset,
    irVersion: 10,
    nodes: [
      {
        opType: 'DequantizeLinear',
        inputs: ['codes', 'scale', ...(zeroPoint === undefined ? [] : ['zero'])],
        outputs: ['w'],
        attributes,
      },
      { opType: 'DequantizeLinear', inputs: ['biasCodes', 'biasScale'], outputs: ['b'] },
      { opType: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['y'], attributes: { transB: 1 } },
    ],
    initializers: [
      codes,
      scale,
      ...(zeroPoint === undefined ? [] : [zeroPoint]),
      raw('biasCodes', 'int32', [4], [1000, -2000, 0, 3]),
      raw('biasScale', 'float32', [], [2 ** -10]),
    ],
    inputs: [{ name: 'x', shape: ['N', 3] }],
    outputs: [{ name: 'y', shape: ['N', 4] }],
  };
}

const int8 = (values = CODES, own = shape): InitializerSpec => raw('codes', 'int8', own, values);
const halves = raw('scale', 'float32', [], [0.5]);

/** What the kernels are, by hand: (code - zero point) * scale; and the codes with the half of smallest magnitude pruned. */
const kinds: [string, Quantization, number[], number[]][] = [
  [
    'int8, one scale, no zero point',
    { codes: int8(), scale: halves },
    CODES.map((code) => code / 2),
    CODES.map((code) => (Math.abs(code) > 47 ? code : 0)),
  ],
  [
    'int8, opset 10, a zero point of 20',
    { codes: int8(), scale: halves, zeroPoint: raw('zero', 'int8', [], [20]), opset: 10 },
    CODES.map((code) => (code - 20) / 2),
    CODES.map((code) => (Math.abs(code - 20) > 30 ? code : 20)),
  ],
  [
    'uint8, a scale and a zero point for each row',
    {
      codes: raw('codes', 'uint8', shape, [1, 2, 3, 14, 15, 16, 120, 130, 140, 200, 220, 255]),
      scale: raw('scale', 'float32', [4], [1, 2, 0.5, 0.25]),
      zeroPoint: raw('zero', 'uint8', [4], [0, 10, 128, 240]),
      attributes: { axis: 0 },
    },
    [1, 2, 3, 8, 10, 12, -4, 1, 6, -10, -5, 3.75],
    [0, 0, 0, 14, 15, 16, 128, 128, 140, 200, 220, 240],
  ],
  [
    'int8, a scale for each column, counted from the end',
    {
      codes: int8(),
      scale: raw('scale', 'float32', [3], [1, 2, 4]),
      zeroPoint: raw('zero', 'int8', [3], [0, 0, 1]),
      attributes: { axis: -1 },
    },
    [-100, -100, -16, 2, 20, 76, 33, 94, 236, 80, 200, 504],
    [-100, -50, 1, 0, 0, 1, 0, 47, 60, 0, 100, 127],
  ],
  [
    'int8, opset 21, a scale for every two rows',
    {
      codes: int8(),
      scale: raw('scale', 'float32', [2, 3], [1, 2, 3, 0.5, 0.25, 4]),
      zeroPoint: raw('zero', 'int8', [2, 3], [0, 0, 0, 1, 1, 1]),
      attributes: { axis: 0, block_size: 2 },
      opset: 21,
    },
    [-100, -100, -9, 2, 20, 60, 16, 11.5, 236, 39.5, 24.75, 504],
    [-100, -50, 0, 0, 0, 20, 1, 1, 60, 80, 1, 127],
  ],
];

describe('kernels stored as integer codes', () => {
  it.each(kinds)('%s: analysed as the numbers they stand for', async (_name, quantization, kernel) => {
    await withFile(model(quantization), async (network, path) => {
      expect(network).toMatchObject({ dimension: 12, leftOut: [], outputs: 4 });
      expect(network.notes).toEqual([
        '1 kernel is stored as integer codes, and analysed as the numbers these stand for',
      ]);
      expect([...network.weights]).toEqual(kernel);
      const inputs = normalInputs([5, 3], 1);
      const own = outputOf(network, inputs, [5, 3]);
      if (hasNative)
        expect(distance(own, await runtimeOutputOfFile(path, inputs, [5, 3]))).toBeLessThan(1e-6);
    });
  });

  it.each(kinds)(
    '%s: pruned weights become the zero point, nothing else changes',
    async (_name, quantization, _kernel, codes) => {
      await withFile(model(quantization), async (network, path) => {
        const output = await pruned(path, 0.5);
        const expected = model({ ...quantization, codes: { ...quantization.codes, values: codes } });
        expect(readFileSync(output)).toEqual(markedModel(expected));
        const back = await createNetwork(await readOnnx(output));
        expect(back.weights.filter((x) => x === 0)).toHaveLength(6);
        expect([...back.weights]).toEqual(
          [...network.weights].map((x, i) => (back.weights[i] === 0 ? 0 : x)),
        );
        back.dispose();
      });
    },
  );

  it.each<[string, (spec: ModelSpec) => ModelSpec]>([
    [
      'that something else reads, too',
      (spec) => ({
        ...spec,
        nodes: [
          ...spec.nodes!,
          { opType: 'DequantizeLinear', inputs: ['codes', 'scale'], outputs: ['w2'] },
          { opType: 'Gemm', inputs: ['x', 'w2', 'y'], outputs: ['y2'], attributes: { transB: 1 } },
        ],
        outputs: [{ name: 'y2', shape: ['N', 4] }],
      }),
    ],
    [
      'in a list',
      (spec) => ({
        ...spec,
        initializers: [
          { name: 'codes', shape, type: 'int8', fields: { int32Data: CODES } },
          ...spec.initializers!.slice(1),
        ],
      }),
    ],
    [
      'made by QuantizeLinear',
      (spec) => ({
        ...spec,
        nodes: [
          { opType: 'QuantizeLinear', inputs: ['float', 'scale', 'zero'], outputs: ['codes'] },
          ...spec.nodes!,
        ],
        initializers: [
          // Halves go to the even code; what is beyond int8 is cut.
          { name: 'float', shape, values: [0.25, 0.75, 1.25, 5, 6, 7, 8, -1e3, 1e3, 10.3, 20, 30] },
          raw('zero', 'int8', [], [0]),
          ...spec.initializers!.slice(1),
        ],
      }),
    ],
  ])('codes %s: the kernel is written as numbers', async (_name, change) => {
    const spec = change(model({ codes: int8(), scale: halves }));
    await withFile(spec, async (network, path) => {
      const output = await pruned(path, 0.25);
      const back = await createNetwork(await readOnnx(output));
      expect(back.dimension).toBe(network.dimension);
      expect(back.weights.filter((x) => x === 0)).toHaveLength(network.dimension / 4);
      expect([...back.weights]).toEqual([...network.weights].map((x, i) => (back.weights[i] === 0 ? 0 : x)));
      back.dispose();
    });
  });

  it('QuantizeLinear rounds halves to even and cuts', async () => {
    const spec = model({ codes: int8(), scale: halves });
    const nodes = [
      { opType: 'QuantizeLinear', inputs: ['float', 'scale', 'zero'], outputs: ['codes'] },
      ...spec.nodes!,
    ];
    const numbers = [0.25, 0.75, 1.25, 1.75, -0.25, -0.75, -1e3, 1e3, 10.3, 63.4, 0, 1];
    const initializers = [
      { name: 'float', shape, values: numbers },
      raw('zero', 'int8', [], [0]),
      ...spec.initializers!.slice(1),
    ];
    await withFile({ ...spec, nodes, initializers }, (network) => {
      expect([...network.weights]).toEqual([0, 1, 1, 2, 0, -1, -64, 63.5, 10.5, 63.5, 0, 1]);
    });
  });
});

describe('quantised activations', () => {
  it.each(['QuantizeLinear', 'DynamicQuantizeLinear', 'MatMulInteger', 'QLinearConv'])(
    '%s is refused, with what helps',
    async (op) => {
      const checkpoint = onnxCheckpoint({
        input: [null, 4],
        nodes: [
          { op: 'MatMul', inputs: ['input', 'w'], outputs: ['z'] },
          { op, inputs: ['z', 's'], outputs: ['y'] },
        ],
        weights: { w: { shape: [4, 2], values: Array(8).fill(1) }, s: { shape: [], values: [1] } },
      });
      await expect(createNetwork(checkpoint)).rejects.toMatchObject({
        code: 'network/onnx-operator',
        message: expect.stringMatching(new RegExp(`${op} .*analyse the float model`)),
      });
    },
  );

  it('scales that do not fit are an error of the node', async () => {
    const spec = model({
      codes: int8(),
      scale: raw('scale', 'float32', [3], [1, 2, 3]),
      attributes: { axis: 0 },
    });
    await expect(withFile(spec, () => {})).rejects.toMatchObject({
      code: 'network/onnx-node',
      message: expect.stringMatching(
        /DequantizeLinear .*a scale \[3\] does not fit numbers \[4,3\] on axis 0/,
      ),
    });
  });
});
