import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CheckpointWeight } from '../../src/checkpoint/checkpoint.js';
import { readOnnx } from '../../src/checkpoint/onnx/reader.js';
import type { Split } from '../../src/dataset/dataset.js';
import { prepareExamples } from '../../src/dataset/examples.js';
import { classLabels } from '../../src/dataset/labels.js';
import { readDataset } from '../../src/dataset/registry.js';
import { encodeFloat16 } from '../../src/float16.js';
import type { PruneSummary } from '../../src/report/prune-summary.js';
import { hasNative, native } from '../compute/compile/support.js';
import { encodeModel, type InitializerSpec, type ModelSpec } from '../support/onnx-files.js';
import { normalWeight } from '../support/onnx-models.js';
import { analyzed, newFolder, quick, runReal, writeFileIn, writeImages } from './support.js';

const CHANNELS = 4;
const FEATURES = CHANNELS * 36;
/** Kernels of a convolution, 1 -> 4 and 3 x 3, and of a matrix product, 144 -> 3. */
const PRUNABLE = CHANNELS * 9 + FEATURES * 3;

let images: string;

beforeAll(() => {
  images = writeImages();
});

const filled = (size: number, value: number) => ({
  shape: [size],
  values: new Float32Array(size).fill(value),
});

const initializers: InitializerSpec[] = [
  { name: 'conv.weight', ...normalWeight([CHANNELS, 1, 3, 3], 1, 0.4) },
  { name: 'bn.scale', ...filled(CHANNELS, 1) },
  { name: 'bn.offset', ...filled(CHANNELS, 0.125) },
  { name: 'bn.mean', ...filled(CHANNELS, 0.0625) },
  { name: 'bn.variance', ...filled(CHANNELS, 0.75) },
  { name: 'fc.weight', ...normalWeight([3, FEATURES], 2, 0.1) },
  { name: 'fc.bias', ...normalWeight([3], 3, 0.1) },
  { name: 'factor', ...filled(FEATURES, 1.5) },
];
const UNTRAINED = ['factor'];

function plainNodes(): NonNullable<ModelSpec['nodes']> {
  return [
    { opType: 'Conv', inputs: ['input', 'conv.weight'], outputs: ['a'], attributes: { pads: [1, 1, 1, 1] } },
    {
      opType: 'BatchNormalization',
      inputs: ['a', 'bn.scale', 'bn.offset', 'bn.mean', 'bn.variance'],
      outputs: ['b'],
    },
    { opType: 'Relu', inputs: ['b'], outputs: ['c'] },
    { opType: 'Flatten', inputs: ['c'], outputs: ['d'] },
    { opType: 'Mul', inputs: ['d', 'factor'], outputs: ['e'] },
    {
      opType: 'Gemm',
      inputs: ['e', 'fc.weight', 'fc.bias'],
      outputs: ['logits'],
      attributes: { transB: 1 },
    },
  ];
}

/** A convolution with batch normalisation before a classifier; free extents have names. */
function modelOf(changes: Partial<ModelSpec> = {}, side: number | string = 6): string {
  const spec: ModelSpec = {
    opset: 17,
    producer: ['pytorch', '2.1.0'],
    inputs: [{ name: 'input', shape: ['batch', 1, side, side] }],
    outputs: [{ name: 'logits', shape: ['batch', 3] }],
    initializers,
    nodes: plainNodes(),
    ...changes,
  };
  return writeFileIn('model.onnx', encodeModel(spec));
}

const data = () => ['--data', images, '--normalize', '0.3/0.2', '--quiet'];

async function pruned(model: string, ...options: string[]) {
  const output = join(newFolder(), 'out.onnx');
  const { exitCode, stdout, stderr } = await runReal(
    ...['prune', model, ...data(), '-o', output, '--format', 'json', ...options],
  );
  expect([stderr, exitCode]).toEqual(['', 0]);
  const summary = JSON.parse(stdout) as PruneSummary;
  return { output, summary, method: summary.method as Required<PruneSummary>['method'] };
}

