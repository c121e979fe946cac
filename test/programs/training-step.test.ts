import { input, type LayersModel, layers, model as modelOf } from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { onnxExecutor } from '../../src/compute/compile/onnx-executor.js';
import { loadOnnxRuntime } from '../../src/compute/onnx-runtime.js';
import { tfjsExecutor } from '../../src/compute/tfjs-executor.js';
import { createTrainableNetwork, type TrainableNetwork } from '../../src/network/trainable-network.js';
import type { TrainingStepOptions } from '../../src/programs/training-step.js';
import { createStepEngine, initialState, type StepEngine } from '../../src/training/step-engine.js';
import { adamScalars, sgdScalars } from '../../src/training/step-scalars.js';

/** Numbers that the script which made the references computes alike. */
function wave(size: number, phase: number, scale: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.37 + phase) * scale);
}

const EXAMPLES = 6;
const CLASSES = 3;

function dense(): LayersModel {
  const x = input({ shape: [4] });
  const hidden = layers.dense({ units: 5, activation: 'relu' }).apply(x);
  return modelOf({
    inputs: x,
    outputs: layers.dense({ units: CLASSES, activation: 'softmax' }).apply(hidden) as never,
  });
}

function residual(): LayersModel {
  const x = input({ shape: [6, 6, 2] });
  const convolve = (from: unknown) =>
    layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', useBias: false }).apply(from as never);
  const normalize = (from: unknown) =>
    layers.batchNormalization({ momentum: 0.9, epsilon: 1e-3 }).apply(from as never);
  const relu = (from: unknown) => layers.reLU().apply(from as never);
  const first = relu(normalize(convolve(x)));
  const second = relu(layers.add().apply([first, normalize(convolve(first))] as never));
  const pooled = layers.globalAveragePooling2d({}).apply(second as never);
  return modelOf({
    inputs: x,
    outputs: layers.dense({ units: CLASSES, activation: 'softmax' }).apply(pooled as never) as never,
  });
}

