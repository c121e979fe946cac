/** Kernels that a graph computes from constants: counted, pruned and written, or left out by name. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { readOnnx } from '../../../src/checkpoint/onnx/reader.js';
import { prepareBackend } from '../../../src/compute/backend.js';
import { createNetwork } from '../../../src/network/create-network.js';
import { directoryOf } from '../../checkpoint/fixtures.js';
import { hasNative } from '../../compute/compile/support.js';
import {
  encodeModel,
  type InitializerSpec,
  type ModelSpec,
  type NodeSpec,
} from '../../support/onnx-files.js';
import { distance, normalInputs, outputOf, pruned, runtimeOutputOfFile, withFile } from './support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

const mask = Float32Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 0 : 1));
const v = normalInputs([4, 3], 1);
const w2 = normalInputs([2, 4], 2);
const float = (name: string, shape: number[], values: ArrayLike<number>): InitializerSpec => ({
  name,
  shape,
  values,
});

/** x [N, 3], a kernel `w` [4, 3] that `nodes` compute, relu, a kernel `w2` [2, 4]. */
function model(nodes: NodeSpec[], initializers: InitializerSpec[], more: NodeSpec[] = []): ModelSpec {
  return {
    opset: 13,
    nodes: [
      ...nodes,
      { opType: 'Gemm', inputs: ['x', 'w'], outputs: ['h'], attributes: { transB: 1 } },
      { opType: 'Relu', inputs: ['h'], outputs: ['a'] },
      { opType: 'Gemm', inputs: ['a', 'w2'], outputs: ['y'], attributes: { transB: 1 } },
      ...more,
    ],
    initializers: [...initializers, float('w2', [2, 4], w2)],
    inputs: [{ name: 'x', shape: ['N', 3] }],
    outputs: [{ name: 'y', shape: ['N', 2] }],
  };
}