/** Mean cross-entropy and share of right answers on a split, by ONNX Runtime alone. */
async function byOnnxRuntime(model: string, of: 'train' | 'test') {
  const split = (await readDataset(images))[of] as Split;
  const normalization = { mean: [0.3], std: [0.2] };
  const { count, labels, inputs } = prepareExamples(split, { inputShape: [1, 6, 6], normalization });
  const classes = classLabels(labels, 3);
  const session = await native.runtime.InferenceSession.create(model);
  const { logits } = await session.run({
    input: new native.runtime.Tensor('float32', inputs(0, count), [count, 1, 6, 6]),
  });
  await session.release();
  const rows = Array.from(classes, (label, i) => {
    const row = [...(logits.data as Float32Array).subarray(3 * i, 3 * i + 3)];
    const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
    return { loss: Math.log(total) - row[label], right: row.indexOf(Math.max(...row)) === label };
  });
  return {
    loss: rows.reduce((sum, { loss }) => sum + loss, 0) / count,
    accuracy: rows.filter(({ right }) => right).length / count,
  };
}

async function weightsOf(path: string): Promise<Map<string, CheckpointWeight>> {
  return new Map((await readOnnx(path)).weights.map((weight) => [weight.name, weight]));
}

const zeros = (weights: Map<string, CheckpointWeight>, ...names: string[]) =>
  names.reduce(
    (sum, name) => sum + (weights.get(name)!.values as Float32Array).filter((value) => value === 0).length,
    0,
  );

describe('an ONNX model that is pruned by training', () => {
  it.each<[string[]]>([
    [['--method', 'gradual', '--budget', '1']],
    [['--method', 'lomp', '--budget', '2', '--learning-rate', '0.02']],
    [['--method', 'imp', '--budget', '3', '--learning-rate', '0.02']],
    [['--tune', '0.5']],
    [['--method', 'snip', '--calibration', '50', '--tune', '1']],
  ])('%j writes what its summary says, as ONNX Runtime computes it', async (options) => {
    const model = modelOf();
    const before = readFileSync(model);
    const backend = hasNative ? 'onnx' : 'wasm';
    const arguments_ = ['--ratio', '0.7', ...options, '--backend', backend];
    const { output, summary, method } = await pruned(model, ...arguments_);
    const weights = await weightsOf(output);
    expect(summary.prunedWeights).toBe(Math.floor(0.7 * PRUNABLE));
    expect(zeros(weights, 'conv.weight', 'fc.weight')).toBe(summary.prunedWeights);
    expect(method.after.loss).not.toBe(method.before.loss);
    expect(method.after.accuracy).toBeLessThan(1);
    if (hasNative && !options.includes('--calibration')) {
      const { loss } = await byOnnxRuntime(output, 'train');
      expect(loss).toBeCloseTo(method.after.loss, 5);
      expect((await byOnnxRuntime(model, 'train')).loss).toBeCloseTo(method.before.loss, 5);
    }
    if (hasNative) {
      expect((await byOnnxRuntime(output, 'test')).accuracy).toBe(method.after.accuracy);
    }

    // All but the trained numbers, in their places, is the file that was read.
    const expected = Buffer.from(before);
    for (const { name = '', values } of initializers) {
      const written = weights.get(name)!.values as Float32Array;
      if (UNTRAINED.includes(name)) {
        expect(written, name).toEqual(values);
      } else {
        expect(written, name).not.toEqual(values);
        expected.set(
          new Uint8Array(written.buffer, written.byteOffset, written.byteLength),
          before.indexOf(Buffer.from((values as Float32Array).buffer)),
        );
      }
    }
    expect(readFileSync(output).subarray(0, before.length).equals(expected)).toBe(true);
    expect(readFileSync(model).equals(before)).toBe(true);
  });

  it('has free extents of its input from the data, and writes the same bytes again', async () => {
    const options = ['--ratio', '0.7', '--method', 'gradual', '--backend', 'wasm'];
    const free = modelOf({}, 'side');
    const first = await pruned(free, ...options);
    const again = await pruned(free, ...options);
    expect(readFileSync(first.output).equals(readFileSync(again.output))).toBe(true);
    const fixed = await pruned(modelOf(), ...options);
    expect(fixed.method.after).toEqual(first.method.after);
  });

  it('is measured as its float16 weights are stored', { skip: !hasNative }, async () => {
    const spec: InitializerSpec[] = initializers.map((each) =>
      each.name === 'fc.weight'
        ? {
            name: 'half',
            shape: [3, FEATURES],
            type: 'float16',
            values: encodeFloat16(each.values as Float32Array),
          }
        : each,
    );
    const cast = { opType: 'Cast', inputs: ['half'], outputs: ['fc.weight'], attributes: { to: 1 } };
    const model = modelOf({ initializers: spec, nodes: [cast, ...plainNodes()] });
    const { output, method } = await pruned(model, '--ratio', '0.5', '--tune', '1');
    expect((await weightsOf(output)).get('half')?.storage).toEqual({ dtype: 'float16' });
    expect((await byOnnxRuntime(output, 'train')).loss).toBeCloseTo(method.after.loss, 5);
  });

  it('has kernels that it computes as constants, those that are trained without being pruned, too', {
    skip: !hasNative,
  }, async () => {
    const mask = {
      name: 'mask',
      shape: [3, FEATURES],
      values: Float32Array.from({ length: 3 * FEATURES }, (_, i) => 1 + (i % 2)),
    };
    const multiplied = { opType: 'Mul', inputs: ['fc.weight', 'mask'], outputs: ['masked'] };
    const nodes = plainNodes().map((node) =>
      node.opType === 'Gemm' ? { ...node, inputs: ['e', 'masked', 'fc.bias'] } : node,
    );
    const model = modelOf({ initializers: [...initializers, mask], nodes: [multiplied, ...nodes] });
    for (const options of [['--exclude', 'masked'], []]) {
      const { output, summary, method } = await pruned(
        model,
        ...['--ratio', '0.5', '--tune', '1', '--gate', 'pruned.loss >= 0', ...options],
        ...['--examples', 'all', '--backend', 'onnx', '--steps', '8', '--probes', '1'],
      );
      const { loss } = await byOnnxRuntime(output, 'train');
      expect(loss).toBeCloseTo(method.after.loss, 5);
      // Gates judge the network that is written, with everything that was trained.
      expect(summary.gates![0].found).toContain(`pruned.loss is ${loss.toPrecision(4)};`);
    }
  });
});

