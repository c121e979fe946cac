import * as tf from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { checkDerivatives, SELF_CHECK_TOLERANCE, type SelfCheck } from '../../src/curvature/self-check.js';
import type { ExampleSource } from '../../src/network/example-source.js';
import { LOSS_NAMES } from '../../src/network/loss.js';
import { randomStream } from '../../src/random.js';
import { flatLogits } from '../support/differences.js';
import {
  dilatedCases,
  imageCases,
  mlpCase,
  sequenceCases,
  smallConvNet,
  upsamplingCases,
} from '../support/network-cases.js';
import { type ModelCase, type SeededProblem, withProblem } from '../support/problems.js';

function check(modelCase: ModelCase, seed = 1): Promise<SelfCheck> {
  return withProblem(modelCase, { seed, examples: 12 }, ({ network, loss, source }) =>
    checkDerivatives(network, loss, source, randomStream(seed, 'self-check')),
  );
}

function worst({ productError, gradientError }: SelfCheck): number {
  return Math.max(productError, gradientError);
}

/** Enough units that every step of a difference passes over kinks. */
function wideCase(activation: 'relu' | 'relu6' | 'selu' | 'elu' | 'hardSigmoid'): ModelCase {
  return {
    name: `wide ${activation}`,
    build: () =>
      sequential({
        layers: [
          layers.dense({ units: 150, inputShape: [8], activation }),
          layers.dense({ units: 80, activation }),
          layers.dense({ units: 4 }),
        ],
      }),
    shape: [8],
    outputs: 4,
    loss: 'cross-entropy',
  };
}

/** Runs a test with another gradient of tanh, from the gradient of its output y and y itself. */
async function withTanhGradient(
  gradient: (dy: tf.Tensor, y: tf.Tensor) => tf.Tensor,
  run: () => Promise<void>,
): Promise<void> {
  const right = tf.getGradient('Tanh');
  tf.unregisterGradient('Tanh');
  tf.registerGradient({ ...right, gradFunc: (dy, [y]) => ({ x: () => gradient(dy as tf.Tensor, y) }) });
  try {
    await run();
  } finally {
    tf.unregisterGradient('Tanh');
    tf.registerGradient(right);
  }
}

const slopeTooLarge = (dy: tf.Tensor, y: tf.Tensor): tf.Tensor =>
  tf.mul(tf.mul(dy, 1.1), tf.sub(1, tf.square(y)));

/** As without the repaired tape: the gradient is right, but its own derivative misses 1 - y^2. */
const slopeHeldConstant = (dy: tf.Tensor, y: tf.Tensor): tf.Tensor =>
  tf.mul(
    dy,
    tf.customGrad((at) => ({
      value: tf.sub(1, tf.square(at as tf.Tensor)),
      gradFunc: () => tf.zerosLike(at as tf.Tensor),
    }))(y),
  );

const wideCases = (['relu', 'relu6', 'selu', 'elu', 'hardSigmoid'] as const).map(wideCase);

describe.each([
  { backend: 'wasm', rightCases: [...wideCases, ...imageCases, ...sequenceCases, ...upsamplingCases] },
  { backend: 'cpu', rightCases: wideCases },
] as const)('the self-check on $backend', ({ backend, rightCases }) => {
  it.each(rightCases)('passes $name', async (modelCase) => {
    await prepareBackend(backend);
    expect(worst(await check(modelCase))).toBeLessThan(SELF_CHECK_TOLERANCE);
  });

  it.each([
    { kernel: 'Tanh', modelCase: mlpCase('tanh'), factor: 1.1 },
    { kernel: 'Relu', modelCase: mlpCase('relu'), factor: 1.1 },
    { kernel: 'MaxPool', modelCase: smallConvNet, factor: 0.9 },
  ])('notices a gradient of $kernel that is off by a tenth', async ({ kernel, modelCase, factor }) => {
    await prepareBackend(backend);
    const right = tf.getGradient(kernel);
    tf.unregisterGradient(kernel);
    tf.registerGradient({
      ...right,
      gradFunc: (dy, saved, attrs) => right.gradFunc(tf.mul(dy as tf.Tensor, factor), saved, attrs),
    });
    try {
      const { gradientError, productError } = await check(modelCase);
      expect(productError).toBeGreaterThan(SELF_CHECK_TOLERANCE);
      expect(gradientError).toBeGreaterThan(1e-3);
    } finally {
      tf.unregisterGradient(kernel);
      tf.registerGradient(right);
    }
    expect(worst(await check(modelCase))).toBeLessThan(SELF_CHECK_TOLERANCE);
  });

  it('notices a second derivative that is dropped', async () => {
    await prepareBackend(backend);
    await withTanhGradient(slopeHeldConstant, async () => {
      const { productError, gradientError } = await check(mlpCase('tanh'));
      expect(productError).toBeGreaterThan(SELF_CHECK_TOLERANCE);
      expect(gradientError).toBeLessThan(1e-3);
    });
  });

  it('leaves no tensors, also after an exception', async () => {
    await prepareBackend(backend);
    const start = tf.memory().numTensors;
    await check(smallConvNet);
    await expect(check(dilatedCases[0])).rejects.toThrow(/dilation/);
    expect(tf.memory().numTensors).toBe(start);
  });
});