/** The model as a checkpoint: trainable weights are waves, scales of normalisations around 1. */
function checkpointOf(model: LayersModel): LayersCheckpoint {
  let trainable = 0;
  const variables = model.weights as unknown as { originalName: string; shape: number[] }[];
  const weights = variables.map(({ originalName: name, shape }) => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const isStatistic = name.includes('moving_');
    const values = isStatistic
      ? new Float32Array(size).fill(name.includes('variance') ? 1 : 0)
      : wave(size, ++trainable, 0.5).map((value) => value + (name.includes('gamma') ? 1 : 0));
    return { name, shape, dtype: 'float32' as const, values, storage: null };
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

const penalties = { l1: 0.01, l2: 0, weightDecay: 0.01 };
const norms = (arrays: readonly Float32Array[]): number[] =>
  arrays.map((array) => Math.sqrt(array.reduce((sum, value) => sum + value * value, 0)));

/**
 * Loss before each of six steps, and norms of weights and of moving statistics after them, by PyTorch 1.13.1 with the
 * same numbers: torch.optim.SGD(lr=.1, momentum=.9) and Adam(lr=.01) on F.cross_entropy, l1 as
 * .01 * sum(w.abs().sum()), weight_decay .01. Batches are normalised by F.batch_norm with training=True; moving
 * statistics are averaged by hand with h.var(unbiased=False), as tfjs-layers does.
 */
const references = [
  {
    label: 'Nesterov, l1 on kernels, smoothed labels',
    make: dense,
    options: { ...plain, nesterov: true, l1: true, labelSmoothing: 0.1 },
    losses: [1.0680213, 1.0641472, 1.0596831, 1.0547702, 1.0501629, 1.0458838],
    weights: [1.564245, 0.864386, 1.321753, 0.538984],
    statistics: [],
  },
  {
    label: 'l1 on all weights',
    make: dense,
    options: { ...plain, l1: true, l1On: 'all' },
    losses: [1.0626878, 1.060328, 1.0561837, 1.051456, 1.0461212, 1.0407779],
    weights: [1.575641, 0.829711, 1.328685, 0.514675],
    statistics: [],
  },
  {
    label: 'batch normalisation and weight decay',
    make: residual,
    options: { ...plain, weightDecay: true },
    losses: [1.1972882, 1.1773132, 1.1467355, 1.1174872, 1.0996403, 1.0969906],
    weights: [2.952861, 1.942246, 0.602405, 4.175751, 2.178468, 0.763457, 1.231191, 0.381923],
    statistics: [0.000737, 2.504474, 0.10447, 6.983392],
  },
  {
    label: 'Adam',
    make: residual,
    options: { ...plain, optimizer: 'adam', weightDecay: true },
    losses: [1.1972882, 1.1779662, 1.1609364, 1.1456968, 1.1321155, 1.1203882],
    weights: [2.653699, 1.940662, 0.60277, 3.648106, 2.167608, 0.705051, 1.143135, 0.608956],
    statistics: [0.000681, 2.327801, 0.092327, 6.265433],
  },
] satisfies { options: TrainingStepOptions; [key: string]: unknown }[];

const runtime = await loadOnnxRuntime();

describe.each(['tfjs', 'onnx'] as const)('a training step by %s', (name) => {
  const engines: { dispose(): void }[] = [];
  const skip = name === 'onnx' && typeof runtime === 'string';

  beforeAll(async () => {
    await prepareBackend('wasm');
  });
  afterAll(() => {
    for (const engine of engines) {
      engine.dispose();
    }
  });

  async function engineOf(
    make: () => LayersModel,
    options: TrainingStepOptions,
    masks?: (network: TrainableNetwork) => Float32Array[],
  ): Promise<{ engine: StepEngine; inputs: Float32Array }> {
    const network = await createTrainableNetwork(checkpointOf(make()));
    const inputShape = network.inputShape as number[];
    const setting = {
      network,
      inputShape,
      options,
      state: initialState(network, options),
      masks: masks?.(network),
    };
    const executor =
      name === 'onnx' && typeof runtime !== 'string'
        ? onnxExecutor({ runtime: runtime.runtime, threads: 1 })
        : tfjsExecutor;
    const engine = await createStepEngine(executor, setting, EXAMPLES);
    engines.push(engine, network);
    return {
      engine,
      inputs: wave(
        inputShape.reduce((a, b) => a * b, EXAMPLES),
        0.3,
        1,
      ),
    };
  }

  const targets = new Float32Array(EXAMPLES * CLASSES);
  for (let i = 0; i < EXAMPLES; i++) {
    targets[i * CLASSES + (i % CLASSES)] = 1;
  }

  it.each(references)(
    'follows PyTorch: $label',
    { skip },
    async ({ make, options, losses, weights, statistics }) => {
      const { engine, inputs } = await engineOf(make, options);
      const measured: number[] = [];
      for (let step = 0; step < losses.length; step++) {
        const scalars =
          options.optimizer === 'adam'
            ? adamScalars(EXAMPLES, 0.01, 0.9, step + 1, penalties)
            : sgdScalars(EXAMPLES, 0.1, 0.9, penalties);
        const batch = { size: EXAMPLES, inputs, targets, dropoutMasks: [] };
        const [result] = await engine.take([{ batch, scalars }]);
        measured.push(result.losses.reduce((sum, loss) => sum + loss, 0) / EXAMPLES);
      }
      measured.forEach((loss, step) => {
        expect(Math.abs(loss / losses[step] - 1)).toBeLessThan(1e-5);
      });
      const state = engine.state();
      norms(state.weights).forEach((norm, index) => {
        expect(norm).toBeCloseTo(weights[index], 4);
      });
      norms(state.statistics).forEach((norm, index) => {
        expect(norm).toBeCloseTo(statistics[index], 4);
      });
    },
  );

  it('takes steps at once as one by one, whatever their sizes', { skip }, async () => {
    const sizes = [EXAMPLES, EXAMPLES, EXAMPLES - 1, EXAMPLES];
    const options: TrainingStepOptions = { ...plain, optimizer: 'adam', masked: true, l1: true };
    const ended = async (atOnce: number) => {
      const { engine, inputs } = await engineOf(residual, options, ({ weights }) =>
        weights.filter(({ prunable }) => prunable).map(({ values }) => values.map((_, index) => index % 2)),
      );
      const steps = sizes.map((size, step) => ({
        batch: {
          size,
          inputs: inputs.slice(0, (inputs.length / EXAMPLES) * size).map((value) => value / (step + 1)),
          targets: targets.slice(0, CLASSES * size),
          dropoutMasks: [],
        },
        scalars: adamScalars(size, 0.01, 0.9, step + 1, { ...penalties, l1: 0.01 }),
      }));
      const results = [];
      for (let at = 0; at < steps.length; at += atOnce) {
        results.push(...(await engine.take(steps.slice(at, at + atOnce))));
      }
      return [...results.flatMap(({ losses, logits }) => [losses, logits]), ...Object.values(engine.state())];
    };
    expect(await ended(sizes.length)).toEqual(await ended(1));
  });

  it('keeps masked weights at zero', { skip }, async () => {
    const { engine, inputs } = await engineOf(dense, { ...plain, masked: true }, ({ weights }) =>
      weights.filter(({ prunable }) => prunable).map(({ values }) => values.map((_, index) => index % 2)),
    );
    for (let step = 0; step < 2; step++) {
      const batch = { size: EXAMPLES, inputs, targets, dropoutMasks: [] };
      await engine.take([{ batch, scalars: sgdScalars(EXAMPLES, 0.1, 0.9, penalties) }]);
    }
    const [kernel, bias] = engine.state().weights;
    expect([...kernel].filter((value, index) => index % 2 === 0 && value !== 0)).toEqual([]);
    expect([...kernel].filter((value, index) => index % 2 === 1 && value === 0)).toEqual([]);
    expect(Math.min(...bias.map(Math.abs))).toBeGreaterThan(0);
  });
});
