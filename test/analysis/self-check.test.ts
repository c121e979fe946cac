import {
  type GradConfig,
  getGradient,
  memory,
  mul,
  registerGradient,
  square,
  sub,
  Tanh,
  type Tensor,
  tensor,
  unregisterGradient,
} from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Problem } from '../../src/analysis/problem.js';
import { requireRightDerivatives } from '../../src/analysis/self-check.js';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { expectInputError } from '../dataset/support.js';
import { fixedCheckpoint, problemOf, smallModel } from './support.js';

beforeAll(() => prepareBackend('cpu'));

/** Replaces the gradient of tanh, whose saved output is y, until the test is over. */
function sabotageTanh(gradient: (dy: Tensor, y: Tensor) => Tensor): void {
  const right = getGradient(Tanh);
  const replace = (config: GradConfig): void => {
    unregisterGradient(Tanh);
    registerGradient(config);
  };
  onTestFinished(() => replace(right));
  const gradFunc: GradConfig['gradFunc'] = (dy, [y]) => ({ x: () => gradient(dy as Tensor, y) });
  replace({ ...right, gradFunc });
}

async function smallProblem(): Promise<[Problem, LayersCheckpoint]> {
  const checkpoint = await fixedCheckpoint(smallModel(), 2);
  return [await problemOf(checkpoint, { count: 30, shape: [4] }), checkpoint];
}

describe('requireRightDerivatives', () => {
  it('passes right derivatives, and says how right; the same for the same seed', async () => {
    const [problem, checkpoint] = await smallProblem();
    const check = await requireRightDerivatives(problem, checkpoint, 0);
    expect(check.productError).toBeLessThan(1e-3);
    expect(check.gradientError).toBeLessThan(1e-3);
    expect(await requireRightDerivatives(problem, checkpoint, 0)).toEqual(check);
  });

  it('refuses a wrong first derivative', async () => {
    const [problem, checkpoint] = await smallProblem();
    sabotageTanh((dy, y) => mul(mul(dy, sub(1, square(y))), 1.1));
    await expectInputError(
      () => requireRightDerivatives(problem, checkpoint, 0),
      'analysis/self-check',
      /disagree with finite differences/,
      /one of its operations: Dense$/,
    );
  });

  it('refuses a second derivative with a term missing, and leaves no tensor behind', async () => {
    const [problem, checkpoint] = await smallProblem();
    sabotageTanh((dy, y) => mul(dy, sub(1, square(tensor(y.dataSync(), y.shape)))));
    const before = memory().numTensors;
    await expectInputError(
      () => requireRightDerivatives(problem, checkpoint, 0),
      'analysis/self-check',
      /Hessian product \d\.\de[+-]\d/,
    );
    expect(memory().numTensors).toBe(before);
  });

  it('refuses an operation without a second derivative by its name', async () => {
    const model = sequential({
      layers: [
        layers.conv2d({ filters: 2, kernelSize: 2, dilationRate: 2, inputShape: [6, 6, 1] }),
        layers.flatten(),
        layers.dense({ units: 3 }),
      ],
    });
    const checkpoint = await fixedCheckpoint(model);
    const problem = await problemOf(checkpoint, { count: 10, shape: [6, 6, 1] });
    await expectInputError(
      () => requireRightDerivatives(problem, checkpoint, 0),
      'analysis/unsupported-layer',
      /no second derivative here: .*dilation/i,
    );
  });

  it('passes other failures on as they are', async () => {
    const [problem, checkpoint] = await smallProblem();
    const broken: Problem = {
      ...problem,
      train: {
        ...problem.train,
        inputs: () => {
          throw new TypeError('oops');
        },
      },
    };
    await expect(requireRightDerivatives(broken, checkpoint, 0)).rejects.toThrow(new TypeError('oops'));
  });
});
