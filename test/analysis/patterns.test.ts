import { beforeAll, expect, it } from 'vitest';
import { measurePatterns, patternKernels } from '../../src/analysis/patterns.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { curvatureOperator, lossGradient } from '../../src/curvature/products.js';
import type { Evaluation } from '../../src/network/evaluation.js';
import { silentProgress } from '../../src/progress.js';
import { batchesOf, evaluatorOf, fixedCheckpoint, problemOf, smallModel } from './support.js';

beforeAll(() => prepareBackend('cpu'));

it('are predicted by g d + 1/2 d H d, worked out by hand', async () => {
  // One kernel [4, 1] = (1, 2, 3, -4): 2:4 removes 1 and 2, so d = (-1, -2, 0, 0).
  // H = diag(2, 4, 6, 8), g = (1, 0, 5, 5): g'd = -1, 1/2 d'Hd = (2 + 16) / 2 = 9.
  const weights = Float32Array.of(1, 2, 3, -4);
  const found = await measurePatterns(
    {
      kernels: [
        {
          ...{ name: 'k', shape: [4, 1], offset: 0, size: 4 },
          ...{ axes: { input: 0, output: 1 }, givesOutputs: false },
        },
      ],
      weights,
      curvature: { dim: 4, apply: async (v) => Float64Array.from(v, (entry, i) => (2 + 2 * i) * entry) },
      gradient: Float64Array.of(1, 0, 5, 5),
      train: { at: async (at) => ({ meanLoss: at[0]! + at[1]! + 10, accuracy: 0.75 }) as Evaluation },
      test: null,
      denseLoss: 13,
    },
    ['2:4'],
    silentProgress,
  );
  expect(found).toEqual([
    {
      name: '2:4',
      prunedWeights: 2,
      predictedIncrease: 8,
      lossIncrease: -3,
      trainAccuracy: 0.75,
      testAccuracy: null,
      leftDense: [],
    },
  ]);
});

it('of a network are put on the kernels along their inputs, and spare its outputs', async () => {
  // Kernels [4, 8] and [8, 3]; weights small enough for the quadratic model.
  const checkpoint = await fixedCheckpoint(smallModel(4, 8, 3), 0.2);
  const problem = await problemOf(checkpoint, { count: 20, shape: [4] });
  const { network, loss } = problem;
  const kernels = patternKernels(checkpoint, network);
  expect(kernels.map(({ shape, axes, givesOutputs }) => ({ shape, axes, givesOutputs }))).toEqual([
    { shape: [4, 8], axes: { input: 0, output: 1 }, givesOutputs: false },
    { shape: [8, 3], axes: { input: 0, output: 1 }, givesOutputs: true },
  ]);
  const lossProblem = { network, loss, batches: batchesOf(problem) };
  const train = evaluatorOf(problem);
  const { gradient } = await lossGradient(lossProblem, network.weights);
  const [groups, channels] = await measurePatterns(
    {
      kernels,
      weights: network.weights,
      curvature: curvatureOperator(lossProblem, 'hessian'),
      gradient,
      train,
      test: train,
      denseLoss: (await train.at(network.weights)).meanLoss,
    },
    ['2:4', 'channel:25%'],
    silentProgress,
  );
  expect(groups).toMatchObject({ prunedWeights: 28, leftDense: [] });
  expect(channels).toMatchObject({ prunedWeights: 8 });
  expect(channels!.leftDense.map(({ name }) => name)).toEqual([network.prunable[1]!.name]);
  for (const { predictedIncrease, lossIncrease } of [groups!, channels!]) {
    // Third order is small here.
    expect(Math.abs(predictedIncrease - lossIncrease)).toBeLessThan(0.1 * Math.abs(lossIncrease));
  }
});
