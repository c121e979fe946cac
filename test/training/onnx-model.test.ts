import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readOnnx } from '../../src/checkpoint/onnx/reader.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { type LoadedRuntime, loadOnnxRuntime } from '../../src/compute/onnx-runtime.js';
import { tfjsExecutor } from '../../src/compute/tfjs-executor.js';
import { type TrainConfig, trainDefaults } from '../../src/config.js';
import { encodeFloat16 } from '../../src/float16.js';
import { type Progress, silentProgress } from '../../src/progress.js';
import { train } from '../../src/train.js';
import { trainCheckpoint } from '../../src/training/training-run.js';
import { encodeModel, type InitializerSpec, type ModelSpec } from '../support/onnx-files.js';
import { normalWeight } from '../support/onnx-models.js';
import { endingAfter, separableData, separableSplit, trainingOptions } from './problems.js';

const HIDDEN = 8;
const runtime = await loadOnnxRuntime();
let root: string;

beforeAll(async () => {
  await prepareBackend('cpu');
  root = await mkdtemp(join(tmpdir(), 'prune-limit-train-onnx-'));
  await writeFile(join(root, 'train.csv'), csvOf(90, 1));
  await writeFile(join(root, 'test.csv'), csvOf(60, 2));
});
afterAll(() => rm(root, { recursive: true, force: true }));

function csvOf(count: number, seed: number): string {
  const { values, labels } = separableSplit(count, 3, seed);
  const rows = Array.from(labels.values, (label, i) => `${values[2 * i]},${values[2 * i + 1]},${label}`);
  return `a,b,label\n${rows.join('\n')}\n`;
}

const filled = (size: number, value: number) => ({
  shape: [size],
  values: new Float32Array(size).fill(value),
});

/** A perceptron with batch normalisation; the other initialisers are no weights. */
const initializers: InitializerSpec[] = [
  { name: 'shape', shape: [2], type: 'int64', values: [0, 2] },
  { name: 'w1', ...normalWeight([2, HIDDEN], 1, 0.7) },
  { name: 'gamma', ...filled(HIDDEN, 1) },
  { name: 'beta', ...filled(HIDDEN, 0) },
  { name: 'mean', ...filled(HIDDEN, 0.125) },
  { name: 'variance', ...filled(HIDDEN, 0.75) },
  { name: 'factor', ...filled(HIDDEN, 1.5) },
  { name: 'w2', ...normalWeight([HIDDEN, 3], 2, 0.5) },
  { name: 'b2', ...normalWeight([3], 3, 0.1) },
];
const TRAINED = ['w1', 'gamma', 'beta', 'mean', 'variance', 'w2', 'b2'];

function modelWith(changes: Readonly<Record<string, Partial<InitializerSpec>>> = {}): ModelSpec {
  return {
    opset: 13,
    producer: ['pytorch', '1.13.1'],
    metadata: { author: 'someone' },
    inputs: [{ name: 'input', shape: ['batch', 2] }],
    outputs: [{ name: 'output', shape: ['batch', 3] }],
    initializers: initializers.map((each) => ({ ...each, ...changes[each.name ?? ''] })),
    nodes: [
      { opType: 'Reshape', inputs: ['input', 'shape'], outputs: ['a'] },
      { opType: 'MatMul', inputs: ['a', 'w1'], outputs: ['b'] },
      {
        opType: 'BatchNormalization',
        inputs: ['b', 'gamma', 'beta', 'mean', 'variance'],
        outputs: ['c'],
      },
      { opType: 'Relu', inputs: ['c'], outputs: ['d'] },
      { opType: 'Mul', inputs: ['d', 'factor'], outputs: ['e'] },
      { opType: 'Gemm', inputs: ['e', 'w2', 'b2'], outputs: ['f'] },
      { opType: 'Softmax', inputs: ['f'], outputs: ['output'], attributes: { axis: 1 } },
    ],
  };
}

async function fileOf(name: string, spec: ModelSpec): Promise<string> {
  const path = join(root, `${name}.onnx`);
  await writeFile(path, encodeModel(spec));
  return path;
}