const row = (i: number): number[] => [...v.subarray(3 * i, 3 * i + 3)];
const normOf = (values: number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
const g = [0.5, 2, -1, 3];

/** What the kernel is, computed by hand. */
const kinds: [string, ModelSpec, number[]][] = [
  [
    'a weight times a mask',
    model(
      [{ opType: 'Mul', inputs: ['v', 'mask'], outputs: ['w'] }],
      [float('v', [4, 3], v), float('mask', [4, 3], mask)],
    ),
    [...v].map((x, i) => x * mask[i]),
  ],
  [
    'a weight norm',
    model(
      [
        { opType: 'ReduceL2', inputs: ['v'], outputs: ['n'], attributes: { axes: [1], keepdims: 1 } },
        { opType: 'Div', inputs: ['v', 'n'], outputs: ['u'] },
        { opType: 'Mul', inputs: ['u', 'g'], outputs: ['w'] },
      ],
      [float('v', [4, 3], v), float('g', [4, 1], g)],
    ),
    g.flatMap((factor, i) => row(i).map((x) => (factor * x) / normOf(row(i)))),
  ],
  [
    'joined and behind a transpose',
    model(
      [
        { opType: 'Concat', inputs: ['left', 'right'], outputs: ['joined'], attributes: { axis: 1 } },
        { opType: 'Transpose', inputs: ['joined'], outputs: ['w'], attributes: { perm: [1, 0] } },
      ],
      [float('left', [3, 1], row(0)), float('right', [3, 3], v.subarray(3))],
    ),
    // [3, 4] before the transpose: the first column is the left part.
    [0, 1, 2].flatMap((i) => [row(0)[i], ...row(i + 1)]),
  ],
];

const inputs = normalInputs([5, 3], 9);

const runtimeOutputOf = (path: string): Promise<Float32Array> => runtimeOutputOfFile(path, inputs, [5, 3]);

describe('kernels computed from constants', () => {
  it.each(kinds)(
    '%s: prunable with the values that the network multiplies with',
    async (_name, spec, kernel) => {
      await withFile(spec, (network) => {
        expect(network).toMatchObject({ dimension: 20, parameters: 20, leftOut: [] });
        expect(network.prunable.map(({ size }) => size)).toEqual([12, 8]);
        expect(distance(network.weights.slice(0, 12), Float32Array.from(kernel))).toBeLessThan(1e-6);
        expect(network.weights.slice(12)).toEqual(w2);
      });
    },
  );

  it.each(kinds)('%s: written pruned, and read again', async (_name, spec) => {
    await withFile(spec, async (network, path) => {
      const output = await pruned(path, 0.5);
      const smallest = [...network.weights].sort((a, b) => Math.abs(a) - Math.abs(b))[9];
      const expected = network.weights.map((x) => (Math.abs(x) > Math.abs(smallest) ? x : 0));
      const back = await createNetwork(await readOnnx(output));
      expect(back.weights).toEqual(expected);
      expect(back).toMatchObject({ dimension: 20, parameters: 20 });
      if (hasNative) {
        expect(distance(outputOf(back, inputs, [5, 3]), await runtimeOutputOf(output))).toBeLessThan(1e-6);
        expect(distance(outputOf(network, inputs, [5, 3]), await runtimeOutputOf(path))).toBeLessThan(1e-6);
      }
      back.dispose();
    });
  });

  it('all results of one node that are kernels are written together', async () => {
    const joint = model(
      [{ opType: 'Split', inputs: ['both', 'sizes'], outputs: ['w', 'w3'], attributes: { axis: 0 } }],
      [
        float('both', [6, 3], normalInputs([6, 3], 4)),
        { name: 'sizes', shape: [2], type: 'int64', values: [4, 2] },
      ],
      [
        { opType: 'Gemm', inputs: ['x', 'w3'], outputs: ['z'], attributes: { transB: 1 } },
        { opType: 'Add', inputs: ['y', 'z'], outputs: ['out'] },
      ],
    );
    await withFile({ ...joint, outputs: [{ name: 'out', shape: ['N', 2] }] }, async (network, path) => {
      expect(network.prunable.map(({ name, size }) => [name, size])).toEqual([
        ['w', 12],
        ['w2', 8],
        ['w3', 6],
      ]);
      const back = await createNetwork(await readOnnx(await pruned(path, 0.25)));
      expect(back.dimension).toBe(26);
      expect(back.weights.filter((x) => x === 0)).toHaveLength(6);
      back.dispose();
    });
  });

  it('of halves are written as halves', async () => {
    const halves = (name: string, bits: number[]): InitializerSpec => ({
      name,
      shape: [4, 3],
      type: 'float16',
      values: Uint16Array.from(bits),
    });
    const spec = model(
      [{ opType: 'Mul', inputs: ['v', 'mask'], outputs: ['w'] }],
      [
        halves(
          'v',
          Array.from({ length: 12 }, (_, i) => 0x3c00 + i),
        ),
        halves('mask', Array(12).fill(0x3c00)),
      ],
    );
    await withFile(spec, async (_network, path) => {
      const back = await readOnnx(await pruned(path, 0.25));
      expect(back.weights.find(({ name }) => name === 'w')?.storage).toEqual({ dtype: 'float16' });
    });
  });
});

describe('kernels that are left out', () => {
  it('for they follow prunable weights', async () => {
    const spec = model(
      [
        { opType: 'Mul', inputs: ['w2', 'scale'], outputs: ['scaled'] },
        { opType: 'Gemm', inputs: ['x', 'v'], outputs: ['h0'], attributes: { transB: 1 } },
        { opType: 'Gemm', inputs: ['h0', 'scaled'], outputs: ['p'], attributes: { transB: 1 } },
        { opType: 'Identity', inputs: ['v'], outputs: ['w'] },
      ],
      [float('v', [4, 3], v), float('scale', [2, 1], [2, 3])],
      [{ opType: 'Add', inputs: ['y', 'p'], outputs: ['out'] }],
    );
    await withFile({ ...spec, outputs: [{ name: 'out', shape: ['N', 2] }] }, (network) => {
      expect(network.prunable.map(({ name }) => name)).toEqual(['v', 'w2']);
      expect(network.leftOut).toEqual([
        { name: 'scaled', weights: 8, reason: 'computed by Mul from "w2", which is prunable itself' },
      ]);
    });
  });

  it('for a result beside them is no kernel, also where nothing else is there', async () => {
    const part: ModelSpec = {
      nodes: [
        {
          opType: 'Split',
          inputs: ['both', 'sizes'],
          outputs: ['w', 'b'],
          name: 'cut',
          attributes: { axis: 0 },
        },
        { opType: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['y'], attributes: { transB: 1 } },
      ],
      initializers: [float('both', [4, 3], v), { name: 'sizes', shape: [2], type: 'int64', values: [3, 1] }],
      inputs: [{ name: 'x', shape: ['N', 3] }],
      outputs: [{ name: 'y', shape: ['N', 3] }],
    };
    const path = join(directoryOf({}), 'model.onnx');
    writeFileSync(path, encodeModel(part));
    await expect(createNetwork(await readOnnx(path))).rejects.toMatchObject({
      code: 'network/nothing-prunable',
      message: expect.stringMatching(
        /no prunable weight: "w" is one of the results of Split "cut", and its result "b" is no kernel; simplify the model with onnxsim$/,
      ),
    });
  });

  it('leave a message where no kernel is there at all', async () => {
    const none: ModelSpec = {
      nodes: [{ opType: 'Mul', inputs: ['x', 's'], outputs: ['y'] }],
      initializers: [float('s', [3], [1, 2, 3])],
      inputs: [{ name: 'x', shape: ['N', 3] }],
      outputs: [{ name: 'y', shape: ['N', 3] }],
    };
    const path = join(directoryOf({ 'model.onnx': encodeModel(none) }), 'model.onnx');
    await expect(createNetwork(await readOnnx(path))).rejects.toThrow(
      /no prunable weight: no convolution or matrix product takes a constant/,
    );
  });
});

const cases = fileURLToPath(new URL('../../../../shared/cases/onnx', import.meta.url));

it
  .skipIf(!existsSync(cases))
  .each(['constant_weights', 'constant_and_initialiser', 'masked_weight', 'weight_norm'])(
  '%s has 80 prunable weights, and half of them when pruned',
  async (name) => {
    const path = join(cases, `${name}.onnx`);
    const network = await createNetwork(await readOnnx(path));
    expect(network).toMatchObject({ dimension: 80, leftOut: [] });
    network.dispose();
    const back = await createNetwork(await readOnnx(await pruned(path, 0.75)));
    expect([back.dimension, back.weights.filter((x) => x === 0).length]).toEqual([80, 60]);
    back.dispose();
  },
);
