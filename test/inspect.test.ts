import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { LayersCheckpoint } from '../src/checkpoint/checkpoint.js';
import { writeCheckpoint } from '../src/checkpoint/registry.js';
import { inspect } from '../src/inspect.js';
import { describeInspection, inspectionSchema } from '../src/report/inspection.js';
import { temporaryDirectory } from './checkpoint/fixtures.js';
import { f32, safetensors, weightFile } from './checkpoint/weights/weight-files.js';
import { npy, npz } from './dataset/support.js';
import { encodeModel } from './support/onnx-files.js';

/** Eight outputs of four inputs, outputs first: 2:4 along the inputs, outputs 5 and 6 equal, output 7 empty. */
const KERNEL = [
  [1, 0, 2, 0],
  [0, 0, 0, 3],
  [0, 4, 5, 0],
  [6, 0, 0, 7],
  [0, 8, 0, 0],
  [9, 9, 0, 0],
  [9, 9, 0, 0],
  [0, 0, 0, 0],
];
const ZEROS = KERNEL.flat().filter((value) => value === 0).length;
const BIAS = [0, 1, 0, 0, 0, 0, 0, 2];

const found = {
  all: { weights: 40, zeros: ZEROS + 6, sparsity: (ZEROS + 6) / 40 },
  kernels: { weights: 32, zeros: ZEROS, sparsity: ZEROS / 32 },
};
const kernel = {
  weights: 32,
  zeros: ZEROS,
  kernel: true,
  patterns: [
    { pattern: '2:4', share: 1, conforms: true },
    { pattern: '1:4', share: 3 / 8, conforms: false },
  ],
  channels: { outputs: 8, zeroOutputs: 1, repeatedOutputs: 1, inputs: 4, zeroInputs: 0 },
};
const nonzero = 32 - ZEROS;

async function inspected(path: string) {
  return inspectionSchema.parse(await inspect(path));
}