describe('analyze --tune of an ONNX model', () => {
  it('finds tuned limits, and leaves the file as it is', async () => {
    const model = modelOf();
    const before = readFileSync(model);
    const { output } = await pruned(model, '--ratio', '0.05', '--tune', '3', '--backend', 'wasm');
    const { tuned, actual } = await analyzed(output, ...data(), ...quick, '--tune', '0.5');
    expect(tuned).toMatchObject({ epochs: 0.5, examples: 512 });
    expect(tuned!.loss.pruned).toBeGreaterThanOrEqual(actual.loss.pruned);
    expect(tuned!.tries.length).toBeGreaterThan(2);
    expect(readFileSync(model).equals(before)).toBe(true);
  });

  it('finds the same by compiled programs in every run, also where all of the model is trained', {
    skip: !hasNative,
  }, async () => {
    // Without a constant of its own the model keeps nothing of tfjs alive while the programs compute.
    const model = modelOf({
      initializers: [
        { name: 'hidden', ...normalWeight([36, 8], 1, 0.2) },
        { name: 'out', ...normalWeight([8, 3], 2, 0.4) },
      ],
      nodes: [
        { opType: 'Flatten', inputs: ['input'], outputs: ['a'] },
        { opType: 'MatMul', inputs: ['a', 'hidden'], outputs: ['b'] },
        { opType: 'Relu', inputs: ['b'], outputs: ['c'] },
        { opType: 'MatMul', inputs: ['c', 'out'], outputs: ['logits'] },
      ],
    });
    const { output } = await pruned(model, '--ratio', '0.05', '--tune', '5', '--backend', 'onnx');
    const options = [...quick, '--backend', 'onnx', '--threads', '1', '--tune', '0.5', '--examples', '128'];
    const [first, second] = [
      await analyzed(output, ...data(), ...options),
      await analyzed(output, ...data(), ...options),
    ];
    const { tuned, actual, epsilon, comparison } = first;
    expect(tuned!.loss.pruned).toBeGreaterThan(actual.loss.pruned);
    const compensated = tuned!.compensated!;
    expect(compensated.pruned).toBeGreaterThanOrEqual(actual.loss.pruned);
    for (const { pruned: tried, lossIncrease } of compensated.tries) {
      expect(lossIncrease! <= epsilon.value).toBe(tried <= compensated.pruned);
    }
    expect(comparison.filter(({ actual: found }) => found === 'compensated')).toHaveLength(2);
    expect({ ...second.tuned, seconds: 0 }).toEqual({ ...first.tuned, seconds: 0 });
  });
});

