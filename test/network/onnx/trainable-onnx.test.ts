import { memory } from '@tensorflow/tfjs-core';
import { input, type LayersModel, layers, model as modelOf } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LayersCheckpoint, OnnxCheckpoint } from '../../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../../src/compute/backend.js';
import { onnxExecutor } from '../../../src/compute/compile/onnx-executor.js';
import { loadOnnxRuntime } from '../../../src/compute/onnx-runtime.js';
import { tfjsExecutor } from '../../../src/compute/tfjs-executor.js';
import { createTrainable } from '../../../src/network/create-trainable.js';
import { transposedNumbers } from '../../../src/network/onnx/values.js';
import type { TrainableNetwork } from '../../../src/network/trainable-network.js';
import type { TrainingStepOptions } from '../../../src/programs/training-step.js';
import { createStepEngine, initialState, type StepEngine } from '../../../src/training/step-engine.js';
import { adamScalars, sgdScalars } from '../../../src/training/step-scalars.js';
import { integerTensor, type ModelSketch, normalWeight, onnxCheckpoint } from '../../support/onnx-models.js';

const EXAMPLES = 6;
const CLASSES = 3;
const SIDE = 6;
const CHANNELS = 2;

const plain: TrainingStepOptions = {
  loss: 'cross-entropy',
  labelSmoothing: 0,
  optimizer: 'sgd',
  nesterov: false,
  l1: false,
  l1On: 'kernels',
  l2: false,
  weightDecay: false,
  masked: false,
};
const penalties = { l1: 0.01, l2: 0.02, weightDecay: 0.01 };

/** Near 1, as scales and variances are. */
const positive = (size: number, seed: number) => {
  const { shape, values } = normalWeight([size], seed, 0.1);
  return { shape, values: values.map((value) => 1 + value) };
};

/** A convolutional network with batch normalisations of two momenta, and a perceptron. */
const sketches: Readonly<Record<'convolutional' | 'perceptron', ModelSketch>> = {
  convolutional: {
    input: [null, CHANNELS, SIDE, SIDE],
    nodes: [
      { op: 'Conv', inputs: ['input', 'k1', 'c1'], outputs: ['a'], attributes: { pads: [1, 1, 1, 1] } },
      {
        op: 'BatchNormalization',
        inputs: ['a', 'g1', 'b1', 'm1', 'v1'],
        outputs: ['b'],
        attributes: { momentum: { float: 0.8 }, epsilon: { float: 1e-3 } },
      },
      { op: 'Relu', inputs: ['b'], outputs: ['c'] },
      { op: 'Conv', inputs: ['c', 'k2'], outputs: ['d'] },
      { op: 'BatchNormalization', inputs: ['d', 'g2', 'b2', 'm2', 'v2'], outputs: ['e'] },
      { op: 'Relu', inputs: ['e'], outputs: ['f'] },
      { op: 'GlobalAveragePool', inputs: ['f'], outputs: ['g'] },
      { op: 'Flatten', inputs: ['g'], outputs: ['h'] },
      { op: 'Gemm', inputs: ['h', 'w3', 'b3'], outputs: ['i'], attributes: { transB: 1 } },
      { op: 'Softmax', inputs: ['i'], outputs: ['output'] },
    ],
    weights: {
      k1: normalWeight([4, CHANNELS, 3, 3], 1, 0.4),
      c1: normalWeight([4], 2, 0.1),
      g1: positive(4, 3),
      b1: normalWeight([4], 4, 0.1),
      m1: normalWeight([4], 5, 0.1),
      v1: positive(4, 6),
      k2: normalWeight([5, 4, 3, 3], 7, 0.3),
      g2: positive(5, 8),
      b2: normalWeight([5], 9, 0.1),
      m2: normalWeight([5], 10, 0.1),
      v2: positive(5, 11),
      w3: normalWeight([CLASSES, 5], 12, 0.5),
      b3: normalWeight([CLASSES], 13, 0.1),
    },
  },
  perceptron: {
    input: [null, 4],
    nodes: [
      { op: 'MatMul', inputs: ['input', 'w1'], outputs: ['a'] },
      { op: 'Add', inputs: ['a', 'b1'], outputs: ['b'] },
      { op: 'Relu', inputs: ['b'], outputs: ['c'] },
      { op: 'Gemm', inputs: ['c', 'w2', 'b2'], outputs: ['output'] },
    ],
    weights: {
      w1: normalWeight([4, 7], 1, 0.5),
      b1: normalWeight([7], 2, 0.1),
      w2: normalWeight([7, CLASSES], 3, 0.5),
      b2: normalWeight([CLASSES], 4, 0.1),
    },
  },
};