it('notices upsampling, whose gradients are wrong on the cpu backend of tfjs', async () => {
  await prepareBackend('cpu');
  const [nearest, bilinear] = upsamplingCases;
  expect(worst(await check(nearest))).toBeGreaterThan(SELF_CHECK_TOLERANCE);
  await expect(check(bilinear)).rejects.toThrow(/shape/);
});

/** Weights or targets that leave little of derivatives; changes the network's weights in place. */
interface Regime {
  name: string;
  loss: ModelCase['loss'];
  apply: (problem: SeededProblem) => Promise<ExampleSource>;
}

const lastLayer = ({ network }: SeededProblem): Float32Array =>
  network.weights.subarray(network.prunable[network.prunable.length - 1].offset);

const scaleBy = (weights: Float32Array, factor: number): void => {
  weights.forEach((weight, i) => {
    weights[i] = factor * weight;
  });
};

/** Targets that the network meets: its outputs, its own classes, or the signs of its logits. */
async function fitted(problem: SeededProblem, error = 0): Promise<ExampleSource> {
  const { network, loss, source } = problem;
  const logits = Float32Array.from(await flatLogits(problem, network.weights));
  const width = network.outputs;
  const noise = randomStream(1, 'residuals');
  const targets = logits.map((logit, i) => {
    const row = logits.subarray(i - (i % width), i - (i % width) + width);
    if (loss === 'mse') {
      return logit + error * noise.normal();
    }
    return Number(loss === 'cross-entropy' ? logit === Math.max(...row) : logit > 0);
  });
  return { ...source, targets: (start, end) => targets.slice(start * width, end * width) };
}

const scaledLast =
  (factor: number, fit = false): Regime['apply'] =>
  async (problem) => {
    scaleBy(lastLayer(problem), factor);
    return fit ? fitted(problem) : problem.source;
  };

const CLASS_LOSSES = ['cross-entropy', 'binary-cross-entropy'] as const;
const regimes: Regime[] = [
  { name: 'a perfect fit', loss: 'mse', apply: (problem) => fitted(problem) },
  { name: 'a fit up to rounding', loss: 'mse', apply: (problem) => fitted(problem, 1e-7) },
  { name: 'a good fit', loss: 'mse', apply: (problem) => fitted(problem, 1e-3) },
  ...CLASS_LOSSES.flatMap((loss): Regime[] => [
    { name: 'a good fit', loss, apply: scaledLast(10, true) },
    { name: 'a fit with losses of 1e-30', loss, apply: scaledLast(60, true) },
    { name: 'a fit with losses of 0', loss, apply: scaledLast(1e4, true) },
    { name: 'logits of 1000', loss, apply: scaledLast(1000) },
    { name: 'logits of 1e4', loss, apply: scaledLast(1e4) },
    { name: 'logits of 1e30', loss, apply: scaledLast(1e30) },
  ]),
  ...LOSS_NAMES.flatMap((loss): Regime[] => [
    {
      name: 'saturated hidden layers',
      loss,
      apply: async ({ network, source }) => {
        scaleBy(network.weights, 1000);
        return source;
      },
    },
    { name: 'a last layer of zeros', loss, apply: scaledLast(0) },
  ]),
];

describe('the self-check of networks that leave little of derivatives', () => {
  beforeAll(() => prepareBackend('wasm'));

  const checkIn = (regime: Regime, seed: number, activation: 'tanh' | 'softplus' = 'tanh') =>
    withProblem(mlpCase(activation, regime.loss), { seed, examples: 12 }, async (problem) => {
      const source = await regime.apply(problem);
      return checkDerivatives(problem.network, problem.loss, source, randomStream(seed, 'self-check'));
    });

  it.each(regimes)('passes $name, $loss', async (regime) => {
    for (const activation of ['tanh', 'softplus'] as const) {
      for (const seed of [1, 2]) {
        const found = await checkIn(regime, seed, activation);
        expect(worst(found)).toBeLessThan(SELF_CHECK_TOLERANCE);
        // The program itself was checked, wherever that was.
        expect(found.resolution).toBeLessThan(SELF_CHECK_TOLERANCE);
        expect(found.trainedResolution).toBeGreaterThanOrEqual(found.resolution);
      }
    }
  });

  it('says where derivatives at the trained weights are lost in noise', async () => {
    const found = async (name: string): Promise<number> =>
      (await checkIn(regimes.find((one) => one.name === name) as Regime, 1)).trainedResolution;
    expect(await found('a fit with losses of 0')).toBeGreaterThan(SELF_CHECK_TOLERANCE);
    expect(await found('a perfect fit')).toBeLessThan(SELF_CHECK_TOLERANCE);
  });

  it.each(regimes)('refuses a gradient that is off by a tenth, $name, $loss', async (regime) => {
    await withTanhGradient(slopeTooLarge, async () => {
      expect(worst(await checkIn(regime, 1))).toBeGreaterThan(SELF_CHECK_TOLERANCE);
    });
  });

  it.each(regimes)('refuses a second derivative that is dropped, $name, $loss', async (regime) => {
    await withTanhGradient(slopeHeldConstant, async () => {
      expect(worst(await checkIn(regime, 1))).toBeGreaterThan(SELF_CHECK_TOLERANCE);
    });
  });
});