describe('an ONNX model that cannot be trained is refused in one line', () => {
  const normalizedBy = (mean: string, variance: string) =>
    plainNodes().map((node) =>
      node.opType === 'BatchNormalization'
        ? { ...node, inputs: ['a', 'bn.scale', 'bn.offset', mean, variance] }
        : node,
    );
  const abs = { opType: 'Abs', inputs: ['bn.variance'], outputs: ['positive'] };
  const computed = () => modelOf({ nodes: [abs, ...normalizedBy('bn.mean', 'positive')] });
  const tied = () => modelOf({ nodes: normalizedBy('bn.variance', 'bn.variance') });
  const bfloat16 = () =>
    modelOf({
      initializers: initializers.map((each) =>
        each.name === 'fc.weight'
          ? { ...each, type: 'bfloat16', values: new Uint16Array(3 * FEATURES).fill(0x3c00) }
          : each,
      ),
    });
  const sigmoid = () =>
    modelOf({
      outputs: [{ name: 'p', shape: ['batch', 3] }],
      nodes: [...plainNodes(), { opType: 'Sigmoid', inputs: ['logits'], outputs: ['p'] }],
    });
  const rounded = () =>
    modelOf({
      initializers: [
        ...initializers,
        { name: 'scale', shape: [], values: [0.02] },
        { name: 'zero', shape: [], type: 'int8', values: [0] },
      ],
      nodes: [
        { opType: 'QuantizeLinear', inputs: ['input', 'scale', 'zero'], outputs: ['codes'] },
        { opType: 'DequantizeLinear', inputs: ['codes', 'scale', 'zero'], outputs: ['rounded'] },
        ...plainNodes().map((node) =>
          node.opType === 'Conv' ? { ...node, inputs: ['rounded', 'conv.weight'] } : node,
        ),
      ],
    });

  it.each<[string, () => string, string[], RegExp]>([
    [
      'statistics that are computed',
      computed,
      [],
      /computes the operand "positive", so its averages cannot be written back; export/,
    ],
    ['statistics that are one', tied, [], /shares "bn.variance" with another operand, so its averages/],
    ['a loss of another kind', modelOf, ['--loss', 'mse'], /cross-entropy, not mse; leave it out/],
    ['a sigmoid', sigmoid, ['--loss', 'cross-entropy'], /trains, and training takes classifiers/],
    ['rounded activations', rounded, [], /QuantizeLinear.*float model/],
  ])('%s', async (_title, make, options, words) => {
    const output = join(newFolder(), 'out.onnx');
    const model = make();
    for (const command of [
      ['analyze', model, '--tune', '0.5'],
      ['prune', model, '--ratio', '0.5', '--method', 'gradual', '-o', output],
      ['prune', model, '--ratio', '0.5', '--tune', '1', '-o', output],
    ]) {
      if (command[0] === 'analyze' || !options.includes('mse')) {
        const { exitCode, stderr } = await runReal(...command, ...data(), '--backend', 'wasm', ...options);
        expect(stderr.trim()).toMatch(words);
        expect(stderr.trim().split('\n')).toHaveLength(1);
        expect(stderr.length).toBeLessThan(320);
        expect(exitCode).toBe(2);
      }
    }
    expect(existsSync(output)).toBe(false);
  });

  it('weights of bfloat16, where they would be written', async () => {
    const output = join(newFolder(), 'out.onnx');
    const { exitCode, stderr } = await runReal(
      ...['prune', bfloat16(), '--ratio', '0.5', '--tune', '1', '-o', output, ...data(), '--backend', 'wasm'],
    );
    expect(stderr).toMatch(
      /^prune-limit: .*"fc.weight" is stored as bfloat16.*export the model in float32\.\n$/,
    );
    expect([exitCode, existsSync(output)]).toEqual([2, false]);
  });
});