/** The axes of a tfjs weight, by those of the ONNX one. */
const toTfjs: Readonly<Record<string, readonly number[]>> = {
  k1: [2, 3, 1, 0],
  k2: [2, 3, 1, 0],
  w3: [1, 0],
};

function asTfjs(name: string, shape: readonly number[], values: Float32Array): Float32Array {
  const axes = toTfjs[name];
  return axes === undefined ? values : transposedNumbers(values, shape, axes);
}

/** The same networks as layers models; weights in the order of `order`. */
const twins: Readonly<Record<keyof typeof sketches, { make: () => LayersModel; order: readonly string[] }>> =
  {
    convolutional: {
      make: () => {
        const x = input({ shape: [SIDE, SIDE, CHANNELS] });
        const apply = (layer: { apply(from: never): unknown }, from: unknown) => layer.apply(from as never);
        const first = apply(layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same' }), x);
        const normal = apply(layers.batchNormalization({ momentum: 0.8, epsilon: 1e-3 }), first);
        const second = apply(
          layers.conv2d({ filters: 5, kernelSize: 3, useBias: false }),
          apply(layers.reLU(), normal),
        );
        const last = apply(layers.batchNormalization({ momentum: 0.9, epsilon: 1e-5 }), second);
        const pooled = apply(layers.globalAveragePooling2d({}), apply(layers.reLU(), last));
        const outputs = apply(layers.dense({ units: CLASSES, activation: 'softmax' }), pooled);
        return modelOf({ inputs: x, outputs: outputs as never });
      },
      order: ['k1', 'c1', 'g1', 'b1', 'm1', 'v1', 'k2', 'g2', 'b2', 'm2', 'v2', 'w3', 'b3'],
    },
    perceptron: {
      make: () => {
        const x = input({ shape: [4] });
        const hidden = layers.dense({ units: 7, activation: 'relu' }).apply(x);
        const outputs = layers.dense({ units: CLASSES, activation: 'softmax' }).apply(hidden);
        return modelOf({ inputs: x, outputs: outputs as never });
      },
      order: ['w1', 'b1', 'w2', 'b2'],
    },
  };

function twinOf(name: keyof typeof sketches): LayersCheckpoint {
  const model = twins[name].make();
  const variables = model.layers.flatMap((layer) =>
    layer.weights.map((each) => each as unknown as { originalName: string; shape: number[] }),
  );
  const weights = variables.map(({ originalName, shape }, index) => {
    const own = twins[name].order[index];
    const given = sketches[name].weights?.[own];
    if (given === undefined) {
      throw new Error(`no weight for ${originalName}`);
    }
    const values = asTfjs(own, given.shape, Float32Array.from(given.values));
    return { name: originalName, shape, dtype: 'float32' as const, values, storage: null };
  });
  return {
    format: 'tfjs-layers',
    path: '',
    sha256: '',
    topology: model.toJSON(null, false) as Record<string, unknown>,
    weights,
    metadata: {},
    manifestGroups: [weights.length],
    extra: {},
  };
}

const runtime = await loadOnnxRuntime();

beforeAll(async () => {
  await prepareBackend('wasm');
});

const targets = new Float32Array(EXAMPLES * CLASSES);
for (let i = 0; i < EXAMPLES; i++) {
  targets[i * CLASSES + (i % CLASSES)] = 1;
}

async function engineOf(
  checkpoint: LayersCheckpoint | OnnxCheckpoint,
  options: TrainingStepOptions,
  native: boolean,
): Promise<{ engine: StepEngine; network: TrainableNetwork }> {
  const network = await createTrainable(checkpoint, {});
  const inputShape = network.inputShape as number[];
  const setting = { network, inputShape, options, state: initialState(network, options) };
  const executor =
    native && typeof runtime !== 'string'
      ? onnxExecutor({ runtime: runtime.runtime, threads: 1 })
      : tfjsExecutor;
  const engine = await createStepEngine(executor, setting, EXAMPLES);
  return { engine, network };
}

/** Losses of some steps, and the checkpoint after them. */
async function trained(
  checkpoint: LayersCheckpoint | OnnxCheckpoint,
  inputs: Float32Array,
  options: TrainingStepOptions,
  native: boolean,
) {
  const { engine, network } = await engineOf(checkpoint, options, native);
  try {
    const losses: number[] = [];
    for (let step = 0; step < 5; step++) {
      const scalars =
        options.optimizer === 'adam'
          ? adamScalars(EXAMPLES, 0.01, 0.9, step + 1, penalties)
          : sgdScalars(EXAMPLES, 0.1, 0.9, penalties);
      const batch = { size: EXAMPLES, inputs, targets, dropoutMasks: [] };
      const [result] = await engine.take([{ batch, scalars }]);
      losses.push(...result.losses);
    }
    const { weights, statistics } = engine.state();
    return { losses, result: network.checkpoint(weights, statistics) };
  } finally {
    engine.dispose();
    network.dispose();
  }
}

function expectClose(left: ArrayLike<number>, right: ArrayLike<number>, label: string): void {
  expect(left.length).toBe(right.length);
  Array.from(left).forEach((value, index) => {
    // A few dozen roundings of numbers of size 1 at float32.
    expect(Math.abs(value - right[index]), `${label}[${index}]`).toBeLessThan(5e-6);
  });
}

describe.each(['tfjs', 'onnx'] as const)('an ONNX model that is trained by %s', (name) => {
  const native = name === 'onnx';
  const skip = native && typeof runtime === 'string';

  it.each([
    ['convolutional', { ...plain, nesterov: true, l1: true }],
    ['convolutional', { ...plain, l1: true, l1On: 'all', l2: true, weightDecay: true }],
    ['perceptron', { ...plain, optimizer: 'adam', labelSmoothing: 0.1 }],
    ['perceptron', { ...plain, l1: true }],
  ] as const)('takes the steps of the same layers model: %s, %j', { skip }, async (which, options) => {
    const sketch = sketches[which];
    const shape = [EXAMPLES, ...(sketch.input.slice(1) as number[])];
    const { values } = normalWeight(shape, 20);
    const channelsLast = shape.length === 4 ? transposedNumbers(values, shape, [0, 2, 3, 1]) : values;
    const onnx = await trained(onnxCheckpoint(sketch), values, options, native);
    const twin = await trained(twinOf(which), channelsLast, options, false);
    expectClose(onnx.losses, twin.losses, 'losses');
    const { order } = twins[which];
    order.forEach((weight, index) => {
      const found = onnx.result.weights.find((each) => each.name === weight);
      const own = asTfjs(weight, found?.shape ?? [], found?.values as Float32Array);
      const given = Float32Array.from(sketch.weights?.[weight].values ?? []);
      expect(found?.values, weight).not.toEqual(given);
      expectClose(own, twin.result.weights[index].values, weight);
    });
  });
});

/** Names of what training changes. */
async function changed(sketch: ModelSketch) {
  const network = await createTrainable(onnxCheckpoint(sketch), {});
  const { weights, statistics } = network;
  network.dispose();
  return {
    kernels: weights.filter(({ prunable }) => prunable).map(({ name }) => name),
    others: weights.filter(({ prunable }) => !prunable).map(({ name }) => name),
    statistics: statistics.map(({ name }) => name),
  };
}

describe('what training changes of an ONNX model', () => {
  it('are kernels, biases, scales, offsets and moving statistics, each once', async () => {
    expect(await changed(sketches.convolutional)).toEqual({
      kernels: ['k1', 'k2', 'w3'],
      others: ['c1', 'g1', 'b1', 'g2', 'b2', 'b3'],
      statistics: ['m1', 'v1', 'm2', 'v2'],
    });
  });

  it('are no factors, masks, bounds and shapes', async () => {
    const { kernels, others, statistics } = await changed({
      input: [null, 2, 3],
      nodes: [
        { op: 'Mul', inputs: ['input', 'factor'], outputs: ['a'] },
        { op: 'Reshape', inputs: ['a', 'shape'], outputs: ['b'] },
        { op: 'Clip', inputs: ['b', 'low', 'high'], outputs: ['c'] },
        { op: 'Transpose', inputs: ['stored'], outputs: ['w'], attributes: { perm: [1, 0] } },
        { op: 'MatMul', inputs: ['c', 'w'], outputs: ['d'] },
        { op: 'Add', inputs: ['bias', 'd'], outputs: ['e'] },
        { op: 'Add', inputs: ['e', 'shift'], outputs: ['f'] },
        { op: 'LayerNormalization', inputs: ['f', 'scale', 'offset'], outputs: ['g'] },
        { op: 'PRelu', inputs: ['g', 'slope'], outputs: ['output'] },
      ],
      weights: {
        factor: normalWeight([3], 1),
        low: { shape: [], values: [-1] },
        high: { shape: [], values: [1] },
        stored: normalWeight([CLASSES, 6], 2),
        bias: normalWeight([CLASSES], 3),
        shift: normalWeight([CLASSES], 4),
        scale: normalWeight([CLASSES], 5),
        offset: normalWeight([CLASSES], 6),
        slope: normalWeight([CLASSES], 7),
      },
      constants: { shape: integerTensor([0, 6]) },
    });
    expect({ kernels, others, statistics }).toEqual({
      kernels: ['stored'],
      others: ['bias', 'scale', 'offset', 'slope'],
      statistics: [],
    });
  });

  it('says where a new network begins: kernels by what each output sums over, scales and variances at 1', async () => {
    const names = ['g', 'b', 'm', 'v'];
    const network = await createTrainable(
      onnxCheckpoint({
        input: [null, 2, 4, 4],
        nodes: [
          { op: 'Conv', inputs: ['input', 'conv', 'bias'], outputs: ['a'] },
          { op: 'BatchNormalization', inputs: ['a', ...names], outputs: ['c'] },
          { op: 'Flatten', inputs: ['c'], outputs: ['d'] },
          { op: 'Gemm', inputs: ['d', 'rows'], outputs: ['e'], attributes: { transB: 1 } },
          { op: 'MatMul', inputs: ['e', 'columns'], outputs: ['output'] },
        ],
        weights: {
          conv: normalWeight([5, 2, 3, 3], 1),
          bias: normalWeight([5], 2),
          ...Object.fromEntries(names.map((name, index) => [name, positive(5, index)])),
          rows: normalWeight([6, 20], 3),
          columns: normalWeight([6, CLASSES], 4),
        },
      }),
      {},
    );
    network.dispose();
    const all = [...network.weights, ...network.statistics];
    const begun = all.map(({ name, initial }) => [
      name,
      initial.kind === 'normal' ? `fan-in ${initial.fanIn}` : initial.value,
    ]);
    // A 3 x 3 window over 2 channels; [out, in] with transB; [in, out] without.
    expect(Object.fromEntries(begun)).toEqual({
      ...{ conv: 'fan-in 18', rows: 'fan-in 20', columns: 'fan-in 6' },
      ...{ bias: 0, g: 1, b: 0, m: 0, v: 1 },
    });
  });

  it('moves a weight of several nodes once, by the sum of what each asks for', async () => {
    const square = normalWeight([CLASSES, CLASSES], 1, 0.6);
    const twice = (second: string): ModelSketch => ({
      input: [null, CLASSES],
      nodes: [
        { op: 'MatMul', inputs: ['input', 'w'], outputs: ['a'] },
        { op: 'Tanh', inputs: ['a'], outputs: ['b'] },
        { op: 'MatMul', inputs: ['b', second], outputs: ['output'] },
      ],
      weights: second === 'w' ? { w: square } : { w: square, [second]: square },
    });
    const { values } = normalWeight([EXAMPLES, CLASSES], 2);
    const step = async (sketch: ModelSketch) => {
      const { engine, network } = await engineOf(onnxCheckpoint(sketch), plain, false);
      const batch = { size: EXAMPLES, inputs: values, targets, dropoutMasks: [] };
      await engine.take([{ batch, scalars: sgdScalars(EXAMPLES, 1, 0, penalties) }]);
      const moves = engine
        .state()
        .weights.map((weight) => Array.from(weight, (each, i) => each - square.values[i]));
      engine.dispose();
      network.dispose();
      return moves;
    };
    const [shared] = await step(twice('w'));
    const [first, second] = await step(twice('v'));
    expectClose(
      shared,
      first.map((move, index) => move + second[index]),
      'w',
    );
  });

  it('leaves nothing on the backend', async () => {
    const before = memory().numTensors;
    const { values } = normalWeight([EXAMPLES, CHANNELS, SIDE, SIDE], 20);
    await trained(onnxCheckpoint(sketches.convolutional), values, plain, false);
    expect(memory().numTensors).toBe(before);
  });
});

describe('an ONNX model that cannot be trained', () => {
  const { convolutional } = sketches;
  const withNormalization = (inputs: string[], attributes = {}): ModelSketch => ({
    ...convolutional,
    nodes: convolutional.nodes.map((node, index) => (index === 4 ? { ...node, inputs, attributes } : node)),
  });

  it.each([
    ['d', 'g2', 'b2', 'm2', 'g2'],
    ['d', 'g2', 'b2', 'm2', 'm2'],
    ['d', 'g2', 'b2', 'v2', 'b2'],
  ])('has moving statistics that are something else, too: %s %s %s %s %s', async (...inputs) => {
    await expect(createTrainable(onnxCheckpoint(withNormalization(inputs)), {})).rejects.toMatchObject({
      code: 'training/statistics',
      message: expect.stringMatching(/^model\.onnx: BatchNormalization "BatchNormalization_4" shares "..?"/),
    });
  });

  it('takes batches of one size alone, which its normalisation cannot be trained on', async () => {
    const names = ['g', 'b', 'm', 'v'];
    const sketch: ModelSketch = {
      input: [2, CLASSES],
      nodes: [
        { op: 'Reshape', inputs: ['input', 'apart'], outputs: ['x'] },
        { op: 'Reshape', inputs: ['x', 'joined'], outputs: ['y'] },
        { op: 'MatMul', inputs: ['y', 'w'], outputs: ['z'] },
        { op: 'BatchNormalization', inputs: ['z', ...names], outputs: ['output'] },
      ],
      weights: {
        w: normalWeight([CLASSES, CLASSES], 1),
        ...Object.fromEntries(names.map((name, index) => [name, positive(CLASSES, index)])),
      },
      constants: { apart: integerTensor([1, 2, CLASSES]), joined: integerTensor([2, CLASSES]) },
    };
    await expect(createTrainable(onnxCheckpoint(sketch), {})).rejects.toMatchObject({
      code: 'training/batch',
      message: expect.stringContaining('export it with a free batch axis'),
    });
  });

  it('is one that was exported in training mode', async () => {
    const sketch = withNormalization(['d', 'g2', 'b2', 'm2', 'v2'], { training_mode: 1 });
    await expect(createTrainable(onnxCheckpoint(sketch), {})).rejects.toMatchObject({
      code: 'network/onnx-operator',
      message: expect.stringContaining('model.eval()'),
    });
  });
});
