import * as tf from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { checkDerivatives, SELF_CHECK_TOLERANCE, type SelfCheck } from '../../src/curvature/self-check.js';
import { randomStream } from '../../src/random.js';
import {
  dilatedCases,
  imageCases,
  mlpCase,
  sequenceCases,
  smallConvNet,
  upsamplingCases,
} from '../support/network-cases.js';
import { type ModelCase, withProblem } from '../support/problems.js';

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
    const right = tf.getGradient('Tanh');
    tf.unregisterGradient('Tanh');
    // As without the repaired tape: the gradient is right, but its own derivative misses 1 - y^2.
    const blind = tf.customGrad((y) => ({
      value: tf.sub(1, tf.square(y as tf.Tensor)),
      gradFunc: () => tf.zerosLike(y as tf.Tensor),
    }));
    tf.registerGradient({
      ...right,
      gradFunc: (dy, [y]) => ({ x: () => tf.mul(dy as tf.Tensor, blind(y)) }),
    });
    try {
      const { productError, gradientError } = await check(mlpCase('tanh'));
      expect(productError).toBeGreaterThan(SELF_CHECK_TOLERANCE);
      expect(gradientError).toBeLessThan(1e-3);
    } finally {
      tf.unregisterGradient('Tanh');
      tf.registerGradient(right);
    }
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
