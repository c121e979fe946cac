/** Weights in Constant nodes are read and written as initialisers are. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { OnnxCheckpoint } from '../../../src/checkpoint/checkpoint.js';
import { readOnnx } from '../../../src/checkpoint/onnx/reader.js';
import { writeCheckpoint } from '../../../src/checkpoint/registry.js';
import {
  encodeModel,
  type InitializerSpec,
  type ModelSpec,
  type NodeSpec,
} from '../../support/onnx-files.js';
import { directoryOf, temporaryDirectory } from '../fixtures.js';

const constant = (name: string, tensor: InitializerSpec): NodeSpec => ({
  opType: 'Constant',
  outputs: [name],
  attributes: { value: { tensor } },
});

/** x [N, 3] times a kernel [3, 2] in a Constant node, plus a bias. */
const model = (kernel: InitializerSpec, more: readonly NodeSpec[] = []): ModelSpec => ({
  nodes: [
    ...more,
    constant('w', kernel),
    { opType: 'MatMul', inputs: ['x', 'w'], outputs: ['h'] },
    { opType: 'Add', inputs: ['h', 'b'], outputs: ['y'] },
  ],
  initializers: [{ name: 'b', shape: [2], values: [1, 2] }],
  inputs: [{ name: 'x', shape: ['N', 3] }],
  outputs: [{ name: 'y', shape: ['N', 2] }],
});

async function readModel(
  spec: ModelSpec,
  files: Record<string, ArrayBufferView> = {},
): Promise<OnnxCheckpoint> {
  return readOnnx(join(directoryOf({ 'model.onnx': encodeModel(spec), ...files }), 'model.onnx'));
}

const values = [1.5, -2, 3, 0.25, 5, -6];
const halves = Uint16Array.of(0x3e00, 0xc000, 0x4200, 0x3400, 0x4500, 0xc600);
const pruned = [0, -2, 3, 0, 5, -6];
const prunedHalves = Uint16Array.of(0, 0xc000, 0x4200, 0, 0x4500, 0xc600);
const raw = new Uint8Array(Float32Array.from(values).buffer);
const prunedRaw = new Uint8Array(Float32Array.from(pruned).buffer);

describe('weights in Constant nodes', () => {
  it('are weights by the name of the output, after the initialisers; single numbers and integers are none', async () => {
    const { weights, graph } = await readModel(
      model({ shape: [3, 2], values }, [
        constant('half', { shape: [], values: [0.5] }),
        constant('shape', { shape: [2], type: 'int64', values: [3, 2] }),
      ]),
    );
    expect(weights).toEqual([
      { name: 'b', shape: [2], dtype: 'float32', values: Float32Array.of(1, 2), storage: null },
      { name: 'w', shape: [3, 2], dtype: 'float32', values: Float32Array.from(values), storage: null },
    ]);
    // Nodes without a name keep that of their place in the file.
    expect(graph.nodes.map(({ name, outputs }) => [name, ...outputs])).toEqual([
      ['#0', 'half'],
      ['#1', 'shape'],
      ['#3', 'h'],
      ['#4', 'y'],
    ]);
  });

  it.each<[string, InitializerSpec, InitializerSpec]>([
    ['raw data', { shape: [3, 2], values }, { shape: [3, 2], values: pruned }],
    [
      'float_data',
      { shape: [3, 2], fields: { floatData: values } },
      { shape: [3, 2], fields: { floatData: pruned } },
    ],
    [
      'float16 as integers, whose lengths change',
      { shape: [3, 2], type: 'float16', fields: { int32Data: [...halves] } },
      { shape: [3, 2], type: 'float16', fields: { int32Data: [...prunedHalves] } },
    ],
  ])('are written where they were, as %s, sparse or not', async (_name, before, after) => {
    const checkpoint = await readModel(model(before));
    const weights = checkpoint.weights.map((weight) =>
      weight.name === 'w' ? { ...weight, values: Float32Array.from(pruned) } : weight,
    );
    for (const sparse of [false, true]) {
      const output = join(temporaryDirectory(), 'pruned.onnx');
      await writeCheckpoint({ ...checkpoint, weights }, output, { sparse });
      expect(readFileSync(output)).toEqual(Buffer.from(encodeModel(model(after))));
    }
  });

  it('may lie in external data', async () => {
    const kernel = {
      shape: [3, 2],
      fields: { dataLocation: 1, externalData: [{ key: 'location', value: 'w.bin' }] },
    };
    const checkpoint = await readModel(model(kernel), { 'w.bin': raw });
    expect(checkpoint.weights[1]).toMatchObject({ name: 'w', values: Float32Array.from(values) });
    const folder = temporaryDirectory();
    const weights = [
      checkpoint.weights[0]!,
      { ...checkpoint.weights[1]!, values: Float32Array.from(pruned) },
    ];
    await writeCheckpoint({ ...checkpoint, weights }, join(folder, 'pruned.onnx'));
    expect(readFileSync(join(folder, 'w.bin'))).toEqual(Buffer.from(prunedRaw));
  });

  it('that have the name of an initialiser or input contradict the graph', async () => {
    for (const name of ['x', 'b']) {
      await expect(
        readModel(model({ shape: [3, 2], values }, [constant(name, { shape: [2], values: [1, 2] })])),
      ).rejects.toMatchObject({ code: 'checkpoint/invalid-graph' });
    }
  });
});