function config(from: string, output: string, changes: Partial<TrainConfig> = {}): TrainConfig {
  return {
    ...trainDefaults,
    network: null,
    from,
    data: root,
    output: `${root}/${output}`,
    epochs: 4,
    batchSize: 16,
    backend: 'cpu',
    ...changes,
  };
}

describe('an ONNX model that is trained', () => {
  it('has other numbers in its weights and moving statistics, and the same bytes elsewhere', async () => {
    const from = await fileOf('plain', modelWith());
    const before = await readFile(from);
    const summary = await train(config(from, 'tuned.onnx', { l1: 1e-4 }), silentProgress);
    expect(summary).toMatchObject({ files: [join(root, 'tuned.onnx')], trainAccuracy: 1, testAccuracy: 1 });
    expect(await readFile(from)).toEqual(before);

    const { weights, metadata, graph } = await readOnnx(join(root, 'tuned.onnx'));
    const expected = Buffer.from(before);
    for (const { name, values } of initializers) {
      const old = Buffer.from((values as Float32Array).buffer ?? []);
      const trained = weights.find((weight) => weight.name === name)?.values as Float32Array;
      if (TRAINED.includes(name as string)) {
        expect(trained, name).not.toEqual(values);
        expected.set(new Uint8Array(trained.buffer), before.indexOf(old));
      }
    }
    // What a trained model says of itself stands behind the file that was read.
    const written = await readFile(join(root, 'tuned.onnx'));
    expect(written.subarray(0, before.length).equals(expected)).toBe(true);
    expect(metadata).toEqual({ pruneLimit: { data: '.', loss: 'cross-entropy' } });
    expect(graph.opset).toBe(13);
  });

  it('gives in ONNX Runtime the accuracy and loss of the summary', {
    skip: typeof runtime === 'string',
  }, async () => {
    const from = await fileOf('measured', modelWith());
    const changes = { epochs: 1, learningRate: 0.04, backend: 'onnx' } as const;
    const { testAccuracy, testLoss } = await train(config(from, 'measured-out/', changes), silentProgress);
    const { InferenceSession, Tensor } = (runtime as LoadedRuntime).runtime;
    const session = await InferenceSession.create(join(root, 'measured-out', 'measured.onnx'));
    const { values, labels, count } = separableSplit(60, 3, 2);
    const { output } = await session.run({
      input: new Tensor('float32', values as Float32Array, [count, 2]),
    });
    const rows = Array.from(labels.values, (label, i) => {
      const row = (output.data as Float32Array).subarray(3 * i, 3 * i + 3);
      return { right: row.indexOf(Math.max(...row)) === label, loss: -Math.log(row[label]) };
    });
    expect(rows.filter(({ right }) => right).length / count).toBe(testAccuracy);
    expect(testAccuracy).toBeLessThan(1);
    expect(rows.reduce((sum, { loss }) => sum + loss, 0) / count).toBeCloseTo(testLoss as number, 5);
    await session.release();
  });

  it('goes on to the same numbers where it was stopped', async () => {
    const from = await fileOf('stopped', modelWith());
    const run = async (stateFolder: string | null, progress: Progress) => {
      const surroundings = {
        executor: tfjsExecutor,
        stateFolder,
        saveMilliseconds: 0,
        onEpoch: async () => {},
      };
      const options = { ...trainingOptions, epochs: 3, l1: 1e-3 };
      const { weights } = await trainCheckpoint(
        await readOnnx(from),
        separableData(),
        options,
        progress,
        surroundings,
      );
      return weights.map(({ name, values }) => [name, Buffer.from(values.buffer).toString('base64')]);
    };
    const folder = join(root, 'state');
    const whole = await run(null, silentProgress);
    await expect(run(folder, endingAfter(8))).rejects.toThrow('killed');
    expect(await run(folder, silentProgress)).toEqual(whole);
  });

  it('is measured as its float16 weights are stored', async () => {
    const halves = {
      type: 'float16',
      values: encodeFloat16(normalWeight([HIDDEN, 3], 2, 0.5).values),
    } as const;
    const nodes = modelWith().nodes?.map((node) =>
      node.opType === 'Gemm' ? { ...node, inputs: ['e', 'cast', 'b2'] } : node,
    );
    const cast = { opType: 'Cast', inputs: ['w2'], outputs: ['cast'], attributes: { to: 1 } };
    const from = await fileOf('half', { ...modelWith({ w2: halves }), nodes: [cast, ...(nodes ?? [])] });
    await train(config(from, 'half-tuned.onnx'), silentProgress);
    const { weights } = await readOnnx(join(root, 'half-tuned.onnx'));
    const stored = weights.find(({ name }) => name === 'w2');
    expect(stored?.storage).toEqual({ dtype: 'float16' });
    expect(encodeFloat16(stored?.values as Float32Array)).not.toEqual(halves.values);
  });

  it('has kernels that were computed from integer codes as constants of float32', async () => {
    const codes = Array.from({ length: HIDDEN * 3 }, (_, i) => ((i * 37) % 101) - 50);
    const spec = modelWith();
    const from = await fileOf('codes', {
      ...spec,
      initializers: [
        ...(spec.initializers ?? []).filter(({ name }) => name !== 'w2'),
        { name: 'codes', shape: [HIDDEN, 3], type: 'int8', values: codes },
        { name: 'scale', shape: [], values: [0.01] },
      ],
      nodes: [
        { opType: 'DequantizeLinear', inputs: ['codes', 'scale'], outputs: ['w2'] },
        ...(spec.nodes ?? []),
      ],
    });
    const { testLoss } = await train(config(from, 'codes-tuned.onnx'), silentProgress);
    const again = config(join(root, 'codes-tuned.onnx'), 'again.onnx', { epochs: 1, learningRate: 1e-9 });
    // A step too small to change a number measures the file that was written; but for the averages, which move.
    const second = await train(again, silentProgress);
    expect(Math.abs((second.testLoss as number) - (testLoss as number))).toBeLessThan(0.02);
    const { graph } = await readOnnx(join(root, 'codes-tuned.onnx'));
    expect(graph.nodes.map(({ opType }) => opType)).not.toContain('DequantizeLinear');
  });

  it.each([
    [
      'float16 asked for',
      {},
      { weightsDtype: 'float16' },
      'usage/weights-dtype',
      /keeps the types that its file has/,
    ],
    [
      'a weight of bfloat16',
      { w2: { type: 'bfloat16', values: new Uint16Array(HIDDEN * 3).fill(0x3f00) } },
      {},
      'checkpoint/not-representable',
      /weight "w2" is stored as bfloat16.*export the model in float32/,
    ],
  ] as const)('is refused with %s', async (label, weights, changes, code, message) => {
    const from = await fileOf(label.replaceAll(' ', '-'), modelWith(weights));
    await expect(train(config(from, 'refused.onnx', changes), silentProgress)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await readdir(root)).not.toContain('refused.onnx');
  });

  it('is refused where it would be overwritten, or a file that is not ours', async () => {
    const from = await fileOf('kept', modelWith());
    await expect(train(config(from, 'kept.onnx'), silentProgress)).rejects.toMatchObject({
      code: 'checkpoint/overwrites-input',
    });
    await writeFile(join(root, 'other.onnx'), 'mine');
    await expect(train(config(from, 'other.onnx'), silentProgress)).rejects.toMatchObject({
      code: 'output/exists',
    });
  });

  it('takes its external data along, changed', async () => {
    const { values } = normalWeight([HIDDEN, 3], 2, 0.5);
    const external = (location: string) => ({
      values: undefined,
      fields: { dataLocation: 1, externalData: [{ key: 'location', value: location }] },
    });
    const from = await fileOf('external', modelWith({ w2: external('w2.bin') }));
    await writeFile(join(root, 'w2.bin'), new Uint8Array(values.buffer));
    await train(config(from, 'moved/', { epochs: 2 }), silentProgress);
    const { weights } = await readOnnx(join(root, 'moved', 'external.onnx'));
    const trained = weights.find(({ name }) => name === 'w2')?.values as Float32Array;
    expect(trained).not.toEqual(values);
    expect(await readFile(join(root, 'moved', 'w2.bin'))).toEqual(Buffer.from(trained.buffer));
  });
});