describe('inspect', () => {
  it('counts the zeros of a safetensors file, and what they are worth', async () => {
    const bytes = safetensors([f32('fc.weight', [8, 4], KERNEL.flat()), f32('fc.bias', [8], BIAS)]);
    const inspection = await inspected(weightFile('w.safetensors', bytes));
    expect(inspection).toMatchObject({ format: 'safetensors', ...found });
    expect(inspection.weights[0]).toMatchObject({
      ...kernel,
      name: 'fc.weight',
      dtype: 'F32',
      bytes: { dense: 128, positions: 12 * nonzero, bitmask: 4 + 4 * nonzero },
    });
    expect(inspection.weights[1]).toMatchObject({ kernel: false, patterns: [], channels: null });
    expect(inspection.bytes).toMatchObject({ file: bytes.length, gzipped: gzipSync(bytes).length });
  });

  it('knows the order of the axes of a LayersModel, and bytes of quantised weights', async () => {
    const transposed = Float32Array.from({ length: 32 }, (_, i) => KERNEL[i % 8]![Math.floor(i / 8)]!);
    const checkpoint: LayersCheckpoint = {
      format: 'tfjs-layers',
      path: '',
      sha256: '',
      topology: { class_name: 'Sequential', config: { layers: [] } },
      weights: [
        {
          name: 'dense/kernel',
          shape: [4, 8],
          dtype: 'float32',
          values: transposed,
          storage: { dtype: 'uint8', scale: 1, min: 0 },
        },
        { name: 'dense/bias', shape: [8], dtype: 'float32', values: Float32Array.from(BIAS), storage: null },
      ],
      metadata: {},
      manifestGroups: [2],
      extra: {},
    };
    const folder = join(temporaryDirectory(), 'model');
    await writeCheckpoint(checkpoint, folder);
    const inspection = await inspected(folder);
    expect(inspection).toMatchObject({ format: 'tfjs-layers', ...found });
    expect(inspection.weights[0]).toMatchObject({ ...kernel, dtype: 'uint8', bytes: { dense: 32 } });
  });

  it.each([0, 1])('follows the graph of an ONNX model (transB = %i)', async (transB) => {
    const values = transB
      ? KERNEL.flat()
      : Array.from({ length: 32 }, (_, i) => KERNEL[i % 8]![Math.floor(i / 8)]!);
    const path = join(temporaryDirectory(), 'model.onnx');
    writeFileSync(
      path,
      encodeModel({
        inputs: [{ name: 'x', shape: ['N', 4] }],
        outputs: [{ name: 'y', shape: ['N', 8] }],
        initializers: [
          { name: 'w', shape: transB ? [8, 4] : [4, 8], values },
          { name: 'b', shape: [8], values: BIAS },
        ],
        nodes: [{ opType: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['y'], attributes: { transB } }],
      }),
    );
    const inspection = await inspected(path);
    expect(inspection).toMatchObject({ format: 'onnx', ...found });
    expect(inspection.weights[0]).toMatchObject(kernel);
  });

  it('counts the numbers that an ONNX model does not store, too', async () => {
    const dense = KERNEL.flat();
    const kept = dense.flatMap((value, i) => (value === 0 ? [] : [i]));
    const path = join(temporaryDirectory(), 'sparse.onnx');
    const bytes = encodeModel({
      inputs: [{ name: 'x', shape: ['N', 4] }],
      outputs: [{ name: 'y', shape: ['N', 8] }],
      sparse: [
        {
          name: 'w',
          shape: [8, 4],
          values: { shape: [kept.length], values: kept.map((i) => dense[i]!) },
          indices: { shape: [kept.length], values: kept },
        },
      ],
      initializers: [{ name: 'b', shape: [8], values: BIAS }],
      nodes: [{ opType: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['y'], attributes: { transB: 1 } }],
    });
    writeFileSync(path, bytes);
    const inspection = await inspected(path);
    expect(inspection).toMatchObject({ format: 'onnx', ...found });
    expect(inspection.bytes).toMatchObject({
      ...{ dense: 160, positions: 12 * (nonzero + 2), bitmask: 5 + 4 * (nonzero + 2) },
      ...{ file: bytes.length, gzipped: gzipSync(bytes).length },
    });
  });

  it('counts the zeros of an npz file in the widths that it stores, integers left aside', async () => {
    const bytes = npz({
      'fc.weight': npy('<f8', [8, 4], Float64Array.from(KERNEL.flat())),
      'fc.bias': npy(
        '<f4',
        [8],
        Float32Array.from(BIAS, (value) => (value === 0 ? -0 : value)),
      ),
      steps: npy('<i4', [1], Int32Array.of(0)),
    });
    const inspection = await inspected(weightFile('w.npz', bytes));
    expect(inspection).toMatchObject({ format: 'npz', ...found });
    expect(inspection.bytes).toMatchObject({
      ...{ dense: 8 * 32 + 4 * 8, positions: 16 * nonzero + 12 * 2 },
      ...{ bitmask: 5 + 8 * nonzero + 4 * 2, file: bytes.length },
    });
  });

  it('says it in words', async () => {
    const bytes = safetensors([f32('fc.weight', [8, 4], KERNEL.flat()), f32('fc.bias', [8], BIAS)]);
    const { sections } = describeInspection(await inspected(weightFile('w.safetensors', bytes)));
    expect(sections[0]!.pairs).toContainEqual(['kernels', `${ZEROS} of 32 (62.5 %)`]);
    expect(sections[2]!.grid!.rows[0]).toEqual(['fc.weight', '8 x 4', '32', '62.5 %', '2:4', '1 of 8']);
    expect(sections[2]!.notes).toEqual(['fc.weight: 1 output channel equal to an earlier one']);
  });

  it('refuses what it cannot read in a line', async () => {
    await expect(inspect(weightFile('w.safetensors', Uint8Array.of(1, 2, 3)))).rejects.toThrow(
      /w\.safetensors/,
    );
  });
});
